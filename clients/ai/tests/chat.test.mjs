// Chats of the AI SDK whose answers are topics of a Fairwind server: what a person sees who reloads, opens a second tab, presses stop, or
// whose server is killed.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { ChatServer, Fairwind, load, openPage, temporary, until } from './support.mjs';

const question = { text: 'What is a topic?' };

/** @param {import('./support.mjs').Sdk} sdk @param {import('node:test').TestContext} test @param {string[]} args */
async function setUp(sdk, test, ...args) {
  const fairwind = await Fairwind.start(test, ...args);
  // Less than the usual minute: a test that fails leaves a publisher behind.
  const chat = await ChatServer.start(test, sdk, { server: fairwind.url, patience: 10_000 });
  return { fairwind, chat, model: chat.model };
}

for (const version of /** @type {const} */ (['ai', 'ai-6'])) {
  describe(version === 'ai' ? 'AI SDK 7' : 'AI SDK 6', () => {
    /** @type {Promise<import('./support.mjs').Sdk> | undefined} */
    let loading;
    /** @type {import('./support.mjs').Sdk} */
    let sdk;

    test('loads with the package that npm packs', async (test) => {
      sdk = await (loading ??= load(test, version));
      assert.equal(typeof sdk.page.FairwindChatTransport, 'function');
    });

    test('a page shows the answer as it is written, and is ready at its end', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test);
      const page = openPage(sdk, { chat, fairwind });
      const asked = page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      model.say('A topic ');
      await until(() => page.text === 'A topic ', 'the first words are there');
      assert.equal(page.status, 'streaming');
      model.say('is a URL.');
      await until(() => page.text === 'A topic is a URL.', 'the next words are there');
      model.finish();
      await asked;
      assert.equal(page.status, 'ready');
      assert.equal(page.messages.length, 2);
      assert.equal(page.finished.finishReason, 'stop');
      assert.deepEqual(await chat.done, { outcome: 'complete' });
      assert.equal((await fairwind.snapshot(chat.topics[0])).ended, true);
    });

    test('a page that is reloaded in the middle has the whole answer, and then the rest', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test);
      const page = openPage(sdk, { chat, fairwind });
      void page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      model.say('one ');
      await until(() => page.text === 'one ', 'the first page has the first word');
      const { messages } = page;
      await page.stop();
      model.say('two ');

      const reloaded = openPage(sdk, { chat, fairwind, messages: messages.slice(0, 1) });
      const resumed = reloaded.resumeStream();
      await until(() => reloaded.text === 'one two ', 'the second page has what the first had, and more');
      model.say('three');
      model.finish();
      await resumed;
      assert.equal(reloaded.text, 'one two three');
      assert.equal(reloaded.status, 'ready');
      assert.equal(reloaded.messages.length, 2);
      assert.equal(reloaded.lastMessage?.id, messages[1].id);
      assert.equal(model.asked, 1);
    });

    test('a second tab has the same chunks as the first', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test);
      const page = openPage(sdk, { chat, fairwind });
      const asked = page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      model.say('one ');
      await until(() => page.text === 'one ', 'the first tab has the first word');
      const second = openPage(sdk, { chat, fairwind, messages: page.messages.slice(0, 1) });
      const resumed = second.resumeStream();
      await until(() => second.text === 'one ', 'the second tab has the first word');
      model.say('two');
      model.finish();
      await Promise.all([asked, resumed]);
      assert.deepEqual(second.chunks, page.chunks);
      assert.equal(second.text, 'one two');
    });

    test('a server that is killed and started again in the middle costs no word and repeats none', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test, '--data', temporary(test));
      const page = openPage(sdk, { chat, fairwind });
      const asked = page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      let expected = '';
      for (let round = 0; round < 3; round++) {
        for (let word = 0; word < 20; word++) {
          model.say(`${round}.${word} `);
          expected += `${round}.${word} `;
          await until(() => page.text.length > expected.length - 50, 'the page follows');
        }
        await fairwind.kill();
        model.say('meanwhile ');
        expected += 'meanwhile ';
        assert.equal(page.status, 'streaming');
        await fairwind.start();
        await until(() => page.text === expected, 'the page has what was said meanwhile');
      }
      model.finish();
      await asked;
      assert.equal(page.text, expected);
      assert.equal(page.chunks.filter(({ type }) => type === 'start').length, 1);
      await until(() => chat.active.size === 0, 'the answer is complete');
      chat.active.set('chat', chat.topics[0]);
      const reloaded = openPage(sdk, { chat, fairwind, messages: page.messages.slice(0, 1) });
      await reloaded.resumeStream();
      assert.deepEqual(reloaded.chunks, page.chunks);
    });

    test('a server without a log on disk that is started again: the chat has an error that says what is missing and what to do', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test);
      const page = openPage(sdk, { chat, fairwind });
      const asked = page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      model.say('one ');
      await until(() => page.text === 'one ', 'the page has the first word');
      await fairwind.kill();
      await fairwind.start();
      await asked;
      assert.equal(page.status, 'error');
      assert.equal(/** @type {any} */ (page.error).code, 'gap');
      assert.match(String(page.error), /--data/);
      assert.equal(page.text, 'one ');

      // A page that is opened now does not show the rest as if it were the answer.
      model.say('two ');
      await until(async () => (await fairwind.snapshot(chat.topics[0])).events.length > 0, 'the rest is published');
      const second = openPage(sdk, { chat, fairwind, messages: page.messages.slice(0, 1) });
      await second.resumeStream();
      assert.equal(/** @type {any} */ (second.error).code, 'gap');
      assert.equal(second.text, '');
      model.finish();
      await chat.done;
    });

    test('a page whose connection is lost for long goes on after the last event that it had', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test, '--data', temporary(test));
      const page = openPage(sdk, { chat, fairwind, patience: 300 });
      const asked = page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      model.say('one ');
      await until(() => page.text === 'one ', 'the page has the first word');
      await fairwind.kill();
      await asked;
      assert.equal(page.status, 'error');
      assert.equal(page.finished.isDisconnect, true);
      const before = page.chunks.length;

      await fairwind.start();
      model.say('two');
      await until(async () => (await fairwind.snapshot(chat.topics[0])).events.at(-1)?.data.includes('two'), 'the rest is published');
      const resumed = page.resumeStream();
      await until(() => page.text === 'one two', 'the page has the rest');
      model.finish();
      await resumed;
      assert.equal(page.text, 'one two');
      assert.equal(page.messages.length, 2);
      assert.deepEqual(
        page.chunks.slice(before).map(({ type, delta }) => delta ?? type),
        ['two', 'text-end', 'finish-step', 'finish'],
      );
    });

    test('stop ends the answer for every tab, and aborts the model', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test);
      const page = openPage(sdk, { chat, fairwind });
      const asked = page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      model.say('one ');
      await until(() => page.text === 'one ', 'the page has the first word');
      const second = openPage(sdk, { chat, fairwind, messages: page.messages.slice(0, 1) });
      const resumed = second.resumeStream();
      await until(() => second.text === 'one ', 'the second tab has the first word');

      await fetch(`${chat.url}/api/chat/chat/stop`, { method: 'POST' });
      await Promise.all([asked, resumed]);
      assert.equal(page.status, 'ready');
      assert.equal(second.status, 'ready');
      model.say('two ');
      await until(() => model.aborted, 'the model is aborted');
      assert.deepEqual(await chat.done, { outcome: 'stopped' });
      assert.equal(page.text, 'one ');
    });

    test('a tab that stops reading closes its stream; the answer goes on', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test);
      const page = openPage(sdk, { chat, fairwind });
      const asked = page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      model.say('one ');
      await until(() => page.text === 'one ', 'the page has the first word');
      await page.stop();
      await asked;
      assert.equal(page.status, 'ready');
      await until(async () => (await fairwind.snapshot(chat.topics[0], 1)).subscribers === 0, 'the stream is closed');
      model.say('two');
      model.finish();
      assert.deepEqual(await chat.done, { outcome: 'complete' });
      assert.equal(model.aborted, false);
    });

    for (const how of /** @type {const} */ (['reports an error', 'breaks off'])) {
      test(`a model that ${how} in the middle: each page has what there was, and the error`, async (test) => {
        const { fairwind, chat, model } = await setUp(sdk, test);
        const page = openPage(sdk, { chat, fairwind });
        const asked = page.sendMessage(question);
        await until(() => model.asked, 'the model is asked');
        model.say('one ');
        await until(() => page.text === 'one ', 'the page has the first word');
        const second = openPage(sdk, { chat, fairwind, messages: page.messages.slice(0, 1) });
        const resumed = second.resumeStream();
        await until(() => second.text === 'one ', 'the second tab has the first word');
        if (how === 'breaks off') model.fail(new Error('the GPU is on fire'));
        else model.report(new Error('the GPU is on fire'));
        await Promise.all([asked, resumed]);
        for (const { status, error, text } of [page, second]) {
          assert.equal(status, 'error');
          assert.doesNotMatch(String(error), /GPU/, 'the text of an error stays on the server');
          assert.equal(text, 'one ');
        }
        assert.equal((await chat.done)?.outcome, how === 'breaks off' ? 'failed' : 'complete');
      });
    }

    test('a chat without an answer in progress, and one whose answer the server has forgotten, has nothing to resume', async (test) => {
      const { fairwind, chat } = await setUp(sdk, test);
      const page = openPage(sdk, { chat, fairwind });
      await page.resumeStream();
      assert.equal(page.status, 'ready');
      chat.active.set('chat', 'answers/forgotten');
      await page.resumeStream();
      assert.equal(page.status, 'ready');
      assert.deepEqual(page.messages, []);
    });

    test('an answer that was completed meanwhile is there after a reload', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test);
      const page = openPage(sdk, { chat, fairwind });
      const asked = page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      model.say('all of it');
      model.finish();
      await asked;
      await until(() => chat.active.size === 0, 'the answer is complete');
      chat.active.set('chat', chat.topics[0]);
      const reloaded = openPage(sdk, { chat, fairwind, messages: page.messages.slice(0, 1) });
      await reloaded.resumeStream();
      assert.equal(reloaded.text, 'all of it');
      assert.equal(reloaded.status, 'ready');
    });

    test('a chat server that cannot reach Fairwind does not ask the model, and the chat has an error that says so', async (test) => {
      const { fairwind } = await setUp(sdk, test);
      await fairwind.kill();
      const chat = await ChatServer.start(test, sdk, { server: fairwind.url, patience: 200 });
      const page = openPage(sdk, { chat, fairwind });
      await page.sendMessage(question);
      assert.equal(page.status, 'error');
      assert.match(String(page.error), /took no event for 200 ms/);
      assert.equal(chat.model.asked, 0);
    });

    test('a private answer is read under the token that the chat server gives the page', async (test) => {
      const secret = join(temporary(test), 'secret');
      writeFileSync(secret, 'a secret of more than thirty-two bytes');
      const fairwind = await Fairwind.start(test, '--jwt-secret-file', secret);
      const token = Fairwind.token(secret, '--publish', 'answers/*');
      const chat = await ChatServer.start(test, sdk, { server: fairwind.url, private: true, token });
      const { model } = chat;
      chat.tokenOf = (topic) => Fairwind.token(secret, '--subscribe', topic);
      const page = openPage(sdk, { chat, fairwind });
      const asked = page.sendMessage(question);
      await until(() => model.asked, 'the model is asked');
      model.say('one ');
      await until(() => page.text === 'one ', 'the page has the first word');
      const second = openPage(sdk, { chat, fairwind, messages: page.messages.slice(0, 1) });
      const resumed = second.resumeStream();
      await until(() => second.text === 'one ', 'the second tab has the first word');
      chat.tokenOf = undefined;
      const third = openPage(sdk, { chat, fairwind });
      await third.resumeStream();
      assert.equal(/** @type {any} */ (third.error).problem, 'token-required');
      model.finish();
      await Promise.all([asked, resumed]);
    });

    test('each answer has a topic of its own, whose name cannot be guessed', async (test) => {
      const { fairwind, chat, model } = await setUp(sdk, test);
      const page = openPage(sdk, { chat, fairwind });
      for (let answer = 1; answer <= 2; answer++) {
        const asked = page.sendMessage(question);
        await until(() => model.asked === answer, 'the model is asked');
        model.say(`answer ${answer}`);
        model.finish();
        await asked;
        assert.equal(page.text, `answer ${answer}`);
      }
      assert.equal(new Set(chat.topics).size, 2);
      for (const topic of chat.topics) assert.match(topic, /^answers\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    });
  });
}
