import { expect, test } from '../fixtures.ts';
import { accessibilityProblems } from '../support/axe.ts';
import { recordShifts, shifts } from '../support/layout.ts';
import type { TopicPage } from '../pages/topic_page.ts';

async function fill(kitchen: TopicPage): Promise<void> {
  await kitchen.publish('The kettle is on.');
  await kitchen.publish('{"order":7,"items":["tea","cake"],"total":{"amount":"9.50","currency":"EUR"}}', 'order');
  await kitchen.publish('<img src=x onerror=alert(1)> </script>', 'hostile & <b>bold</b>');
  await kitchen.publish('w'.repeat(10_000));
  await kitchen.publish('مرحبا بالعالم');
  await kitchen.publish('乘风破浪会有时，直挂云帆济沧海。', '诗');
  await kitchen.publish('first line\nsecond line\n\tthird line, indented');
  await kitchen.publish('x'.repeat(100_000), 'large');
  await kitchen.publish('Tea is ready', 'news');
}

for (const width of [320, 390, 1280]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test.describe(`${width} px, ${colorScheme}`, () => {
      test.use({ viewport: { width, height: 844 }, colorScheme });

      test('a topic: axe finds nothing, nothing shifts, everything fits', async ({ kitchen, page }, testInfo) => {
        await recordShifts(page);
        await fill(kitchen);
        await kitchen.openLive();
        expect(await accessibilityProblems(page)).toEqual([]);
        await kitchen.publish('and one more, which is a good deal longer than what stood there before it came');
        await kitchen.hasMessages(10);
        expect(await shifts(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
        await page.emulateMedia({ reducedMotion: 'reduce', colorScheme });
        await kitchen.messages.getByRole('button', { name: 'JSON' }).click();
        await page.screenshot({ path: testInfo.outputPath('topic.png'), fullPage: true });
        await kitchen.filter.fill('"');
        expect(await accessibilityProblems(page)).toEqual([]);
        await kitchen.end();
        await kitchen.isIn('ended');
        expect(await accessibilityProblems(page)).toEqual([]);
      });

      test('the list of topics: axe finds nothing, everything fits', async ({ kitchen, page, server }, testInfo) => {
        for (const topic of ['kitchen', 'orders/7', '上海', 'a-very-long-name-'.repeat(20)]) {
          await fetch(`${server.url}/topics/${encodeURIComponent(topic)}`, { method: 'POST', body: 'hello' });
        }
        await kitchen.end();
        await page.goto('/topics');
        expect(await accessibilityProblems(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
        await page.screenshot({ path: testInfo.outputPath('topics.png'), fullPage: true });
      });
    });
  }
}

test('the colours that were forced on a topic’s page keep it usable', async ({ kitchen, page }) => {
  await page.emulateMedia({ forcedColors: 'active' });
  await fill(kitchen);
  await kitchen.openLive();
  expect(await accessibilityProblems(page)).toEqual([]);
});
