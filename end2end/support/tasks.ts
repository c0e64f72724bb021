import type { Page } from '@playwright/test';

/** An entry of Chromium's trace. Times are in microseconds; `tdur` is the processor's time, `dur` the time on the wall. */
interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  tdur?: number;
  args: { name?: string; data?: { url?: string } };
}

/** The tasks of a page's main thread while something is done, without those in which the test itself looks at the page. */
export interface Tasks {
  count: number;
  /** The processor's time of the longest, in milliseconds: a task that waits while another program has the processor is no longer. */
  longest: number;
}

/** Traces the pages of a browser while something is done. */
export async function tasksWhile(page: Page, doing: () => Promise<void>): Promise<Tasks> {
  const browser = page.context().browser();
  if (!browser) throw new Error('the page has no browser');
  await browser.startTracing(page, { categories: ['disabled-by-default-devtools.timeline', '__metadata'] });
  let trace: Buffer;
  try {
    await doing();
  } finally {
    trace = await browser.stopTracing();
  }
  const events: TraceEvent[] = JSON.parse(trace.toString()).traceEvents;
  const thread = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
  const isMain = new Set(
    events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(thread),
  );
  // A script of the page has a URL, and what a test evaluates has none.
  const looks = events.filter(({ name, args }) => name === 'EvaluateScript' && !args.data?.url);
  const isLook = (task: TraceEvent) =>
    looks.some((look) => thread(look) === thread(task) && look.ts >= task.ts && look.ts <= task.ts + (task.dur ?? 0));
  const tasks = events.filter((event) => event.name === 'RunTask' && isMain.has(thread(event)) && !isLook(event));
  if (!tasks.some(({ tdur }) => tdur)) throw new Error('the trace does not say how long tasks took the processor');
  return { count: tasks.length, longest: Math.max(...tasks.map(({ tdur }) => tdur ?? 0)) / 1_000 };
}
