import { expect, test } from '../fixtures.ts';
import { widerThanWindow } from '../support/layout.ts';

const WIDTHS = [390, 1280];
const SCHEMES = ['light', 'dark'] as const;

for (const width of WIDTHS) {
  for (const colorScheme of SCHEMES) {
    test.describe(`${width} px, ${colorScheme}`, () => {
      test.use({ viewport: { width, height: 844 }, colorScheme });

      for (const [name, path] of [
        ['the clock', '/'],
        ['the page where nothing is', '/nowhere'],
        ['the page of help', '/help'],
      ]) {
        test(`${name} fits`, async ({ consoleWatch, page, server }, testInfo) => {
          consoleWatch.allowStatus(404, `${server.url}/nowhere`);
          await expect.poll(() => server.ticks()).toBeGreaterThan(10);
          await page.goto(path);
          await expect(page.getByRole('heading', { level: 1 })).toBeVisible();

          expect(await widerThanWindow(page), 'no sideways scroll').toBeLessThanOrEqual(0);

          const picture = await page.screenshot({ fullPage: true });
          await testInfo.attach(`${width} px, ${colorScheme}`, { body: picture, contentType: 'image/png' });
        });
      }
    });
  }
}

test.describe('a page of which only the beginning has arrived', () => {
  test.use({ javaScriptEnabled: false });

  test('shows no controls where the list will stand', async ({ page, server }) => {
    await page.route(server.url, async (route) => {
      const response = await route.fetch();
      const html = await response.text();
      const cut = html.indexOf('<div class="messages-frame');
      expect(cut).toBeGreaterThan(0);
      await route.fulfill({ response, body: html.slice(0, cut) });
    });
    const controls = page.locator('.side');
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto('/');
    await expect(page.locator('.messages')).toBeAttached();
    await expect(controls).toBeHidden();
    await page.setViewportSize({ width: 1280, height: 844 });
    await expect(controls, 'beside the list they are in nobody’s way').toBeVisible();
    await page.unroute(server.url);
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto('/');
    await expect(controls).toBeVisible();
  });
});
