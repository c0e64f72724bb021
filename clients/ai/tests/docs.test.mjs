// The chat server in docs/ai.md, run as it stands there; only the Fairwind server's address is replaced.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Fairwind, install, load, openPage, until } from './support.mjs';

const DOCUMENT = new URL('../../../docs/ai.md', import.meta.url);

/** A model that says each line that the test writes to the program's standard input, and is done after an empty one. */
const MODEL = `
import * as mocks from 'ai/test';
import { createInterface } from 'node:readline';

const tokens = { total: 1, noCache: 1, text: 1 };
let answer;
createInterface({ input: process.stdin }).on('line', (delta) => {
  if (delta) return answer.enqueue({ type: 'text-delta', id: 'text', delta });
  answer.enqueue({ type: 'text-end', id: 'text' });
  answer.enqueue({ type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage: { inputTokens: tokens, outputTokens: tokens } });
  answer.close();
});
const stream = () => new ReadableStream({
  start(controller) {
    answer = controller;
    controller.enqueue({ type: 'stream-start', warnings: [] });
    controller.enqueue({ type: 'text-start', id: 'text' });
    console.log('asked');
  },
});
const doStream = async ({ abortSignal }) => {
  abortSignal.addEventListener('abort', () => console.log('aborted'));
  return { stream: stream() };
};
export const model = new (mocks.MockLanguageModelV4 ?? mocks.MockLanguageModelV3)({ doStream });
`;

for (const version of /** @type {const} */ (['ai', 'ai-6'])) {
  test(`the documented chat server answers, resumes and stops, with the package ${version}`, async (test) => {
    const fairwind = await Fairwind.start(test);
    const sdk = await load(test, version);
    const folder = install(test, version);
    const code = /### The chat's server[^]*?```js\n([^]*?)```/.exec(readFileSync(DOCUMENT, 'utf8'))?.[1];
    assert(code);
    writeFileSync(join(folder, 'chat.mjs'), code.replace('http://127.0.0.1:8080', fairwind.url));
    writeFileSync(join(folder, 'model.mjs'), MODEL);
    const program = spawn(process.execPath, ['chat.mjs'], { cwd: folder, env: { ...process.env, PORT: '0' }, stdio: ['pipe', 'pipe', 'inherit'] });
    test.after(() => program.kill());
    let output = '';
    program.stdout.on('data', (data) => (output += data));
    await until(() => /^http:\S+\n/.test(output), 'the chat server listens');
    const chat = { url: output.trim() };

    const page = openPage(sdk, { chat, fairwind });
    const asked = page.sendMessage({ text: 'What is a topic?' });
    await until(() => output.includes('asked'), 'the model is asked');
    program.stdin.write('A topic\n');
    await until(() => page.text === 'A topic', 'the page has the first words');
    const second = openPage(sdk, { chat, fairwind, messages: page.messages.slice(0, 1) });
    const resumed = second.resumeStream();
    await until(() => second.text === 'A topic', 'a second tab has the first words');
    program.stdin.write(' is a URL.\n\n');
    await Promise.all([asked, resumed]);
    assert.deepEqual([page.text, second.text], ['A topic is a URL.', 'A topic is a URL.']);
    await until(async () => (await fetch(`${chat.url}/api/chat/chat/stream`)).status === 204, 'no answer is being written');

    output = '';
    void page.sendMessage({ text: 'And an event?' });
    await until(() => output.includes('asked'), 'the model is asked');
    program.stdin.write('An event\n');
    await until(() => page.text === 'An event', 'the page has the first words');
    await fetch(`${chat.url}/api/chat/chat/stop`, { method: 'POST' });
    await until(() => page.status === 'ready', 'the page is ready');
    program.stdin.write(' is\n');
    await until(() => output.includes('aborted'), 'the model is stopped');
  });
}
