import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const BINARY = process.env.TESTED_BINARY ?? fileURLToPath(new URL('../../target/release/fairwind', import.meta.url));

/** How long the server may take to be ready, and to end: milliseconds. */
const START_LIMIT = 10_000;
const STOP_LIMIT = 2_000;

/** The release binary, copied alone into an empty folder: all that a deployment has. */
export class Installation {
  private constructor(readonly folder: string) {}

  static async create(): Promise<Installation> {
    const folder = await mkdtemp(join(tmpdir(), 'fairwind-'));
    await copyFile(BINARY, join(folder, 'fairwind'));
    return new Installation(folder);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}

/** One server, which can be stopped, frozen and started again at the same address. */
export class Fairwind {
  /** Everything that every run of this server has logged, without colours. */
  log = '';
  private process: ChildProcess | undefined;
  private address: string;

  constructor(
    private readonly installation: Installation,
    private readonly args: readonly string[],
    port = 0,
  ) {
    this.address = `127.0.0.1:${port}`;
  }

  /** Where the server is reached, such as `http://127.0.0.1:34567`. */
  get url(): string {
    return `http://${this.address}`;
  }

  async start(): Promise<void> {
    const flags = ['--anonymous-publish=local', '--log', 'info,fairwind::feeds=debug'];
    const child = spawn('./fairwind', ['--addr', this.address, ...flags, ...this.args], {
      cwd: this.installation.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.log += text.replace(/\x1b\[[0-9;]*m/g, '');
    });
    this.address = await new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not ready after ${START_LIMIT} ms\n${this.log}`)), START_LIMIT);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the server ended with status ${code}\n${this.log}`)));
      createInterface(child.stdout).on('line', (line) => {
        const ready = /^listening on http:\/\/(127\.0\.0\.1:\d+)$/.exec(line);
        if (!ready) return;
        clearTimeout(late);
        resolve(ready[1]);
      });
    });
  }

  /** Stops the server as an operator does, and holds it to its word: soon, and with status 0. */
  async stop(): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT);
    child.kill('SIGTERM');
    const [code, signal] = await exited;
    clearTimeout(late);
    if (code !== 0) throw new Error(`asked to stop, the server ended with status ${code ?? signal}\n${this.log}`);
  }

  /** Ends the server without warning, as a crash does. */
  async kill(): Promise<void> {
    const child = this.process;
    if (!child) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Stops the server's clock: connections stay open, nothing answers. */
  freeze(): void {
    this.process?.kill('SIGSTOP');
  }

  /** Lets a frozen server go on. */
  thaw(): void {
    this.process?.kill('SIGCONT');
  }

  /** Ends every event stream; the server goes on. */
  endStreams(): void {
    this.process?.kill('SIGUSR1');
  }

  /** How often the clock has ticked, from the log. */
  ticks(): number {
    return this.log.split('hello has been sent').length - 1;
  }

  /** How many consumers the server counted at its last tick, from its log. */
  consumers(): number | undefined {
    const counts = [...this.log.matchAll(/hello has been sent \(consumers: (\d+)\)/g)];
    const last = counts.at(-1);
    return last && Number(last[1]);
  }
}

/** Publishes an event, as any program does. */
export async function publish(url: string, topic: string, data: string): Promise<void> {
  const response = await fetch(`${url}/topics/${topic}`, { method: 'POST', body: data });
  if (!response.ok) throw new Error(`publishing was answered with ${response.status}: ${await response.text()}`);
}

/** How many event streams the server has open. It needs `--metrics=on`. */
export async function streams(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^fairwind_subscribers (\d+)$/m.exec(metrics)?.[1]);
}
