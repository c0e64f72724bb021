import { expect, test } from '../fixtures.ts';

test('a form that is refused leads to a page that says why, and back', async ({ consoleWatch, javaScriptEnabled, kitchen, page, server }) => {
  test.skip(javaScriptEnabled ?? true, 'with scripts, the page itself says why');
  consoleWatch.allowStatus(400, server.url);
  await kitchen.open();
  await kitchen.text.fill('kept');
  await kitchen.type.fill('gap');
  await kitchen.button('Publish').click();
  await expect(page.locator('.problem-status')).toHaveText('400');
  await expect(page.getByText(/come from the server alone/)).toBeVisible();
  await page.getByRole('link', { name: 'Back to the topic' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('kitchen');
});

test('a topic that no URL can carry is refused with a sentence', async ({ consoleWatch, page, server }) => {
  consoleWatch.allowStatus(400, server.url);
  await page.goto('/topics');
  await page.getByLabel('Open a topic').fill('a/../b');
  await page.getByRole('button', { name: 'Open' }).click();
  await expect(page.getByText(/has the segment '\.\.'/)).toBeVisible();
});

test('a topic with empty segments is reached by its link', async ({ page, server }) => {
  for (const topic of ['a//b/', '/', '//c']) {
    const path = topic.split('/').map(encodeURIComponent).join('/');
    const published = await fetch(`${server.url}/topics/${path}`, { method: 'POST', body: `to ${topic}` });
    expect(published.status).toBe(200);
    await page.goto('/topics');
    await page.getByRole('link', { name: topic, exact: true }).click();
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(topic);
    await expect(page.locator('#newest')).toHaveText(`to ${topic}`);
  }
});

test.describe('a token that is not accepted', () => {
  test('is refused with a page that says what to do', async ({ consoleWatch, context, installation, page }) => {
    const { Fairwind } = await import('../support/fairwind.ts');
    const { writeFile } = await import('node:fs/promises');
    const secret = `${installation.folder}/secret`;
    await writeFile(secret, 'x'.repeat(64));
    const server = new Fairwind(installation, [`--jwt-secret-file=${secret}`]);
    await server.start();
    try {
      consoleWatch.allowStatus(401, server.url);
      await context.addCookies([{ name: 'fairwind_token', value: 'nonsense', url: server.url }]);
      const response = await page.goto(`${server.url}/topics/kitchen`);
      expect(response?.status()).toBe(401);
      await expect(page.getByText(/delete the cookie/)).toBeVisible();
      await page.getByRole('link', { name: 'Fairwind' }).click();
      await expect(page.locator('#messages')).toBeVisible();
    } finally {
      await page.goto('about:blank');
      await server.stop();
    }
  });
});
