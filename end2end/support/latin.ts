import type { Page } from '@playwright/test';

/** Names and terms that Chinese texts have in Latin letters. */
const TERMS = new Set(
  ('Fairwind kitchen curl JavaScript Python JSON Lines readyState CONNECTING OPEN CLOSED UTC KiB MiB HTTP HTTPS URL POST DELETE ' +
    'EventSource Cookie ID If-Match type news two words word message topic gap NAME topics earliest last_event_id fairwind_token ' +
    'WebSocket GET RFC WHATWG HTML MDN CORS Origin withCredentials Last-Event-ID retry Upgrade TLS CONNECT Edge Internet Explorer ' +
    'UTF- fetch ping ms tea Enter Shift latest AAPL').split(' '),
);

/** What is not written by Fairwind, or is the same in every language: data, names of topics, commands, other languages. */
const FOREIGN = '[lang="en"], code, pre, script, style, .data, .newest-text, .type, .id, .topic-name, tbody th a, #now, .chat-message .text, bdi, #people';

/** The words in Latin letters that a reader of this page sees or hears in what Fairwind itself says, and that are no terms. */
export async function latinWords(page: Page): Promise<string[]> {
  const texts = await page.evaluate((foreign) => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [document.title.replace(/^.*(older events|：)/, '')];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (element?.closest(foreign) || !element?.checkVisibility()) continue;
      found.push(node.textContent ?? '');
    }
    for (const name of ['aria-label', 'title', 'placeholder', 'alt', 'data-live', 'data-paused', 'data-lost', 'data-label']) {
      for (const element of document.querySelectorAll(`[${name}]`)) found.push(element.getAttribute(name) ?? '');
    }
    return found;
  }, FOREIGN);
  const words = texts.flatMap((text) => text.match(/[A-Za-z][A-Za-z_-]+/g) ?? []);
  return [...new Set(words.filter((word) => !TERMS.has(word)))];
}
