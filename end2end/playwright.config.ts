import { defineConfig } from '@playwright/test';

import { findChromium } from './chromium.mjs';

const executablePath = findChromium();
if (!executablePath) throw new Error('No Chromium was found. Name one in CHROMIUM_PATH, or run scripts/test.sh.');

const args = [
  // Nothing but the tests shall touch the network.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
// Chromium's sandbox does not start for root, as whom containers usually run.
if (process.getuid?.() === 0) args.push('--no-sandbox');

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  // The page's structure stands next to the spec, the same with scripts and without.
  snapshotPathTemplate: '{testDir}/{arg}{ext}',
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  workers: 2,
  timeout: 30_000,
  expect: { timeout: 10_000 },
  reporter: [['list'], ['html', { open: 'never' }], ['./support/failures.ts']],
  use: {
    launchOptions: { executablePath, args },
    locale: 'en-GB',
    screenshot: 'only-on-failure',
    // A trace takes a sixth of a test's time: `--trace retain-on-failure` keeps those of tests that fail.
    trace: 'off',
  },
  // Every spec runs with scripts and without, unless its name says that it needs a page that has come alive.
  projects: [
    { name: 'javascript', use: { javaScriptEnabled: true } },
    { name: 'no-javascript', use: { javaScriptEnabled: false }, testIgnore: '**/*.hydrate.spec.ts' },
  ],
});
