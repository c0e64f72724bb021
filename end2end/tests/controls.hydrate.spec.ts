import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { expect, test } from '../fixtures.ts';
import { parseEventId } from '../pages/clock_page.ts';

test('a pause holds the list, and resuming brings everything that came meanwhile', async ({ clock, server }) => {
  await clock.openLive();
  await clock.hasMoreMessages(3);
  await clock.button('Pause').click();
  await expect(clock.button('Resume')).toBeVisible();
  await expect(clock.announcer).toContainText('Paused');
  const held = await clock.ids();
  const moment = await clock.now.getAttribute('datetime');

  const ticks = server.ticks();
  await expect.poll(() => server.ticks()).toBeGreaterThan(ticks + 5);
  expect(await clock.ids()).toEqual(held);
  await expect(clock.now).toHaveAttribute('datetime', moment ?? '');
  await expect(clock.connection).toHaveAttribute('data-state', 'live');
  await expect(clock.main).toContainText(/Paused: [5-9]\d* waiting|Paused: \d\d+ waiting/);

  await clock.button('Resume').click();
  await clock.hasMessages(held.length + 6);
  expect((await clock.ids()).slice(0, held.length)).toEqual(held);
  await clock.hasEachMessageOnce();
  await expect(clock.announcer).toContainText('Resumed');
});

test('the list is cleared, and goes on', async ({ clock }) => {
  await clock.openLive();
  await clock.hasMoreMessages(3);
  const last = (await clock.ids()).at(-1) ?? '';
  await clock.button('Clear').click();
  await expect(clock.announcer).toContainText('Cleared');
  await clock.hasMessages(3);
  const ids = await clock.ids();
  expect(ids).not.toContain(last);
  expect(parseEventId(ids[0]).offset).toBeGreaterThan(parseEventId(last).offset);
  await clock.hasEachMessageOnce();
});

test('a pause keeps what waits through a clear', async ({ clock, server }) => {
  await clock.openLive();
  await clock.button('Pause').click();
  const ticks = server.ticks();
  await expect.poll(() => server.ticks()).toBeGreaterThan(ticks + 3);
  await clock.button('Clear').click();
  await expect(clock.rows).toHaveCount(0);
  await clock.button('Resume').click();
  await clock.hasMessages(3);
  await clock.hasEachMessageOnce();
});

test('a reader who disconnects comes back without a loss', async ({ clock, server }) => {
  await clock.openLive();
  await clock.hasMoreMessages(3);
  await expect.poll(() => server.consumers()).toBe(1);

  await clock.button('Disconnect').click();
  await clock.isIn('closed');
  await expect(clock.connection).toContainText('Closed');
  await expect(clock.stat('ready-state')).toContainText('2 CLOSED');
  await expect.poll(() => server.consumers()).toBe(0);
  const held = await clock.ids();
  const ticks = server.ticks();
  await expect.poll(() => server.ticks()).toBeGreaterThan(ticks + 5);
  expect(await clock.ids()).toEqual(held);

  await clock.button('Reconnect').click();
  await clock.isIn('live');
  await clock.hasMessages(held.length + 6);
  await expect(clock.gaps).toHaveCount(0);
  await clock.hasEachMessageOnce();
  await expect.poll(() => server.consumers()).toBe(1);
});

test('every button works with the keyboard, and the focus stays on it', async ({ clock, page }) => {
  await clock.openLive();
  await clock.hasMoreMessages(1);

  await clock.pressByKeyboard('Pause', ' ');
  await expect(clock.button('Resume')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(clock.button('Pause')).toBeFocused();

  await clock.pressByKeyboard('Clear');
  await expect(clock.button('Clear')).toBeFocused();

  await clock.pressByKeyboard('Disconnect', ' ');
  await clock.isIn('closed');
  await expect(clock.button('Reconnect')).toBeFocused();
  await page.keyboard.press('Enter');
  await clock.isIn('live');
  await expect(clock.button('Disconnect')).toBeFocused();
});

test('the skip link is the first stop and leads to the messages', async ({ clock, page }) => {
  await clock.openLive();
  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: 'Skip to the messages' });
  await expect(skip).toBeFocused();
  await expect(skip).toBeInViewport();
  await page.keyboard.press('Enter');
  await expect(clock.messages).toBeFocused();
  await expect(clock.messages).toBeInViewport();
});

test('what "Copy as curl" copies is the command that stands on the page', async ({ clock, context, page }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await clock.openLive();
  await clock.button('Copy as curl').click();
  await expect(clock.announcer).toContainText('Copied');
  const command = await page.evaluate(() => navigator.clipboard.readText());
  expect(command).toBe(await page.locator('#command').innerText());

  // The stream does not end by itself: curl is told to give up after a while, which is not its failure.
  const { stdout } = await promisify(execFile)('sh', ['-c', `${command} --silent --max-time 1 || [ $? -eq 28 ]`]);
  expect(stdout).toContain('data: hello, now is: ');
});

test('the browser may refuse the clipboard', async ({ clock, page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(navigator.clipboard, 'writeText', { value: () => Promise.reject(new Error('refused')) });
  });
  await clock.openLive();
  await clock.button('Copy as curl').click();
  await expect(clock.announcer).toContainText('refused the clipboard');
  expect(await page.evaluate(() => getSelection()?.toString())).toMatch(/^curl -N /);
});
