import type { Page } from '@playwright/test';

import { expect, test } from '../fixtures.ts';
import { accessibilityProblems } from '../support/axe.ts';
import { recordShifts, shifts } from '../support/layout.ts';
import { tasksWhile } from '../support/tasks.ts';

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
  await expect(page.locator('#news')).toHaveText(/^\d new notifications$|^New: (one|two|three)$/);
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
  const shown = async (): Promise<string[]> => [...(await shownOn(page)), ...(await shownOn(other))].sort();
  for (const text of ['a', 'b', 'c']) {
    await publish(text);
    await expect.poll(shown).toContain(text);
  }
  for (const tab of [page, other]) await expect(tab.locator('#notes > li')).toHaveCount(5);
  // Each has had its turn since.
  for (const tab of [page, other]) await tab.evaluate(() => navigator.locks.request('fairwind inbox is shown', () => {}));
  expect(await shown()).toEqual(['a', 'b', 'c']);
  await page.getByRole('button', { name: 'Mark all as read' }).click();
  await expect(other).toHaveTitle('Notifications – Fairwind');
});

test('of what arrives together, the system shows what no other tab has shown', async ({ page, server }) => {
  await watchSystem(page);
  await page.clock.install();
  const topic = await open(page);
  await hide(page, true);
  await page.evaluate(async (topic) => {
    const arrived: string[] = [];
    const script = '/fairwind.js';
    const { subscribe } = await import(script);
    subscribe(topic, ({ data }: { data: string }) => arrived.push(data));
    Object.assign(window, { arrived });
  }, topic);
  const arrived = () => page.evaluate(() => (window as unknown as { arrived: string[] }).arrived);
  const publish = async (text: string) => {
    const answer = await fetch(`${server.url}/topics/${topic}`, { method: 'POST', body: text });
    return ((await answer.json()) as { id: string }).id;
  };
  await publish('a');
  await expect.poll(() => shownOn(page)).toEqual(['a']);
  await page.clock.pauseAt(new Date(Date.now() + 3_600_000));
  await publish('b');
  await expect.poll(() => shownOn(page)).toEqual(['a', 'b']);
  const third = await publish('c');
  await publish('d');
  await expect.poll(arrived).toEqual(['a', 'b', 'c', 'd']);
  // Another tab shows the third meanwhile.
  await page.evaluate(([topic, third]) => localStorage.setItem(`fairwind ${topic} shown`, third), [topic, third] as const);
  await page.clock.runFor(1_000);
  await expect.poll(() => shownOn(page)).toEqual(['a', 'b', 'd']);
});

test('what is scheduled arrives in time, and leaves the list of what is scheduled', async ({ page, server }) => {
  const topic = await open(page);
  await fetch(`${server.url}/topics/${topic}?in=1h`, { method: 'POST', body: 'later' });
  // The reader comes back from the terminal.
  await page.evaluate(() => dispatchEvent(new Event('focus')));
  await expect(page.locator('#scheduled li')).toHaveText(/later/);
  await page.getByLabel('Text').fill('in time');
  await page.getByLabel('When').selectOption('In 10 seconds');
  await page.getByRole('button', { name: 'Notify', exact: true }).click();
  await expect(page.locator('#scheduled li')).toHaveText([/in time/, /later/]);
  await expect(page.locator('#notes > li')).toHaveText(/in time/, { timeout: 20_000 });
  await expect(page.locator('#scheduled li')).toHaveText([/later/]);
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
    const { scheduled, at } = await (await publish('meanwhile', '?in=1s')).json();
    expect(scheduled).toBeTruthy();
    const due = Date.parse(at);
    await expect(page.locator('#notes > li')).toHaveCount(1);
    await server.kill();
    await expect(page.locator('#said')).toContainText('the server does not answer');
    await expect.poll(() => Date.now() > due).toBe(true);
    await server.start();
    const texts = page.locator('#notes .note-text');
    await expect(texts).toHaveText(['meanwhile', 'before'], { timeout: 20_000 });
    await publish('after');
    await expect(texts).toHaveText(['after', 'meanwhile', 'before']);
    await page.reload();
    await expect(texts).toHaveText(['after', 'meanwhile', 'before']);
  });
});

test('a server that is started anew without a folder: what is missing is said, and all can be marked as read', async ({
  consoleWatch,
  page,
  server,
}) => {
  consoleWatch.allowOutage(server.url);
  const topic = await open(page);
  const publish = (text: string) => fetch(`${server.url}/topics/${topic}`, { method: 'POST', body: text });
  const unread = page.locator('#notes > li.is-unread');
  await publish('one');
  await publish('two');
  await expect(unread).toHaveCount(2);
  await page.getByRole('button', { name: 'Mark all as read' }).click();
  await expect(unread).toHaveCount(0);
  await server.kill();
  await server.start();
  await expect(page.locator('#notes .missing')).toHaveText(/^Some are missing/, { timeout: 20_000 });
  await expect(page.locator('#said')).toHaveText(/^Live/);
  await publish('three');
  await expect(unread.locator('.note-text')).toHaveText(['three']);
  await page.getByRole('button', { name: 'Mark all as read' }).click();
  await expect(unread).toHaveCount(0);
  await expect(page).toHaveTitle('Notifications – Fairwind');
});

test('a hidden tab that gets something late does not have the system show what another tab has shown or its reader has read', async ({
  context,
  page,
  server,
}) => {
  const other = await context.newPage();
  for (const tab of [page, other]) await watchSystem(tab);
  const topic = await open(other);
  // The script of this tab waits while the other one gets the first two.
  let goOn = () => {};
  const waiting = new Promise<void>((resolve) => (goOn = resolve));
  await page.route('**/notifications.js', async (route) => {
    await waiting;
    await route.continue();
  });
  await page.goto('/notifications', { waitUntil: 'commit' });
  await expect(page.locator('#requests-heading')).toBeVisible();
  await hide(page, true);
  const publish = (text: string) => fetch(`${server.url}/topics/${topic}`, { method: 'POST', body: text });
  await publish('seen');
  await expect(other.locator('#notes > li')).toHaveCount(1);
  await hide(other, true);
  await expect
    .poll(() => other.evaluate(async () => (await navigator.locks.query()).held?.some(({ name }) => name === 'fairwind inbox is seen')))
    .toBe(false);
  await publish('shown');
  await expect.poll(() => shownOn(other)).toEqual(['shown']);
  goOn();
  await expect(page.locator('#notes > li')).toHaveCount(2);
  await publish('new');
  for (const tab of [page, other]) await expect(tab.locator('#notes > li')).toHaveCount(3);
  await expect.poll(async () => [...(await shownOn(page)), ...(await shownOn(other))].sort()).toEqual(['new', 'shown']);
});

test('very many at once are one notification of the system, a bounded list, and no long task', async ({ page, server }) => {
  await watchSystem(page);
  const topic = await open(page);
  await hide(page, true);
  const lines = Array.from({ length: 300 }, (_, number) => JSON.stringify({ data: `${number}` })).join('\n');
  const { longest } = await tasksWhile(page, async () => {
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await fetch(`${server.url}/topics/${topic}`, { method: 'POST', headers, body: lines });
    expect(answer.status).toBe(200);
    await expect(page.locator('#notes > li').first()).toHaveText(/299/);
    await expect(page.locator('#notes > li')).toHaveCount(50);
  });
  expect(longest, 'the longest task, in ms').toBeLessThanOrEqual(50);
  await expect(page).toHaveTitle('(50+) Notifications – Fairwind');
  expect((await shownOn(page)).length).toBeLessThan(10);
  await expect(page.locator('#news')).toHaveText(/^\d+ new notifications$/);
  await page.getByRole('link', { name: 'Earlier ones' }).click();
  await expect(page.locator('main')).toContainText('249');
});

test('a topic that has ended is said to have, and the next page has another', async ({ page, server }) => {
  const topic = await open(page);
  const answer = await fetch(`${server.url}/topics/${topic}`, { method: 'DELETE' });
  expect(answer.ok).toBe(true);
  await expect(page.locator('#said')).toContainText('has ended');
  await page.reload();
  await expect(page.locator('#said')).toContainText('Live');
  expect(await page.locator('main').getAttribute('data-topic')).not.toBe(topic);
});

test('where the browser keeps nothing and refuses notifications, the page says so and goes on', async ({ page, server }) => {
  await page.addInitScript(() => {
    const refused = () => {
      throw new DOMException('refused', 'SecurityError');
    };
    Object.defineProperty(window, 'localStorage', { get: refused });
    Object.defineProperty(navigator, 'locks', { value: { request: async () => refused(), query: async () => refused() } });
    Object.defineProperty(window, 'Notification', { value: undefined });
  });
  const topic = await open(page);
  await expect(page.locator('#allow')).toBeDisabled();
  await expect(page.locator('#allow-said')).toHaveText('This browser shows no system notifications for this page.');
  await fetch(`${server.url}/topics/${topic}`, { method: 'POST', body: '茶'.repeat(900) });
  // As many bytes as the server renders.
  await expect(page.locator('.note-text')).toHaveText('茶'.repeat(333) + '…');
  await page.getByRole('button', { name: 'Mark as read', exact: true }).click();
  await expect(page).toHaveTitle('Notifications – Fairwind');
  await page.reload();
  await expect(page.locator('.note-text')).toHaveText('茶'.repeat(333) + '…');
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
  const notify = page.getByRole('button', { name: 'Notify', exact: true });
  await notify.focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('#outcome')).toHaveText('Sent.');
  await expect(notify).toBeFocused();
  await expect(page.locator('#notes > li')).toHaveCount(2);
  await page.getByLabel('Text').focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('#notes > li')).toHaveCount(3);
  await page.getByRole('button', { name: 'Mark as read', exact: true }).first().focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Mark as read', exact: true })).toBeFocused();
  await page.getByRole('button', { name: 'Cancel' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('#scheduled li')).toHaveCount(0);
  await expect(page.locator('#later-heading')).toBeFocused();
});

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme });

    test('axe finds nothing, and nothing moves while the page comes alive', async ({ page, server }) => {
      await recordShifts(page);
      const topic = await open(page);
      for (const query of ['', '', '?in=1h']) await fetch(`${server.url}/topics/${topic}${query}`, { method: 'POST', body: 'x' });
      await page.reload();
      await expect(page.locator('#notes > li.is-unread')).toHaveCount(2);
      await expect(page.locator('#said')).toContainText('Live');
      expect(await shifts(page)).toEqual([]);
      expect(await accessibilityProblems(page)).toEqual([]);
    });
  });
}
