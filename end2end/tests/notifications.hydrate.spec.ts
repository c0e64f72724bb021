import type { Page } from '@playwright/test';

import { expect, test } from '../fixtures.ts';
import { accessibilityProblems } from '../support/axe.ts';

test.use({ serverArgs: ['--clock-interval', '1h', '--retry', '200ms'] });

/** Replaces the system's notifications by a list, and lets a test say whether the page is hidden. */
async function watchSystem(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shown: string[] = [];
    class FakeNotification {
      static permission = 'granted';
      static requestPermission = async () => 'granted';
      constructor(_title: string, { body }: { body: string }) {
        shown.push(body);
      }
    }
    let hidden = false;
    Object.defineProperty(document, 'hidden', { get: () => hidden });
    Object.assign(window, {
      Notification: FakeNotification,
      shown,
      hide(is: boolean) {
        hidden = is;
        document.dispatchEvent(new Event('visibilitychange'));
      },
    });
  });
}

const hide = (page: Page, is: boolean) => page.evaluate((is) => (window as unknown as { hide(is: boolean): void }).hide(is), is);
const shownOn = (page: Page) => page.evaluate(() => (window as unknown as { shown: string[] }).shown);

async function open(page: Page): Promise<string> {
  await page.goto('/notifications');
  await expect(page.locator('#said')).toContainText('Live');
  return (await page.locator('main').getAttribute('data-topic')) ?? '';
}

test('what is published by another program arrives, is counted, and is read one by one or all at once', async ({ page, server }) => {
  const topic = await open(page);
  const publish = (text: string) => fetch(`${server.url}/topics/${topic}`, { method: 'POST', body: text });
  const notes = page.locator('#notes > li');
  const unread = page.locator('#notes > li.is-unread');
  for (const text of ['one', 'two', 'three']) await publish(text);
  await expect(notes.locator('.note-text')).toHaveText(['three', 'two', 'one']);
  await expect(page).toHaveTitle('(3) Notifications – Fairwind');
  await expect(page.locator('#unread')).toHaveText('3 unread');
  await expect(page.locator('#said')).toHaveText(/^3 new notifications$|^New: three$/);
  await notes.nth(1).getByRole('button', { name: 'Mark as read' }).click();
  await expect(page).toHaveTitle('(2) Notifications – Fairwind');
  await page.reload();
  await expect(unread.locator('.note-text')).toHaveText(['three', 'one']);
  await page.getByRole('button', { name: 'Mark all as read' }).click();
  await expect(unread).toHaveCount(0);
  await expect(page).toHaveTitle('Notifications – Fairwind');
  await publish('four');
  await expect(unread.locator('.note-text')).toHaveText(['four']);
  await page.reload();
  await expect(unread.locator('.note-text')).toHaveText(['four']);
  await expect(notes).toHaveCount(4);
});

test('two tabs have the same list and the same count, and the system shows each notification once', async ({ context, page, server }) => {
  const other = await context.newPage();
  for (const tab of [page, other]) await watchSystem(tab);
  const topic = await open(page);
  expect(await open(other)).toBe(topic);
  const publish = (text: string) => fetch(`${server.url}/topics/${topic}`, { method: 'POST', body: text });
  await publish('seen');
  for (const tab of [page, other]) await expect(tab.locator('#notes > li')).toHaveCount(1);
  await hide(page, true);
  await publish('seen in the other tab');
  for (const tab of [page, other]) await expect(tab.locator('#notes > li')).toHaveCount(2);
  await hide(other, true);
  // Both have given up the lock by which they are seen.
  await expect
    .poll(() => page.evaluate(async () => (await navigator.locks.query()).held?.some(({ name }) => name === 'fairwind inbox is seen')))
    .toBe(false);
  for (const text of ['a', 'b', 'c']) await publish(text);
  for (const tab of [page, other]) await expect(tab.locator('#notes > li')).toHaveCount(5);
  await expect.poll(async () => [...(await shownOn(page)), ...(await shownOn(other))].sort()).toEqual(['a', 'b', 'c']);
  await page.getByRole('button', { name: 'Mark all as read' }).click();
  await expect(other).toHaveTitle('Notifications – Fairwind');
});

test('what is scheduled arrives in time, and leaves the list of what is scheduled', async ({ page, server }) => {
  const topic = await open(page);
  await fetch(`${server.url}/topics/${topic}?in=1500ms`, { method: 'POST', body: 'in time' });
  await page.reload();
  await expect(page.locator('#scheduled li')).toHaveText(/in time/);
  await expect(page.locator('#notes > li')).toHaveText(/in time/);
  await expect(page.locator('#scheduled li')).toHaveCount(0);
});

test.describe('a server with a folder', () => {
  test.use({ serverArgs: ['--clock-interval', '1h', '--retry', '200ms', '--data', 'notifications'] });

  test('is killed in between: nothing is lost, nothing comes twice, and what was due meanwhile arrives', async ({
    consoleWatch,
    page,
    server,
  }) => {
    consoleWatch.allowOutage(server.url);
    const topic = await open(page);
    const publish = (text: string, query = '') => fetch(`${server.url}/topics/${topic}${query}`, { method: 'POST', body: text });
    await publish('before');
    await publish('meanwhile', '?in=1s');
    await expect(page.locator('#notes > li')).toHaveCount(1);
    await server.kill();
    await expect(page.locator('#said')).toContainText('the server does not answer');
    await server.start();
    const texts = page.locator('#notes .note-text');
    await expect(texts).toHaveText(['meanwhile', 'before'], { timeout: 20_000 });
    await publish('after');
    await expect(texts).toHaveText(['after', 'meanwhile', 'before']);
    await page.reload();
    await expect(texts).toHaveText(['after', 'meanwhile', 'before']);
  });
});

test('the keyboard reaches everything, and the focus is never lost', async ({ page, server }) => {
  const topic = await open(page);
  await fetch(`${server.url}/topics/${topic}`, { method: 'POST', body: 'one' });
  await fetch(`${server.url}/topics/${topic}?in=1h`, { method: 'POST', body: 'later' });
  await page.reload();
  await expect(page.locator('#notes > li.is-unread')).toHaveCount(1);
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the notifications' })).toBeFocused();
  await page.getByRole('button', { name: 'Mark as read', exact: true }).focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('.notes')).toBeFocused();
  await page.getByLabel('Text').focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('#notes > li')).toHaveCount(2);
  await page.getByRole('button', { name: 'Cancel' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('#scheduled li')).toHaveCount(0);
  await expect(page.locator('#later-heading')).toBeFocused();
});

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme });

    test('axe finds nothing, and nothing moves while the page comes alive', async ({ page, server }) => {
      await page.addInitScript(() => {
        Object.assign(window, { moved: [] });
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) (window as unknown as { moved: number[] }).moved.push((entry as unknown as { value: number }).value);
        }).observe({ type: 'layout-shift', buffered: true });
      });
      const topic = await open(page);
      for (const query of ['', '', '?in=1h']) await fetch(`${server.url}/topics/${topic}${query}`, { method: 'POST', body: 'x' });
      await page.reload();
      await expect(page.locator('#notes > li.is-unread')).toHaveCount(2);
      await expect(page.locator('#said')).toContainText('Live');
      expect(await page.evaluate(() => (window as unknown as { moved: number[] }).moved)).toEqual([]);
      expect(await accessibilityProblems(page)).toEqual([]);
    });
  });
}
