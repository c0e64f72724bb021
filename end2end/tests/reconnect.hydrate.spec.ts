import { expect, test } from '../fixtures.ts';

/** How soon the page has to say that it has lost the server: milliseconds. */
const SOON = 5_000;

test('the server stops and comes back: the page says so, and goes on by itself', async ({ clock, consoleWatch, server }) => {
  await clock.openLive();
  await clock.hasMoreMessages(3);
  await clock.page.evaluate(() => Object.assign(window, { sameDocument: true }));

  consoleWatch.allowOutage(`${server.url}/topics`);
  await server.stop();
  await clock.isIn('reconnecting', SOON);
  await expect(clock.connection).toContainText('Reconnecting');
  const before = await clock.ids();

  await server.start();
  await clock.isIn('live', 20_000);
  await clock.hasMessages(before.length + 5);

  // The history went with the server: that is a gap, and it is shown as one.
  await expect(clock.gaps).toHaveCount(1);
  const ids = await clock.ids();
  expect(ids.slice(0, before.length)).toEqual(before);
  await clock.hasEachMessageOnce();
  expect(await clock.page.evaluate(() => 'sameDocument' in window), 'the page was not loaded again').toBe(true);
});

test('the server crashes and comes back', async ({ clock, consoleWatch, server }) => {
  await clock.openLive();
  await clock.hasMoreMessages(3);
  consoleWatch.allowOutage(`${server.url}/topics`);
  await server.kill();
  await clock.isIn('reconnecting', SOON);
  await server.start();
  await clock.isIn('live', 20_000);
  await expect(clock.gaps).toHaveCount(1);
  await clock.hasMoreMessages(3);
  await clock.hasEachMessageOnce();
});

test('streams that the server ends are resumed without a gap', async ({ clock, server }) => {
  await clock.openLive();
  for (const _ of [1, 2, 3]) {
    await clock.hasMoreMessages(3);
    server.endStreams();
  }
  await clock.hasMoreMessages(5);
  await clock.isIn('live');
  await expect(clock.gaps).toHaveCount(0);
  await clock.hasEachMessageOnce();
});

test('"Try now" does not wait for the browser', async ({ clock, consoleWatch, server }) => {
  await clock.openLive();
  consoleWatch.allowOutage(`${server.url}/topics`);
  await server.stop();
  await clock.isIn('reconnecting', SOON);
  await expect(clock.button('Try now')).toBeVisible();
  await server.start();
  // The page may have found the server by itself in the meantime.
  await clock.button('Try now').click({ timeout: 2_000 }).catch(() => {});
  await clock.isIn('live', 2_000);
});

test.describe('a network that goes dead without a word', () => {
  test.use({ serverArgs: ['--clock-interval', '200ms', '--retry', '200ms', '--heartbeat', '1s'] });

  test('is noticed by its silence, and survived', async ({ clock, consoleWatch, server }) => {
    await clock.openLive();
    await clock.hasMoreMessages(3);
    consoleWatch.allowOutage(`${server.url}/topics`);
    server.freeze();
    await clock.isIn('reconnecting', SOON);
    server.thaw();
    await clock.isIn('live', 20_000);
    await clock.hasMoreMessages(5);
    await expect(clock.gaps).toHaveCount(0);
    await clock.hasEachMessageOnce();
  });
});

test.describe('a server whose log is on disk', () => {
  test.use({
    serverArgs: async ({}, use, testInfo) => {
      await use(['--clock-interval', '200ms', '--retry', '200ms', '--data', testInfo.outputPath('log')]);
    },
  });

  test('crashes, is stopped, and comes back: the page goes on where it was, without a gap', async ({
    clock,
    consoleWatch,
    server,
  }) => {
    await clock.openLive();
    for (const end of [() => server.kill(), () => server.stop()]) {
      await clock.hasMoreMessages(3);
      consoleWatch.allowOutage(`${server.url}/topics`);
      await end();
      await clock.isIn('reconnecting', SOON);
      await server.start();
      await clock.isIn('live', 20_000);
    }
    await clock.hasMoreMessages(3);
    await expect(clock.gaps).toHaveCount(0);
    await clock.hasEachMessageOnce();
  });
});
