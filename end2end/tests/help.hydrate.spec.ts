// The commands and programs of the page of help, run as they stand there.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { expect, test } from '../fixtures.ts';
import { accessibilityProblems } from '../support/axe.ts';

const shell = (command: string) => promisify(execFile)('sh', ['-c', command]);

test('the commands of the page of help work', async ({ kitchen, page }) => {
  await page.goto('/help');
  const example = (id: string) => page.locator(`pre#${id}`).innerText();
  await shell(await example('publish'));
  const { stdout } = await shell(await example('streamed'));
  expect(stdout).toContain('"published":4');
  for (const data of ['once', 'time']) expect(stdout).toContain(`data: ${data}\n`);
  expect(stdout).toContain('event: end\n');
  await kitchen.open();
  expect(await kitchen.data()).toEqual(['tea is ready']);
});

test('the programs of the page of help work', async ({ kitchen, page, server }) => {
  await kitchen.publish('before');
  await page.goto('/help');
  const lines: string[] = [];
  page.on('console', (message) => lines.push(message.text()));
  const programs: string[] = [];
  for (const id of ['read-page', 'state', 'several']) programs.push(await page.locator(`pre#${id}`).innerText());
  const [read, state, several] = programs;

  await page.evaluate(`{${state}}`);
  await expect.poll(() => lines).toEqual(['before']);
  await kitchen.publish('after');
  await expect.poll(() => lines).toEqual(['before', 'after']);
  server.endStreams();
  await kitchen.publish('later');
  await expect.poll(() => lines).toEqual(['before', 'after', 'later']);

  await page.goto('/help');
  lines.length = 0;
  await page.evaluate(`{${read}}`);
  await page.evaluate(`{${several}}`);
  await expect
    .poll(async () => {
      await kitchen.publish('again');
      return lines;
    })
    .toEqual(expect.arrayContaining(['again', 'kitchen again']));
});

for (const width of [320, 390, 1280]) {
  test(`help, older events and refusals: axe finds nothing, everything fits, ${width} px`, async ({ consoleWatch, kitchen, page, server }, testInfo) => {
    await page.setViewportSize({ width, height: 844 });
    for (let number = 0; number < 30; number += 1) await kitchen.publish(`${number} ${'long-'.repeat(number)}`, 'news');
    const first = (await kitchen.open())[0];
    const older = `/topics/kitchen?before=${encodeURIComponent(first)}`;
    consoleWatch.allowStatus(400, server.url);
    consoleWatch.allowStatus(404, server.url);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const path of ['/help', older, '/nowhere', `/topics/${'%2E%2E/'}x`, `/topics/${'w'.repeat(1_200)}`, '/topics?open=%00']) {
        await page.goto(path);
        expect(await accessibilityProblems(page), path).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(width);
      }
      await page.goto('/help');
      await page.screenshot({ path: testInfo.outputPath(`help-${colorScheme}.png`), fullPage: true });
      await page.goto(older);
      await page.screenshot({ path: testInfo.outputPath(`older-${colorScheme}.png`), fullPage: true });
      await page.goto('/topics/%FF');
      await page.screenshot({ path: testInfo.outputPath(`refused-${colorScheme}.png`), fullPage: true });
    }
  });
}
