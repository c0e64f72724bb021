// What every spec starts from: a server of its own, a page object, and a console that has to stay clean.

import { expect, test as base } from '@playwright/test';

import { ClockPage } from './pages/clock_page.ts';
import { TopicPage } from './pages/topic_page.ts';
import { ConsoleWatch } from './support/console_watch.ts';
import { Fairwind, Installation } from './support/fairwind.ts';

type TestFixtures = {
  /** Arguments of the test's server, beside its address; `test.use({ serverArgs: [...] })` changes them. */
  serverArgs: string[];
  /** The test's own server. It runs when the test begins. */
  server: Fairwind;
  /** Fails the test when its pages warn or fail in a way that it has not allowed. */
  consoleWatch: ConsoleWatch;
  /** The page of the clock, not yet opened. */
  clock: ClockPage;
  /** The page of the topic 'kitchen', not yet opened. */
  kitchen: TopicPage;
};

type WorkerFixtures = {
  /** The binary, alone in an empty folder. */
  installation: Installation;
};

export const test = base.extend<TestFixtures, WorkerFixtures>({
  installation: [
    async ({}, use) => {
      const installation = await Installation.create();
      await use(installation);
      await installation.remove();
    },
    { scope: 'worker' },
  ],

  serverArgs: [['--clock-interval', '200ms', '--retry', '200ms'], { option: true }],

  server: async ({ installation, serverArgs }, use, testInfo) => {
    const server = new Fairwind(installation, serverArgs);
    await server.start();
    await use(server);
    server.thaw();
    await server.stop().finally(() => testInfo.attach('server.log', { body: server.log, contentType: 'text/plain' }));
    expect(server.log, 'nothing is logged as an error').not.toMatch(/\bERROR\b|panicked/);
  },

  // The browser's pages rest on the server: so they are closed before it stops.
  baseURL: async ({ server }, use) => {
    await use(server.url);
  },

  consoleWatch: [
    async ({ context, javaScriptEnabled }, use) => {
      const watch = new ConsoleWatch();
      if (!javaScriptEnabled) watch.allowUnusedPreloads();
      watch.watch(context);
      await use(watch);
      expect(watch.problems, 'what the browser warned of').toEqual([]);
    },
    { auto: true },
  ],

  clock: async ({ page }, use) => {
    await use(new ClockPage(page));
  },

  kitchen: async ({ page, server }, use) => {
    await use(new TopicPage(page, server));
  },
});

export { expect };
