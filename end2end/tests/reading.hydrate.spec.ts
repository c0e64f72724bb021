import type { Locator } from '@playwright/test';

import { expect, test } from '../fixtures.ts';
import type { ClockPage } from '../pages/clock_page.ts';

test.use({ serverArgs: ['--clock-interval', '100ms', '--retry', '200ms'] });

const isScrollable = (list: Locator) => list.evaluate((element) => element.scrollHeight > element.clientHeight + 100);
const scrollTop = (list: Locator) => list.evaluate((element) => element.scrollTop);
/** How far the end of the newest row is below the list's own: pixels. */
const distanceToEnd = (list: Locator) =>
  list.evaluate((element) => {
    const last = element.querySelector('li:last-child');
    return (last?.getBoundingClientRect().bottom ?? 0) - element.getBoundingClientRect().bottom;
  });

/**
 * Turns the wheel until the list is there. A row that is added while Chromium is still gliding can stop it half-way,
 * which at this pace of the clock is no rarity: then the reader turns on.
 */
async function scrollUntil(scroll: () => Promise<void>, isThere: () => Promise<boolean>): Promise<void> {
  await expect(async () => {
    await scroll();
    await expect.poll(isThere, { timeout: 1_000 }).toBe(true);
  }).toPass();
}

/** Opens the page with more messages than fit into the list. Gives what scrolls. */
async function openLongList(clock: ClockPage): Promise<Locator> {
  await clock.openLive();
  const list = clock.messages;
  await expect.poll(() => isScrollable(list)).toBe(true);
  return list;
}

test('a reader at the end follows the newest message', async ({ clock }) => {
  const list = await openLongList(clock);
  for (const _ of [1, 2, 3]) {
    await clock.hasMoreMessages(2);
    await expect.poll(() => distanceToEnd(list)).toBeLessThan(2);
  }
});

test('a reader who has scrolled away is left in peace, and can come back', async ({ clock, server }) => {
  const list = await openLongList(clock);
  await list.hover();
  await scrollUntil(() => clock.page.mouse.wheel(0, -10_000), async () => (await distanceToEnd(list)) > 100);
  // Until it no longer glides.
  await expect.poll(() => scrollTop(list).then((before) => scrollTop(list).then((now) => now - before))).toBe(0);
  const away = await scrollTop(list);

  const ticks = server.ticks();
  await expect.poll(() => server.ticks()).toBeGreaterThan(ticks + 10);
  expect(await scrollTop(list)).toBe(away);
  const news = clock.button(/^\d+ new$/);
  await expect(news).toBeVisible();

  await news.click();
  await expect.poll(() => distanceToEnd(list)).toBeLessThan(2);
  await expect(news).toBeHidden();
  await clock.hasMoreMessages(2);
  await expect.poll(() => distanceToEnd(list)).toBeLessThan(2);
  await clock.hasEachMessageOnce();
});

test('the keyboard scrolls the list', async ({ clock }) => {
  const list = await openLongList(clock);
  await list.focus();
  await expect(list).toBeFocused();
  await clock.page.keyboard.press('Home');
  await expect.poll(() => list.evaluate((element) => element.scrollTop + element.scrollHeight - element.clientHeight)).toBeLessThan(2);
  await expect(clock.button(/^\d+ new$/)).toBeVisible();
  await clock.page.keyboard.press('End');
  await expect.poll(() => distanceToEnd(list)).toBeLessThan(2);
  await expect(clock.button(/^\d+ new$/)).toBeHidden();
});

test('the page itself never scrolls', async ({ clock, page }) => {
  await page.setViewportSize({ width: 390, height: 500 });
  await openLongList(clock);
  const before = await page.evaluate(() => window.scrollY);
  await clock.hasMoreMessages(10);
  expect(await page.evaluate(() => window.scrollY)).toBe(before);
});
