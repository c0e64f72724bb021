import { expect, type Locator, type Page } from '@playwright/test';

/** One of the two connections, by the id of its card. */
export type Side = 'event-source' | 'web-socket';

/** The page `/compare`. */
export class ComparePage {
  readonly main: Locator;
  /** How the newest experiment went. */
  readonly said: Locator;
  readonly race: Locator;

  constructor(readonly page: Page) {
    this.main = page.getByRole('main');
    this.said = page.locator('#said');
    this.race = page.locator('#race-summary');
  }

  /** Opens the page and waits until both connections are open and have had an event. */
  async openLive(): Promise<void> {
    await this.page.goto('/compare');
    for (const side of ['event-source', 'web-socket'] as const) {
      await this.isIn(side, 'live');
      await expect.poll(() => this.number(side, 'received')).toBeGreaterThan(0);
    }
  }

  card(side: Side): Locator {
    return this.page.locator(`#${side}`);
  }

  async isIn(side: Side, state: string, timeout?: number): Promise<void> {
    await expect(this.card(side)).toHaveAttribute('data-state', state, { timeout });
  }

  stat(side: Side, key: 'received' | 'missed' | 'each' | 'all'): Locator {
    return this.card(side).locator(`[data-stat="${key}"]`);
  }

  /** A stat as a number. */
  async number(side: Side, key: 'received' | 'missed' | 'all'): Promise<number> {
    return Number((await this.stat(side, key).textContent())?.replaceAll(',', ''));
  }

  /** Waits until a connection has had so many events more than now. */
  async hasMore(side: Side, count: number): Promise<void> {
    const before = await this.number(side, 'received');
    await expect.poll(() => this.number(side, 'received')).toBeGreaterThanOrEqual(before + count);
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }
}
