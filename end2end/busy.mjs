#!/usr/bin/env node
// How much of the browser's main thread a topic's page takes while events pour in, and how soon it answers its reader
// meanwhile. Prints one line per rate; fails for none. `node busy.mjs [RATE]...`, by default 50, 500, 2,000 and 10,000
// events per second. Needs target/release/fairwind (scripts/run.sh builds it).
//
// For each rate a server of its own starts, Chromium opens a topic's page, and one connection publishes lines of NDJSON
// at that rate. First the page is left alone for 8 s; then, while the events go on, a reader filters, scrolls away, comes
// back, pauses and resumes.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { chromium } from '@playwright/test';

import { findChromium } from './chromium.mjs';
import { publishSteadily } from './support/steady_publisher.mjs';

const BINARY = fileURLToPath(new URL('../target/release/fairwind', import.meta.url));
const RATES = [50, 500, 2_000, 10_000];
const TOPIC = '/topics/busy';

/** How long the page is watched while it is left alone, in milliseconds. */
const WATCHED = 8_000;

/** @returns {Promise<{ url: string, stop: () => void }>} */
async function startServer() {
  const server = spawn(BINARY, ['--addr', '127.0.0.1:0', '--anonymous-publish=local', '--clock-interval', 'off'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const url = await new Promise((resolve, reject) => {
    server.on('error', reject);
    server.on('exit', (code) => reject(new Error(`the server ended with status ${code}`)));
    createInterface(server.stdout).on('line', (line) => {
      const match = /^listening on (http:\S+)$/.exec(line);
      if (match) resolve(match[1]);
    });
  });
  return { url, stop: () => server.kill() };
}

/** Runs in the page, before its own scripts: notes long tasks, and how long each input took until it was painted. */
function watch() {
  /** @type {{ longTasks: number[], inputs: Record<string, number> }} */
  const seen = { longTasks: [], inputs: {} };
  Object.assign(globalThis, { seen });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.longTasks.push(entry.duration);
  }).observe({ type: 'longtask', buffered: true });
  new PerformanceObserver((list) => {
    for (const { name, duration } of list.getEntries()) {
      seen.inputs[name] = Math.max(seen.inputs[name] ?? 0, duration);
    }
  }).observe(/** @type {PerformanceObserverInit} */ ({ type: 'event', durationThreshold: 16, buffered: true }));
  // A wheel is not an input of that kind: from its event to the scrolling that follows.
  let wheel = 0;
  addEventListener('wheel', (event) => (wheel = event.timeStamp), { capture: true, passive: true });
  addEventListener(
    'scroll',
    () => {
      if (wheel > 0) seen.inputs.scroll = Math.max(seen.inputs.scroll ?? 0, performance.now() - wheel);
      wheel = 0;
    },
    { capture: true, passive: true },
  );
}

/**
 * @param {import('@playwright/test').Browser} browser
 * @param {number} rate
 */
async function measure(browser, rate) {
  const server = await startServer();
  const page = await browser.newPage({ viewport: { width: 1280, height: 844 } });
  try {
    await page.addInitScript(watch);
    await page.goto(server.url + TOPIC);
    await page.locator('html[data-hydrated]').waitFor();
    await page.locator('#connection[data-state="live"]').waitFor();
    const chromium = await page.context().newCDPSession(page);
    await chromium.send('Performance.enable');
    const busySeconds = async () => {
      const { metrics } = await chromium.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN;
    };
    /** @returns {Promise<ReturnType<typeof JSON.parse>>} */
    const take = () =>
      page.evaluate(() => {
        const { seen } = /** @type {any} */ (globalThis);
        const taken = structuredClone(seen);
        seen.longTasks.length = 0;
        seen.inputs = {};
        return taken;
      });

    const publisher = publishSteadily(server.url + TOPIC, rate);
    await sleep(1_000);
    await take();
    const before = await busySeconds();
    await sleep(WATCHED);
    const busy = (await busySeconds()) - before;
    const alone = await take();

    const list = page.locator('#messages');
    await page.locator('#filter').pressSequentially('event', { delay: 120 });
    await page.locator('#filter').fill('');
    await list.hover();
    for (let turn = 0; turn < 5; turn += 1) {
      await page.mouse.wheel(0, -300);
      await sleep(150);
    }
    await page.keyboard.press('End');
    await list.focus();
    await page.keyboard.press('Home');
    await sleep(500);
    await page.keyboard.press('End');
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await sleep(500);
    await page.getByRole('button', { name: 'Resume', exact: true }).click();
    await sleep(500);
    const used = await take();
    const state = await page.locator('#connection').getAttribute('data-state');
    const gaps = await page.locator('li[data-kind="gap"]').count();
    publisher.stop();
    const received = await page.locator('[data-stat="messages"]').innerText();
    const longest = (/** @type {number[]} */ tasks) => Math.round(Math.max(0, ...tasks));
    return {
      'events/s': rate,
      'busy, s of 8': Number(busy.toFixed(2)),
      'long tasks': alone.longTasks.length,
      'longest, ms': longest(alone.longTasks),
      'in use: long tasks': used.longTasks.length,
      'longest, ms ': longest(used.longTasks),
      'slowest input, ms': Math.round(Math.max(0, ...Object.values(used.inputs).map(Number))),
      'of which scroll, ms': Math.round(used.inputs.scroll ?? 0),
      'page': gaps > 0 ? `${state}, ${gaps} gaps` : state,
      'received / sent': `${received} / ${publisher.sent()}`,
    };
  } finally {
    await page.close();
    server.stop();
  }
}

const rates = process.argv.slice(2).map(Number);
const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: findChromium(), args });
try {
  const rows = [];
  for (const rate of rates.length > 0 ? rates : RATES) rows.push(await measure(browser, rate));
  console.table(rows);
} finally {
  await browser.close();
}
