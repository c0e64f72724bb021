import type { Page } from '@playwright/test';

import { expect, test } from '../fixtures.ts';
import { publishSteadily } from '../support/steady_publisher.mjs';

const RATE = 2_000;

/** What a reader waits at most, in milliseconds: generous, since the machine may be busy with other programs. */
const USABLE = 5_000;

test.setTimeout(90_000);
// Without the clock, the topic's events have offsets that follow each other, and none can be missing unseen.
test.use({ serverArgs: ['--clock-interval', 'off', '--retry', '200ms'] });

/** Does something and gives how long it took until the page has painted its outcome. */
async function timed(page: Page, act: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await act();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  return performance.now() - began;
}

test(`${RATE} events per second leave the page usable`, async ({ kitchen, page, server }) => {
  await kitchen.openLive();
  const publisher = publishSteadily(server.url + kitchen.path, RATE);
  try {
    await expect(kitchen.stat('messages')).toHaveText(/^\d+,\d{3}$/);
    expect(await kitchen.rows.count(), 'rows out of sight are not in the document').toBeLessThan(200);

    // The filter takes each letter, and counts at once.
    expect(await timed(page, () => kitchen.filter.fill('boiler-3'))).toBeLessThan(USABLE);
    await expect(kitchen.filterCount).toHaveText(/^\d{1,3} of 1,000 shown$/);
    for (const text of await kitchen.data()) expect(text).toContain('boiler-3');
    expect(await timed(page, () => kitchen.filter.fill(''))).toBeLessThan(USABLE);

    // A reader who scrolls away is left in peace, and has every row that is kept.
    await kitchen.messages.hover();
    await page.mouse.wheel(0, -600);
    await expect(kitchen.button(/^[\d,]+ new$/)).toBeVisible();
    // Nothing moves under the eye while older rows are added to the document.
    const underTheEye = () =>
      kitchen.messages.evaluate((list) => {
        const { left, top } = list.getBoundingClientRect();
        const row = document.elementFromPoint(left + 40, top + 60)?.closest('li');
        return [row?.dataset.id, row?.getBoundingClientRect().top];
      });
    await expect(async () => {
      const before = await underTheEye();
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      expect(await underTheEye()).toEqual(before);
    }).toPass();
    const row = await underTheEye();
    await expect(kitchen.rows).toHaveCount(1_000, { timeout: 30_000 });
    expect(await underTheEye()).toEqual(row);
    const top = () => kitchen.messages.evaluate((list) => list.scrollTop);
    const seen = await top();
    const ids = await kitchen.ids();
    const received = (await kitchen.stat('messages').textContent()) ?? '';
    await expect(kitchen.stat('messages')).not.toHaveText(received);
    expect([await top(), await kitchen.ids()]).toEqual([seen, ids]);
    expect(await timed(page, () => page.locator('.jump').click())).toBeLessThan(USABLE);
    await expect.poll(top).toBeGreaterThan(-16);

    expect(await timed(page, () => kitchen.button('Pause').click())).toBeLessThan(USABLE);
    await expect(kitchen.rows).toHaveCount(1_000, { timeout: 30_000 });
    expect(await timed(page, () => kitchen.button('Resume').click())).toBeLessThan(USABLE);
  } finally {
    publisher.stop();
  }
  // The page has shown the newest event, and lost none on the way.
  await expect(kitchen.stat('messages')).toHaveText(publisher.sent().toLocaleString('en'));
  await expect(kitchen.rows).toHaveCount(1_000, { timeout: 30_000 });
  await expect(kitchen.gaps).toHaveCount(0);
  await kitchen.hasEachMessageOnce();
});

test('the keyboard goes to the start of a busy list, and stays there', async ({ kitchen, page, server }) => {
  await kitchen.openLive();
  const publisher = publishSteadily(server.url + kitchen.path, RATE);
  try {
    await expect(kitchen.stat('messages')).toHaveText(/^\d+,\d{3}$/);
    await kitchen.messages.focus();
    await page.keyboard.press('Home');
    await expect(kitchen.rows).toHaveCount(1_000, { timeout: 30_000 });
    const toStart = () => kitchen.messages.evaluate((list) => list.scrollTop + list.scrollHeight - list.clientHeight);
    await expect.poll(toStart).toBeLessThan(2);
    await page.keyboard.press('End');
    await expect.poll(() => kitchen.messages.evaluate((list) => list.scrollTop)).toBeGreaterThan(-16);
  } finally {
    publisher.stop();
  }
});
