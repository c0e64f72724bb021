import { expect, test } from '../fixtures.ts';
import { widerThanWindow } from '../support/layout.ts';

test.use({ serverArgs: ['--clock-interval', '1h'] });

test('a form makes a notification, now or later, and cancels it, with scripts and without', async ({ javaScriptEnabled, page }) => {
  await page.goto('/notifications');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Notifications');
  await expect(page.locator('#none')).toBeVisible();
  if (javaScriptEnabled) await expect(page.locator('html')).toHaveAttribute('data-hydrated');
  else await expect(page.locator('noscript p')).toContainText('Without JavaScript');

  await page.getByLabel('Text').fill('first <b>one</b>');
  await page.getByRole('button', { name: 'Notify', exact: true }).click();
  const notes = page.locator('#notes > li');
  await expect(notes).toHaveCount(1);
  await expect(notes.locator('.note-text')).toHaveText('first <b>one</b>');
  await expect(page).toHaveURL(/\/notifications$/);

  await page.getByLabel('Text').fill('much later');
  await page.getByLabel('When').selectOption('In 1 hour');
  await page.getByRole('button', { name: 'Notify', exact: true }).click();
  const scheduled = page.locator('#scheduled li');
  await expect(scheduled).toHaveCount(1);
  await expect(scheduled).toContainText('much later');
  await page.reload();
  await expect(notes).toHaveCount(1);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(scheduled).toHaveCount(0);
  await expect(page.getByText('Nothing is scheduled.')).toBeVisible();
  await expect(page).toHaveURL(/\/notifications$/);
});

test('each browser has a topic of its own, which no list shows', async ({ browser, page, server }) => {
  const topicOf = (on: typeof page) => on.locator('main').getAttribute('data-topic');
  await page.goto('/notifications');
  const first = await topicOf(page);
  expect(first).toMatch(/^~inbox\/[\w-]{22}$/);
  await page.reload();
  expect(await topicOf(page)).toBe(first);
  const other = await browser.newPage({ baseURL: server.url });
  await other.goto('/notifications');
  expect(await topicOf(other)).not.toBe(first);
  await other.close();
  await fetch(`${server.url}/topics/${first}`, { method: 'POST', body: 'secret' });
  const list = await fetch(`${server.url}/topics`, { headers: { accept: 'application/json' } });
  expect(await list.text()).not.toContain('inbox');
});

test('the page shows the three requests that it is made of, and they work', async ({ page }) => {
  await page.goto('/notifications');
  const commands = page.locator('.requests code');
  const [read, publish, list] = await commands.allTextContents();
  expect(read).toMatch(/^curl -N http:\S+\/topics\/~inbox\/[\w-]{22}$/);
  expect(publish).toContain('?in=10s');
  const url = /http:[^\s']+/.exec(publish)?.[0] ?? '';
  expect((await fetch(`${url}?in=1h`, { method: 'POST', body: 'by curl' })).status).toBe(202);
  const scheduled = await fetch(/http:[^\s']+/.exec(list)?.[0] ?? '');
  expect(((await scheduled.json()) as { data: string }[]).map(({ data }) => data)).toEqual(['by curl']);
  await expect(page.getByRole('link', { name: '/notifications.js' })).toBeVisible();
});

for (const [width, colorScheme, locale, heading] of [
  [390, 'light', 'en-GB', 'Notifications'],
  [390, 'dark', 'zh-CN', '通知'],
  [1280, 'dark', 'en-GB', 'Notifications'],
  [1280, 'light', 'zh-CN', '通知'],
] as const) {
  test.describe(`${width} px, ${colorScheme}, ${locale}`, () => {
    test.use({ viewport: { width, height: 844 }, colorScheme, locale });

    test('the page fits', async ({ page, server }, testInfo) => {
      await page.goto('/notifications');
      await expect(page.getByRole('heading', { level: 1 })).toHaveText(heading);
      const topic = await page.locator('main').getAttribute('data-topic');
      await fetch(`${server.url}/topics/${topic}`, { method: 'POST', body: 'x'.repeat(300) });
      await fetch(`${server.url}/topics/${topic}?in=1h`, { method: 'POST', body: '茶'.repeat(100) });
      await page.reload();
      await expect(page.locator('#notes > li')).toHaveCount(1);
      expect(await widerThanWindow(page), 'no sideways scroll').toBeLessThanOrEqual(0);
      const picture = await page.screenshot({ fullPage: true });
      await testInfo.attach(`${width} px, ${colorScheme}`, { body: picture, contentType: 'image/png' });
    });
  });
}

test.describe('a reader who may not publish', () => {
  // A request that comes through a proxy is none of the server's own machine.
  test.use({ extraHTTPHeaders: { 'X-Forwarded-For': '203.0.113.1' } });

  test('the page says why there is no form', async ({ page }) => {
    await page.goto('/notifications');
    await expect(page.locator('.make .refusal')).toContainText('only programs of the server\'s own machine');
    await expect(page.getByRole('button', { name: 'Notify', exact: true })).toHaveCount(0);
  });
});

test.describe('switched off', () => {
  test.use({ serverArgs: ['--clock-interval', '1h', '--notifications', 'off'] });

  test('there is no page and no link', async ({ consoleWatch, page, server }) => {
    await page.goto('/help');
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await expect(page.getByRole('link', { name: 'Notifications' })).toHaveCount(0);
    consoleWatch.allowStatus(404, `${server.url}/notifications`);
    expect((await page.goto('/notifications'))?.status()).toBe(404);
  });
});
