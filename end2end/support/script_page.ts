import type { Page } from '@playwright/test';

import type { Receipt, State, Subscription, SubscribeOptions, What } from '../../public/fairwind.d.ts';
import { expect } from '../fixtures.ts';

/** What a page of `fairwind.js` has heard, in order. */
export type News = { kind: string; data?: string; topic?: string; id?: string; position?: string; state?: string };

type Script = {
  subscribe(what: What, listener: object, options: SubscribeOptions): Subscription;
  publish(topic: string, data: unknown, options: object): Promise<Receipt>;
};

type TestWindow = typeof globalThis & { news: News[]; subscription: Subscription; script: Script };

/** A tab of any browser: a page of Playwright's, or one that is driven over WebDriver. */
export interface Tab {
  goto(url: string): Promise<unknown>;
  evaluate<R, A>(work: (argument: A) => R | Promise<R>, argument: A): Promise<R>;
  evaluate<R>(work: () => R | Promise<R>): Promise<R>;
  close(): Promise<void>;
}

/** What opens tabs that share what they store, and so a stream. */
type Opener<T extends Tab> = { newPage(): Promise<T> };

/** A page without scripts of its own, which uses `fairwind.js` as a page of any site does. */
export class ScriptPage<T extends Tab = Page> {
  private constructor(readonly page: T) {}

  /** Opens one that subscribes, and waits until it is live. */
  static async open<T extends Tab>(context: Opener<T>, url: string, what: What, options: SubscribeOptions = {}): Promise<ScriptPage<T>> {
    const opened = await ScriptPage.load(context, url);
    await opened.subscribe(what, options);
    await opened.isIn('live');
    return opened;
  }

  /** Opens one that has the script. */
  static async load<T extends Tab>(context: Opener<T>, url: string): Promise<ScriptPage<T>> {
    const page = await context.newPage();
    await page.goto(`${url}/help`);
    await page.evaluate(async (path) => {
      Object.assign(window, { news: [], script: await import(path) });
    }, '/fairwind.js');
    return new ScriptPage(page);
  }

  async subscribe(what: What, options: SubscribeOptions = {}): Promise<void> {
    await this.page.evaluate(
      ([what, options]) => {
        const tab = window as unknown as TestWindow;
        const listener = { news: (news: News) => tab.news.push(news), consumers: () => {} };
        tab.subscription = tab.script.subscribe(what, listener, options);
      },
      [what, options] as const,
    );
  }

  publish(topic: string, data: unknown, options: object = {}): Promise<Receipt> {
    return this.page.evaluate(
      ([topic, data, options]) => (window as unknown as TestWindow).script.publish(topic, data, options),
      [topic, data, options] as const,
    );
  }

  news(): Promise<News[]> {
    return this.page.evaluate(() => (window as unknown as TestWindow).news);
  }

  state(): Promise<State> {
    return this.page.evaluate(() => (window as unknown as TestWindow).subscription.state);
  }

  close(): Promise<void> {
    return this.page.evaluate(() => (window as unknown as TestWindow).subscription.close());
  }

  async isIn(state: State['state'], timeout = 10_000): Promise<void> {
    await expect.poll(async () => (await this.state()).state, { timeout }).toBe(state);
  }

  /** The data of the events that it has heard. */
  async data(): Promise<string[]> {
    return (await this.news()).filter(({ kind }) => kind === 'event').map(({ data }) => data ?? '');
  }

  async hears(data: string, timeout = 10_000): Promise<void> {
    await expect.poll(() => this.data(), { timeout }).toContain(data);
  }

  async count(kind: string): Promise<number> {
    return (await this.news()).filter((news) => news.kind === kind).length;
  }

  /** Stops everything that it does until the promise is resolved, as a debugger or a very long task would. */
  hang(milliseconds: number): Promise<void> {
    return this.page.evaluate((milliseconds) => {
      const until = Date.now() + milliseconds;
      while (Date.now() < until);
    }, milliseconds);
  }

  /** Has the browser freeze it, or thaw it, as it does with pages in the background. */
  async setLifecycle(this: ScriptPage<Page>, state: 'frozen' | 'active'): Promise<void> {
    const session = await this.page.context().newCDPSession(this.page);
    await session.send('Page.setWebLifecycleState', { state });
    await session.detach();
  }
}
