import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import type { BrowserContext, Page } from '@playwright/test';

import { expect, test } from './fixtures.ts';
import { AnswersPage } from './pages/answers_page.ts';
import { ChatPage } from './pages/chat_page.ts';
import { QuotesPage } from './pages/quotes_page.ts';
import { publish } from './support/fairwind.ts';

const MOST_BYTES = 80_000;

test.use({ viewport: { width: 1200, height: 800 }, deviceScaleFactor: 1.5, serverArgs: ['--clock-interval', '500ms'] });

/** Writes what the page shows to docs/NAME. */
async function take(context: BrowserContext, page: Page, name: string): Promise<void> {
  // A field that was filled in may have been scrolled to.
  await page.evaluate(() => scrollTo(0, 0));
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
      // As high as the messages and the form.
      await page.setViewportSize({ width: 1200, height: 1100 });
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

    test(`the picture of quotes, ${colorScheme}`, async ({ context, page }) => {
      const quotes = new QuotesPage(page);
      await quotes.openLive();
      await quotes.hasMore(60);
      await take(context, page, `quotes-${colorScheme}.webp`);
    });

    test(`the picture of notifications, ${colorScheme}`, async ({ context, page, server }) => {
      await page.goto('/notifications');
      await expect(page.locator('#said')).toContainText('Live');
      const topic = await page.locator('main').getAttribute('data-topic');
      const make = (text: string, when = ''): Promise<unknown> =>
        fetch(`${server.url}/topics/${topic}${when}`, { method: 'POST', body: text });
      await make('The build has passed');
      await make('Grace has answered your question');
      const notes = page.locator('#notes > li');
      await expect(notes).toHaveCount(2);
      await page.getByRole('button', { name: 'Mark all as read' }).click();
      await make('王芳 has shared a document with you');
      await make('The kettle boils');
      await expect(notes).toHaveCount(4);
      await make('The tea has drawn', '?in=4m');
      await make('Stand up and stretch', '?in=30m');
      await page.reload();
      await expect(page.locator('#scheduled li')).toHaveCount(2);
      await expect(page.locator('#unread')).toHaveText('2 unread');
      await expect(page.locator('#said')).toContainText('Live');
      await take(context, page, `notifications-${colorScheme}.webp`);
    });
  });
}
