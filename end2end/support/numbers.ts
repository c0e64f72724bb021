// Numbers that are published to topics whatever happens to the server, and pages that have to have all of them, once and in order.

import { expect } from '@playwright/test';

/** A page of any kind, in any browser. */
type Reader = {
  /** The data of the events that it has, from the oldest. */
  data(): Promise<string[]>;
  /** How many events of this kind it has. */
  count(kind: 'gap'): Promise<number>;
};

/** Publishes numbers to topics in turn until it is stopped; gives what the server has taken of each. */
export function publishNumbers(url: string, topics: readonly string[], pause = 5): { stop(): Promise<Map<string, string[]>> } {
  const taken = new Map<string, string[]>(topics.map((topic) => [topic, []]));
  let goesOn = true;
  const done = (async () => {
    for (let number = 0; goesOn; number += 1) {
      const topic = topics[number % topics.length] ?? '';
      const key = `key-${number}`;
      // Again until it is taken: the key has it published once.
      for (let isTaken = false; !isTaken; ) {
        try {
          const headers = { 'Idempotency-Key': key };
          const response = await fetch(`${url}/topics/${topic}`, { method: 'POST', body: `${number}`, headers });
          isTaken = response.ok;
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
      taken.get(topic)?.push(`${number}`);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  })();
  return {
    async stop() {
      goesOn = false;
      await done;
      return taken;
    },
  };
}

/** Waits until each page has what was taken of its topic: nothing is missing or repeated, and no gap was heard of. */
export async function haveAll(readers: readonly Reader[], topics: readonly string[], taken: Map<string, string[]>): Promise<void> {
  for (const [index, reader] of readers.entries()) {
    const expected = taken.get(topics[index] ?? '') ?? [];
    await expect.poll(() => reader.data(), { timeout: 20_000 }).toEqual(expected);
    expect(await reader.count('gap')).toBe(0);
  }
}
