// An answer as a topic of a Fairwind server: how it is named, requested and read. Shared by `transport.js` and `server.js`.
//
//     for await (const chunk of readAnswer({ url: topicUrl('https://live.example', topic) })) console.log(chunk);
//
// The events of such a topic:
//
//     type `message`   a JSON array of chunks. Its own id is its number, counted from 0; event 0 has no chunks
//     type `alive`     ephemeral: the publisher has nothing to say and is still there
//     type `failed`    the answer broke off; the data says why
//     type `end`       from the server: the topic has ended
//
// The numbers show a reader that it has every event from the first one on; a publisher that repeats a request publishes nothing twice,
// because the server refuses an id that the topic has.

/** How long a reader goes without an event, and a publisher without a receipt, before it gives up. In milliseconds. */
export const PATIENCE = 60_000;

/** The wait before the first reconnect, at most: readers of a server that has stopped come back at different times. */
const FIRST_WAIT = 300;

/** Why an answer cannot be read or published. `code` is for programs, `message` says what to do. */
export class AnswerError extends Error {
  /**
   * @param {import('./topic.d.ts').AnswerError['code']} code
   * @param {string} message
   * @param {{ status?: number, problem?: string }} [response]
   */
  constructor(code, message, { status, problem } = {}) {
    super(message);
    this.name = 'AnswerError';
    this.code = code;
    this.status = status;
    this.problem = problem;
  }
}

/** @param {string} server @param {string} topic */
export function topicUrl(server, topic) {
  return `${server.replace(/\/$/, '')}/topics/${topic.split('/').map(encodeURIComponent).join('/')}`;
}

/**
 * Whether a request with this status can succeed later.
 *
 * @param {number} status
 */
export function passes(status) {
  return status === 408 || status === 429 || status >= 500;
}

/**
 * What the server refuses, with its problem document.
 *
 * @param {Response} response
 */
export async function refused(response) {
  const { code, detail } = await response.json().catch(() => ({}));
  const text = `Fairwind refuses the request (${response.status}): ${detail ?? response.statusText}`;
  return new AnswerError('refused', text, { status: response.status, problem: code });
}

/** @param {number} ms @param {AbortSignal} [signal] */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve(undefined);
    }, ms);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/**
 * The headers of a request under a token.
 *
 * @param {import('./topic.d.ts').Token | undefined} token
 * @returns {Promise<Record<string, string>>}
 */
export async function authorization(token) {
  const value = typeof token === 'function' ? await token() : token;
  return value === undefined ? {} : { Authorization: `Bearer ${value}` };
}

/**
 * Yields every chunk of an answer from its place on, and returns when the topic ends. A stream that is lost, or silent for half of
 * `patience`, is replaced from the id of the last event. `place` always says where a later call goes on.
 *
 * While the caller takes nothing, nothing is read: the server keeps the events.
 *
 * @param {import('./topic.d.ts').ReadOptions} options
 * @returns {AsyncGenerator<unknown, void, void>}
 */
export async function* readAnswer({ url, token, credentials, fetch, patience = PATIENCE, signal, place = { id: 'earliest', next: 0 } }) {
  let heard = Date.now();
  let retry = 2_000;
  for (;;) {
    // Cuts this connection, and no other.
    const connection = new AbortController();
    const cut = () => connection.abort(signal?.reason);
    if (signal?.aborted) cut();
    signal?.addEventListener('abort', cut);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let silence;
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(() => connection.abort(), patience / 2);
    };
    let connected = false;
    let fresh = false;
    /** @type {unknown} */
    let cause;
    try {
      listen();
      const response = await (fetch ?? globalThis.fetch)(`${url}?format=json&last_event_id=${encodeURIComponent(place.id)}`, {
        headers: { Accept: 'text/event-stream', ...(await authorization(token)) },
        credentials,
        cache: 'no-store',
        signal: connection.signal,
      });
      if (response.status === 204) {
        if (place.next === 0) throw incomplete();
        return;
      }
      if (response.status !== 200 && !passes(response.status)) throw await refused(response);
      if (response.status === 200 && response.body) {
        if (!response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
          throw new AnswerError('refused', `${url} is not a topic of a Fairwind server: look at the option 'server'`);
        }
        for await (const { event, data, id, retry: wait } of events(response.body)) {
          retry = wait ?? retry;
          // A server that takes no further streams sends no id.
          connected ||= id !== undefined;
          if (event === 'gap') throw incomplete();
          if (event !== undefined || data === undefined) continue;
          const { id: number, type, data: text } = JSON.parse(data);
          heard = Date.now();
          listen();
          fresh = true;
          if (type === 'end') {
            if (place.next === 0) throw incomplete();
            return;
          }
          if (type === 'failed') throw new AnswerError('failed', text);
          if (type === 'message') {
            if (number !== String(place.next)) throw incomplete();
            clearTimeout(silence);
            yield* chunksOf(text);
            place.next += 1;
            heard = Date.now();
            listen();
          }
          place.id = id ?? place.id;
        }
      }
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof AnswerError) throw error;
      cause = error;
    } finally {
      clearTimeout(silence);
      signal?.removeEventListener('abort', cut);
      connection.abort();
    }
    if (Date.now() - heard >= patience) {
      if (!connected) throw disconnected(cause);
      throw new AnswerError('abandoned', 'the program that writes this answer has stopped, or cannot reach the server: ask again');
    }
    await sleep(fresh ? Math.random() * FIRST_WAIT : retry, signal);
  }
}

/** @param {string} text @returns {unknown[]} */
function chunksOf(text) {
  try {
    const chunks = JSON.parse(text);
    if (Array.isArray(chunks)) return chunks;
  } catch {
    // As below.
  }
  throw new AnswerError('failed', 'the topic has an event that is no part of an answer: something else publishes to it');
}

function incomplete() {
  return new AnswerError(
    'gap',
    'a part of this answer is no longer on the server, or private: ask again. To keep answers through restarts, start Fairwind with ' +
      '--data; to keep longer ones, raise --history-events, --history-bytes or --history-age',
  );
}

/**
 * The AI SDK takes a TypeError that speaks of the network for a lost connection: it keeps its state, and `resumeStream()` goes on.
 *
 * @param {unknown} cause
 */
function disconnected(cause) {
  return new TypeError('network error: the server cannot be reached; the answer can be resumed', { cause });
}

/**
 * The events of a Fairwind server's stream, whose lines end with a line feed and whose data is one line.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{ event?: string, data?: string, id?: string, retry?: number }, void, void>}
 */
async function* events(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let waiting = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    let searched = Math.max(0, waiting.length - 1);
    waiting += decoder.decode(value, { stream: true });
    for (let end; (end = waiting.indexOf('\n\n', searched)) !== -1; searched = 0) {
      const block = waiting.slice(0, end);
      waiting = waiting.slice(end + 2);
      /** @type {Record<string, string>} */
      const fields = {};
      for (const line of block.split('\n')) {
        const colon = line.indexOf(': ');
        if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
      }
      yield { ...fields, retry: Number(fields.retry) || undefined };
    }
  }
}

/**
 * A stream of what a generator yields. It takes nothing ahead of its reader, and ends the generator when it is cancelled.
 *
 * @template T
 * @param {(signal: AbortSignal) => AsyncGenerator<T, void, void>} read
 * @param {AbortSignal} [signal]
 * @returns {ReadableStream<T>}
 */
export function streamOf(read, signal) {
  const cancelled = new AbortController();
  const cancel = () => cancelled.abort(signal?.reason);
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  const chunks = read(cancelled.signal);
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await chunks.next();
          if (done) controller.close();
          else controller.enqueue(value);
          if (!done) return;
        } catch (error) {
          controller.error(error);
        }
        signal?.removeEventListener('abort', cancel);
      },
      async cancel(reason) {
        signal?.removeEventListener('abort', cancel);
        cancelled.abort(reason);
        await chunks.return();
      },
    },
    { highWaterMark: 0 },
  );
}
