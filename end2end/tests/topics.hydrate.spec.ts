import { expect, test } from '../fixtures.ts';

test.beforeEach(async ({ kitchen, page }) => {
  await kitchen.publish('first');
  await page.goto('/topics');
  await expect(page.locator('html')).toHaveAttribute('data-hydrated');
});

test('the list of topics is live: counts move, topics come and end', async ({ kitchen, page, server }) => {
  await page.evaluate(() => Object.assign(window, { sameDocument: true }));
  const row = page.getByRole('row', { name: /kitchen/ });
  await expect(row.getByRole('cell').nth(0)).toHaveText('1');
  await expect(page.getByText('Live: the list updates itself')).toBeVisible();
  await kitchen.publish('second');
  await expect(row.getByRole('cell').nth(0)).toHaveText('2');

  await fetch(`${server.url}/topics/attic`, { method: 'POST', body: 'dusty' });
  await expect(page.getByRole('row', { name: /attic/ })).toBeVisible();
  await expect(page.getByRole('rowheader')).toHaveText(['attic', 'clock', 'kitchen']);
  await kitchen.end();
  await expect(row.getByRole('rowheader')).toHaveText(/^kitchen\s+ended$/);
  expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true);
});

test('nothing moves under a reader’s hand, and the focus stays', async ({ kitchen, page, server }) => {
  const link = page.getByRole('link', { name: 'kitchen' });
  await link.focus();
  const before = await link.boundingBox();
  await fetch(`${server.url}/topics/attic`, { method: 'POST', body: 'dusty' });
  await kitchen.publish('second');
  await expect(page.getByRole('row', { name: /kitchen/ }).getByRole('cell').nth(0)).toHaveText('2');
  await expect(link).toBeFocused();
  expect(await link.boundingBox()).toEqual(before);
  await expect(page.getByRole('row', { name: /attic/ })).toHaveCount(0);
  await page.getByLabel('Open a topic').focus();
  await expect(page.getByRole('row', { name: /attic/ })).toBeVisible();
});

test('the list is paused and goes on', async ({ kitchen, page }) => {
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByText('Paused: the list stays as it is')).toBeVisible();
  await kitchen.publish('second');
  const answers: string[] = [];
  page.on('response', (response) => answers.push(response.url()));
  const cell = page.getByRole('row', { name: /kitchen/ }).getByRole('cell').nth(0);
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(cell).toHaveText('2');
  expect(answers.length).toBeGreaterThan(0);
});

test('a server that does not answer is said to be lost, and found again', async ({ consoleWatch, page, server }) => {
  consoleWatch.allowOutage(server.url);
  await server.stop();
  await expect(page.getByText('Not live: the server does not answer')).toBeVisible();
  await server.start();
  await expect(page.getByText('Live: the list updates itself')).toBeVisible({ timeout: 20_000 });
});
