// A server of its own for each test, on a port that the system chooses. What every test starts from, whichever browser it
// runs in; leaves browsers to the fixtures that extend this.

import { expect, test as base } from '@playwright/test';

import { Fairwind, Installation } from './fairwind.ts';

type TestFixtures = {
  /** Arguments of the test's server, beside its address; `test.use({ serverArgs: [...] })` changes them. */
  serverArgs: string[];
  /** The test's own server. It runs when the test begins. */
  server: Fairwind;
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
});

export { expect };
