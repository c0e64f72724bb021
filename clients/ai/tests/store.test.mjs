// The store with the interface of resumable-stream. What the interface promises is tested with the real package as well, over a
// publisher and a subscriber in memory where it would have Redis.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';

import * as ai from 'ai';
import { createResumableStreamContext as createReal } from 'resumable-stream/generic';

import { createResumableStreamContext } from '../server.js';
import { all, Fairwind, Source, temporary, until } from './support.mjs';

/** @param {import('node:test').TestContext} test */
async function ofFairwind(test) {
  const { url } = await Fairwind.start(test);
  return createResumableStreamContext({ server: url, waitUntil: null });
}

/** What resumable-stream asks of Redis. */
async function ofMemory() {
  /** @type {Map<string, string>} */
  const values = new Map();
  /** @type {Map<string, (message: string) => void>} */
  const channels = new Map();
  /** @type {import('resumable-stream').Publisher} */
  const publisher = {
    connect: async () => {},
    publish: async (channel, message) => setImmediate(() => channels.get(channel)?.(message)),
    set: async (key, value) => values.set(key, value),
    get: async (key) => values.get(key) ?? null,
    incr: async (key) => {
      const value = Number(values.get(key) ?? 0) + 1;
      if (Number.isNaN(value)) throw new Error('ERR value is not an integer or out of range');
      values.set(key, String(value));
      return value;
    },
  };
  /** @type {import('resumable-stream').Subscriber} */
  const subscriber = {
    connect: async () => {},
    subscribe: async (channel, callback) => void channels.set(channel, callback),
    unsubscribe: async (channel) => channels.delete(channel),
  };
  return createReal({ waitUntil: null, publisher, subscriber });
}

for (const [name, create] of /** @type {const} */ ([['Fairwind', ofFairwind], ['resumable-stream', ofMemory]])) {
  describe(`the interface of resumable-stream, by ${name}`, () => {
    test('a stream that has not begun does not exist', async (test) => {
      const context = await create(test);
      assert.equal(await context.hasExistingStream('one'), null);
      assert.equal(await context.resumeExistingStream('one'), undefined);
    });

    test('a stream is read by the request that began it, and from its beginning by requests that resume it', async (test) => {
      const context = await create(test);
      const source = new Source();
      const first = await context.createNewResumableStream('one', () => source.stream);
      assert(first);
      const reader = first.getReader();
      source.write('one ');
      assert.equal((await reader.read()).value, 'one ');
      assert.equal(await context.hasExistingStream('one'), true);
      const resumed = await context.resumeExistingStream('one');
      const skipped = await context.resumeExistingStream('one', 2);
      assert(resumed && skipped);
      const texts = Promise.all([all(resumed), all(skipped)]);
      source.write('two');
      source.close();
      assert.equal((await reader.read()).value, 'two');
      assert.equal((await reader.read()).done, true);
      assert.deepEqual((await texts).map((text) => text.join('')), ['one two', 'e two']);
    });

    test('a stream that is complete is DONE, and is not resumed', async (test) => {
      const context = await create(test);
      const source = new Source();
      const stream = await context.resumableStream('one', () => source.stream);
      assert(stream);
      source.write('one');
      source.close();
      assert.deepEqual(await all(stream), ['one']);
      await until(async () => (await context.hasExistingStream('one')) === 'DONE', 'the stream is complete');
      assert.equal(await context.resumeExistingStream('one'), null);
      assert.equal(await context.resumableStream('one', () => assert.fail('it is not made again')), null);
    });

    test('of two requests at the same time one makes the stream, and both read it', async (test) => {
      const context = await create(test);
      const source = new Source();
      let made = 0;
      const make = () => {
        made += 1;
        return source.stream;
      };
      const streams = await Promise.all([context.resumableStream('one', make), context.resumableStream('one', make)]);
      const texts = Promise.all(streams.map((stream) => all(stream ?? assert.fail())));
      source.write('one ');
      await until(() => source.pulled > 1, 'the source is read');
      source.write('two');
      source.close();
      assert.deepEqual((await texts).map((text) => text.join('')), ['one two', 'one two']);
      assert.equal(made, 1);
    });

    test('a stream without a reader is completed', async (test) => {
      const context = await create(test);
      const source = new Source();
      await context.createNewResumableStream('one', () => source.stream);
      source.write('one');
      source.close();
      await until(async () => (await context.hasExistingStream('one')) === 'DONE', 'the stream is complete');
    });
  });
}

test('a stream goes on after the server has been killed and started again', async (test) => {
  const fairwind = await Fairwind.start(test, '--data', temporary(test));
  const context = createResumableStreamContext({ server: fairwind.url, waitUntil: null });
  const source = new Source();
  const stream = await context.createNewResumableStream('one', () => source.stream);
  assert(stream);
  const reader = stream.getReader();
  source.write('one ');
  assert.equal((await reader.read()).value, 'one ');
  await fairwind.kill();
  source.write('two');
  source.close();
  await fairwind.start();
  assert.equal((await reader.read()).value, 'two');
  assert.equal((await reader.read()).done, true);
  assert.equal(await context.hasExistingStream('one'), 'DONE');
});

test('waitUntil gets a promise that resolves when the stream is complete', async (test) => {
  const fairwind = await Fairwind.start(test);
  /** @type {Promise<unknown>[]} */
  const promises = [];
  const context = createResumableStreamContext({ server: fairwind.url, waitUntil: (promise) => promises.push(promise) });
  const source = new Source();
  await context.createNewResumableStream('one', () => source.stream);
  assert.equal(promises.length, 1);
  source.close();
  assert.deepEqual(await promises[0], { outcome: 'complete' });
});

test('a stream that fails fails for its readers; one that is being written is not begun again', async (test) => {
  const fairwind = await Fairwind.start(test);
  const context = createResumableStreamContext({ server: fairwind.url, waitUntil: null });
  const source = new Source();
  const stream = await context.createNewResumableStream('one', () => source.stream);
  await assert.rejects(context.createNewResumableStream('one', () => assert.fail()), { code: 'taken' });
  source.fail(new Error('quota'));
  await assert.rejects(all(stream ?? assert.fail()), { code: 'failed', message: 'The answer broke off.' });
  await until(async () => (await context.hasExistingStream('one')) === 'DONE', 'the stream has ended');
});

test("the AI SDK's own transport resumes a response whose stream is in the store", async (test) => {
  const fairwind = await Fairwind.start(test);
  const context = createResumableStreamContext({ server: fairwind.url, waitUntil: null });
  const source = new Source();
  const id = crypto.randomUUID();
  const server = createServer((request, response) => {
    respond(request.method === 'POST').then((answer) => {
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.flushHeaders();
      if (answer.body) Readable.fromWeb(/** @type {any} */ (answer.body)).on('error', () => {}).pipe(response);
      else response.end();
    });
  });
  /** @param {boolean} asks */
  async function respond(asks) {
    if (asks) {
      const consumeSseStream = async (/** @type {{ stream: ReadableStream<string> }} */ { stream }) => {
        await context.createNewResumableStream(id, () => stream);
      };
      return ai.createUIMessageStreamResponse({ stream: source.stream, consumeSseStream });
    }
    const stream = await context.resumeExistingStream(id);
    return stream ? new Response(stream.pipeThrough(new TextEncoderStream()), { headers: ai.UI_MESSAGE_STREAM_HEADERS }) : new Response(null, { status: 204 });
  }
  await once(server.listen(0, '127.0.0.1'), 'listening');
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const transport = () => new ai.DefaultChatTransport({ api: `http://127.0.0.1:${port}/api/chat` });
  const first = await transport().sendMessages({ chatId: 'chat', trigger: 'submit-message', messageId: undefined, messages: [], abortSignal: undefined });
  const reader = first.getReader();
  source.write({ type: 'text-start', id: 'text' });
  source.write({ type: 'text-delta', id: 'text', delta: 'one' });
  await reader.read();
  await reader.cancel();
  await until(async () => (await context.hasExistingStream(id)) === true, 'the stream is in the store');
  const resumed = await transport().reconnectToStream({ chatId: 'chat' });
  assert(resumed);
  source.write({ type: 'text-end', id: 'text' });
  source.close();
  assert.deepEqual(await all(resumed), [
    { type: 'text-start', id: 'text' },
    { type: 'text-delta', id: 'text', delta: 'one' },
    { type: 'text-end', id: 'text' },
  ]);
  await until(async () => (await context.hasExistingStream(id)) === 'DONE', 'the stream is complete');
  assert.equal(await transport().reconnectToStream({ chatId: 'chat' }), null);
});
