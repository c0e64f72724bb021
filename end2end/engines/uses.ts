// The pages that show what EventSource is for, in every engine: prices, a chat room, notifications and answers arrive, and go on
// after a server has crashed. Chromium has the same, and more, in `tests/`.

import { rm } from 'node:fs/promises';

import { Fairwind, publish } from '../support/fairwind.ts';
import type { Engine } from './engine.ts';
import { expect, test } from './fixtures.ts';
import type { Session, WebDriverTab } from './webdriver.ts';

/** The answer to a short question has a few passages of the documentation. */
const QUESTION = 'How does a page resume after a lost connection?';

async function open(session: Session, url: string): Promise<WebDriverTab> {
  const page = await session.newPage('window');
  await page.goto(url);
  return page;
}

const stateOf = (page: WebDriverTab, selector: string) =>
  page.evaluate((selector) => document.querySelector<HTMLElement>(selector)?.dataset.state, selector);
const textsOf = (page: WebDriverTab, selector: string) =>
  page.evaluate((selector) => Array.from(document.querySelectorAll(selector), ({ textContent }) => textContent), selector);

/** Types into a field, as far as its page can tell, and leaves it. */
async function fill(page: WebDriverTab, selector: string, text: string): Promise<void> {
  const at = { selector, text };
  await page.evaluate(({ selector, text }) => {
    const field = document.querySelector<HTMLInputElement>(selector);
    if (!field) throw new Error(`there is no ${selector}`);
    field.focus();
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    field.dispatchEvent(new Event('change', { bubbles: true }));
    field.blur();
  }, at);
}

const send = (page: WebDriverTab, form: string) =>
  page.evaluate((form) => document.querySelector<HTMLFormElement>(form)?.requestSubmit(), form);

/** Declares the tests of an engine that is there. */
export function uses(engine: Engine): void {
  test(`${engine.name}: prices, a chat room and notifications go on after the server has crashed`, async ({
    installation,
    session,
  }, testInfo) => {
    const log = testInfo.outputPath('log');
    const server = new Fairwind(installation, ['--retry', '200ms', '--heartbeat', '1s', '--data', log]);
    await server.start();
    try {
      const quotes = await open(session, `${server.url}/quotes`);
      const [ada, bob] = [await open(session, `${server.url}/chat/tea`), await open(session, `${server.url}/chat/tea`)];
      const inbox = await open(session, `${server.url}/notifications`);
      const topic = await inbox.evaluate(() => document.querySelector<HTMLElement>('main')?.dataset.topic ?? '');

      const said: string[] = [];
      const notes: string[] = [];
      const works = async (round: string) => {
        for (const [page, state] of [[quotes, '#connection'], [ada, 'main'], [bob, 'main']] as const) {
          await expect.poll(() => stateOf(page, state)).toBe('live');
        }
        const before = await textsOf(quotes, '#prices .price');
        expect(before.length).toBeGreaterThan(5);
        await expect.poll(() => textsOf(quotes, '#prices .price')).not.toEqual(before);
        for (const page of [ada, bob]) {
          said.push(`${said.length} in ${round}`);
          await fill(page, '#text', said.at(-1) ?? '');
          await send(page, 'form:has(#text)');
          for (const each of [ada, bob]) await expect.poll(() => textsOf(each, '.chat-message .text')).toEqual(said);
        }
        notes.unshift(`note in ${round}`);
        await publish(server.url, topic, notes[0] ?? '');
        await expect.poll(() => textsOf(inbox, '#notes .note-text')).toEqual(notes);
      };
      await fill(ada, '#name', 'Ada');
      await fill(bob, '#name', 'Bob');
      for (const page of [ada, bob]) await expect.poll(() => textsOf(page, '#people li')).toEqual(['Ada', 'Bob']);
      await works('the first run');
      await server.kill();
      for (const [page, state] of [[quotes, '#connection'], [ada, 'main']] as const) {
        await expect.poll(() => stateOf(page, state)).toBe('reconnecting');
      }
      await server.start();
      await works('the second run');
      for (const page of [ada, bob]) await expect.poll(() => textsOf(page, '#people li')).toEqual(['Ada', 'Bob']);
    } finally {
      await server.stop();
      await rm(log, { recursive: true });
    }
  });

  test(`${engine.name}: an answer arrives, is complete, and is the same after a reload`, async ({ server, session }) => {
    const page = await open(session, `${server.url}/answers`);
    await expect.poll(() => page.evaluate(() => document.documentElement.hasAttribute('data-hydrated'))).toBe(true);
    await fill(page, '#question', QUESTION);
    await send(page, 'form:has(#question)');
    await expect.poll(() => page.evaluate(() => location.pathname)).toMatch(/^\/answers\/[\w-]{22}$/);
    await expect.poll(() => stateOf(page, '#state')).toBe('complete');
    const [text = ''] = await textsOf(page, '#text');
    expect(text.length).toBeGreaterThan(100);
    await page.goto(await page.evaluate(() => location.href));
    expect(await textsOf(page, '#text')).toEqual([text]);
    await expect.poll(() => stateOf(page, '#state')).toBe('complete');
  });
}
