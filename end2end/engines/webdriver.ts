// A client of the WebDriver protocol (https://www.w3.org/TR/webdriver2/), as far as the tests need it: a session, its windows, and
// scripts that run in them. Leaves the driver's process to `engine.ts`.

import type { Tab } from '../support/script_page.ts';

/** How long the driver may take to answer, in milliseconds: it starts a browser, or loads a page. */
const ANSWER_LIMIT = 60_000;

/** What a script in a page came to. */
type Outcome<R> = { value: R } | { error: string };

/** One browser. Its windows share what they store. */
export class Session {
  /** What has been opened, from the first to the last. */
  readonly tabs = new Set<WebDriverTab>();
  /** What went wrong in scripts of pages that have been closed. */
  readonly problems: string[] = [];
  /** A command counts for the window that was switched to before: other commands wait until both are done. */
  private queue: Promise<unknown> = Promise.resolve();
  /** The window that was switched to last. */
  private current: string | undefined;

  private constructor(
    private readonly path: string,
    /** The window that the browser began with, which stays open: others are opened from it. */
    private readonly home: string,
  ) {}

  /** Has a driver start a browser. */
  static async start(driver: string, capabilities: object): Promise<Session> {
    const created = await send<{ sessionId: string }>('POST', `${driver}/session`, { capabilities: { alwaysMatch: capabilities } });
    const path = `${driver}/session/${created.sessionId}`;
    return new Session(path, await send('GET', `${path}/window`));
  }

  /** Opens a tab of the first window, which some browsers hide when another is opened; or a window of its own. */
  async newPage(type: 'tab' | 'window' = 'tab'): Promise<WebDriverTab> {
    const { handle } = await this.inWindow<{ handle: string }>(this.home, 'POST', '/window/new', { type });
    const tab = new WebDriverTab(this, handle);
    this.tabs.add(tab);
    return tab;
  }

  /** Sends a command to a window. */
  inWindow<R>(handle: string, method: string, path: string, body?: object): Promise<R> {
    const done = this.queue.then(async () => {
      if (handle !== this.current) await send('POST', `${this.path}/window`, { handle });
      this.current = handle;
      return send<R>(method, this.path + path, body);
    });
    this.queue = done.catch(() => {});
    return done;
  }

  /** Closes the browser. */
  async end(): Promise<void> {
    await send('DELETE', this.path);
  }
}

/** One window or tab. */
export class WebDriverTab implements Tab {
  constructor(
    private readonly session: Session,
    private readonly handle: string,
  ) {}

  /** Loads a page, and listens for what goes wrong in its scripts from then on. */
  async goto(url: string): Promise<void> {
    await this.send('POST', '/url', { url });
    await this.evaluate(() => {
      const problems: string[] = [];
      Object.assign(window, { problems });
      addEventListener('error', ({ message, error }) => problems.push(`${message}\n${error?.stack}`));
      addEventListener('unhandledrejection', ({ reason }) => problems.push(`unhandled: ${reason}\n${reason?.stack}`));
      for (const level of ['error', 'warn'] as const) {
        const write = console[level];
        console[level] = (...data: unknown[]) => {
          problems.push(`${level}: ${data.join(' ')}`);
          write.apply(console, data);
        };
      }
    });
  }

  async evaluate<R, A>(work: (argument: A) => R | Promise<R>, argument: A): Promise<R>;
  async evaluate<R>(work: () => R | Promise<R>): Promise<R>;
  async evaluate(work: (argument: unknown) => unknown, argument: unknown = null): Promise<unknown> {
    const script = `
      const [argument, done] = arguments;
      (async () => (${work})(argument))().then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const outcome = await this.send<Outcome<unknown>>('POST', '/execute/async', { script, args: [argument] });
    if ('error' in outcome) throw new Error(outcome.error);
    return outcome.value;
  }

  async close(): Promise<void> {
    this.session.tabs.delete(this);
    this.session.problems.push(...(await this.evaluate(() => (window as unknown as { problems: string[] }).problems)));
    await this.send('DELETE', '/window');
  }

  private send<R>(method: string, path: string, body?: object): Promise<R> {
    return this.session.inWindow<R>(this.handle, method, path, body);
  }
}

async function send<R>(method: string, url: string, body?: object): Promise<R> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_LIMIT),
  });
  const { value } = (await response.json()) as { value: R & { error?: string; message?: string } };
  if (!response.ok) throw new Error(`${method} ${url}: ${value.error}: ${value.message}`);
  return value;
}
