// What the tests of this package are made of: a Fairwind server that can be killed and started again, a proxy before it, a model that says
// what the test gives it, a chat server in Node that publishes its answers, and pages. For each version of the AI SDK, the package is
// the one that `npm pack` makes.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = fileURLToPath(new URL('..', import.meta.url));
const BINARY = process.env.TESTED_BINARY ?? join(folder, '../../target/release/fairwind');

/** Resolves when the condition holds. @param {() => unknown} condition @param {string} what */
export async function until(condition, what) {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A folder that is removed when the test has ended. @param {import('node:test').TestContext} test */
export function temporary(test) {
  const path = mkdtempSync(join(tmpdir(), 'fairwind-ai-'));
  test.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The release binary, on a port that it keeps when it is started again. */
export class Fairwind {
  url = '';
  log = '';
  #address = '127.0.0.1:0';
  #args;
  #folder;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process;

  /** @param {import('node:test').TestContext} test @param {string[]} args */
  static async start(test, ...args) {
    const server = new Fairwind(temporary(test), args);
    test.after(() => server.kill());
    await server.start();
    return server;
  }

  /** @param {string} folder @param {string[]} args */
  constructor(folder, args) {
    this.#folder = folder;
    // Not for the test of tokens, which has a secret.
    const anonymous = args.includes('--jwt-secret-file') ? [] : ['--anonymous-publish', 'local'];
    this.#args = ['--clock-interval', 'off', '--retry', '200ms', ...anonymous, ...args];
  }

  async start() {
    const child = spawn(BINARY, ['--addr', this.#address, ...this.#args], { cwd: this.#folder, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (this.log += data));
    await until(() => /listening on \S+\n/.test(output) || child.exitCode !== null, 'the server listens');
    const url = /listening on (\S+)\n/.exec(output)?.[1];
    assert(url, `the server does not start: ${this.log}`);
    this.url = url;
    this.#address = new URL(url).host;
  }

  /** SIGKILL. */
  async kill() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** A token that the secret in a file signs. @param {string} secret @param {string[]} claims */
  static token(secret, ...claims) {
    return execFileSync(BINARY, ['token', '--secret-file', secret, '--for', '1h', ...claims], { cwd: tmpdir() }).toString().trim();
  }

  /** A number of /metrics. @param {string} name */
  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]);
  }

  /** @param {string} topic @param {number} [limit] */
  async snapshot(topic, limit = 1_000) {
    const response = await fetch(`${this.url}/topics/${topic}?limit=${limit}`, { headers: { Accept: 'application/json' } });
    return response.json();
  }
}

/**
 * A folder with a version of the AI SDK and this package in it, as `npm install` would put them.
 *
 * @param {import('node:test').TestContext} test
 * @param {'ai' | 'ai-6'} version
 */
export function install(test, version) {
  const root = temporary(test);
  const modules = join(root, 'node_modules');
  mkdirSync(join(modules, 'fairwind-ai'), { recursive: true });
  const packed = execFileSync('npm', ['pack', '--json', `--pack-destination=${root}`], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const [{ filename }] = JSON.parse(packed.toString());
  execFileSync('tar', ['-xf', join(root, filename), '-C', join(modules, 'fairwind-ai'), '--strip-components=1']);
  symlinkSync(join(folder, 'node_modules', version), join(modules, 'ai'));
  return root;
}

/**
 * Loads a version of the AI SDK, and this package for it.
 *
 * @param {import('node:test').TestContext} test
 * @param {'ai' | 'ai-6'} version
 * @returns {Promise<Sdk>}
 */
export async function load(test, version) {
  const all = join(install(test, version), 'all.mjs');
  const names = { ai: 'ai', mocks: 'ai/test', page: 'fairwind-ai', server: 'fairwind-ai/server' };
  writeFileSync(all, Object.entries(names).map(([name, from]) => `export * as ${name} from '${from}';\n`).join(''));
  return import(pathToFileURL(all).href);
}

/** A model that says what the test gives it, one answer at a time. */
export class Model {
  /** How often it was asked, and whether its last answer was aborted. */
  asked = 0;
  aborted = false;
  /** @type {ReadableStreamDefaultController<any> | undefined} */
  #answer;

  /** The model for `streamText`. @param {Sdk} sdk */
  forSdk({ mocks }) {
    const doStream = async (/** @type {{ abortSignal?: AbortSignal }} */ { abortSignal }) => {
      this.asked += 1;
      this.aborted = false;
      const stream = new ReadableStream({
        start: (controller) => {
          this.#answer = controller;
          controller.enqueue({ type: 'stream-start', warnings: [] });
          controller.enqueue({ type: 'text-start', id: 'text' });
        },
      });
      abortSignal?.addEventListener('abort', () => {
        this.aborted = true;
        this.#answer?.error(abortSignal.reason);
      });
      return { stream };
    };
    const { MockLanguageModelV4, MockLanguageModelV3 } = /** @type {any} */ (mocks);
    return new (MockLanguageModelV4 ?? MockLanguageModelV3)({ doStream });
  }

  /** @param {string} delta */
  say(delta) {
    this.#answer?.enqueue({ type: 'text-delta', id: 'text', delta });
  }

  finish() {
    const tokens = { total: 1, noCache: 1, text: 1 };
    this.#answer?.enqueue({ type: 'text-end', id: 'text' });
    this.#answer?.enqueue({ type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage: { inputTokens: tokens, outputTokens: tokens } });
    this.#answer?.close();
  }

  /** As a provider does that has lost its connection or its quota. @param {Error} error */
  report(error) {
    this.#answer?.enqueue({ type: 'error', error });
    this.#answer?.close();
  }

  /** @param {Error} error */
  fail(error) {
    this.#answer?.error(error);
  }
}

/** The chat's own server: `POST /api/chat`, `GET /api/chat/CHAT/stream`, `POST /api/chat/CHAT/stop`. */
export class ChatServer {
  model = new Model();
  url = '';
  /** The answers that are being written, by chat. @type {Map<string, string>} */
  active = new Map();
  /** The topics of all answers. @type {string[]} */
  topics = [];
  /** What a page needs to read an answer. @type {((topic: string) => string) | undefined} */
  tokenOf;
  /** How the last answer ended. @type {Promise<import('../server.d.ts').Outcome> | undefined} */
  done;
  #sdk;
  #options;

  /** @param {import('node:test').TestContext} test @param {Sdk} sdk @param {import('../server.d.ts').PublishOptions} options */
  static async start(test, sdk, options) {
    const chat = new ChatServer(sdk, options);
    const server = createServer((request, response) => {
      chat.#respond(request).then(
        (answer) => {
          response.writeHead(answer ? 200 : 204, { 'Content-Type': 'application/json' });
          response.end(answer && JSON.stringify(answer));
        },
        (error) => {
          response.writeHead(502);
          response.end(error.message);
        },
      );
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    test.after(() => {
      server.closeAllConnections();
      server.close();
    });
    chat.url = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`;
    return chat;
  }

  /** @param {Sdk} sdk @param {import('../server.d.ts').PublishOptions} options */
  constructor(sdk, options) {
    this.#sdk = sdk;
    this.#options = options;
  }

  /** @param {import('node:http').IncomingMessage} request */
  async #respond(request) {
    const { ai, server } = this.#sdk;
    const [, , , chat, action] = /** @type {string} */ (request.url).split('/');
    const topic = this.active.get(chat);
    const named = (/** @type {string} */ topic) => ({ topic, token: this.tokenOf?.(topic) });
    if (action === 'stream') return topic && named(topic);
    if (action === 'stop') {
      if (topic) await server.stopAnswer(topic, this.#options);
      return undefined;
    }
    const { id, messages } = await new Response(/** @type {any} */ (request)).json();
    const answer = await server.publishAnswer(async ({ signal }) => {
      const prompt = await ai.convertToModelMessages(messages);
      const result = ai.streamText({ model: this.model.forSdk(this.#sdk), messages: prompt, abortSignal: signal, maxRetries: 0, onError() {} });
      return result.toUIMessageStream({ generateMessageId: ai.generateId });
    }, this.#options);
    this.topics.push(answer.topic);
    this.active.set(id, answer.topic);
    this.done = answer.done;
    void answer.done.then(() => this.active.delete(id));
    return named(answer.topic);
  }
}

/**
 * A page with a chat: the class under `useChat`, without React.
 *
 * @param {Sdk} sdk
 * @param {{ chat: { url: string }, fairwind: { url: string }, messages?: any[], patience?: number }} options
 */
export function openPage({ ai, page }, { chat, fairwind, messages = [], patience }) {
  /** @type {any[]} */
  const chunks = [];
  class Transport extends page.FairwindChatTransport {
    /** @param {any} options */
    async sendMessages(options) {
      return this.#recorded(await super.sendMessages(options));
    }
    /** @param {any} options */
    async reconnectToStream(options) {
      const stream = await super.reconnectToStream(options);
      return stream && this.#recorded(stream);
    }
    /** @param {ReadableStream<any>} stream */
    #recorded(stream) {
      return stream.pipeThrough(
        new TransformStream({
          transform(chunk, controller) {
            chunks.push(chunk);
            controller.enqueue(chunk);
          },
        }),
      );
    }
  }
  /** @extends {ai.AbstractChat<import('ai').UIMessage>} */
  class Chat extends ai.AbstractChat {
    /** What the transport has yielded. */
    chunks = chunks;
    /** @type {any} */
    finished;
    /** The text of the newest message that is an answer. */
    get text() {
      const { role, parts } = this.lastMessage ?? { role: 'user', parts: [] };
      return role === 'assistant' ? parts.map((/** @type {any} */ part) => part.text ?? '').join('') : '';
    }
  }
  const state = {
    status: /** @type {const} */ ('ready'),
    error: undefined,
    messages,
    pushMessage(/** @type {any} */ message) {
      this.messages = [...this.messages, message];
    },
    popMessage() {
      this.messages = this.messages.slice(0, -1);
    },
    replaceMessage(/** @type {number} */ index, /** @type {any} */ message) {
      this.messages = this.messages.with(index, message);
    },
    snapshot: (/** @type {any} */ value) => structuredClone(value),
  };
  const transport = new Transport({ api: `${chat.url}/api/chat`, server: fairwind.url, patience });
  /** @type {Chat} */
  const opened = new Chat({
    id: 'chat',
    transport,
    state,
    onFinish(/** @type {any} */ finished) {
      opened.finished = finished;
    },
  });
  return opened;
}

/** @typedef {{ ai: typeof import('ai'), mocks: typeof import('ai/test'), page: typeof import('../transport.d.ts'), server: typeof import('../server.d.ts') }} Sdk */

/** A connection between two programs that can be cut and held. */
export class Proxy {
  url = '';
  /** How many of the next responses are lost: the server has processed the request, and its client gets no response. */
  lose = 0;
  /** @type {Set<import('node:net').Socket>} */
  #clients = new Set();
  /** @type {WeakSet<import('node:net').Socket>} */
  #held = new WeakSet();

  /** @param {import('node:test').TestContext} test @param {{ url: string }} server */
  static async start(test, server) {
    const proxy = new Proxy();
    const { port } = new URL(server.url);
    const listener = createTcpServer((client) => {
      const upstream = connect(Number(port), '127.0.0.1');
      proxy.#clients.add(client);
      client.on('data', (data) => upstream.write(data));
      upstream.on('data', (data) => {
        if (proxy.lose > 0) {
          proxy.lose -= 1;
          client.destroy();
        } else if (!proxy.#held.has(client)) client.write(data);
      });
      for (const [one, other] of [[client, upstream], [upstream, client]]) {
        one.on('error', () => {});
        one.on('close', () => {
          proxy.#clients.delete(client);
          if (!proxy.#held.has(client)) other.destroy();
        });
      }
    });
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    test.after(() => {
      for (const client of proxy.#clients) client.destroy();
      listener.close();
    });
    proxy.url = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (listener.address()).port}`;
    return proxy;
  }

  /** Nothing more comes over the connections that are open; they stay open. */
  hold() {
    for (const client of this.#clients) this.#held.add(client);
  }
}

/** A stream that a test writes to. */
export class Source {
  /** How often it was asked for a chunk. */
  pulled = 0;
  cancelled = false;
  /** @type {ReadableStreamDefaultController<any>} */
  // @ts-expect-error: assigned by the stream's start, which is called at once.
  #controller;
  stream = new ReadableStream(
    {
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        this.pulled += 1;
      },
      cancel: () => {
        this.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );

  /** @param {unknown} chunk */
  write(chunk) {
    this.#controller.enqueue(chunk);
  }

  close() {
    this.#controller.close();
  }

  /** @param {unknown} error */
  fail(error) {
    this.#controller.error(error);
  }
}

/** Everything that a stream or a generator has to give. @param {AsyncIterable<any>} from */
export async function all(from) {
  const chunks = [];
  for await (const chunk of from) chunks.push(chunk);
  return chunks;
}
