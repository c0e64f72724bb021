import { expect, type Locator, type Page } from '@playwright/test';

/** What the connection says of itself, in `data-state`. */
export type ConnectionState = 'snapshot' | 'connecting' | 'live' | 'polling' | 'reconnecting' | 'ended' | 'closed';

/** An event id, taken apart for comparison. Clients must not do this; tests may. */
export type EventId = { epoch: string; offset: number };

export function parseEventId(id: string): EventId {
  const match = /^#([0-9a-z]+)-(\d+)$/.exec(id);
  if (!match) throw new Error(`not an event id: ${id}`);
  return { epoch: match[1], offset: Number(match[2]) };
}

/** The page `/`: the clock, its messages, its connection. */
export class ClockPage {
  readonly main: Locator;
  readonly connection: Locator;
  readonly now: Locator;
  /** The list of messages; it scrolls when there are more than fit. */
  readonly messages: Locator;
  readonly rows: Locator;
  readonly gaps: Locator;
  readonly announcer: Locator;

  constructor(readonly page: Page) {
    this.main = page.getByRole('main');
    this.connection = page.locator('#connection');
    this.now = page.locator('time#now');
    this.messages = page.locator('#messages');
    this.rows = this.messages.locator('li[data-id]');
    this.gaps = this.messages.locator('li[data-kind="gap"]');
    this.announcer = page.locator('#announcer');
  }

  /** Opens the page. Gives the ids of the messages that the server has rendered into it. */
  async open(): Promise<string[]> {
    const response = await this.page.goto('/');
    const html = (await response?.text()) ?? '';
    return [...html.matchAll(/<li\b[^>]*\bdata-id="([^"]+)"/g)].map((match) => match[1]);
  }

  /** Opens the page and waits until it is live. */
  async openLive(): Promise<string[]> {
    const rendered = await this.open();
    await this.isHydrated();
    await this.isIn('live');
    return rendered;
  }

  async isHydrated(): Promise<void> {
    await expect(this.page.locator('html')).toHaveAttribute('data-hydrated');
  }

  async isIn(state: ConnectionState, timeout?: number): Promise<void> {
    await expect(this.connection).toHaveAttribute('data-state', state, { timeout });
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  stat(name: 'ready-state' | 'last-event' | 'messages' | 'consumers'): Locator {
    return this.page.locator(`[data-stat="${name}"]`);
  }

  /** The ids of the messages in the list, from the top. */
  async ids(): Promise<string[]> {
    return this.rows.evaluateAll((rows) => rows.map((row) => row.getAttribute('data-id') ?? ''));
  }

  /** Waits until the list has at least `count` messages. */
  async hasMessages(count: number): Promise<void> {
    await expect.poll(() => this.rows.count()).toBeGreaterThanOrEqual(count);
  }

  /** Waits until `count` messages more than now are in the list. */
  async hasMoreMessages(count: number): Promise<void> {
    await this.hasMessages((await this.rows.count()) + count);
  }

  /** Holds that no message stands twice, and that within an epoch none is missing. */
  async hasEachMessageOnce(): Promise<void> {
    const ids = (await this.ids()).map(parseEventId);
    for (const [index, id] of ids.entries()) {
      const before = ids[index - 1];
      if (before?.epoch === id.epoch) expect(id.offset, `the offset after ${before.offset}`).toBe(before.offset + 1);
    }
    const epochs = ids.map((id) => id.epoch);
    const runs = epochs.filter((epoch, index) => epoch !== epochs[index - 1]);
    expect(new Set(runs).size, 'an epoch does not come back').toBe(runs.length);
  }

  /** Presses a button as a reader without a mouse does. */
  async pressByKeyboard(name: string | RegExp, key: 'Enter' | ' ' = 'Enter'): Promise<void> {
    const button = this.button(name);
    await button.focus();
    await expect(button).toBeFocused();
    await this.page.keyboard.press(key);
  }
}
