import { expect, test } from '../fixtures.ts';

test('a topic comes with its newest events in it', async ({ kitchen, page, server }) => {
  await kitchen.publish('first');
  await kitchen.publish('second', 'news');
  await kitchen.open();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('kitchen');
  expect(await kitchen.data()).toEqual(['first', 'second']);
  await expect(kitchen.newest).toHaveText('second');
  await expect(page.getByText(`curl -N ${server.url}/topics/kitchen`).first()).toBeVisible();
});

test('the structure of a topic’s page', async ({ kitchen, page }) => {
  await kitchen.publish('hello', 'news');
  await kitchen.open();
  await expect(page.locator('body')).toMatchAriaSnapshot({ name: 'topic.aria.yml' });
});

test('a topic without events says so', async ({ kitchen, page }) => {
  await kitchen.open();
  await expect(page.getByText('No messages here yet')).toBeVisible();
  await expect(kitchen.newest).toHaveText('Nothing yet');
});

test('the filter of the URL counts from the start', async ({ kitchen }) => {
  await kitchen.publish('tea');
  await kitchen.publish('coffee');
  await kitchen.open('?filter=tea');
  await expect(kitchen.filter).toHaveValue('tea');
  await expect(kitchen.filterCount).toHaveText('1 of 2 shown');
  expect(await kitchen.data()).toEqual(['tea']);
});

test('the form publishes, and the filter filters, with scripts and without', async ({ kitchen, javaScriptEnabled, page }) => {
  await kitchen.open();
  if (javaScriptEnabled) await kitchen.isIn('live');
  await kitchen.text.fill('from the form');
  await kitchen.type.fill('news');
  await kitchen.button('Publish').click();
  await expect(kitchen.rows).toHaveCount(1);
  expect(page.url()).toMatch(/\/topics\/kitchen$/);
  await expect(kitchen.rows.locator('.type')).toHaveText('news');
  await kitchen.filter.fill('-form');
  await kitchen.filter.press('Enter');
  await expect(kitchen.filterCount).toHaveText('0 of 1 shown');
  await expect(page).toHaveURL(/\?filter=-form$/);
});

test('without scripts a topic’s page says how to see it live', async ({ kitchen, javaScriptEnabled, page }) => {
  await kitchen.open();
  const advice = page.getByText(/With JavaScript the page is live/);
  const raw = page.getByRole('link', { name: 'Raw stream' }).last();
  await expect(raw).toHaveAttribute('href', '/topics?topic=kitchen');
  if (javaScriptEnabled) await expect(advice).toBeHidden();
  else await expect(advice).toBeVisible();
});

test('the list of topics leads to each, and opens others', async ({ clock, javaScriptEnabled, kitchen, page }) => {
  await kitchen.publish('hello');
  await clock.open();
  await page.getByRole('link', { name: 'Topics' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Topics');
  const row = page.getByRole('row', { name: /kitchen/ });
  await expect(row.getByRole('cell').nth(0)).toContainText('1');
  await expect(row.locator('time')).toHaveText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  const moment = page.locator('#topics-moment');
  const before = await moment.innerText();
  if (javaScriptEnabled) {
    await expect(moment).not.toHaveText(before);
  } else {
    await page.getByRole('link', { name: 'Refresh every 5 s' }).click();
    await expect(page.getByRole('link', { name: 'Stop refreshing' })).toBeVisible();
    await expect(moment).not.toHaveText(before);
    await page.getByRole('link', { name: 'Stop refreshing' }).click();
  }
  await row.getByRole('link', { name: 'kitchen' }).click();
  await expect(kitchen.rows).toHaveCount(1);

  await page.goto('/topics');
  await page.getByLabel('Open a topic').fill('küche/1?');
  await page.getByRole('button', { name: 'Open' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('küche/1?');
  expect(page.url()).toMatch(/\/topics\/k%C3%BCche\/1%3F$/);
});

test('a name that cannot be a topic’s is refused in words', async ({ consoleWatch, page, server }) => {
  consoleWatch.allowStatus(400, server.url);
  await page.goto(`/topics?open=${'x'.repeat(2_000)}`);
  await expect(page.getByText(/at most 1024 are taken/)).toBeVisible();
  await expect(page.getByLabel('Open a topic')).toHaveAttribute('aria-invalid', 'true');
});
