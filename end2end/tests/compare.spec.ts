import { expect, test } from '../fixtures.ts';
import { widerThanWindow } from '../support/layout.ts';

test('what holds of both is there with its sources, the advice and the commands, with scripts and without', async ({
  javaScriptEnabled,
  page,
}) => {
  await page.goto('/compare');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('EventSource and WebSocket, side by side');
  const claims = page.getByRole('table').getByRole('row');
  await expect(claims).toHaveCount(12);
  await expect(claims.filter({ hasText: 'long polling' })).toContainText('the one response goes on');
  for (const claim of (await claims.all()).slice(1)) {
    expect(await claim.getByRole('link').count()).toBeGreaterThan(0);
  }
  await expect(page.locator('.advice li')).toHaveCount(5);
  const commands = page.locator('.commands code');
  await expect(commands.nth(0)).toHaveText(/^curl -N http:\/\/\S+\/compare\/[\w-]{22}\/events$/);
  await expect(commands.nth(1)).toHaveText(/^curl -N --http1\.1 .* http:\/\/\S+\/compare\/[\w-]{22}\/socket$/);

  const note = page.locator('noscript p');
  if (javaScriptEnabled) {
    await expect(page.locator('html')).toHaveAttribute('data-hydrated');
    await expect(note).toHaveCount(0);
  } else {
    await expect(note).toBeVisible();
    await expect(note).toContainText('Measuring needs JavaScript');
    await expect(page.getByRole('button')).toHaveCount(0);
  }
});

for (const width of [320, 390, 1280]) {
  test.describe(`${width} px`, () => {
    test.use({ viewport: { width, height: 844 } });

    test('the page fits', async ({ page }, testInfo) => {
      await page.goto('/compare');
      expect(await widerThanWindow(page), 'no sideways scroll').toBeLessThanOrEqual(0);
      const picture = await page.screenshot({ fullPage: true });
      await testInfo.attach(`${width} px`, { body: picture, contentType: 'image/png' });
    });
  });
}

test('every page leads to it', async ({ page }) => {
  for (const path of ['/', '/topics', '/help', '/compare']) {
    await page.goto(path);
    await expect(page.getByRole('navigation').getByRole('link', { name: 'Compare' })).toHaveAttribute('href', '/compare');
  }
});

test.describe('switched off', () => {
  test.use({ serverArgs: ['--clock-interval', '200ms', '--compare', 'off'] });

  test('there is no page and no link', async ({ consoleWatch, page, server }) => {
    await page.goto('/');
    await expect(page.getByRole('link', { name: 'Help' })).toBeVisible();
    await expect(page.getByRole('link', { name: 'Compare' })).toHaveCount(0);
    consoleWatch.allowStatus(404, `${server.url}/compare`);
    expect((await page.goto('/compare'))?.status()).toBe(404);
  });
});
