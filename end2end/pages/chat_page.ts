import { expect, type Locator, type Page } from '@playwright/test';

/** The page of a chat room. */
export class ChatPage {
  readonly main: Locator;
  readonly rows: Locator;
  readonly name: Locator;
  readonly text: Locator;
  readonly send: Locator;
  /** How many people are here, and their names. */
  readonly count: Locator;
  readonly people: Locator;
  readonly typing: Locator;

  constructor(
    readonly page: Page,
    readonly room = 'tea',
  ) {
    this.main = page.getByRole('main');
    this.rows = page.locator('.chat-message');
    this.name = page.locator('#name');
    this.text = page.locator('#text');
    this.send = page.getByRole('button', { name: /^(Send|发送)$/ });
    this.count = page.locator('#count');
    this.people = page.locator('#people li');
    this.typing = page.locator('#typing');
  }

  async open(): Promise<void> {
    await this.page.goto(`/chat/${this.room}`);
  }

  /** Opens the page, waits until it is live, and gives it a name. */
  async openAs(name: string): Promise<void> {
    await this.open();
    await this.isLive();
    await this.name.fill(name);
    await this.name.blur();
    await expect(this.people.filter({ hasText: name })).toHaveCount(1);
  }

  async isLive(timeout?: number): Promise<void> {
    await expect(this.main).toHaveAttribute('data-state', 'live', { timeout });
  }

  async say(text: string): Promise<void> {
    await this.text.fill(text);
    await this.text.press('Enter');
  }

  /** The texts of all messages, from the oldest. */
  async said(): Promise<string[]> {
    return this.rows.locator('.text').allTextContents();
  }

  /** The headings that are shown, from the oldest. */
  async headings(): Promise<string[]> {
    return this.rows.locator('.by bdi:visible').allTextContents();
  }
}
