import { expect, type Locator, type Page } from '@playwright/test';

/** The page `/quotes`. */
export class QuotesPage {
  readonly connection: Locator;
  /** What the newest choice or run has come to. */
  readonly said: Locator;
  readonly rows: Locator;
  readonly chart: Locator;

  constructor(readonly page: Page) {
    this.connection = page.locator('#connection');
    this.said = page.locator('#said');
    this.rows = page.locator('#prices tbody tr');
    this.chart = page.locator('#chart');
  }

  /** Opens the page and waits until prices arrive. */
  async openLive(path = '/quotes'): Promise<void> {
    await this.page.goto(path);
    await this.isIn('live');
    await this.hasMore(1);
  }

  async isIn(state: string, timeout?: number): Promise<void> {
    await expect(this.connection).toHaveAttribute('data-state', state, { timeout });
  }

  row(symbol: string): Locator {
    return this.page.locator(`#prices tr[data-symbol="${symbol}"]`);
  }

  price(symbol: string): Locator {
    return this.row(symbol).locator('.price');
  }

  async symbols(): Promise<string[]> {
    return this.rows.evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset.symbol ?? ''));
  }

  async received(): Promise<number> {
    return Number((await this.connection.locator('[data-stat="received"]').textContent())?.replaceAll(',', ''));
  }

  /** Waits until so many prices more than now have arrived. */
  async hasMore(count: number, timeout?: number): Promise<void> {
    const before = await this.received();
    await expect.poll(() => this.received(), { timeout }).toBeGreaterThanOrEqual(before + count);
  }

  /** Waits until the server publishes the next price of a symbol, whatever the page shows. */
  async isPublished(symbol: string): Promise<void> {
    const newest = async (): Promise<string> => {
      const snapshot = await this.page.request.get(`/topics/quotes/${symbol}`, { headers: { accept: 'application/json' } });
      return (await snapshot.json()).last_event_id;
    };
    const before = await newest();
    await expect.poll(newest).not.toBe(before);
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  async check(symbol: string, isChosen: boolean): Promise<void> {
    await this.page.locator(`.choice input[value="${symbol}"]`).setChecked(isChosen);
  }

  async openChoice(): Promise<void> {
    await this.page.getByText('Choose symbols').click();
  }
}
