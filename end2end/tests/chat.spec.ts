import { expect, test } from '../fixtures.ts';
import { ChatPage } from '../pages/chat_page.ts';
import { publish } from '../support/fairwind.ts';

test('the door leads to a room', async ({ page }) => {
  await page.goto('/chat');
  await page.getByLabel('Name of a room').fill('green tea');
  await page.getByRole('button', { name: 'Enter' }).click();
  await expect(page).toHaveURL(/\/chat\/green%20tea$/);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('green tea');
});

test('a room shows what has been said, takes a message, and says what it is made of, with scripts and without', async ({
  javaScriptEnabled,
  page,
  server,
}) => {
  const says = (name: string, text: string) => publish(server.url, 'chat/tea', JSON.stringify({ name, text }));
  await says('Ada', 'hello');
  await says('Ada', 'see https://a.example/x.');
  await says('Bob', '<b>bold</b>');
  await publish(server.url, 'chat/tea', 'plain text');
  const chat = new ChatPage(page);
  await chat.open();
  if (javaScriptEnabled) await chat.isLive();
  await expect(chat.rows).toHaveCount(4);
  expect(await chat.said()).toEqual(['hello', 'see https://a.example/x.', '<b>bold</b>', 'plain text']);
  expect(await chat.headings()).toEqual(['Ada', 'Bob', 'without a name']);
  const link = chat.rows.getByRole('link');
  await expect(link).toHaveAttribute('href', 'https://a.example/x');
  await expect(link).toHaveAttribute('rel', /noopener/);

  await chat.name.fill('Cy');
  await chat.text.fill('and I');
  await chat.send.click();
  await expect(chat.rows).toHaveCount(5);
  expect((await chat.said()).at(-1)).toBe('and I');
  await expect(chat.rows.last().locator('.fate')).toBeHidden();
  await page.reload();
  await expect(chat.name).toHaveValue('Cy');
  await expect(chat.rows).toHaveCount(5);

  const commands = page.locator('.requests code');
  await expect(commands).toHaveText([/^curl -H .*\/topics\/chat\/tea\?limit=50'$/, /^curl -N .*presence=event'$/, /^curl -d .*\/topics\/chat\/tea$/]);
  const source = await page.request.get((await page.getByRole('link', { name: 'The script of this page' }).getAttribute('href')) ?? '');
  expect(await source.text()).toContain('// A chat room.');
});

for (const width of [390, 1280]) {
  test.describe(`${width} px`, () => {
    test.use({ viewport: { width, height: 844 } });

    test('the pages fit', async ({ page, server }, testInfo) => {
      const text = `${'long'.repeat(60)} https://a.example/${'x'.repeat(120)}`;
      await publish(server.url, 'chat/tea', JSON.stringify({ name: 'n'.repeat(120), text }));
      for (const path of ['/chat', '/chat/tea']) {
        await page.goto(path);
        expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(width);
        const picture = await page.screenshot({ fullPage: true });
        await testInfo.attach(`${path}, ${width} px`, { body: picture, contentType: 'image/png' });
      }
    });
  });
}
