import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { expect, test } from './fixtures.ts';

const MOST_BYTES = 80_000;

test.use({ viewport: { width: 1200, height: 800 }, deviceScaleFactor: 1.5, serverArgs: ['--clock-interval', '500ms'] });

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(() => {
    test.use({ colorScheme });

    test(`the picture of the page, ${colorScheme}`, async ({ clock, context, page, server }) => {
      await clock.openLive();
      await clock.hasMoreMessages(12);
      // A mark of freshness on the newest rows would be caught half-way.
      await page.emulateMedia({ reducedMotion: 'reduce', colorScheme });
      await clock.hasMoreMessages(1);
      const chromium = await context.newCDPSession(page);
      const { data } = await chromium.send('Page.captureScreenshot', { format: 'webp', quality: 82 });
      const picture = Buffer.from(data, 'base64');
      expect(picture.length).toBeLessThan(MOST_BYTES);
      expect(server.consumers()).toBe(1);
      await writeFile(fileURLToPath(new URL(`../docs/page-${colorScheme}.webp`, import.meta.url)), picture);
    });
  });
}
