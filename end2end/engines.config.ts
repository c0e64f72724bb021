// `npm run engines`: the pages and `fairwind.js` in Firefox and WebKitGTK, driven over WebDriver. A browser that is missing is
// named in the list of tests as skipped.

import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'engines',
  outputDir: 'test-results/engines',
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  // A file has one browser.
  workers: 2,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [['list'], ['./support/failures.ts']],
});
