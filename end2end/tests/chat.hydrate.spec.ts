// Two browsers that talk to each other, and what a room does when things go wrong.

import type { Browser, BrowserContext, Page } from '@playwright/test';

import { expect, test } from '../fixtures.ts';
import { ChatPage } from '../pages/chat_page.ts';
import { accessibilityProblems } from '../support/axe.ts';
import { ConsoleWatch } from '../support/console_watch.ts';
import { publish } from '../support/fairwind.ts';
import { latinWords } from '../support/latin.ts';
import { recordShifts, shifts } from '../support/layout.ts';
import { tasksWhile } from '../support/tasks.ts';

/** A second browser, with cookies and connections of its own. */
async function secondBrowser(browser: Browser, url: string): Promise<{ context: BrowserContext; page: Page; watch: ConsoleWatch }> {
  const context = await browser.newContext({ baseURL: url, locale: 'en-GB' });
  const watch = new ConsoleWatch();
  watch.watch(context);
  return { context, page: await context.newPage(), watch };
}

test('two browsers talk to each other, see who is here and who writes', async ({ browser, page, server }) => {
  const other = await secondBrowser(browser, server.url);
  const [ada, bob] = [new ChatPage(page), new ChatPage(other.page)];
  await ada.openAs('Ada');
  await bob.openAs('王芳');
  await expect(ada.people).toHaveText(['Ada', '王芳']);
  await expect(bob.count).toHaveText('2');

  await bob.text.pressSequentially('你好');
  await expect(ada.typing).toHaveText('王芳 is writing …');
  await bob.text.press('Enter');
  await expect(ada.rows).toHaveCount(1);
  await expect(ada.typing).toHaveText('');
  await ada.say('hello');
  await ada.say('and welcome');
  for (const chat of [ada, bob]) {
    await expect(chat.rows).toHaveCount(3);
    expect(await chat.said()).toEqual(['你好', 'hello', 'and welcome']);
    expect(await chat.headings()).toEqual(['王芳', 'Ada']);
    await expect(chat.rows.locator('.fate:visible')).toHaveCount(0);
  }
  await other.context.close();
  await expect(ada.people).toHaveText(['Ada']);
  await expect(ada.rows).toHaveCount(3);
  expect(other.watch.problems).toEqual([]);
});

test('two rooms in two tabs of one browser share a stream, each with its name', async ({ context, page }) => {
  const tea = new ChatPage(page);
  await tea.openAs('Ada');
  const coffee = new ChatPage(await context.newPage(), 'coffee');
  await coffee.openAs('Ada L.');
  await expect(tea.people).toHaveText(['Ada']);
  await expect(coffee.people).toHaveText(['Ada L.']);
  const late = new ChatPage(await context.newPage());
  await late.open();
  await late.isLive();
  await expect(late.people.first()).toHaveText('Ada');
  await coffee.say('only here');
  await expect(coffee.rows).toHaveCount(1);
  await tea.say('only there');
  await expect(late.rows).toHaveCount(1);
  expect(await tea.said()).toEqual(['only there']);
});

test('a server that is killed in the middle: a message stays marked, and is sent once when it is back', async ({
  browser,
  consoleWatch,
  page,
  server,
}) => {
  test.setTimeout(120_000);
  const other = await secondBrowser(browser, server.url);
  const [ada, bob] = [new ChatPage(page), new ChatPage(other.page)];
  await ada.openAs('Ada');
  await bob.openAs('Bob');
  await ada.say('before');
  await expect(bob.rows).toHaveCount(1);
  consoleWatch.allowOutage(server.url);
  other.watch.allowOutage(server.url);
  await server.kill();
  await ada.say('meanwhile');
  const mine = ada.rows.last();
  await expect(mine).toHaveAttribute('data-fate', 'pending');
  await expect(mine).toHaveAttribute('data-fate', 'failed', { timeout: 40_000 });
  await expect(mine).toContainText('Not sent.');
  await expect(ada.main).toHaveAttribute('data-state', 'reconnecting');

  await server.start();
  await ada.isLive(40_000);
  await bob.isLive(40_000);
  await mine.getByRole('button', { name: 'Send again' }).click();
  await expect(bob.rows.locator('.text').filter({ hasText: 'meanwhile' })).toHaveCount(1);
  await expect(ada.rows.locator('.fate:visible')).toHaveCount(0);
  expect((await ada.said()).filter((text) => text === 'meanwhile')).toHaveLength(1);
  await expect(ada.people).toHaveText(['Ada', 'Bob']);
  // The history went with the server.
  await expect(page.locator('.chat-notice')).toHaveText('Some messages are missing here.');
  await other.context.close();
  expect(other.watch.problems).toEqual([]);
});

test('a message whose answer is lost is shown once', async ({ consoleWatch, page, server }) => {
  consoleWatch.allowOutage(server.url);
  const chat = new ChatPage(page);
  await chat.openAs('Ada');
  let lost = 0;
  await page.route('**/topics/chat%2Ftea?id=*', async (route) => {
    lost += 1;
    // The server has it, and the page gets no answer the first time.
    const response = await route.fetch();
    if (lost > 1) await route.fulfill({ response });
    else await route.abort('connectionreset');
  });
  await chat.say('once');
  await expect.poll(() => lost, { timeout: 10_000 }).toBe(2);
  await expect(chat.rows).toHaveCount(1);
  await expect(chat.rows.locator('.fate')).toBeHidden();
});

test('Enter belongs to an input method while it composes; Shift and Enter begin a line', async ({ page }) => {
  const chat = new ChatPage(page);
  await chat.openAs('王芳');
  await chat.text.fill('ni');
  await chat.text.dispatchEvent('keydown', { key: 'Enter', isComposing: true });
  await chat.text.dispatchEvent('keydown', { key: 'Enter', keyCode: 229 });
  await chat.text.press('Shift+Enter');
  await expect(chat.text).toHaveValue('ni\n');
  await expect(chat.rows).toHaveCount(0);
  await chat.text.fill('你好');
  await chat.text.press('Enter');
  await expect(chat.rows).toHaveCount(1);
  await expect(chat.text).toHaveValue('');
});

test('in the background the title counts what others say', async ({ page, server }) => {
  const chat = new ChatPage(page);
  await chat.openAs('Ada');
  const hide = (isHidden: boolean) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
  await hide(true);
  const says = (name: string, text: string) => publish(server.url, 'chat/tea', JSON.stringify({ name, text }));
  await says('Bob', 'one');
  await says('Ada', 'mine');
  await says('Bob', 'two');
  await expect(page).toHaveTitle('(2) tea – Fairwind');
  await hide(false);
  await expect(page).toHaveTitle('tea – Fairwind');
  await expect(page.locator('#said')).toContainText(/Bob: one|2 new messages/);
});

test('a reader who has scrolled up stays there, and is led to what is new', async ({ page, server }) => {
  for (let number = 0; number < 40; number += 1) await publish(server.url, 'chat/tea', `line ${number}`);
  const chat = new ChatPage(page);
  await chat.openAs('Ada');
  const box = page.locator('#messages');
  await expect(chat.rows.last()).toBeInViewport();
  await box.evaluate((element) => element.scrollTo({ top: 0 }));
  await publish(server.url, 'chat/tea', 'new');
  const jump = page.getByRole('button', { name: '1 new' });
  await expect(jump).toBeVisible();
  expect(await box.evaluate((element) => element.scrollTop)).toBe(0);
  await jump.click();
  await expect(chat.rows.last()).toBeInViewport();
  await expect(jump).toBeHidden();
});

test('a room of 500 people who all talk stays quick', { tag: '@measured' }, async ({ page, server }) => {
  test.setTimeout(120_000);
  // While a response is held, its stream stays open.
  const streams: Response[] = [];
  const readers = new AbortController();
  for (let number = 0; number < 500; number += 1) {
    streams.push(await fetch(`${server.url}/topics/chat/tea?name=reader%20${number}`, { signal: readers.signal }));
  }
  const chat = new ChatPage(page);
  await chat.openAs('Ada');
  await expect(chat.count).toHaveText('501');
  const say = async (number: number): Promise<void> => {
    const message = { name: `reader ${number % 500}`, text: `message ${number}` };
    await publish(server.url, 'chat/tea', JSON.stringify(message));
  };
  const atOnce = await tasksWhile(page, async () => {
    // As fast as the server takes them.
    for (let number = 0; number < 600; number += 1) await say(number);
    await expect(chat.rows.last().locator('.text')).toHaveText('message 599');
    await expect(chat.rows).toHaveCount(500);
  });
  expect(atOnce.longest, 'the longest task of 600 messages at once, in ms').toBeLessThanOrEqual(50);
  // The room is full of messages now.
  const inTime = await tasksWhile(page, async () => {
    const start = Date.now();
    for (let number = 600; number < 850; number += 1) {
      await new Promise((resolve) => setTimeout(resolve, start + (number - 600) * 20 - Date.now()));
      await say(number);
    }
    await expect(chat.rows.last().locator('.text')).toHaveText('message 849');
  });
  expect(inTime.count).toBeGreaterThan(100);
  expect(inTime.longest, 'the longest task at 50 messages a second, in ms').toBeLessThanOrEqual(50);
  expect(streams).toHaveLength(500);
  readers.abort();
  await expect(chat.people).toHaveText(['Ada']);
});

test('the keyboard alone reaches everything in its order', async ({ page }) => {
  const chat = new ChatPage(page);
  await chat.openAs('Ada');
  await page.locator('body').focus();
  await page.getByRole('link', { name: 'Skip to the message field' }).focus();
  await page.keyboard.press('Enter');
  await expect(chat.text).toBeFocused();
  await page.keyboard.type('by keyboard');
  await page.keyboard.press('Tab');
  await expect(chat.send).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(chat.rows).toHaveCount(1);
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Shift+Tab');
  await expect(chat.name).toBeFocused();
});

for (const width of [390, 1280]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const locale of ['en-GB', 'zh-CN']) {
      test.describe(`${width} px, ${colorScheme}, ${locale}`, () => {
        test.use({ viewport: { width, height: 844 }, colorScheme, locale });

        test('axe finds nothing, and nothing shifts', async ({ consoleWatch, page, server }, testInfo) => {
          consoleWatch.allowStatus(403, server.url);
          await recordShifts(page);
          await publish(server.url, 'chat/tea', JSON.stringify({ name: 'Ada', text: '你好 https://a.example/' }));
          const chat = new ChatPage(page);
          await chat.open();
          await chat.isLive();
          await publish(server.url, 'chat/tea', JSON.stringify({ name: 'Bo', text: 'moves nothing that is there' }));
          await expect(chat.rows).toHaveCount(2);
          expect((await shifts(page)).filter(({ hadRecentInput }) => !hadRecentInput)).toEqual([]);
          await chat.openAs('Bob');
          await page.route('**/topics/chat%2Ftea?id=*', (route) => route.fulfill({ status: 403, json: { status: 403, code: 'forbidden', detail: 'no' } }));
          await chat.say('not taken');
          await expect(chat.rows.last()).toHaveAttribute('data-fate', 'failed');
          expect(await accessibilityProblems(page)).toEqual([]);
          if (locale === 'zh-CN') expect(await latinWords(page)).toEqual([]);
          const picture = await page.screenshot({ fullPage: true });
          await testInfo.attach(`room, ${width} px, ${colorScheme}`, { body: picture, contentType: 'image/png' });
          await page.goto('/chat');
          expect(await accessibilityProblems(page)).toEqual([]);
        });
      });
    }
  }
}
