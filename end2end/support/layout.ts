import type { Page } from '@playwright/test';

/** Has the page record what shifts from its beginning on, before it is opened. */
export async function recordShifts(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shifts: unknown[] = Object.assign(window, { shifts: [] }).shifts;
    new PerformanceObserver((list) => shifts.push(...list.getEntries().map((entry) => entry.toJSON()))).observe({
      type: 'layout-shift',
      buffered: true,
    });
  });
}

/** What has shifted. */
export async function shifts(page: Page): Promise<{ hadRecentInput: boolean }[]> {
  return page.evaluate(() => (window as unknown as { shifts: { hadRecentInput: boolean }[] }).shifts);
}

/** How much wider the document is than the window, in pixels: more than none lets it be scrolled sideways. */
export async function widerThanWindow(page: Page): Promise<number> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  });
}
