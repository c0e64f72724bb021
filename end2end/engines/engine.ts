// The browsers beside Chromium: where they are, and how each is started with its WebDriver. Leaves the protocol to `webdriver.ts`.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { findProgram } from '../chromium.mjs';
import { Session, type WebDriverTab } from './webdriver.ts';

/** How long a program may take to start and to end, in milliseconds. */
const START_LIMIT = 30_000;
const STOP_LIMIT = 5_000;

/** A browser that is started with its driver. */
export type RunningBrowser = {
  readonly session: Session;
  /** What the browser has written about errors in scripts of pages since this was last called, where it writes of them: Firefox. */
  takeProblems(): string[];
  /** Which process runs a tab. The other tabs have to be at rest. */
  processOf(tab: WebDriverTab): Promise<number>;
  stop(): Promise<void>;
};

/** A browser and its driver, which may be missing. */
export type Engine = {
  readonly name: string;
  /** Why it cannot be tried, if it cannot. */
  missing(): string | undefined;
  start(): Promise<RunningBrowser>;
};

const FIREFOX_NAMES = ['firefox-esr', 'firefox'];

/** `cargo install geckodriver` makes its driver. */
export const FIREFOX: Engine = {
  name: 'Firefox',
  missing: () => missing([FIREFOX_NAMES, ['geckodriver']]),
  start: () =>
    startBrowser('geckodriver', {}, {
      'moz:firefoxOptions': {
        binary: findProgram(...FIREFOX_NAMES),
        args: ['-headless'],
        prefs: {
          // Each tab has a process of its own, so that one can be frozen and the others go on.
          'dom.ipc.processCount.webIsolated': 16,
        },
      },
    }),
};

/** The driver, of Debian's package webkit2gtk-driver, knows its browser. */
export const WEBKIT: Engine = {
  name: 'WebKitGTK',
  missing: () => missing([['WebKitWebDriver'], ['Xvfb']]),
  async start() {
    const screen = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    try {
      const [display] = (await once(screen.stdio[3] as Readable, 'data', { signal: AbortSignal.timeout(START_LIMIT) })) as [Buffer];
      const env = {
        DISPLAY: `:${display.toString().trim()}`,
        GDK_BACKEND: 'x11',
        // There is no graphics card: drawing as one would takes longer than drawing.
        WEBKIT_DISABLE_COMPOSITING_MODE: '1',
      };
      const browser = await startBrowser('WebKitWebDriver', env, {});
      return {
        ...browser,
        async stop() {
          await browser.stop();
          await end(screen);
        },
      };
    } catch (error) {
      await end(screen);
      throw error;
    }
  },
};

/** Which programs are not there: of each list, one has to be. */
function missing(programs: readonly (readonly string[])[]): string | undefined {
  // They need a machine of their own: a browser that has to wait for a processor looks like one that hangs.
  if (process.env.CI) return 'CI is set';
  const absent = programs.filter((names) => !findProgram(...names)).map((names) => names.join(' or '));
  return absent.length > 0 ? `${absent.join(' and ')} not found on the PATH` : undefined;
}

/** Starts a driver on a free port, and has it start its browser, with a home folder of its own. */
async function startBrowser(program: string, env: Record<string, string>, capabilities: object): Promise<RunningBrowser> {
  const home = await mkdtemp(join(tmpdir(), 'fairwind-browser-'));
  const port = await freePort();
  // The driver and all that it starts are a group of processes, which is ended as one.
  const driver = spawn(program, [`--port=${port}`], {
    env: { ...process.env, ...env, HOME: home, TMPDIR: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home, XDG_DATA_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [driver.stdout, driver.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const stop = async () => {
    await end(driver, -1);
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const url = `http://127.0.0.1:${port}`;
    await isReady(url, driver);
    const session = await Session.start(url, capabilities);
    return {
      session,
      processOf: (tab) => busiest(driver.pid ?? 0, tab),
      takeProblems() {
        const lines = output.split('\n');
        output = lines.pop() ?? '';
        return lines.filter((line) => line.startsWith('JavaScript error: http'));
      },
      async stop() {
        await session.end().catch(() => {});
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw new Error(`${program} has started no browser: ${error}\n${output}`);
  }
}

/** The process of a group that works when a tab does. */
async function busiest(group: number, tab: WebDriverTab): Promise<number> {
  const before = await ticksOf(group);
  // On a busy machine a process works for a part of the time.
  for (let attempt = 0; attempt < 20; attempt += 1) {
    await tab.evaluate(() => {
      const until = Date.now() + 400;
      while (Date.now() < until);
    });
    const used = [...(await ticksOf(group))].map(([id, ticks]) => ({ id, ticks: ticks - (before.get(id) ?? 0) }));
    used.sort((one, other) => other.ticks - one.ticks);
    const [first, second] = used;
    if (first && first.ticks >= 20 && first.ticks > 2 * (second?.ticks ?? 0)) return first.id;
  }
  throw new Error('no process works when the tab does');
}

/** The processes of a group, and how long each has worked, in ticks of 10 ms: what Linux says in `/proc`. */
async function ticksOf(group: number): Promise<Map<number, number>> {
  const ticks = new Map<number, number>();
  for (const id of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => '');
    // After the name, which may contain anything: the state, the parent, the group; then the time of the process and of the system.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(fields[2]) === group) ticks.set(Number(id), Number(fields[11]) + Number(fields[12]));
  }
  return ticks;
}

async function isReady(url: string, driver: ChildProcess): Promise<void> {
  const failed = once(driver, 'error').then(([error]) => Promise.reject(error));
  const until = Date.now() + START_LIMIT;
  const asked = (async () => {
    for (;;) {
      try {
        return await fetch(`${url}/status`);
      } catch (error) {
        if (Date.now() > until) throw error;
        await sleep(50);
      }
    }
  })();
  await Promise.race([asked, failed]);
}

/** A port that the system has chosen and that is free again. The drivers do not all say which port they have taken. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Ends a process, or with `-1` its group. */
async function end(child: ChildProcess, sign: 1 | -1 = 1): Promise<void> {
  if (!child.pid) return;
  const { pid } = child;
  const kill = (signal: NodeJS.Signals) => {
    try {
      process.kill(sign * pid, signal);
    } catch {
      // It is gone.
    }
  };
  const isOver = child.exitCode !== null || child.signalCode !== null;
  const exited = isOver ? Promise.resolve() : once(child, 'exit');
  const late = setTimeout(() => kill('SIGKILL'), STOP_LIMIT);
  kill('SIGTERM');
  await exited;
  clearTimeout(late);
  // What the driver has left behind.
  if (sign === -1) kill('SIGKILL');
}
