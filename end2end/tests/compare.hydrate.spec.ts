import { get, type IncomingMessage } from 'node:http';

import type { Page } from '@playwright/test';

import { expect, test } from '../fixtures.ts';
import { ComparePage } from '../pages/compare_page.ts';
import { accessibilityProblems } from '../support/axe.ts';
import { recordShifts, shifts, widerThanWindow } from '../support/layout.ts';
import { tasksWhile } from '../support/tasks.ts';

/** The URLs that the page asks for from now on, for so many milliseconds. */
async function requestsWithin(page: Page, time: number): Promise<string[]> {
  const urls: string[] = [];
  page.on('request', (request) => urls.push(request.url()));
  const begun = await page.evaluate(() => performance.now());
  await page.waitForFunction((end) => performance.now() > end, begun + time);
  return urls;
}

test('both connections get every event, and the page shows what each costs', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  await compare.hasMore('event-source', 2);
  for (const side of ['event-source', 'web-socket'] as const) {
    await expect(compare.stat(side, 'missed')).toHaveText('0');
    await expect(compare.stat(side, 'each')).toHaveText(/^\d+ \(\d+ of data\)$/);
    expect(await compare.number(side, 'all')).toBeGreaterThan(100);
  }
  const handshakes = page.locator('.handshake pre');
  await expect(handshakes.nth(0)).toContainText(/^GET \/compare\/[\w-]{22}\/events HTTP\/1\.1\n[^]*\nHTTP\/1\.1 200 OK\ncontent-type: text\/event-stream\n/);
  await expect(handshakes.nth(1)).toContainText(/\nupgrade: websocket\n[^]*\nHTTP\/1\.1 101 Switching Protocols\n[^]*sec-websocket-accept: /);
  await expect(compare.race).toHaveText(/^Of \d+ events the EventSource had \d+ first and the WebSocket \d+; \d+ came at the same time\./);
  await expect(page.locator('.measured').first()).toHaveText(/^\d+ \+ \d+ bytes, status 200$/);
});

test('cut both: the EventSource comes back and has missed nothing, the WebSocket does not', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  await compare.button('Cut both').click();
  await expect(compare.said).toHaveText(
    /^The EventSource was back by itself after \d+\.\d s and missed 0 of \d+: the server sent what came meanwhile\. The WebSocket is closed and has missed \d+ so far: open it again\.$/,
  );
  await compare.isIn('event-source', 'live');
  await compare.isIn('web-socket', 'ended');
  await expect.poll(() => compare.number('web-socket', 'missed')).toBeGreaterThan(1);
  expect(await compare.number('event-source', 'missed')).toBe(0);

  await compare.card('web-socket').getByRole('button', { name: 'Open it again' }).click();
  await compare.isIn('web-socket', 'live');
  await compare.hasMore('web-socket', 2);
  const missed = await compare.number('web-socket', 'missed');
  expect(missed, 'what it has missed does not come any more').toBeGreaterThan(1);
  await compare.hasMore('web-socket', 2);
  expect(await compare.number('web-socket', 'missed')).toBe(missed);
});

test('stop for 5 s: both stay open and get what was published meanwhile', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  await compare.button('Stop for 5 s').click();
  await expect(compare.said).toHaveText(
    /^Silence: [4-6]\.\d s on the EventSource, [4-6]\.\d s on the WebSocket\. .* neither missed any\.$/,
  );
  await compare.isIn('event-source', 'live');
  await compare.isIn('web-socket', 'live');
});

test('1,000 events at once arrive on both, and the page stays responsive', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  const { longest } = await tasksWhile(page, async () => {
    await compare.button('1,000 events').click();
    await expect(compare.said).toHaveText(
      /^1,000 events from the first to the last: [\d,.]+ ms on the EventSource, [\d,.]+ ms on the WebSocket; neither missed any\.$/,
    );
    await expect.poll(() => compare.number('web-socket', 'received')).toBeGreaterThan(1_000);
  });
  expect(longest, 'the longest task, in ms').toBeLessThanOrEqual(50);
});

test('answer 204: the EventSource is closed for good until the reader opens it', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  await compare.button('Answer 204').click();
  await expect(compare.said).toHaveText(/^The EventSource got 204 and is closed for good: .* The WebSocket went on/);
  await compare.isIn('event-source', 'ended');
  await compare.isIn('web-socket', 'live');
  await expect(page.locator('.handshake pre').first()).toContainText('HTTP/1.1 204 No Content');
  await compare.card('event-source').getByRole('button', { name: 'Open it again' }).click();
  await compare.isIn('event-source', 'live');
  await compare.hasMore('event-source', 1);
});

test('send something: over the WebSocket, and by POST beside the EventSource', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  await compare.button('Send something').click();
  await expect(compare.said).toHaveText(
    /^Over the WebSocket: 11 bytes, answered after [\d.]+ ms\. By POST beside the EventSource: \d{3} bytes, answered after [\d.]+ ms\.$/,
  );
  await compare.card('web-socket').getByRole('button', { name: 'Close' }).click();
  await compare.isIn('web-socket', 'closed');
  await compare.button('Send something').click();
  await expect(compare.said).toHaveText(/^Over the WebSocket: not open\. By POST/);
  await compare.card('event-source').getByRole('button', { name: 'Close' }).click();
  await compare.button('Cut both').click();
  await expect(compare.said).toHaveText('The EventSource is not open: open it first.');
});

test('paused, the numbers stand still; then they have everything', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  await compare.button('Pause').click();
  await expect(compare.button('Resume')).toBeVisible();
  const before = await compare.number('event-source', 'received');
  expect(await requestsWithin(page, 2_500), 'nothing is asked while it is paused').toEqual([]);
  expect(await compare.number('event-source', 'received')).toBe(before);
  await compare.button('Resume').click();
  await expect.poll(() => compare.number('event-source', 'received')).toBeGreaterThan(before + 1);
});

test('the page loads its own module, and not the script of the shared stream', async ({ page }) => {
  const loaded: string[] = [];
  page.on('request', (request) => loaded.push(new URL(request.url()).pathname));
  await new ComparePage(page).openLive();
  expect([...new Set(loaded.filter((path) => path.endsWith('.js')))]).toEqual([expect.stringMatching(/^\/pkg\/[^/]+\/compare\.js$/)]);
  loaded.length = 0;
  await page.goto('/');
  await expect(page.locator('html')).toHaveAttribute('data-hydrated');
  expect(loaded).toContain('/fairwind.js');
});

test('a page that is loaded again has a comparison of its own', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  const id = await page.locator('.handshake pre').first().textContent();
  await page.reload();
  await compare.isIn('event-source', 'live');
  await expect(page.locator('.handshake pre').first()).toContainText('HTTP/1.1 200 OK');
  expect(await page.locator('.handshake pre').first().textContent()).not.toBe(id);
});

test('two pages do not touch each other', async ({ context, page }) => {
  const [first, second] = [new ComparePage(page), new ComparePage(await context.newPage())];
  await first.openLive();
  await second.openLive();
  await first.button('Cut both').click();
  await first.isIn('web-socket', 'ended');
  await second.hasMore('web-socket', 2);
  await second.isIn('web-socket', 'live');
  await expect(second.stat('web-socket', 'missed')).toHaveText('0');
});

test.describe('a browser that waits for three seconds', () => {
  test.use({ serverArgs: ['--clock-interval', '200ms', '--retry', '3s'] });

  test('a server that crashes and comes back: the EventSource goes on by itself', async ({ consoleWatch, page, server }) => {
    const compare = new ComparePage(page);
    await compare.openLive();
    consoleWatch.allowOutage(`${server.url}/compare/`);
    await server.kill();
    await compare.isIn('event-source', 'reconnecting');
    await compare.isIn('web-socket', 'ended');
    // The server is there before the EventSource is, and knows no comparison: the page does not ask it for the numbers.
    await server.start();
    await compare.isIn('event-source', 'live', 20_000);
    await compare.hasMore('event-source', 2);
    await compare.card('web-socket').getByRole('button', { name: 'Open it again' }).click();
    await compare.isIn('web-socket', 'live');
    await compare.hasMore('web-socket', 1);
  });
});

test('with both connections closed, nothing is asked', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  for (const side of ['event-source', 'web-socket'] as const) {
    await compare.card(side).getByRole('button', { name: 'Close' }).click();
    await compare.isIn(side, 'closed');
  }
  expect(await requestsWithin(page, 2_500)).toEqual([]);
});

test('where there are as many comparisons as there may be, the page says so', async ({ consoleWatch, page, server }) => {
  const open: IncomingMessage[] = [];
  for (let number = 0; number < 8; number += 1) {
    const url = `${server.url}/compare/${number}-comparison-of-a-test/events`;
    open.push(await new Promise((resolve, reject) => get(url, resolve).on('error', reject)));
  }
  consoleWatch.allowStatus(503, `${server.url}/compare/`);
  consoleWatch.allowFailedSocket(server.url);
  const compare = new ComparePage(page);
  await page.goto('/compare');
  await expect(compare.said).toContainText('your address has 8 comparisons open');
  await compare.isIn('event-source', 'ended');
  await compare.isIn('web-socket', 'ended');
  for (const stream of open) stream.destroy();
});

test('the keyboard reaches everything, the experiments first', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the experiments' })).toBeFocused();
  await page.keyboard.press('Enter');
  for (const name of ['Pause', 'Cut both', 'Stop for 5 s', '1,000 events', 'Answer 204', 'Send something']) {
    await page.keyboard.press('Tab');
    await expect(compare.button(name)).toBeFocused();
  }
  await page.keyboard.press('Enter');
  await expect(compare.said).toContainText('Over the WebSocket: 11 bytes');
});

for (const width of [320, 390, 1280]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test.describe(`${width} px, ${colorScheme}`, () => {
      test.use({ viewport: { width, height: 844 }, colorScheme });

      test('axe finds nothing, nothing shifts, and nothing scrolls sideways', async ({ page }, testInfo) => {
        await recordShifts(page);
        const compare = new ComparePage(page);
        await compare.openLive();
        await compare.hasMore('event-source', 2);
        expect(await accessibilityProblems(page)).toEqual([]);
        await compare.button('Cut both').click();
        await expect(compare.said).toContainText('was back by itself');
        await compare.button('Send something').click();
        await expect(compare.said).toContainText('By POST');
        await compare.hasMore('event-source', 2);
        expect(await accessibilityProblems(page)).toEqual([]);
        expect(await shifts(page)).toEqual([]);
        expect(await widerThanWindow(page), 'no sideways scroll').toBeLessThanOrEqual(0);
        const picture = await page.screenshot({ fullPage: true });
        await testInfo.attach(`${width} px, ${colorScheme}`, { body: picture, contentType: 'image/png' });
      });
    });
  }
}

test('the colours that were forced on the page keep it usable', async ({ page }) => {
  await page.emulateMedia({ forcedColors: 'active' });
  const compare = new ComparePage(page);
  await compare.openLive();
  await expect(compare.card('event-source')).toContainText('Open');
  expect(await accessibilityProblems(page)).toEqual([]);
});
