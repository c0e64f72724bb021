// What the tests of an engine start from: a server of their own, and a browser that all tests of a file share.

import { expect, test as base } from '../support/server.ts';
import type { Engine, RunningBrowser } from './engine.ts';
import type { Session } from './webdriver.ts';

type TestFixtures = {
  /** The browser. When the test ends, its tabs are closed, and nothing may have gone wrong in their scripts. */
  session: Session;
};

type WorkerFixtures = {
  /** Which browser it is; `test.use({ engine })` says so for a file. */
  engine: Engine | undefined;
  running: RunningBrowser;
};

export const test = base.extend<TestFixtures, WorkerFixtures>({
  engine: [undefined, { scope: 'worker', option: true }],

  running: [
    async ({ engine }, use) => {
      if (!engine) throw new Error('test.use({ engine }) has to say which browser is tried');
      const running = await engine.start();
      await use(running);
      await running.stop();
    },
    { scope: 'worker', timeout: 90_000 },
  ],

  // The tabs rest on the server: so they are closed before it stops.
  session: async ({ running, server: _ }, use, testInfo) => {
    const { session } = running;
    await use(session);
    for (const [index, tab] of [...session.tabs].entries()) {
      if (testInfo.status !== testInfo.expectedStatus) {
        const body = await tab.evaluate(() => {
          const { news } = window as unknown as { news?: unknown };
          return [location.href, document.body.innerText, JSON.stringify(news)].join('\n');
        });
        await testInfo.attach(`tab-${index}.txt`, { body, contentType: 'text/plain' });
      }
      await tab.close();
    }
    const problems = [...session.problems.splice(0), ...running.takeProblems()];
    expect(problems, 'what went wrong in scripts of pages').toEqual([]);
  },
});

export { expect };
