import { expect, test } from '../fixtures.ts';
import { QuotesPage } from '../pages/quotes_page.ts';
import { widerThanWindow } from '../support/layout.ts';

test('prices, curves, the chart and the requests are there, with scripts and without', async ({ javaScriptEnabled, page }) => {
  const quotes = new QuotesPage(page);
  await page.goto('/quotes');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Quotes, as they move');
  await expect(page.locator('.market')).toHaveText('A simulated market: the prices are invented.');
  await expect(quotes.rows).toHaveCount(8);
  await expect(quotes.price('AAPL')).toHaveText(/^\d+\.\d\d$/);
  await expect(quotes.row('AAPL').locator('.change')).toHaveText(/^[+−±]\d+\.\d\d \([+−±]\d+\.\d\d\u00a0%\)$/);
  await expect(quotes.row('AAPL').locator('path')).toHaveAttribute('d', /^M-?\d+ \d+(L\d+ \d+){50,}/);
  await expect(quotes.chart.getByRole('heading')).toHaveText('AAPL, the last hour');
  await expect(quotes.chart.locator('p')).toHaveText(/^From \d+\.\d\d at \d\d:\d\d to /);
  await expect(page.locator('.requests code')).toHaveCount(3);
  if (!javaScriptEnabled) {
    await expect(page.locator('noscript p')).toContainText('Without JavaScript');
    await expect(page.getByRole('button')).toHaveCount(0);
    const before = await quotes.price('AAPL').textContent();
    await expect
      .poll(async () => {
        await page.locator('noscript a').click();
        return quotes.price('AAPL').textContent();
      })
      .not.toBe(before);
  }
});

test('a link has its symbols and its chart', async ({ page }) => {
  const quotes = new QuotesPage(page);
  await page.goto('/quotes?symbol=KO&symbol=IBM&symbol=nothing&chart=KO');
  expect(await quotes.symbols()).toEqual(['IBM', 'KO']);
  await expect(quotes.chart.getByRole('heading')).toHaveText('KO, the last hour');
});

test('the form chooses symbols, with scripts and without', async ({ javaScriptEnabled, page }) => {
  const quotes = new QuotesPage(page);
  await page.goto('/quotes?symbol=KO');
  if (javaScriptEnabled) await expect(page.locator('html')).toHaveAttribute('data-hydrated');
  await quotes.openChoice();
  await quotes.check('V', true);
  if (!javaScriptEnabled) await page.getByRole('button', { name: 'Show these' }).click();
  await expect(quotes.row('V')).toBeVisible();
  await expect(page).toHaveURL(/symbol=KO&symbol=V/);
});

for (const width of [320, 360, 390, 1280]) {
  test.describe(`${width} px`, () => {
    test.use({ viewport: { width, height: 844 } });

    test('the page fits, and each figure its cell', async ({ page }, testInfo) => {
      await page.goto('/quotes');
      const tooWide = await page.locator('.prices tbody :is(th, td)').evaluateAll((cells) =>
        cells.filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent),
      );
      expect(tooWide).toEqual([]);
      expect(await widerThanWindow(page), 'no sideways scroll').toBeLessThanOrEqual(0);
      const picture = await page.screenshot({ fullPage: true });
      await testInfo.attach(`${width} px`, { body: picture, contentType: 'image/png' });
    });
  });
}

test.describe('switched off', () => {
  test.use({ serverArgs: ['--clock-interval', '200ms', '--quotes', 'off'] });

  test('there is no page and no link', async ({ consoleWatch, page, server }) => {
    await page.goto('/');
    await expect(page.getByRole('link', { name: 'Help' })).toBeVisible();
    await expect(page.getByRole('link', { name: 'Quotes' })).toHaveCount(0);
    consoleWatch.allowStatus(404, `${server.url}/quotes`);
    expect((await page.goto('/quotes'))?.status()).toBe(404);
  });
});
