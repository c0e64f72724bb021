import type { BrowserContext } from '@playwright/test';

/** What a browser says of a connection that the server has broken off or does not take. */
const OUTAGE = /^Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING)$/;

/** What Chromium says of the page's preloads when scripts are off, and nothing fetches what they promise. */
const UNUSED_PRELOAD = /^The resource \S+ was preloaded using link preload but not used/;

/** Collects every warning, error and uncaught exception of a browser context's pages. */
export class ConsoleWatch {
  /** What no test has allowed. */
  readonly problems: string[] = [];
  private readonly allowances: { text: RegExp; url: string }[] = [];

  watch(context: BrowserContext): void {
    context.on('console', (message) => {
      if (!['warning', 'error', 'assert'].includes(message.type())) return;
      const { url } = message.location();
      const allowed = this.allowances.some((each) => each.text.test(message.text()) && url.startsWith(each.url));
      if (!allowed) this.problems.push(`${message.type()}: ${message.text()} (${url})`);
    });
    context.on('weberror', (error) => {
      this.problems.push(`uncaught: ${error.error().stack ?? error.error().message}`);
    });
  }

  /** From here on the browser may say that what begins with `url` cannot be reached. */
  allowOutage(url: string): void {
    this.allowances.push({ text: OUTAGE, url });
  }

  /** From here on the browser may say that it has loaded something for scripts that do not run. */
  allowUnusedPreloads(): void {
    this.allowances.push({ text: UNUSED_PRELOAD, url: '' });
  }

  /** From here on the browser may say that a page of `url` could not open a WebSocket. */
  allowFailedSocket(url: string): void {
    this.allowances.push({ text: /^WebSocket connection to '\S+' failed: /, url });
  }

  /** From here on the browser may say that `url` was answered with `status`. */
  allowStatus(status: number, url: string): void {
    this.allowances.push({ text: new RegExp(`^Failed to load resource: .*status of ${status} `), url });
  }
}
