import { expect, type Locator, type Page } from '@playwright/test';

/** The pages `/answers` and `/answers/ID`. */
export class AnswersPage {
  readonly question: Locator;
  /** How the answer stands. */
  readonly state: Locator;
  /** The frame of the text. */
  readonly frame: Locator;
  readonly text: Locator;
  readonly said: Locator;
  readonly own: Locator;

  constructor(readonly page: Page) {
    this.question = page.locator('#question');
    this.state = page.locator('#state');
    this.frame = page.locator('#answer');
    this.text = page.locator('#text');
    this.said = page.locator('#said');
    this.own = page.locator('.own li a');
  }

  async open(path = '/answers'): Promise<void> {
    await this.page.goto(path);
    await this.isAlive();
  }

  async isAlive(): Promise<void> {
    await expect(this.page.locator('html')).toHaveAttribute('data-hydrated');
  }

  /** Asks with the form, and waits for the page of the answer. */
  async ask(question: string): Promise<void> {
    await this.question.fill(question);
    await this.button('Ask').click();
    await expect(this.page).toHaveURL(/\/answers\/[\w-]{22}$/);
    await expect(this.page.getByRole('heading', { level: 1 })).toHaveText(question);
  }

  async isIn(state: string, timeout?: number): Promise<void> {
    await expect(this.state).toHaveAttribute('data-state', state, { timeout });
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }
}
