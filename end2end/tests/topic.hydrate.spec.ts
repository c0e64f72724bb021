import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

import { expect, test } from '../fixtures.ts';
import { ClockPage } from '../pages/clock_page.ts';
import { TopicPage } from '../pages/topic_page.ts';
import { ScriptPage } from '../support/script_page.ts';

test('events of every type arrive, each with its type, and the newest stands large', async ({ kitchen, page }) => {
  await kitchen.publish('before');
  expect(await kitchen.openLive()).toHaveLength(1);
  await kitchen.publish('plain');
  const news = await kitchen.publish('tea is ready', 'news');
  await kitchen.publish('said of itself', 'type');
  await kitchen.publish('afterwards');
  await kitchen.hasMessages(5);
  expect(await kitchen.data()).toEqual(['before', 'plain', 'tea is ready', 'said of itself', 'afterwards']);
  await expect(kitchen.row(news).locator('.type')).toHaveText('news');
  await expect(kitchen.rows.last().locator('.type')).toHaveText('message');
  await expect(kitchen.newest).toHaveText('afterwards');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('kitchen');
  await expect(page).toHaveTitle('kitchen – Fairwind');
});

test('streams that end are resumed, types and all', async ({ kitchen, server }) => {
  await kitchen.openLive();
  for (const number of [1, 2, 3]) {
    await kitchen.publish(`${number}`, 'news');
    server.endStreams();
    await kitchen.publish(`${number} and a bit`);
  }
  await kitchen.hasMessages(6);
  expect(await kitchen.rows.locator('.type').allInnerTexts()).toEqual(
    ['news', 'message', 'news', 'message', 'news', 'message'],
  );
  await expect(kitchen.gaps).toHaveCount(0);
});

test('the end of the topic is shown, and is still the end after a reload', async ({ kitchen, page }) => {
  await kitchen.publish('last words');
  await kitchen.openLive();
  await kitchen.end();
  await kitchen.isIn('ended');
  await expect(kitchen.messages.locator('li[data-kind="end"]')).toHaveText(/has ended/);
  await expect(kitchen.stat('ready-state')).toContainText('2 CLOSED');
  await page.reload();
  await kitchen.isHydrated();
  await kitchen.isIn('ended');
  await expect(kitchen.messages.locator('li[data-kind="end"]')).toHaveCount(1);
});

test('the filter follows every letter, stays in the URL, and says when it is wrong', async ({ kitchen, page }) => {
  for (const [data, type] of [['Tea is ready', 'news'], ['tea is cold', 'message'], ['coffee', 'news']]) {
    await kitchen.publish(data, type);
  }
  await kitchen.openLive();
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  await expect(kitchen.filterCount).toHaveText('3 of 3 shown');
  await kitchen.filter.fill('tea');
  await expect(kitchen.filterCount).toHaveText('2 of 3 shown');
  await kitchen.filter.fill('tea type:news');
  expect(await kitchen.data()).toEqual(['Tea is ready']);
  expect(new URL(page.url()).searchParams.get('filter')).toBe('tea type:news');

  await kitchen.publish('more TEA', 'news');
  await kitchen.publish('more tea');
  await expect(kitchen.filterCount).toHaveText('2 of 5 shown');
  await kitchen.filter.fill('nowhere');
  await expect(page.getByText('Nothing here passes the filter')).toBeVisible();

  await kitchen.filter.fill('"tea');
  await expect(kitchen.filter).toHaveAttribute('aria-invalid', 'true');
  await expect(kitchen.filter).toHaveAccessibleDescription(/not closed/);
  await expect(kitchen.filterCount).toHaveText('5 of 5 shown');

  await kitchen.filter.fill('"is cold"');
  await kitchen.filter.press('Enter');
  expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true);
  await page.reload();
  await kitchen.isHydrated();
  await expect(kitchen.filter).toHaveValue('"is cold"');
  await expect(kitchen.filterCount).toHaveText('1 of 5 shown');
  await kitchen.filter.fill('');
  expect(page.url()).not.toContain('filter');
});

test('JSON is laid out on demand, and not changed', async ({ kitchen }) => {
  await kitchen.openLive();
  const json = await kitchen.publish('{"n":12345678901234567890,"list":[1,{}]}');
  const text = await kitchen.publish('[no json');
  await kitchen.hasMessages(2);
  const button = kitchen.row(json).getByRole('button', { name: 'JSON' });
  await expect(kitchen.row(text).getByRole('button', { name: 'JSON' })).toHaveCount(0);
  await button.click();
  await expect(button).toHaveAttribute('aria-pressed', 'true');
  expect(await kitchen.row(json).locator('.data').innerText()).toBe(
    '{\n  "n": 12345678901234567890,\n  "list": [\n    1,\n    {}\n  ]\n}',
  );
  await button.click();
  await expect(kitchen.row(json).locator('.data')).toHaveText('{"n":12345678901234567890,"list":[1,{}]}');
});

test('an event is copied, and the stream as a program that runs', async ({ context, kitchen, page, server }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await kitchen.openLive();
  await kitchen.publish('one', 'news');
  const id = await kitchen.publish('two\nlines');
  await kitchen.hasMessages(2);
  const copied = () => page.evaluate(() => navigator.clipboard.readText());

  await kitchen.row(id).getByRole('button', { name: 'Copy' }).click();
  await expect(kitchen.announcer).toContainText('Copied the event');
  expect(await copied()).toBe('two\nlines');

  await kitchen.button('Copy as curl').click();
  await expect(kitchen.announcer).toHaveText('Copied as curl.');
  expect(await copied()).toBe(`curl -N ${server.url}/topics/kitchen`);

  await kitchen.button('Copy as JavaScript').click();
  await expect(kitchen.announcer).toHaveText('Copied as JavaScript.');
  const javascript = await copied();
  expect(javascript).not.toContain('last_event_id');

  // As a developer pastes it, into the console, where no policy is in the way.
  const lines: string[] = [];
  page.on('console', (message) => lines.push(message.text()));
  await page.evaluate(javascript);
  await expect.poll(() => lines.join('|')).toMatch(/^#\S+ news one\|#\S+ message two\nlines$/);
});

test('the program in Python goes on through a restart, and ends with the topic', async ({ context, kitchen, page, server }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await kitchen.publish('one', 'news');
  await kitchen.publish('Z\u00fcrich 上海\nin two lines');
  await kitchen.openLive();
  await kitchen.button('Copy as Python').click();
  await expect(kitchen.announcer).toHaveText('Copied as Python.');
  const program = await page.evaluate(() => navigator.clipboard.readText());

  const python = spawn('python3', ['-c', program], { env: { ...process.env, PYTHONUTF8: '1' } });
  let printed = '';
  python.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const ended = once(python, 'exit');
  try {
    await expect.poll(() => printed).toMatch(/^#\S+ news one\n#\S+ message Zürich 上海\nin two lines\n$/);
    server.endStreams();
    await kitchen.publish('afterwards', 'news');
    await expect.poll(() => printed).toContain(' news afterwards\n');
    await kitchen.end();
    expect(await ended).toEqual([0, null]);
    expect(printed.match(/ news one/g)).toHaveLength(1);
  } finally {
    python.kill();
  }
});

test('the page says what it has not shown, and what came before the reader', async ({ kitchen, page }) => {
  for (let number = 1; number <= 41; number += 1) await kitchen.publish(`event ${number}`);
  await kitchen.openLive();
  await expect(kitchen.newest).toHaveText('event 41');
  await expect(kitchen.stat('last-event')).toHaveText(/^\d\d:\d\d:\d\d UTC$/);
  await kitchen.publish('event 42');
  await expect(kitchen.stat('last-event')).toHaveText(/just now|s ago/);
  await expect(kitchen.stat('messages')).toHaveText('1');
  const older = page.getByRole('link', { name: '21 older' });
  await expect(older).toBeVisible();
  await older.click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('kitchen: older events');
  await expect(page.getByRole('listitem')).toHaveCount(20);
  await expect(page.getByRole('listitem').last()).toContainText('event 21');
  await page.getByRole('link', { name: '1 older' }).click();
  await expect(page.getByRole('listitem')).toHaveCount(1);
  await page.getByRole('link', { name: 'The newest, live' }).click();
  await kitchen.isIn('live');
});

test('what is listed is saved as JSON lines', async ({ kitchen, page }) => {
  await kitchen.openLive();
  for (const data of ['one "quoted"', 'two\nlines', 'three']) await kitchen.publish(data, 'news');
  await kitchen.hasMessages(3);
  await kitchen.filter.fill('-three');
  await expect(kitchen.filterCount).toHaveText('2 of 3 shown');
  const [download] = await Promise.all([page.waitForEvent('download'), kitchen.button('Download').click()]);
  expect(download.suggestedFilename()).toBe('kitchen.jsonl');
  const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { id: expect.stringMatching(/^#/), type: 'news', data: 'one "quoted"' },
    { id: expect.stringMatching(/^#/), type: 'news', data: 'two\nlines' },
  ]);
  await expect(kitchen.announcer).toContainText('Saved 2 events');
});

test('the form publishes without loading anything, and says to how many', async ({ kitchen, page }) => {
  await kitchen.openLive();
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  await kitchen.text.fill('from the form\nin two lines');
  await kitchen.type.fill('news');
  await kitchen.button('Publish').press('Enter');
  await expect(kitchen.outcome).toHaveText('Published to 1 subscriber.');
  await expect(kitchen.text).toHaveValue('');
  await expect(kitchen.button('Publish')).toBeFocused();
  await kitchen.hasMessages(1);
  expect(await kitchen.data()).toEqual(['from the form\nin two lines']);
  await expect(kitchen.rows.locator('.type')).toHaveText(['news']);

  await kitchen.type.fill('gap');
  await kitchen.text.fill('kept');
  page.once('console', () => {});
  expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true);
});

test('the form says why something was not published, and keeps it', async ({ consoleWatch, kitchen, server }) => {
  await kitchen.openLive();
  consoleWatch.allowStatus(400, server.url);
  await kitchen.text.fill('kept');
  await kitchen.type.fill('gap');
  await kitchen.button('Publish').click();
  await expect(kitchen.outcome).toHaveText(/^Not published: .*from the server alone/);
  await expect(kitchen.text).toHaveValue('kept');
  consoleWatch.allowOutage(server.url);
  await server.stop();
  await kitchen.button('Publish').click();
  await expect(kitchen.outcome).toHaveText(/could not be reached/);
  await expect(kitchen.text).toHaveValue('kept');
  await server.start();
});

test('a reader who may not publish sees why', async ({ page, server }) => {
  const clock = new TopicPage(page, server, 'clock');
  await clock.openLive();
  await expect(page.locator('#publish')).toContainText('only the clock publishes to its topic');
  await expect(clock.text).toHaveCount(0);
});

test('pages of topics, the clock and plain JavaScript share one stream', async ({ context, kitchen, server }) => {
  const clock = new ClockPage(await context.newPage());
  await clock.openLive();
  await kitchen.openLive();
  const plain = await ScriptPage.open(context, server.url, 'kitchen');
  const garden = new TopicPage(await context.newPage(), server, 'garden');
  await garden.openLive();
  const streams = async () => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    return /^fairwind_subscribers (\d+)$/m.exec(metrics)?.[1];
  };
  await expect.poll(streams).toBe('1');
  await kitchen.publish('tea');
  await garden.publish('roses');
  await plain.hears('tea');
  await expect(kitchen.rows).toContainText(['tea']);
  await expect(garden.rows).toContainText(['roses']);
  await clock.hasMoreMessages(3);
  // The first page leads. When it goes, the others stay.
  await clock.page.close();
  await kitchen.publish('more tea');
  await plain.hears('more tea');
  await expect(kitchen.rows).toContainText(['tea', 'more tea']);
  await expect.poll(streams).toBe('1');
});

test('hostile events are text, and do not break the page', async ({ kitchen, page }) => {
  const events = [
    '</script><script>document.title="x"</script>',
    '<img src=x onerror=alert(1)>',
    '\u202eabc \u2066 def',
    '\u0000',
    '',
    'w'.repeat(10_000),
    'line\n'.repeat(200),
  ];
  for (const data of events) await kitchen.publish(data);
  await kitchen.openLive();
  const live: string[] = [];
  for (const data of events) live.push(await kitchen.publish(data));
  const large = await kitchen.publish('x'.repeat(1 << 20));
  await kitchen.hasMessages(2 * events.length + 1);
  await expect(page).toHaveTitle('kitchen – Fairwind');
  await expect(kitchen.rows.nth(0).locator('.data')).toHaveText(events[0]);
  await expect(kitchen.row(live[1]).locator('.data')).toHaveText(events[1]);

  // What the server cut leads to the whole; what came over the stream is whole, once it is wanted.
  await expect(kitchen.rows.nth(5)).toContainText('The first 4 KiB of 9 KiB');
  const data = kitchen.row(large).locator('.data');
  expect((await data.textContent())?.length).toBe(4_096);
  const box = await data.boundingBox();
  expect(box?.height).toBeLessThan(200);
  const all = kitchen.row(live[6]).getByRole('button', { name: 'Show all' });
  await all.click();
  await expect(all).toHaveAttribute('aria-expanded', 'true');
  expect((await kitchen.row(live[6]).boundingBox())?.height).toBeGreaterThan(1_000);
  await kitchen.row(large).getByRole('button', { name: 'Show all' }).click();
  await expect.poll(async () => (await data.textContent())?.length).toBe(1 << 20);
  for (const width of [320, 390, 1280]) {
    await page.setViewportSize({ width, height: 844 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  }
});

test('everything is there for the keyboard', async ({ kitchen, page }) => {
  await kitchen.publish('{"a":1}');
  await kitchen.openLive();
  const row = kitchen.rows.first();
  await row.getByRole('button', { name: 'JSON' }).focus();
  await page.keyboard.press('Enter');
  await expect(row.locator('.data')).toContainText('"a": 1');
  await page.keyboard.press('Tab');
  await expect(row.getByRole('button', { name: 'Copy' })).toBeFocused();
  await kitchen.publish('another');
  await kitchen.hasMessages(2);
  await expect(row.getByRole('button', { name: 'Copy' })).toBeFocused();
});
