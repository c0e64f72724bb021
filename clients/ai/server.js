// Answers of a language model as topics of a Fairwind server. For the chat's own server.
//
//     import { publishAnswer, stopAnswer } from 'fairwind-ai/server';
//
//     const { topic, done } = await publishAnswer(stream, { server: 'http://127.0.0.1:8080', token });
//
// `createResumableStreamContext` has the interface of the package `resumable-stream`, with a Fairwind server in place of Redis.
//
// What arrives within `interval` is one event, since a server keeps a limited number of events for each topic. There is one request at
// a time; while the server takes none, the source is not read. A request without a receipt is repeated; each event's own id is its
// number, so that the server refuses one that it has. When another client ends the topic, the source is cancelled.

import { AnswerError, authorization, passes, PATIENCE, readAnswer, refused, sleep, streamOf, topicUrl } from './topic.js';

export { AnswerError };

/** The time between two events, in milliseconds. */
const INTERVAL = 50;

/** How much text is one event, at least, where chunks arrive faster. The server takes 1 MiB unless it is configured otherwise. */
const BATCH = 64 * 1024;

/** How long one attempt of a request may take, in milliseconds. */
const ATTEMPT = 10_000;

/** The waits between attempts, in milliseconds; the last one repeats. Chance takes away up to a half. */
const WAITS = [100, 200, 500, 1_000, 2_000];

/** @type {import('./server.d.ts').publishAnswer} */
export async function publishAnswer(source, { topic = `answers/${crypto.randomUUID()}`, ...options }) {
  if (!(await begin(topic, options))) throw taken(topic);
  return { topic, done: publish(topic, source, options) };
}

/** @type {import('./server.d.ts').stopAnswer} */
export async function stopAnswer(topic, options) {
  await end(topic, options);
}

/** @type {import('./server.d.ts').createResumableStreamContext} */
export function createResumableStreamContext({ keyPrefix = 'resumable-stream', waitUntil, ...options }) {
  /** @param {string} id */
  const topicOf = (id) => `${keyPrefix}/${id}`;

  /** @param {string} id @returns {Promise<null | true | 'DONE'>} */
  const hasExistingStream = async (id) => {
    const { body } = await request(topicOf(id), options, 'GET', { limit: '1' });
    if (body.ended) return 'DONE';
    return body.events.length > 0 || null;
  };

  /** @param {string} id @param {number} [skip] */
  const resume = (id, skip = 0) =>
    streamOf(async function* (signal) {
      const read = { url: topicUrl(options.server, topicOf(id)), token: options.token, patience: options.patience, signal };
      let left = skip;
      for await (const text of /** @type {AsyncGenerator<string>} */ (readAnswer(read))) {
        const rest = text.slice(left);
        left -= text.length - rest.length;
        if (rest) yield rest;
      }
    });

  /** @param {string} id @param {() => ReadableStream<string>} makeStream */
  const create = async (id, makeStream) => {
    if (!(await begin(topicOf(id), options))) return false;
    const done = publish(topicOf(id), makeStream, options);
    waitUntil?.(done);
    return true;
  };

  return {
    hasExistingStream,

    async createNewResumableStream(id, makeStream, skipCharacters) {
      if (await create(id, makeStream)) return resume(id, skipCharacters);
      if ((await hasExistingStream(id)) === 'DONE') return null;
      throw taken(topicOf(id));
    },

    async resumeExistingStream(id, skipCharacters) {
      const state = await hasExistingStream(id);
      if (state === 'DONE') return null;
      return state ? resume(id, skipCharacters) : undefined;
    },

    async resumableStream(id, makeStream, skipCharacters) {
      // Of several requests at the same time one creates the stream; the others find it.
      const state = (await hasExistingStream(id)) ?? ((await create(id, makeStream)) || (await hasExistingStream(id)));
      return state === 'DONE' ? null : resume(id, skipCharacters);
    },
  };
}

/** @param {string} topic */
function taken(topic) {
  return new AnswerError('taken', `there is a topic ${topic} already: give each answer a name of its own, such as crypto.randomUUID()`);
}

/**
 * Publishes event 0, so that the topic is there. Resolves to `false` if another publisher has begun it. The
 * idempotency key distinguishes a repeated request from another publisher's.
 *
 * @param {string} topic
 * @param {import('./server.d.ts').PublishOptions} options
 */
async function begin(topic, options) {
  const { status } = await request(topic, options, 'POST', { id: '0' }, '[]', { 'Idempotency-Key': crypto.randomUUID() });
  return status !== 409;
}

/** @param {string} topic @param {import('./server.d.ts').ServerOptions} options */
async function end(topic, options) {
  await request(topic, options, 'DELETE');
}

/** Thrown when the topic has been ended. */
const STOPPED = Symbol('stopped');

/**
 * Publishes a source to a topic that has begun, and ends the topic.
 *
 * @param {string} topic
 * @param {import('./server.d.ts').Source<unknown>} source
 * @param {import('./server.d.ts').PublishOptions} options
 * @returns {Promise<import('./server.d.ts').Outcome>}
 */
async function publish(topic, source, options) {
  const { interval = INTERVAL, patience = PATIENCE, onError = () => 'The answer broke off.' } = options;
  const stop = new AbortController();
  /** @type {ReadableStreamDefaultReader<unknown> | undefined} */
  let reader;

  /** @param {Record<string, string>} query @param {string} body */
  const post = async (query, body) => {
    const { status, body: problem, attempts } = await request(topic, options, 'POST', query, body);
    if (status !== 409) return;
    if (problem.code === 'topic-ended') throw STOPPED;
    // An attempt before this one was successful.
    if (problem.code !== 'duplicate-id' || attempts === 1) throw taken(topic);
  };

  try {
    const stream = typeof source === 'function' ? await source({ signal: stop.signal }) : source;
    const from = (reader = stream.getReader());
    /** @returns {Promise<{ done: boolean, value?: unknown, error?: unknown }>} */
    const read = () => from.read().catch((error) => ({ done: true, error: error ?? new Error('no reason was given') }));
    let next = read();
    let number = 0;
    let sent = 0;
    for (;;) {
      // Often enough that one may be late.
      if (!(await within(next, patience / 6))) {
        await post({ type: 'alive', keep: 'false' }, '');
        continue;
      }
      const batch = [];
      let size = 0;
      let last;
      while (size < BATCH) {
        const result = await within(next, sent + interval - Date.now());
        if (!result) break;
        if (result.done) {
          last = result;
          break;
        }
        const chunk = JSON.stringify(result.value);
        batch.push(chunk);
        size += chunk.length;
        next = read();
      }
      if (batch.length > 0) {
        await post({ id: String(++number) }, `[${batch}]`);
        sent = Date.now();
      }
      if (last?.error) throw last.error;
      if (last) break;
    }
    await end(topic, options);
    return { outcome: 'complete' };
  } catch (error) {
    stop.abort();
    reader?.cancel().catch(() => {});
    if (error === STOPPED) return { outcome: 'stopped' };
    if (!(error instanceof AnswerError && error.code === 'unreachable')) {
      // So that its readers do not wait; the server may refuse this too.
      await post({ type: 'failed' }, onError(error))
        .then(() => end(topic, options))
        .catch(() => {});
    }
    return { outcome: 'failed', error };
  }
}

/**
 * What the promise resolves to, or `undefined` if that takes longer.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {number} ms
 */
async function within(promise, ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const timeout = new Promise((resolve) => (timer = setTimeout(resolve, Math.max(0, ms))));
  try {
    return /** @type {T | undefined} */ (await Promise.race([promise, timeout]));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Sends a request, again and again for `patience` milliseconds where there is no answer, or one that passes by itself. Resolves to
 * an answer that the caller can use, 409 and 404 among them, and its parsed body; rejects with an `AnswerError` otherwise.
 *
 * @param {string} topic
 * @param {import('./server.d.ts').PublishOptions} options
 * @param {'GET' | 'POST' | 'DELETE'} method
 * @param {Record<string, string>} [query]
 * @param {string} [body]
 * @param {Record<string, string>} [headers]
 */
async function request(topic, options, method, query = {}, body, headers = {}) {
  const { server, token, patience = PATIENCE } = options;
  if (method === 'POST' && options.private) query = { ...query, private: 'true' };
  const url = `${topicUrl(server, topic)}?${new URLSearchParams(query)}`;
  const since = Date.now();
  for (let attempts = 1; ; attempts++) {
    let wait = WAITS[Math.min(attempts, WAITS.length) - 1] * (1 - Math.random() / 2);
    /** @type {unknown} */
    let cause;
    try {
      const response = await fetch(url, {
        method,
        body,
        headers: {
          Accept: 'application/json',
          ...(body === undefined ? {} : { 'Content-Type': 'text/plain' }),
          ...headers,
          ...(await authorization(token)),
        },
        signal: AbortSignal.timeout(ATTEMPT),
      });
      const { status } = response;
      if (response.ok || status === 409 || (status === 404 && method === 'DELETE')) {
        return { status, attempts, body: status === 204 ? {} : await response.json() };
      }
      cause = await refused(response);
      if (!passes(status)) throw cause;
      wait = Math.max(wait, 1_000 * (Number(response.headers.get('Retry-After')) || 0));
    } catch (error) {
      if (error === cause) throw error;
      cause = error;
    }
    if (Date.now() + wait - since >= patience) {
      throw new AnswerError('unreachable', `Fairwind at ${server} took no event for ${patience} ms: ${describe(cause)}`);
    }
    await sleep(wait);
  }
}

/** @param {unknown} error @returns {string} */
function describe(error) {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
