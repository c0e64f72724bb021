import { expect, test } from '../fixtures.ts';
import { ClockPage, parseEventId } from '../pages/clock_page.ts';

test('the clock ticks from the server', async ({ clock }) => {
  await clock.openLive();
  const first = await clock.now.getAttribute('datetime');
  await expect(clock.now).not.toHaveAttribute('datetime', first ?? '');
  const second = await clock.now.getAttribute('datetime');
  expect(Date.parse(second ?? '')).toBeGreaterThan(Date.parse(first ?? ''));
});

test('each message comes once, from the first that the server rendered', async ({ clock, server }) => {
  // Enough messages that the page cannot show them by having been rendered late.
  await expect.poll(() => server.ticks()).toBeGreaterThan(3);
  const rendered = await clock.openLive();
  expect(rendered.length).toBeGreaterThan(3);
  await clock.hasMessages(rendered.length + 10);

  const ids = await clock.ids();
  expect(ids.slice(0, rendered.length)).toEqual(rendered);
  await clock.hasEachMessageOnce();
  expect(parseEventId(ids[0]).epoch).toBe(parseEventId(ids[ids.length - 1]).epoch);
});

test('a message reads as the server sent it', async ({ clock }) => {
  await clock.openLive();
  await expect(clock.rows.last()).toContainText(/hello, now is: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d/);
});

test('the connection says that it is open', async ({ clock }) => {
  await clock.openLive();
  await expect(clock.connection).toContainText('Live');
  await expect(clock.stat('ready-state')).toContainText('1 OPEN');
});

test('the number of messages grows with them', async ({ clock }) => {
  await clock.openLive();
  await clock.hasMoreMessages(3);
  const received = async () => Number(/\d+/.exec(await clock.stat('messages').innerText())?.[0]);
  const before = await received();
  await expect.poll(received).toBeGreaterThan(before + 2);
});

test('a second browser is counted while it is there, and a second page of the same is not', async ({ browser, clock, context, server }) => {
  await clock.openLive();
  await expect(clock.stat('consumers')).toContainText(/\b1\b/);

  const second = new ClockPage(await context.newPage());
  await second.openLive();
  const another = await browser.newContext({ baseURL: server.url });
  const third = new ClockPage(await another.newPage());
  await third.openLive();
  for (const page of [clock, second, third]) await expect(page.stat('consumers')).toContainText(/\b2\b/);
  await expect.poll(() => server.consumers()).toBe(2);

  await another.close();
  for (const page of [clock, second]) await expect(page.stat('consumers')).toContainText(/\b1\b/);
  await expect.poll(() => server.consumers()).toBe(1);
});

test.describe('a slow clock', () => {
  test.use({ serverArgs: ['--clock-interval', '2s'] });

  test('the page says how long ago the last message came', async ({ clock }) => {
    await clock.openLive();
    const words = () => clock.stat('last-event').innerText();
    // Each is there for a second.
    await expect.poll(words, { intervals: [100] }).toBe('1 s ago');
    await expect.poll(words, { intervals: [100] }).toBe('just now');
  });
});
