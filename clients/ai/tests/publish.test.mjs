// Publishing an answer and reading it, without a chat: what is on the topic, and what happens when requests are lost, the server is
// away, a reader takes nothing, or the publisher dies.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { publishAnswer, stopAnswer } from '../server.js';
import { readAnswer, streamOf, topicUrl } from '../topic.js';
import { all, Fairwind, Proxy, Source, temporary, until } from './support.mjs';

/** @param {string} delta @returns {any} */
const chunk = (delta) => ({ type: 'text-delta', id: 'text', delta });

/** @param {unknown} error @param {string} code */
const hasCode = (error, code) => /** @type {any} */ (error).code === code;

test('a topic has event 0, then numbered events of what came together, then its end', async (test) => {
  const fairwind = await Fairwind.start(test);
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url });
  assert.deepEqual((await fairwind.snapshot(topic)).events.map((/** @type {any} */ { id, data }) => [id, data]), [['0', '[]']]);
  source.write(chunk('one'));
  await until(async () => (await fairwind.snapshot(topic)).events.length === 2, 'the first chunk is published');
  for (const delta of ['two', 'three', 'four']) source.write(chunk(delta));
  source.close();
  assert.deepEqual(await done, { outcome: 'complete' });
  const { events } = await fairwind.snapshot(topic);
  assert.deepEqual(events.slice(0, -1).map((/** @type {any} */ { id }) => id), ['0', '1', '2']);
  assert.deepEqual(JSON.parse(events[2].data), [chunk('two'), chunk('three'), chunk('four')]);
  assert.equal(events.at(-1).type, 'end');
});

test('an answer of more chunks than the server keeps events is read whole', async (test) => {
  const fairwind = await Fairwind.start(test);
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url });
  const chunks = Array.from({ length: 5_000 }, (_, number) => chunk(`${number} `));
  for (const each of chunks) source.write(each);
  source.close();
  await done;
  assert.deepEqual(await all(readAnswer({ url: topicUrl(fairwind.url, topic) })), chunks);
});

test('an answer whose first events are no longer kept is refused, not shown without its beginning', async (test) => {
  const fairwind = await Fairwind.start(test, '--history-events', '3');
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url, interval: 0 });
  for (let number = 0; number < 10; number++) {
    source.write(chunk(String(number)));
    await until(async () => (await fairwind.snapshot(topic)).events.at(-1)?.data.includes(`"${number}"`), 'the chunk is published');
  }
  await assert.rejects(all(readAnswer({ url: topicUrl(fairwind.url, topic) })), (error) => hasCode(error, 'gap') && /--history-events/.test(String(error)));
  source.close();
  await done;
});

test('a request whose receipt is lost is sent again, and publishes nothing twice', async (test) => {
  const fairwind = await Fairwind.start(test);
  const proxy = await Proxy.start(test, fairwind);
  proxy.lose = 1;
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: proxy.url });
  for (let number = 1; number <= 5; number++) {
    proxy.lose = 2;
    source.write(chunk(String(number)));
    await until(async () => proxy.lose === 0 && (await fairwind.snapshot(topic)).events.at(-1).id === String(number), 'it is published');
  }
  proxy.lose = 1;
  source.close();
  assert.deepEqual(await done, { outcome: 'complete' });
  const { events } = await fairwind.snapshot(topic);
  assert.deepEqual(events.map((/** @type {any} */ { id, type }) => type ?? id), ['0', '1', '2', '3', '4', '5', 'end']);
});

test('while the server is away the source is not read; afterwards nothing is missing', async (test) => {
  const fairwind = await Fairwind.start(test, '--data', temporary(test));
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url });
  source.write(chunk('one'));
  await until(async () => (await fairwind.snapshot(topic)).events.length === 2, 'the first chunk is published');
  await fairwind.kill();
  source.write(chunk('two'));
  await until(() => source.pulled === 3, 'the next chunk has been taken');
  for (const delta of ['three', 'four']) source.write(chunk(delta));
  const { pulled } = source;
  await fairwind.start();
  source.close();
  assert(pulled <= 4, `the source was asked ${pulled} times for what cannot be published`);
  assert.deepEqual(await done, { outcome: 'complete' });
  assert.deepEqual(await all(readAnswer({ url: topicUrl(fairwind.url, topic) })), ['one', 'two', 'three', 'four'].map(chunk));
});

test('a server that stays away: the publisher gives up after its patience, and cancels the source', async (test) => {
  const fairwind = await Fairwind.start(test);
  const source = new Source();
  const { done } = await publishAnswer(source.stream, { server: fairwind.url, patience: 300 });
  await fairwind.kill();
  source.write(chunk('one'));
  const outcome = await done;
  assert(outcome.outcome === 'failed' && hasCode(outcome.error, 'unreachable'));
  assert(source.cancelled);
});

test('a source that fails: readers get what came before, and the text that onError chooses', async (test) => {
  const fairwind = await Fairwind.start(test);
  const source = new Source();
  const onError = (/** @type {any} */ error) => `for readers: ${error.message}`;
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url, onError });
  source.write(chunk('one'));
  source.fail(new Error('quota'));
  const outcome = await done;
  assert(outcome.outcome === 'failed' && String(outcome.error) === 'Error: quota');
  const read = readAnswer({ url: topicUrl(fairwind.url, topic) });
  await assert.rejects(all(read), (error) => hasCode(error, 'failed') && String(error).endsWith('for readers: quota'));
});

test('an event that is larger than the server takes fails the answer, for its readers too', async (test) => {
  const fairwind = await Fairwind.start(test, '--max-body', '4KiB');
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url });
  source.write(chunk('x'.repeat(5_000)));
  const outcome = await done;
  assert(outcome.outcome === 'failed' && /** @type {any} */ (outcome.error).problem === 'too-large');
  await assert.rejects(all(readAnswer({ url: topicUrl(fairwind.url, topic) })), (error) => hasCode(error, 'failed'));
});

test('an answer that is stopped while the model is silent is noticed too, and its signal aborted', async (test) => {
  const fairwind = await Fairwind.start(test);
  const source = new Source();
  /** @type {AbortSignal | undefined} */
  let given;
  const begin = (/** @type {{ signal: AbortSignal }} */ { signal }) => {
    given = signal;
    return source.stream;
  };
  const { topic, done } = await publishAnswer(begin, { server: fairwind.url, patience: 600 });
  await stopAnswer(topic, { server: fairwind.url });
  assert.deepEqual(await done, { outcome: 'stopped' });
  assert(given?.aborted && source.cancelled);
  await stopAnswer(topic, { server: fairwind.url });
  await stopAnswer('answers/unknown', { server: fairwind.url });
});

test('a reader waits for a model that is silent for longer than its patience', async (test) => {
  const fairwind = await Fairwind.start(test);
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url, patience: 600 });
  const read = all(readAnswer({ url: topicUrl(fairwind.url, topic), patience: 600 }));
  // One each tenth of a second.
  await until(async () => (await fairwind.metric('fairwind_published_total')) > 15, 'the publisher has been silent for long');
  source.write(chunk('one'));
  source.close();
  await done;
  assert.deepEqual(await read, [chunk('one')]);
});

test('a reader of an answer whose publisher has died gives up after its patience', async (test) => {
  const fairwind = await Fairwind.start(test);
  const url = topicUrl(fairwind.url, 'answers/abandoned');
  await fetch(`${url}?id=0`, { method: 'POST', body: '[]' });
  await assert.rejects(all(readAnswer({ url, patience: 300 })), (error) => hasCode(error, 'abandoned'));
});

test('a connection that has died without a word is replaced, and nothing is missing', async (test) => {
  const fairwind = await Fairwind.start(test);
  const proxy = await Proxy.start(test, fairwind);
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url, patience: 1_200 });
  const read = readAnswer({ url: topicUrl(proxy.url, topic), patience: 1_200 });
  source.write(chunk('one'));
  assert.deepEqual((await read.next()).value, chunk('one'));
  proxy.hold();
  source.write(chunk('two'));
  assert.deepEqual((await read.next()).value, chunk('two'));
  source.close();
  await done;
  assert.deepEqual(await all(read), []);
});

test('a reader that takes nothing is disconnected by the server, and has everything when it goes on', async (test) => {
  const fairwind = await Fairwind.start(test, '--data', temporary(test), '--write-timeout', '1s');
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url });
  const reader = streamOf((signal) => readAnswer({ url: topicUrl(fairwind.url, topic), signal })).getReader();
  const chunks = Array.from({ length: 400 }, (_, number) => chunk(`${number}: ${'x'.repeat(64 * 1024)}`));
  source.write(chunks[0]);
  const read = [(await reader.read()).value];
  for (const each of chunks.slice(1)) source.write(each);
  source.close();
  await done;
  await until(async () => (await fairwind.metric('fairwind_slow_readers_total')) === 1, 'the server disconnects the reader');
  for (let result; !(result = await reader.read()).done; ) read.push(result.value);
  assert.equal(read.length, chunks.length);
  assert.deepEqual(read, chunks);
});

test('a stream that is cancelled closes its connection', async (test) => {
  const fairwind = await Fairwind.start(test);
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server: fairwind.url });
  const reader = streamOf((signal) => readAnswer({ url: topicUrl(fairwind.url, topic), signal })).getReader();
  source.write(chunk('one'));
  await reader.read();
  const waiting = reader.read();
  await reader.cancel();
  assert.equal((await waiting).done, true);
  await until(async () => (await fairwind.snapshot(topic)).subscribers === 0, 'the connection is closed');
  source.close();
  await done;
});

test('tokens: an answer is published under one, and a private one is read under one', async (test) => {
  const secret = join(temporary(test), 'secret');
  writeFileSync(secret, 'a secret of more than thirty-two bytes');
  const fairwind = await Fairwind.start(test, '--jwt-secret-file', secret, '--read', 'public');
  const server = fairwind.url;
  await assert.rejects(publishAnswer(new Source().stream, { server }), (error) => /** @type {any} */ (error).problem === 'token-required');

  const make = (/** @type {string[]} */ ...claims) => Fairwind.token(secret, ...claims);
  const source = new Source();
  const { topic, done } = await publishAnswer(source.stream, { server, private: true, token: async () => make('--publish', 'answers/*') });
  source.write(chunk('one'));
  source.close();
  assert.deepEqual(await done, { outcome: 'complete' });
  const url = topicUrl(server, topic);
  assert.deepEqual(await all(readAnswer({ url, token: make('--subscribe', topic) })), [chunk('one')]);
  await assert.rejects(all(readAnswer({ url })), (error) => hasCode(error, 'gap'));
  await assert.rejects(all(readAnswer({ url, token: 'none' })), (error) => hasCode(error, 'refused') && /** @type {any} */ (error).status === 401);
});

test('a topic that something else publishes to is no answer', async (test) => {
  const fairwind = await Fairwind.start(test);
  const url = topicUrl(fairwind.url, 'kitchen');
  await fetch(`${url}?id=0`, { method: 'POST', body: 'tea is ready' });
  await assert.rejects(all(readAnswer({ url })), (error) => hasCode(error, 'failed'));
  await assert.rejects(all(readAnswer({ url: `${fairwind.url}/healthz` })), (error) => hasCode(error, 'refused'));
});
