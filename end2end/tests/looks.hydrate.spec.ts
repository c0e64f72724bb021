import { expect, test } from '../fixtures.ts';
import { accessibilityProblems } from '../support/axe.ts';
import { recordShifts, shifts } from '../support/layout.ts';

for (const width of [390, 1280]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test.describe(`${width} px, ${colorScheme}`, () => {
      test.use({ viewport: { width, height: 844 }, colorScheme });

      test('axe finds nothing: live, paused, closed', async ({ clock, page }, testInfo) => {
        await clock.openLive();
        await clock.hasMoreMessages(3);
        expect(await accessibilityProblems(page)).toEqual([]);
        const picture = await page.screenshot({ fullPage: true });
        await testInfo.attach(`live, ${width} px, ${colorScheme}`, { body: picture, contentType: 'image/png' });

        await clock.button('Pause').click();
        expect(await accessibilityProblems(page)).toEqual([]);
        await clock.button('Disconnect').click();
        await clock.isIn('closed');
        expect(await accessibilityProblems(page)).toEqual([]);
      });

      test('axe finds nothing: reconnecting, after a gap', async ({ clock, consoleWatch, page, server }) => {
        await clock.openLive();
        consoleWatch.allowOutage(`${server.url}/topics`);
        await server.stop();
        await clock.isIn('reconnecting');
        expect(await accessibilityProblems(page)).toEqual([]);
        await server.start();
        await clock.isIn('live', 20_000);
        await expect(clock.gaps).toHaveCount(1);
        expect(await accessibilityProblems(page)).toEqual([]);
      });

      test('axe finds nothing where nothing is', async ({ consoleWatch, page, server }) => {
        consoleWatch.allowStatus(404, `${server.url}/nowhere`);
        await page.goto('/nowhere');
        expect(await accessibilityProblems(page)).toEqual([]);
      });

      test('nothing shifts while the page comes alive and ticks', async ({ clock, page }) => {
        await recordShifts(page);
        await clock.openLive();
        await clock.hasMoreMessages(20);
        expect(await shifts(page)).toEqual([]);
      });

      test('a reader who asks for no motion gets none', async ({ clock, page }) => {
        await page.emulateMedia({ reducedMotion: 'reduce' });
        await clock.openLive();
        for (const _ of [1, 2, 3]) {
          await clock.hasMoreMessages(1);
          const moving = await page.evaluate(() =>
            document
              .getAnimations()
              .filter((animation) => animation.playState === 'running')
              .map((animation) => (animation.effect as KeyframeEffect).target?.outerHTML.slice(0, 80)),
          );
          expect(moving).toEqual([]);
        }
      });
    });
  }
}

test('the colours that were forced on the page keep it usable', async ({ clock, page }) => {
  await page.emulateMedia({ forcedColors: 'active' });
  await clock.openLive();
  await expect(clock.connection).toContainText('Live');
  expect(await accessibilityProblems(page)).toEqual([]);
});
