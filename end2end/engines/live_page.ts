// A page of the site (the clock, a topic) in a window of a browser that is driven over WebDriver: where it stands, and what it shows.

import type { ConnectionState } from '../pages/clock_page.ts';
import { expect } from './fixtures.ts';
import type { Session, WebDriverTab } from './webdriver.ts';

export class LivePage {
  private constructor(readonly page: WebDriverTab) {}

  /** Opens it, and waits until it is live. It has a window of its own: a hidden page shows what has come when it is visible again. */
  static async open(session: Session, url: string): Promise<LivePage> {
    const page = await session.newPage('window');
    await page.goto(url);
    const opened = new LivePage(page);
    await opened.isIn('live');
    return opened;
  }

  async isIn(state: ConnectionState, timeout?: number): Promise<void> {
    const current = () => this.page.evaluate(() => document.querySelector<HTMLElement>('#connection')?.dataset.state);
    await expect.poll(current, { timeout }).toBe(state);
  }

  /** The ids of the rows, from the oldest. */
  ids(): Promise<string[]> {
    return this.page.evaluate(() =>
      Array.from(document.querySelectorAll<HTMLElement>('#messages li[data-id]'), (row) => row.dataset.id ?? ''),
    );
  }

  /** The data of the rows, from the oldest. */
  data(): Promise<string[]> {
    return this.page.evaluate(() => Array.from(document.querySelectorAll('#messages li[data-id] .data'), (data) => data.textContent ?? ''));
  }

  count(kind: 'gap'): Promise<number> {
    return this.page.evaluate((kind) => document.querySelectorAll(`#messages li[data-kind="${kind}"]`).length, kind);
  }

  /** Holds that it shows every event of its topic since its first row, once and in order. */
  async hasEachOnce(snapshot: string): Promise<void> {
    const shown = await this.ids();
    const response = await fetch(`${snapshot}?limit=1000`, { headers: { accept: 'application/json' } });
    const { events } = (await response.json()) as { events: { id: string }[] };
    const kept = events.map(({ id }) => id);
    const first = kept.indexOf(shown[0] ?? '');
    expect(kept.slice(first, first + shown.length)).toEqual(shown);
  }
}
