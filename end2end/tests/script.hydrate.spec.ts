// `fairwind.js` in pages of plain JavaScript: one stream for all of them, nothing lost and nothing twice whatever happens to the
// page that has it.

import { createServer, request, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import type { BrowserContext } from '@playwright/test';

import { expect, test } from '../fixtures.ts';
import { publish, streams } from '../support/fairwind.ts';
import { haveAll, publishNumbers } from '../support/numbers.ts';
import { ScriptPage } from '../support/script_page.ts';

test.setTimeout(90_000);

const QUIET = ['--clock-interval', 'off', '--retry', '200ms', '--heartbeat', '1s', '--metrics=on'];

test.use({ serverArgs: QUIET });

async function openTabs(context: BrowserContext, url: string, topics: readonly string[]): Promise<ScriptPage[]> {
  const tabs = [];
  for (const topic of topics) tabs.push(await ScriptPage.open(context, url, topic));
  return tabs;
}

const twelve = Array.from({ length: 12 }, (_, index) => `topic/${index}`);

test('twelve pages with other topics each are live over one stream', async ({ context, server }) => {
  const tabs = await openTabs(context, server.url, twelve);
  await expect.poll(() => streams(server.url)).toBe(1);
  for (const topic of twelve) await publish(server.url, topic, `to ${topic}`);
  for (const [index, tab] of tabs.entries()) {
    await tab.hears(`to ${twelve[index]}`);
    expect(await tab.data()).toHaveLength(1);
  }
  expect(await streams(server.url)).toBe(1);
  for (const tab of tabs) await tab.page.close();
  await expect.poll(() => streams(server.url)).toBe(0);
});

test('the page that has the stream is closed, again and again: nothing is lost or repeated', async ({ context, server }) => {
  const topics = twelve.slice(0, 6);
  const tabs = await openTabs(context, server.url, topics);
  const publisher = publishNumbers(server.url, topics);
  for (let closed = 0; closed < 3; closed += 1) {
    const last = tabs.at(-1);
    const before = (await last?.data())?.length ?? 0;
    await expect.poll(async () => (await last?.data())?.length).toBeGreaterThan(before + 5);
    await tabs[closed]?.page.close();
  }
  const survivors = tabs.slice(3);
  const before = (await survivors[0]?.data())?.length ?? 0;
  await expect.poll(async () => (await survivors[0]?.data())?.length).toBeGreaterThan(before + 5);
  const taken = await publisher.stop();
  await haveAll(survivors, topics.slice(3), taken);
  await expect.poll(() => streams(server.url)).toBe(1);
});

test('the page that has the stream is frozen: another goes on, and the thawed page catches up', async ({ context, server }) => {
  const topics = twelve.slice(0, 4);
  const tabs = await openTabs(context, server.url, topics);
  const publisher = publishNumbers(server.url, topics);
  await tabs[0]?.setLifecycle('frozen');
  const other = tabs[1];
  const before = (await other?.data())?.length ?? 0;
  await expect.poll(async () => (await other?.data())?.length).toBeGreaterThan(before + 50);
  await expect.poll(() => streams(server.url)).toBe(1);
  await tabs[0]?.setLifecycle('active');
  // Now the one that took over, and one that did not.
  await other?.setLifecycle('frozen');
  await tabs[2]?.setLifecycle('frozen');
  const alive = tabs[3];
  const then = (await alive?.data())?.length ?? 0;
  await expect.poll(async () => (await alive?.data())?.length).toBeGreaterThan(then + 50);
  await tabs[2]?.setLifecycle('active');
  await other?.setLifecycle('active');
  const taken = await publisher.stop();
  await haveAll(tabs, topics, taken);
  await expect.poll(() => streams(server.url)).toBe(1);
});

test('the page that has the stream hangs: another takes over, and nothing is lost or repeated', async ({ context, server }) => {
  const topics = twelve.slice(0, 3);
  const tabs = await openTabs(context, server.url, topics);
  const publisher = publishNumbers(server.url, topics);
  const hangs = tabs[0]?.hang(9_000);
  const other = tabs[1];
  const before = (await other?.data())?.length ?? 0;
  await expect.poll(async () => (await other?.data())?.length, { timeout: 8_500 }).toBeGreaterThan(before + 60);
  await hangs;
  const taken = await publisher.stop();
  await haveAll(tabs, topics, taken);
  await expect.poll(() => streams(server.url)).toBe(1);
});

test('a server without a log on disk crashes: each page hears of one gap, and goes on', async ({ consoleWatch, context, server }) => {
  const topics = twelve.slice(0, 3);
  const tabs = await openTabs(context, server.url, topics);
  for (const topic of topics) await publish(server.url, topic, 'before');
  for (const tab of tabs) await tab.hears('before');
  consoleWatch.allowOutage(server.url);
  await server.kill();
  for (const tab of tabs) await tab.isIn('reconnecting');
  await server.start();
  for (const tab of tabs) await tab.isIn('live', 20_000);
  for (const topic of topics) await publish(server.url, topic, 'after');
  for (const tab of tabs) {
    await tab.hears('after');
    expect(await tab.data()).toEqual(['before', 'after']);
    expect(await tab.count('gap')).toBe(1);
  }
});

test.describe('a server whose log is on disk', () => {
  test.use({
    serverArgs: async ({}, use, testInfo) => {
      await use([...QUIET, '--data', testInfo.outputPath('log')]);
    },
  });

  test('crashes under twelve pages: nothing is lost or repeated, and what a page publishes is there once', async ({
    consoleWatch,
    context,
    server,
  }) => {
    const tabs = await openTabs(context, server.url, twelve);
    const publisher = publishNumbers(server.url, twelve);
    consoleWatch.allowOutage(server.url);
    const published = [];
    for (let round = 0; round < 2; round += 1) {
      await tabs[0]?.hears(`${round * 48 + 36}`);
      await server.kill();
      published.push(tabs[1]?.publish('diary', `round ${round}`));
      await tabs[0]?.isIn('reconnecting');
      await server.start();
    }
    await Promise.all(published);
    await tabs[11]?.hears('191', 20_000);
    const taken = await publisher.stop();
    await haveAll(tabs, twelve, taken);
    await expect.poll(() => streams(server.url)).toBe(1);
    const diary = await ScriptPage.open(context, server.url, 'diary', { from: 'earliest' });
    await diary.hears('round 1');
    expect((await diary.data()).sort()).toEqual(['round 0', 'round 1']);
  });
});

test('a page comes to a stream that others have: it begins where it wants', async ({ context, server }) => {
  await ScriptPage.open(context, server.url, 'other');
  for (const data of ['1', '2', '3']) await publish(server.url, 'kitchen', data);
  const all = await ScriptPage.open(context, server.url, 'kitchen', { from: 'earliest' });
  const two = await ScriptPage.open(context, server.url, ['kitchen', 'garden'], { last: 2 });
  const recent = await ScriptPage.open(context, server.url, { match: ['kit*'] }, { since: '1h' });
  const none = await ScriptPage.open(context, server.url, 'kitchen');
  await all.hears('3');
  const from = (await all.news()).find(({ data }) => data === '1')?.position ?? '';
  const after = await ScriptPage.open(context, server.url, 'kitchen', { from });
  const unknown = await ScriptPage.open(context, server.url, 'kitchen', { from: '#another-7' });
  for (const tab of [two, recent, after]) await tab.hears('3');
  await publish(server.url, 'kitchen', '4');
  for (const [tab, data] of [
    [all, ['1', '2', '3', '4']],
    [two, ['2', '3', '4']],
    [recent, ['1', '2', '3', '4']],
    [none, ['4']],
    [after, ['2', '3', '4']],
    [unknown, ['1', '2', '3', '4']],
  ] as const) {
    await expect.poll(() => tab.data()).toEqual(data);
    expect(await tab.count('gap')).toBe(tab === unknown ? 1 : 0);
  }
  await expect.poll(() => streams(server.url)).toBe(1);
});

test('topics change while the others go on, and an end reaches those whose topic it is', async ({ context, server }) => {
  const kitchen = await ScriptPage.open(context, server.url, 'kitchen');
  const garden = await ScriptPage.open(context, server.url, 'garden');
  const publisher = publishNumbers(server.url, ['kitchen']);
  await kitchen.hears('10');
  await garden.close();
  await garden.isIn('closed');
  await garden.subscribe(['attic', 'cellar']);
  await garden.isIn('live');
  await publish(server.url, 'attic', 'a');
  await garden.hears('a');
  expect((await fetch(`${server.url}/topics/attic`, { method: 'DELETE' })).ok).toBe(true);
  await expect.poll(() => garden.count('end')).toBe(1);
  await garden.isIn('live');
  expect((await fetch(`${server.url}/topics/cellar`, { method: 'DELETE' })).ok).toBe(true);
  await garden.isIn('ended');
  // A topic that has ended already, to a page that comes later.
  const late = await ScriptPage.load(context, server.url);
  await late.subscribe('attic');
  await late.isIn('ended');
  const taken = await publisher.stop();
  await haveAll([kitchen], ['kitchen'], taken);
  await kitchen.isIn('live');
});

test.describe('a server that keeps topics to itself', () => {
  test('refuses one page, and the others stay live', async ({ consoleWatch, context, server }) => {
    const kitchen = await ScriptPage.open(context, server.url, 'kitchen');
    consoleWatch.allowStatus(404, server.url);
    consoleWatch.allowStatus(413, server.url);
    const refused = await ScriptPage.load(context, server.url);
    // There is no clock.
    await refused.subscribe('clock');
    await refused.isIn('closed');
    expect(await refused.state()).toMatchObject({ reason: 'refused', status: 404, code: 'no-clock' });
    await kitchen.isIn('live');
    await publish(server.url, 'kitchen', 'tea');
    await kitchen.hears('tea');
    await expect(refused.publish('kitchen', 'x'.repeat(2_000_000))).rejects.toThrow(/at most/);
  });
});

test('a page of another origin reads what is public', async ({ context, page, server }) => {
  const site = createServer((_, answer) => {
    answer.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>another origin</title><link rel="icon" href="data:,">
      <ul id="list"></ul>
      <script type="module">
        import { subscribe } from '${server.url}/fairwind.js';
        subscribe('kitchen', ({ data }) => list.append(Object.assign(document.createElement('li'), { textContent: data })), { last: 1 });
      </script>`);
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  try {
    await publish(server.url, 'kitchen', 'before');
    const { port } = site.address() as AddressInfo;
    const other = await context.newPage();
    for (const each of [page, other]) await each.goto(`http://127.0.0.1:${port}/`);
    for (const each of [page, other]) await expect(each.locator('li')).toHaveText(['before']);
    await publish(server.url, 'kitchen', 'after');
    for (const each of [page, other]) await expect(each.locator('li')).toHaveText(['before', 'after']);
    expect(await streams(server.url)).toBe(1);
    await other.close();
  } finally {
    await page.goto('about:blank');
    site.closeAllConnections();
    site.close();
  }
});

test('more topics than one stream can have', async ({ context, server }) => {
  const names = (from: number) => Array.from({ length: 60 }, (_, index) => `many/${from + index}`);
  const first = await ScriptPage.open(context, server.url, names(0));
  const second = await ScriptPage.open(context, server.url, names(60));
  await publish(server.url, 'many/3', 'a');
  await publish(server.url, 'many/119', 'b');
  await first.hears('a');
  await second.hears('b');
  expect(await streams(server.url)).toBe(2);
});

for (const [missing, count] of [
  ['locks', 1],
  ['BroadcastChannel', 3],
] as const) {
  test(`without ${missing} in the browser, pages are live over ${count === 1 ? 'one stream' : 'a stream each'}`, async ({ context, server }) => {
    await context.addInitScript((missing) => {
      if (missing === 'locks') Object.defineProperty(navigator, 'locks', { value: undefined });
      else Reflect.deleteProperty(window, missing);
    }, missing);
    const topics = twelve.slice(0, 3);
    const tabs = await openTabs(context, server.url, topics);
    await expect.poll(() => streams(server.url)).toBe(count);
    const publisher = publishNumbers(server.url, topics);
    await tabs[2]?.hears('29');
    await tabs[0]?.page.close();
    const before = (await tabs[2]?.data())?.length ?? 0;
    await expect.poll(async () => (await tabs[2]?.data())?.length, { timeout: 20_000 }).toBeGreaterThan(before + 10);
    await haveAll(tabs.slice(1), topics.slice(1), await publisher.stop());
    await expect.poll(() => streams(server.url)).toBe(count === 1 ? 1 : 2);
  });
}

test('a page without a network says so, and goes on when there is one', async ({ consoleWatch, context, server }) => {
  const tab = await ScriptPage.open(context, server.url, 'kitchen');
  const another = await ScriptPage.open(context, server.url, 'garden');
  consoleWatch.allowOutage(server.url);
  await context.setOffline(true);
  // What goes over the emulated network is only what begins now.
  server.endStreams();
  for (const each of [tab, another]) await expect.poll(() => each.state()).toMatchObject({ state: 'reconnecting', cause: 'offline' });
  await publish(server.url, 'kitchen', 'meanwhile');
  await context.setOffline(false);
  await another.isIn('live');
  await tab.hears('meanwhile');
  expect(await tab.count('gap')).toBe(0);
});

/** A proxy that passes an answer on when it is complete, as some do. */
async function bufferingProxy(target: string): Promise<Server> {
  const proxy = createServer((asked, answer) => {
    const { method, headers, url } = asked;
    const onward = request(target + url, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => answer.destroy());
      response.on('end', () => {
        const { 'transfer-encoding': _, ...kept } = response.headers;
        answer.writeHead(response.statusCode ?? 502, kept).end(Buffer.concat(chunks));
      });
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return proxy;
}

test('behind a proxy that holds streams back a page asks every few seconds, and says so', async ({ context, server }) => {
  const proxy = await bufferingProxy(server.url);
  try {
    const { port } = proxy.address() as AddressInfo;
    const tab = await ScriptPage.load(context, `http://127.0.0.1:${port}`);
    await tab.subscribe('kitchen');
    await tab.isIn('polling', 30_000);
    for (const data of ['1', '2', '3']) await publish(server.url, 'kitchen', data);
    await tab.hears('3');
    await publish(server.url, 'kitchen', '4');
    await tab.hears('4');
    expect(await tab.data()).toEqual(['1', '2', '3', '4']);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
