// What every spec in Chromium starts from: a server of its own, a page object, and a console that has to stay clean.

import { ClockPage } from './pages/clock_page.ts';
import { TopicPage } from './pages/topic_page.ts';
import { ConsoleWatch } from './support/console_watch.ts';
import { expect, test as base } from './support/server.ts';

type TestFixtures = {
  /** Fails the test when its pages warn or fail in a way that it has not allowed. */
  consoleWatch: ConsoleWatch;
  /** The page of the clock, not yet opened. */
  clock: ClockPage;
  /** The page of the topic 'kitchen', not yet opened. */
  kitchen: TopicPage;
};

export const test = base.extend<TestFixtures>({
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
