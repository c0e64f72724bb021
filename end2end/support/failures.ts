// A reporter that says at the very end why each test failed, in a few lines: where a log is kept, its end is what is kept.

import type { FullResult, Reporter, TestCase, TestError, TestResult } from '@playwright/test/reporter';

/** The most lines of one error's message, and of the code around it. */
const MAX_LINES = 10;

/** The most tests that are named. */
const MAX_FAILURES = 20;

export default class Failures implements Reporter {
  private readonly failures: string[] = [];

  onTestEnd(test: TestCase, result: TestResult): void {
    if (result.status === test.expectedStatus || result.status === 'skipped') return;
    const { file, line } = test.location;
    const errors = result.errors.map((error) => [error.message ?? '', error.snippet ?? ''].map(shortened).join('\n'));
    this.failures.push([`${test.title} (${file.split('/').pop()}:${line}) after ${result.duration} ms`, ...errors].join('\n'));
  }

  /** Outside any test: a file that does not load, a worker that has gone. */
  onError(error: TestError): void {
    this.failures.push(shortened(error.message ?? error.value ?? ''));
  }

  onEnd({ status }: FullResult): void {
    if (this.failures.length === 0) return;
    const named = this.failures.slice(0, MAX_FAILURES);
    const rest = this.failures.length - named.length;
    if (rest > 0) named.push(`and ${rest} more`);
    console.log(`\nWhat failed (${status}):\n\n${named.join('\n\n')}`);
  }
}

function shortened(text: string): string {
  // Colours are for a terminal.
  const lines = text.replaceAll(/\u001b\[[\d;]*m/g, '').split('\n').filter((line) => line.trim() !== '');
  return lines.slice(0, MAX_LINES).map((line) => `  ${line.slice(0, 300)}`).join('\n');
}
