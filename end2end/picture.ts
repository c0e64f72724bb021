import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import type { BrowserContext, Page } from '@playwright/test';

import { expect, test } from './fixtures.ts';
import { AnswersPage } from './pages/answers_page.ts';
import { ChatPage } from './pages/chat_page.ts';
import { publish } from './support/fairwind.ts';

const MOST_BYTES = 80_000;

test.use({ viewport: { width: 1200, height: 800 }, deviceScaleFactor: 1.5, serverArgs: ['--clock-interval', '500ms'] });

/** Writes what the page shows to docs/NAME. */
async function take(context: BrowserContext, page: Page, name: string): Promise<void> {
  const chromium = await context.newCDPSession(page);
  const { data } = await chromium.send('Page.captureScreenshot', { format: 'webp', quality: 82 });
  const picture = Buffer.from(data, 'base64');
  expect(picture.length).toBeLessThan(MOST_BYTES);
  await writeFile(fileURLToPath(new URL(`../docs/${name}`, import.meta.url)), picture);
}

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(() => {
    test.use({ colorScheme });

    test(`the picture of the page, ${colorScheme}`, async ({ clock, context, page, server }) => {
      await clock.openLive();
      await clock.hasMoreMessages(12);
      // A mark of freshness on the newest rows would be caught half-way.
      await page.emulateMedia({ reducedMotion: 'reduce', colorScheme });
      await clock.hasMoreMessages(1);
      expect(server.consumers()).toBe(1);
      await take(context, page, `page-${colorScheme}.webp`);
    });

    test(`the picture of an answer, ${colorScheme}`, async ({ context, page }) => {
      const answers = new AnswersPage(page);
      await answers.open();
      await answers.ask('What survives a restart?');
      await answers.ask('How is a slow reader treated?');
      await answers.ask('How does a page resume after a gap?');
      await expect(answers.own).toHaveCount(3);
      await expect(answers.text.locator('pre')).toHaveCount(1);
      await answers.isIn('writing');
      await take(context, page, `answers-${colorScheme}.webp`);
    });

    test(`the picture of a chat room, ${colorScheme}`, async ({ context, page, server }) => {
      const readers = new AbortController();
      // While a response is held, its stream stays open.
      const streams: Response[] = [];
      for (const name of ['Grace', 'Linus', '王芳']) {
        streams.push(await fetch(`${server.url}/topics/chat/tea?name=${encodeURIComponent(name)}`, { signal: readers.signal }));
      }
      const says = (name: string, text: string) => publish(server.url, 'chat/tea', JSON.stringify({ name, text }));
      await says('Grace', 'The kettle is on.');
      await says('Grace', 'Green or black?');
      await says('王芳', '绿茶，谢谢！');
      await says('Linus', 'Black. And how to make either: https://example.org/tea');
      const chat = new ChatPage(page);
      await chat.openAs('Ada');
      await chat.say('Two minutes, then.');
      await expect(chat.rows).toHaveCount(5);
      await fetch(`${server.url}/topics/chat/tea?type=typing&keep=false`, { method: 'POST', body: '{"name":"Grace"}' });
      await expect(chat.typing).not.toBeEmpty();
      await expect(chat.people).toHaveCount(4);
      await take(context, page, `chat-${colorScheme}.webp`);
      expect(streams).toHaveLength(3);
      readers.abort();
    });
  });
}
