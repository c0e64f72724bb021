// A Chinese page that has come alive: what it says from then on is Chinese too.

import type { Page } from '@playwright/test';

import { expect, test } from '../fixtures.ts';
import { ComparePage } from '../pages/compare_page.ts';
import { accessibilityProblems } from '../support/axe.ts';
import { latinWords } from '../support/latin.ts';

test.use({ locale: 'zh-CN' });

for (const width of [320, 390, 1280]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds nothing on Chinese pages, ${width} px, ${colorScheme}`, async ({ clock, consoleWatch, kitchen, page, server }, testInfo) => {
      await page.setViewportSize({ width, height: 844 });
      await page.emulateMedia({ colorScheme });
      consoleWatch.allowStatus(404, `${server.url}/nowhere`);
      await kitchen.publish('乘风破浪会有时，直挂云帆济沧海。', '诗');
      const check = async (name: string) => {
        expect(await accessibilityProblems(page), name).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth), name).toBeLessThanOrEqual(width);
        await page.screenshot({ path: testInfo.outputPath(`${name}.png`), fullPage: true });
      };
      await clock.openLive();
      await check('clock');
      await kitchen.openLive();
      await check('topic');
      await new ComparePage(page).openLive();
      await check('compare');
      for (const path of ['topics', 'help', 'nowhere']) {
        await page.goto(`/${path}`);
        await check(path);
      }
    });
  }
}

test('a page that comes alive keeps its texts, and its new rows are Chinese', async ({ clock, page }) => {
  const texts = () => page.locator('h1, h2, dt, nav, .copies').allInnerTexts();
  await clock.open();
  const rendered = await texts();
  await clock.isHydrated();
  await clock.isIn('live');
  await clock.hasMoreMessages(2);
  expect(await texts()).toEqual(rendered);
  await expect(clock.rows.last()).toContainText('UTC 到达');
  await expect(clock.connection).toContainText('每条消息一经发出即刻到达。');
  await expect(clock.announcer).toHaveText('已连接，消息实时更新。');
  await expect(clock.stat('last-event')).toHaveText('刚刚');
  expect(await latinWords(page)).toEqual([]);
});

test('the controls and what they say are Chinese', async ({ clock, page }) => {
  await clock.openLive();
  await clock.button('暂停').click();
  await expect(clock.announcer).toContainText('已暂停');
  await expect(page.getByText(/^已暂停：[1-9]\d* 条等待中$/)).toBeVisible();
  await clock.button('继续').click();
  await expect(clock.announcer).toContainText('已继续');
  await clock.button('清空').click();
  await expect(clock.announcer).toContainText('已清空');
  await clock.button('断开连接').click();
  await clock.isIn('closed');
  await expect(clock.connection).toContainText('你已断开连接');
  expect(await latinWords(page)).toEqual([]);
  await clock.button('重新连接').click();
  await clock.isIn('live');
});

test('a lost connection is said to be lost in Chinese', async ({ clock, consoleWatch, page, server }) => {
  await clock.openLive();
  consoleWatch.allowOutage(server.url);
  await server.stop();
  await clock.isIn('reconnecting');
  await expect(clock.connection).toContainText('重连中');
  await expect(clock.connection).toContainText('事件流已中断');
  await expect(clock.stat('consumers')).toHaveText('未知');
  expect(await latinWords(page)).toEqual([]);
  await server.start();
  await clock.isIn('live', 20_000);
  await expect(clock.gaps).toContainText('这里可能缺少消息');
});

test('a refusal has a sentence in Chinese, and the server’s own words as English', async ({ consoleWatch, kitchen, page, server }) => {
  consoleWatch.allowStatus(400, server.url);
  await kitchen.openLive();
  const text = page.getByRole('textbox', { name: '文本' });
  const outcome = page.locator('#published');
  await text.fill('你好');
  await page.getByRole('textbox', { name: '类型' }).fill('gap');
  await kitchen.button('发布').click();
  await expect(outcome).toContainText('未发布：这不是可以发布的事件。');
  await expect(outcome.locator('[lang="en"]')).toContainText('come from the server alone');
  await page.getByRole('textbox', { name: '类型' }).fill('');
  await kitchen.button('发布').click();
  await expect(outcome).toHaveText('已发布给 1 个订阅者。');
  await expect(outcome.locator('[lang="en"]')).toHaveText('');
  expect(await latinWords(page)).toEqual([]);
});

test('a filter on a Chinese page explains itself in Chinese', async ({ kitchen, page }) => {
  await kitchen.publish('水开了');
  await kitchen.openLive();
  const filter = page.getByRole('searchbox', { name: '筛选' });
  await filter.fill('茶');
  await expect(page.getByText('没有符合筛选条件的消息。')).toBeVisible();
  await expect(kitchen.filterCount).toHaveText('显示 0 / 1 条');
  await filter.fill('"');
  await expect(page.getByText('引号没有成对')).toBeVisible();
});

test('the choice of a language keeps a filter that was typed into the live page', async ({ kitchen, page }) => {
  await kitchen.openLive();
  await page.getByRole('searchbox', { name: '筛选' }).fill('水');
  await expect(page).toHaveURL(/filter=/);
  const url = page.url();
  await page.getByRole('link', { name: 'English' }).click();
  await expect(kitchen.filter).toHaveValue('水');
  expect(page.url()).toBe(url);
});

test('the list of topics updates itself in Chinese', async ({ kitchen, page }) => {
  await kitchen.publish('first');
  await page.goto('/topics');
  await expect(page.locator('html')).toHaveAttribute('data-hydrated');
  const row = page.getByRole('row', { name: /kitchen/ });
  await kitchen.end();
  await expect(row.getByRole('rowheader')).toHaveText(/^kitchen\s+已结束$/);
  await page.getByRole('button', { name: '暂停' }).click();
  await expect(page.getByText('已暂停：列表保持不变。')).toBeVisible();
  await expect(page.getByRole('button', { name: '继续' })).toBeVisible();
  expect(await latinWords(page)).toEqual([]);
});

test('/compare keeps its texts when it comes alive, and what it measures is Chinese', async ({ browser, page, server }) => {
  const texts = (page: Page) => page.locator('h1, h2, h3, dt, nav, .attempts, .claims td:nth-child(2), .advice, noscript').allTextContents();
  const still = await browser.newPage({ baseURL: server.url, javaScriptEnabled: false, locale: 'zh-CN' });
  await still.goto('/compare');
  const rendered = await texts(still);
  await still.close();
  const compare = new ComparePage(page);
  await compare.openLive();
  await compare.hasMore('web-socket', 2);
  const withoutNote = (texts: string[]) => texts.filter((text) => !text.includes('测量需要 JavaScript'));
  expect(withoutNote(await texts(page))).toEqual(withoutNote(rendered));
  await expect(compare.card('event-source')).toContainText('已打开');
  await expect(compare.stat('web-socket', 'each')).toHaveText(/^\d+（数据 \d+）$/);
  await expect(compare.race).toHaveText(/^\d+ 个事件中，EventSource 先收到 \d+ 个，.*中位数：/);
  await expect(page.locator('.measured').first()).toHaveText(/^\d+ \+ \d+ 字节，状态码 200$/);
  expect(await latinWords(page)).toEqual([]);
});

test('experiments of /compare report in Chinese', async ({ page }) => {
  const compare = new ComparePage(page);
  await compare.openLive();
  await compare.button('发送内容').click();
  await expect(compare.said).toHaveText(
    /^经由 WebSocket：11 字节，[\d.]+ 毫秒后收到应答。经由 EventSource 之外的 POST：\d{3} 字节，[\d.]+ 毫秒后收到应答。$/,
  );
  await compare.button('1,000 个事件').click();
  await expect(compare.said).toHaveText(/^1,000 个事件从第一个到最后一个：.*；双方都没有错过事件。$/);
  await compare.button('全部断开').click();
  await expect(compare.said).toHaveText(/^EventSource 在 [\d.]+ 秒后自动恢复，\d+ 个事件中错过 0 个：.*WebSocket 处于关闭状态，目前已错过 \d+ 个：请重新打开。$/);
  await expect(page.locator('.measured').nth(1)).toHaveText(/^[\d.]+ 秒后恢复，错过 0 个$/);
  await expect(compare.card('web-socket')).toContainText('已断开');
  expect(await latinWords(page)).toEqual([]);
  await compare.card('web-socket').getByRole('button', { name: '重新打开' }).click();
  await compare.isIn('web-socket', 'live');
  await compare.card('web-socket').getByRole('button', { name: '关闭' }).click();
  await compare.isIn('web-socket', 'closed');
  await compare.card('event-source').getByRole('button', { name: '关闭' }).click();
  await compare.button('全部断开').click();
  await expect(compare.said).toHaveText('EventSource 没有打开，请先打开。');
  await compare.button('暂停').click();
  await expect(compare.button('继续')).toBeVisible();
  expect(await latinWords(page)).toEqual([]);
});

for (const { path, english, chinese } of [
  { path: '/', english: 'The stream is lost', chinese: '暂停' },
  { path: '/compare', english: 'Nothing has been asked yet', chinese: '全部断开' },
]) {
  test(`${path} in one language loads no text of the other, and no script has any`, async ({ page, server }) => {
    const loaded: string[] = [];
    page.on('response', async (response) => {
      if (/\.(js|wasm|css)$/.test(new URL(response.url()).pathname)) loaded.push((await response.body()).toString('latin1'));
    });
    const response = await page.goto(path);
    await expect(page.locator('html')).toHaveAttribute('data-hydrated');
    const html = await response?.text();
    expect(html).toContain(chinese);
    expect(html).not.toContain(english);
    expect(loaded.length).toBeGreaterThan(2);
    const inBytes = Buffer.from(chinese).toString('latin1');
    for (const file of loaded) {
      expect(file.includes(english)).toBe(false);
      expect(file.includes(inBytes)).toBe(false);
    }
    const other = await (await fetch(server.url + path, { headers: { accept: 'text/html' } })).text();
    expect(other).toContain(english);
    expect(other).not.toContain(chinese);
  });
}
