// Pages in English and in Chinese, with scripts and without: every page is in one language, and a link leads to the other.

import { expect, test } from '../fixtures.ts';
import { latinWords } from '../support/latin.ts';

/** Every page, and a text of it in each language. */
const PAGES = [
  ['/', 'The server’s time', '服务器时间'],
  ['/topics', 'Open a topic', '按名称打开或新建主题'],
  ['/topics/kitchen', 'Newest message', '最新消息'],
  ['/topics/kitchen?before=%23x', 'No older events are kept', '没有保留更早的事件'],
  ['/compare', 'side by side', '并排对比'],
  ['/chat', 'Name of a room', '房间名称'],
  ['/chat/tea', 'Three requests make this page', '此页面由三个请求构成'],
  ['/quotes', 'as they move', '实时行情'],
  ['/answers', 'as they are written', '实时生成的回答'],
  ['/help', 'Several topics on one connection', '一个连接订阅多个主题'],
  ['/nowhere', 'There is nothing here', '这里什么也没有'],
  ['/topics?open=%2E%2E', 'segment', '这不能作为主题的名称'],
] as const;

test.setTimeout(90_000);

test.beforeEach(async ({ consoleWatch, kitchen, server }) => {
  consoleWatch.allowStatus(404, `${server.url}/nowhere`);
  consoleWatch.allowStatus(400, `${server.url}/topics`);
  await kitchen.publish('水开了', '新闻');
});

test.describe('a browser that asks for Chinese', () => {
  test.use({ locale: 'zh-CN' });

  for (const width of [390, 1280]) {
    test(`gets every page in Chinese, ${width} px wide`, async ({ page }) => {
      await page.setViewportSize({ width, height: 844 });
      for (const [path, , chinese] of PAGES) {
        await page.goto(path);
        await expect(page.locator('html'), path).toHaveAttribute('lang', 'zh-CN');
        await expect(page.getByText(chinese).first(), path).toBeVisible();
        expect(await latinWords(page), path).toEqual([]);
        expect(await page.locator('html').evaluate((html) => html.scrollWidth), path).toBeLessThanOrEqual(width);
      }
    });
  }

  test('gets English by a link, which leads back to the same page, and Chinese again', async ({ page }) => {
    for (const [path, english, chinese] of PAGES) {
      await page.goto(path);
      const url = page.url();
      await page.getByRole('link', { name: 'English' }).click();
      await expect(page.getByText(english).first(), path).toBeVisible();
      await expect(page.locator('html'), path).toHaveAttribute('lang', 'en');
      expect(page.url()).toBe(url);
      await page.getByRole('link', { name: '中文' }).click();
      await expect(page.getByText(chinese).first(), path).toBeVisible();
      await expect(page.locator('html'), path).toHaveAttribute('lang', 'zh-CN');
      expect(page.url()).toBe(url);
    }
  });

  test('writes the date as Chinese does', async ({ clock }) => {
    await clock.open();
    await expect(clock.page.getByText(/^\d{4}年\d{1,2}月\d{1,2}日 星期[一二三四五六日]$/)).toBeVisible();
  });
});

test('the link to the other language is named in that language, and the keyboard reaches it', async ({ clock, page }) => {
  await clock.open();
  const link = page.getByRole('link', { name: '中文' });
  await expect(link).toHaveAttribute('lang', 'zh-CN');
  await expect(link).toHaveAttribute('hreflang', 'zh-CN');
  await link.focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN');
});

test('a choice is kept for pages that are opened later', async ({ context, page }) => {
  await page.goto('/help');
  await page.getByRole('link', { name: '中文' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN');
  const later = await context.newPage();
  await later.goto('/topics');
  await expect(later.getByRole('heading', { level: 1 })).toHaveText('主题');
});
