// A chat of the AI SDK in a browser, whose answers are topics (clients/ai): the page is of another origin than the server.

import { expect, test } from '../fixtures.ts';
import { ChatSite } from '../support/ai_page.ts';

test.use({
  serverArgs: async ({}, use, testInfo) => {
    await use(['--clock-interval', 'off', '--retry', '200ms', '--data', testInfo.outputPath('log')]);
  },
});

test('an answer goes on after a reload, in a second tab, and after the server was killed', async ({ consoleWatch, context, page, server }) => {
  const site = new ChatSite(server.url);
  await site.start();
  try {
    await page.goto(`${site.url}/#ask`);
    await expect(page.locator('#status')).toHaveText('streaming');
    site.say('one ');
    await expect(page.locator('#answer')).toHaveText('one ');

    await page.reload();
    await expect(page.locator('#answer')).toHaveText('one ');
    const second = await context.newPage();
    await second.goto(site.url);
    await expect(second.locator('#answer')).toHaveText('one ');
    site.say('two ');
    for (const tab of [page, second]) await expect(tab.locator('#answer')).toHaveText('one two ');

    consoleWatch.allowOutage(server.url);
    await server.kill();
    site.say('three ');
    await server.start();
    site.say('four');
    for (const tab of [page, second]) await expect(tab.locator('#answer')).toHaveText('one two three four');
    site.finish();
    for (const tab of [page, second]) await expect(tab.locator('#status')).toHaveText('ready');
    expect(await site.done).toEqual({ outcome: 'complete' });
  } finally {
    site.stop();
  }
});
