import type { Locator, Page } from '@playwright/test';

import type { Fairwind } from '../support/fairwind.ts';
import { ClockPage } from './clock_page.ts';

/** A topic's page: what the clock's page has, and a filter, buttons of rows, a form. */
export class TopicPage extends ClockPage {
  readonly newest: Locator;
  readonly filter: Locator;
  readonly filterCount: Locator;
  readonly text: Locator;
  readonly type: Locator;
  readonly outcome: Locator;

  constructor(
    page: Page,
    readonly server: Fairwind,
    readonly topic = 'kitchen',
  ) {
    super(page);
    this.newest = page.locator('#newest');
    this.filter = page.getByRole('searchbox', { name: 'Filter' });
    this.filterCount = page.locator('#filter-count');
    this.text = page.getByRole('textbox', { name: 'Text' });
    this.type = page.getByRole('textbox', { name: 'Type' });
    this.outcome = page.locator('#published');
  }

  get path(): string {
    return `/topics/${encodeURIComponent(this.topic)}`;
  }

  override async open(query = ''): Promise<string[]> {
    await this.page.goto(this.path + query);
    return this.ids();
  }

  override async openLive(query = ''): Promise<string[]> {
    const rendered = await this.open(query);
    await this.isHydrated();
    await this.isIn('live');
    return rendered;
  }

  /** Publishes as any program does. Gives the event's id. */
  async publish(data: string, type = 'message'): Promise<string> {
    const query = type === 'message' ? '' : `?type=${encodeURIComponent(type)}`;
    const response = await fetch(this.server.url + this.path + query, { method: 'POST', body: data });
    if (response.status !== 200) throw new Error(`publishing was answered with ${response.status}`);
    return ((await response.json()) as { id: string }).id;
  }

  async end(): Promise<void> {
    await fetch(this.server.url + this.path, { method: 'DELETE' });
  }

  row(id: string): Locator {
    return this.messages.locator(`li[data-id="${id}"]`);
  }

  /** The data of the rows, from the top. */
  async data(): Promise<string[]> {
    return this.rows.locator('.data').allTextContents();
  }
}
