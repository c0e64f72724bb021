import { expect, test } from '../fixtures.ts';
import { QuotesPage } from '../pages/quotes_page.ts';
import { accessibilityProblems } from '../support/axe.ts';
import { recordShifts, shifts } from '../support/layout.ts';
import { tasksWhile } from '../support/tasks.ts';

test('prices arrive, the price that moves says so, and pausing holds them', async ({ page }) => {
  const quotes = new QuotesPage(page);
  await quotes.openLive();
  await expect(quotes.row('MSFT')).toHaveAttribute('data-moved', /^(up|down)-[ab]$/);
  await quotes.button('Pause').click();
  const held = await quotes.price('MSFT').textContent();
  // Two more prices reach every other reader.
  for (const _ of [1, 2]) await quotes.isPublished('MSFT');
  expect(await quotes.price('MSFT').textContent()).toBe(held);
  await quotes.button('Resume').click();
  await expect(quotes.price('MSFT')).not.toHaveText(held ?? '');
});

test('only the chosen symbols are subscribed, on one stream with the policy latest; a change loses nothing of the others', async ({
  page,
}) => {
  const streams: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('heartbeat=event')) streams.push(request.url());
  });
  const quotes = new QuotesPage(page);
  await quotes.openLive('/quotes?symbol=KO&symbol=IBM');
  expect(streams).toHaveLength(1);
  const topics = (url: string) => new URL(url).searchParams.getAll('topic');
  expect(topics(streams[0])).toEqual(['quotes/IBM', 'quotes/KO']);
  expect(new URL(streams[0]).searchParams.get('slow_reader')).toBe('latest');

  await quotes.openChoice();
  await quotes.check('V', true);
  await expect(quotes.price('V')).toHaveText(/^\d+\.\d\d$/);
  await expect(quotes.row('V').locator('path')).toHaveAttribute('d', /L/);
  await expect(quotes.said).toHaveText(/^V is in the table/);
  await expect.poll(() => topics(streams.at(-1) ?? '')).toContain('quotes/V');
  await quotes.isIn('live');
  await quotes.hasMore(10);
  await quotes.check('KO', false);
  await expect(quotes.row('KO')).toHaveCount(0);
  await expect(page).toHaveURL(/symbol=IBM&symbol=V$/);
});

test('a symbol shows its chart, and the chart follows the price', async ({ page }) => {
  const quotes = new QuotesPage(page);
  await quotes.openLive();
  await page.getByRole('link', { name: 'NVDA' }).click();
  await expect(quotes.chart.getByRole('heading')).toHaveText('NVDA, the last hour');
  await expect(quotes.chart.locator('path')).toHaveAttribute('d', /^M-?\d+ \d+(L\d+ \d+){50,}/);
  await expect(page).toHaveURL(/chart=NVDA/);
  const before = await quotes.chart.locator('path').getAttribute('d');
  await expect(quotes.chart.locator('path')).not.toHaveAttribute('d', before ?? '');
});

test('all symbols at a hundred prices a second cause no long task', { tag: '@measured' }, async ({ page }) => {
  const quotes = new QuotesPage(page);
  await page.goto('/quotes');
  const all = await page.locator('.choice input[name="symbol"]').evaluateAll((boxes) =>
    boxes.map((box) => `symbol=${(box as HTMLInputElement).value}`).join('&'),
  );
  await quotes.openLive(`/quotes?${all}`);
  await expect(quotes.rows).toHaveCount(50);
  await quotes.hasMore(100);
  const { count, longest } = await tasksWhile(page, async () => {
    const start = Date.now();
    await quotes.hasMore(300);
    expect(Date.now() - start, 'time for 300 prices, in ms').toBeLessThan(6_000);
  });
  expect(count).toBeGreaterThan(100);
  expect(longest, 'the longest task, in ms').toBeLessThanOrEqual(50);
});

test('nothing shifts while prices move', async ({ page }) => {
  await recordShifts(page);
  const quotes = new QuotesPage(page);
  await quotes.openLive();
  await quotes.hasMore(40);
  expect(await shifts(page)).toEqual([]);
});

test('a server that is killed in the middle: prices go on when it is back', async ({ consoleWatch, page, server }) => {
  const quotes = new QuotesPage(page);
  await quotes.openLive();
  consoleWatch.allowOutage(`${server.url}/topics`);
  await server.kill();
  await quotes.isIn('reconnecting');
  const held = await quotes.received();
  await server.start();
  await quotes.isIn('live', 20_000);
  await expect.poll(() => quotes.received(), { timeout: 20_000 }).toBeGreaterThan(held + 10);
});

test('slow readers: disconnect misses nothing and is late, latest is current again', async ({ page }) => {
  const quotes = new QuotesPage(page);
  await quotes.openLive();
  await quotes.button('Watch slow readers').click();
  const seen = (policy: string) => page.locator(`td[data-policy="${policy}"]`);
  await expect(seen('latest')).toHaveText('Reading …');
  await expect(quotes.said).toHaveText(/^Done/, { timeout: 15_000 });
  await expect(seen('disconnect')).toHaveText(/^Read (79|80) of 80 prices; [2-4]\d of them more than a second late\./);
  await expect(seen('skip')).toHaveText(/^Read [34]\d of 80 prices; 0 of them .* the first was 0\.[01] s old\.$/);
  await expect(seen('latest')).toHaveText(/^Read [34]\d of 80 prices; 0 of them .* the first was 0\.[01] s old\.$/);
});

test('the page to copy works', async ({ page }) => {
  await page.goto('/quotes.html?symbol=KO');
  await expect(page.locator('td').first()).toHaveText(/^\d+\.\d\d \(-?\d+\.\d\d\)$/);
  await expect(page.locator('path')).toHaveAttribute('d', /^M0 \S+L1 /);
});

test('the keyboard reaches everything, and a link of a symbol too', async ({ page }) => {
  const quotes = new QuotesPage(page);
  await quotes.openLive();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the prices' })).toBeFocused();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'AAPL' })).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(quotes.chart.getByRole('heading')).toHaveText('AMZN, the last hour');
});

for (const width of [390, 1280]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test.describe(`${width} px, ${colorScheme}`, () => {
      test.use({ viewport: { width, height: 844 }, colorScheme });

      test('axe finds nothing', async ({ page }, testInfo) => {
        const quotes = new QuotesPage(page);
        await quotes.openLive();
        await quotes.openChoice();
        // A flash is between two colours.
        await quotes.button('Pause').click();
        await expect.poll(() => page.evaluate(() => document.getAnimations().length)).toBe(0);
        expect(await accessibilityProblems(page)).toEqual([]);
        const picture = await page.screenshot({ fullPage: true });
        await testInfo.attach(`${width} px, ${colorScheme}`, { body: picture, contentType: 'image/png' });
      });
    });
  }
}

test('a reader who asks for no motion gets arrows and no flash', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const quotes = new QuotesPage(page);
  await quotes.openLive();
  await quotes.hasMore(20);
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
  const arrow = await quotes.price('AAPL').evaluate((price) => getComputedStyle(price, '::before').content);
  expect(arrow).toMatch(/[▲▼]/);
});

test.describe('in Chinese', () => {
  test.use({ locale: 'zh-CN' });

  test('what changes is in Chinese too', async ({ page }) => {
    const quotes = new QuotesPage(page);
    await quotes.openLive();
    await expect(quotes.button('暂停')).toBeVisible();
    await page.getByRole('link', { name: 'KO', exact: true }).or(page.getByRole('link', { name: 'TSLA' })).first().click();
    await expect(quotes.chart.getByRole('heading')).toHaveText('TSLA：最近一小时');
  });
});
