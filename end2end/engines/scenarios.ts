// What holds in every engine, for the site's own pages and for pages that use `fairwind.js`: they are live, outlast a server that
// crashes, share one stream, and go on when the page that has it is closed or frozen. Chromium has the same, and more, in
// `tests/script.hydrate.spec.ts` and `tests/reconnect.hydrate.spec.ts`.

import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { Fairwind, publish, streams } from '../support/fairwind.ts';
import { haveAll, publishNumbers } from '../support/numbers.ts';
import { ScriptPage } from '../support/script_page.ts';
import type { Engine } from './engine.ts';
import { expect, test } from './fixtures.ts';
import { LivePage } from './live_page.ts';
import { uses } from './uses.ts';

const ARGS = ['--clock-interval', '200ms', '--retry', '200ms', '--heartbeat', '1s', '--metrics=on'];

/** How long the server is away, in milliseconds. */
const OUTAGE = 15_000;

/** How long after that the pages may take: the last of their waits is 8 s and a quarter. */
const RECONNECT_LIMIT = 30_000;

/** The pause between two numbers, in milliseconds: the list of a page has room for all of a test. */
const PAUSE = 25;

type Page = { data(): Promise<string[]> };

/** Waits until a page has more events than now. */
async function goesOn(page: Page, more: number, timeout?: number): Promise<void> {
  const before = (await page.data()).length;
  await expect.poll(async () => (await page.data()).length, { timeout }).toBeGreaterThan(before + more);
}

/** Declares the tests of an engine; or one that is skipped, and says what is missing. */
export function scenarios(engine: Engine): void {
  const missing = engine.missing();
  if (missing) {
    test.skip(`${engine.name} is not tried: ${missing}`, () => {});
    return;
  }

  test.use({ serverArgs: ARGS });

  test(`${engine.name}: pages are live over one stream, and have every event once, in order`, async ({ server, session }) => {
    const clock = await LivePage.open(session, server.url);
    const kitchen = await LivePage.open(session, `${server.url}/topics/kitchen`);
    const garden = await ScriptPage.open(session, server.url, 'garden');
    const another = await ScriptPage.open(session, server.url, ['kitchen']);
    const publisher = publishNumbers(server.url, ['kitchen', 'garden'], PAUSE);
    await goesOn(garden, 30);
    await goesOn(clock, 5);
    await haveAll([kitchen, garden, another], ['kitchen', 'garden', 'kitchen'], await publisher.stop());
    await clock.hasEachOnce(`${server.url}/topics/clock`);
    await expect.poll(() => streams(server.url)).toBe(1);
  });

  test(`${engine.name}: servers crash and are away for 15 s: with a log on disk nothing is lost or repeated, without one there is one gap`, async ({
    installation,
    server,
    session,
  }, testInfo) => {
    const log = testInfo.outputPath('log');
    const lasting = new Fairwind(installation, [...ARGS, '--data', log]);
    await lasting.start();
    try {
      const clock = await LivePage.open(session, lasting.url);
      const kitchen = await LivePage.open(session, `${lasting.url}/topics/kitchen`);
      const garden = await ScriptPage.open(session, lasting.url, 'garden');
      const forgetfulPage = await LivePage.open(session, `${server.url}/topics/kitchen`);
      const forgetfulScript = await ScriptPage.open(session, server.url, 'kitchen');
      const pages = [clock, kitchen, garden, forgetfulPage, forgetfulScript];

      const publisher = publishNumbers(lasting.url, ['kitchen', 'garden'], PAUSE);
      await publish(server.url, 'kitchen', 'before');
      await goesOn(garden, 10);
      await expect.poll(() => forgetfulPage.data()).toEqual(['before']);
      await expect.poll(() => forgetfulScript.data()).toEqual(['before']);

      await Promise.all([lasting.kill(), server.kill()]);
      const over = sleep(OUTAGE);
      for (const page of pages) await page.isIn('reconnecting');
      await over;
      for (const page of pages) await page.isIn('reconnecting');
      await Promise.all([lasting.start(), server.start()]);
      for (const page of pages) await page.isIn('live', RECONNECT_LIMIT);

      await goesOn(garden, 10);
      await goesOn(clock, 5);
      await haveAll([kitchen, garden], ['kitchen', 'garden'], await publisher.stop());
      await clock.hasEachOnce(`${lasting.url}/topics/clock`);
      expect(await clock.count('gap')).toBe(0);

      await publish(server.url, 'kitchen', 'after');
      for (const page of [forgetfulPage, forgetfulScript]) {
        await expect.poll(() => page.data()).toEqual(['before', 'after']);
        expect(await page.count('gap')).toBe(1);
      }
      for (const { url } of [lasting, server]) await expect.poll(() => streams(url)).toBe(1);
    } finally {
      await lasting.stop();
      await rm(log, { recursive: true });
    }
  });

  test(`${engine.name}: six tabs share a stream; the tab that has it is closed, twice: nothing is lost or repeated`, async ({
    server,
    session,
  }) => {
    const topics = ['attic', 'cellar', 'garden', 'kitchen', 'roof'];
    const [attic, cellar, garden, kitchen, roof] = [
      await LivePage.open(session, `${server.url}/topics/attic`),
      await ScriptPage.open(session, server.url, 'cellar'),
      await LivePage.open(session, `${server.url}/topics/garden`),
      await ScriptPage.open(session, server.url, 'kitchen'),
      await ScriptPage.open(session, server.url, ['roof', 'gutter']),
    ];
    const clock = await LivePage.open(session, server.url);
    await expect.poll(() => streams(server.url)).toBe(1);

    const publisher = publishNumbers(server.url, topics, PAUSE);
    for (const page of [attic, cellar, garden, kitchen, roof]) await goesOn(page, 2);
    // The page that is opened first has the stream; then the next.
    for (const first of [attic, cellar]) {
      await first.page.close();
      for (const page of [garden, kitchen, roof]) await goesOn(page, 5);
    }
    await goesOn(clock, 5);
    await haveAll([garden, kitchen, roof], topics.slice(2), await publisher.stop());
    await clock.hasEachOnce(`${server.url}/topics/clock`);
    expect(await clock.count('gap')).toBe(0);
    await expect.poll(() => streams(server.url)).toBe(1);
  });

  test(`${engine.name}: the tab that has the stream is frozen: another takes over, and nothing is lost or repeated when it thaws`, async ({
    running,
    server,
    session,
  }) => {
    const topics = ['attic', 'cellar', 'garden'];
    const attic = await ScriptPage.open(session, server.url, 'attic');
    const cellar = await LivePage.open(session, `${server.url}/topics/cellar`);
    const garden = await ScriptPage.open(session, server.url, 'garden');
    const frozen = await running.processOf(attic.page);
    const publisher = publishNumbers(server.url, topics, PAUSE);
    for (const page of [attic, garden, cellar]) await goesOn(page, 2);
    process.kill(frozen, 'SIGSTOP');
    try {
      // More than was on its way. The driver is at this page already: on a busy machine Firefox may not answer a command that
      // switches to another window while a tab is frozen. What the third tab has is compared at the end.
      await goesOn(cellar, 40);
    } finally {
      process.kill(frozen, 'SIGCONT');
    }
    await goesOn(attic, 20);
    await haveAll([attic, cellar, garden], topics, await publisher.stop());
    await expect.poll(() => streams(server.url)).toBe(1);
  });

  test(`${engine.name}: a stream that has had no event yet is resumed too`, async ({ installation, session }, testInfo) => {
    const log = testInfo.outputPath('log');
    const lasting = new Fairwind(installation, ['--clock-interval', 'off', '--retry', '200ms', '--data', log]);
    await lasting.start();
    try {
      const kitchen = await ScriptPage.open(session, lasting.url, 'kitchen');
      await lasting.kill();
      await kitchen.isIn('reconnecting');
      await lasting.start();
      await publish(lasting.url, 'kitchen', 'meanwhile');
      await kitchen.hears('meanwhile', RECONNECT_LIMIT);
      expect(await kitchen.count('gap')).toBe(0);
    } finally {
      await lasting.stop();
      await rm(log, { recursive: true });
    }
  });

  uses(engine);
}
