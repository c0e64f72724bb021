// `npm run picture`: makes the pictures in the README from the real page.

import { defineConfig } from '@playwright/test';

import tests from './playwright.config.ts';

export default defineConfig({
  ...tests,
  testDir: '.',
  testMatch: 'picture.ts',
  reporter: 'list',
  projects: [{ name: 'picture' }],
});
