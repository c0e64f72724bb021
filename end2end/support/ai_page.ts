// A page with a chat of the AI SDK, built of the packages in clients/ai/node_modules without a bundler: an import map names the module of
// each package. It is of another origin than the Fairwind server. The chat's server is part of it, as `ChatSite`.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

import { publishAnswer, type Outcome } from '../../clients/ai/server.js';

const FOLDER = fileURLToPath(new URL('../../clients/ai/', import.meta.url));

/** What `ai` imports in a browser, and the modules that the packages name for it. */
const MODULES = {
  ai: 'ai/dist/index.js',
  '@ai-sdk/gateway': '@ai-sdk/gateway/dist/index.js',
  '@ai-sdk/provider': '@ai-sdk/provider/dist/index.js',
  '@ai-sdk/provider-utils': '@ai-sdk/provider-utils/dist/index.js',
  '@workflow/serde': '@workflow/serde/dist/index.js',
  'eventsource-parser/stream': 'eventsource-parser/dist/stream.js',
  'zod/v4': 'zod/v4/index.js',
  'zod/v4/core': 'zod/v4/core/index.js',
  'zod/v4/locales/en.js': 'zod/v4/locales/en.js',
  'zod/v4/mini': 'zod/v4/mini/index.js',
};

const imports = {
  ...Object.fromEntries(Object.entries(MODULES).map(([name, module]) => [name, `/node_modules/${module}`])),
  // Asked for by the gateway to Vercel, which this page does not use; the package's module for browsers lacks one of these names.
  '@vercel/oidc': 'data:text/javascript,export const getContext = undefined, getVercelOidcToken = undefined;',
};

const page = (server: string) => `<!doctype html>
<title>Chat</title>
<link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script>
<p id="answer"></p>
<p id="status"></p>
<script type="module">
  import { AbstractChat } from 'ai';
  import { FairwindChatTransport } from '/transport.js';

  class State {
    #status = 'ready';
    messages = [];
    error;
    get status() { return this.#status; }
    set status(status) { this.#status = status; this.show(); }
    show() {
      answer.textContent = this.messages.flatMap(({ role, parts }) => role === 'user' ? [] : parts).map(({ text }) => text ?? '').join('');
      document.querySelector('#status').textContent = this.#status;
    }
    pushMessage(message) { this.messages = [...this.messages, message]; this.show(); }
    popMessage() { this.messages = this.messages.slice(0, -1); this.show(); }
    replaceMessage(index, message) { this.messages = this.messages.with(index, message); this.show(); }
    snapshot(value) { return structuredClone(value); }
  }
  class Chat extends AbstractChat {}
  window.chat = new Chat({ id: 'chat', state: new State(), transport: new FairwindChatTransport({ server: '${server}' }) });
  if (location.hash === '#ask') {
    history.replaceState(null, '', '/');
    void chat.sendMessage({ text: 'What is a topic?' });
  } else void chat.resumeStream();
</script>`;

/** The chat's server, and the files of its page. */
export class ChatSite {
  url = '';
  done: Promise<Outcome> | undefined;
  private answer: ReadableStreamDefaultController | undefined;
  private topic: string | undefined;
  private listener: Server | undefined;

  constructor(private readonly fairwind: string) {}

  async start(): Promise<void> {
    this.listener = createServer((request, response) => {
      this.respond(request).then(
        ([status, type, body]) => response.writeHead(status, { 'Content-Type': type }).end(body),
        (error) => response.writeHead(404).end(String(error)),
      );
    });
    await once(this.listener.listen(0, '127.0.0.1'), 'listening');
    this.url = `http://127.0.0.1:${(this.listener.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.listener?.closeAllConnections();
    this.listener?.close();
  }

  say(delta: string): void {
    this.answer?.enqueue({ type: 'text-delta', id: 'text', delta });
  }

  finish(): void {
    this.answer?.enqueue({ type: 'text-end', id: 'text' });
    this.answer?.close();
  }

  private async respond({ method, url = '' }: IncomingMessage): Promise<[number, string, string?]> {
    if (url === '/') return [200, 'text/html', page(this.fairwind)];
    if (!url.startsWith('/api/chat')) return [200, 'text/javascript', readFileSync(FOLDER + url.slice(1), 'utf8')];
    if (method === 'POST') {
      const answer = new ReadableStream({
        start: (controller) => {
          this.answer = controller;
          controller.enqueue({ type: 'start', messageId: 'answer' });
          controller.enqueue({ type: 'text-start', id: 'text' });
        },
      });
      const { topic, done } = await publishAnswer(answer, { server: this.fairwind, patience: 20_000 });
      this.topic = topic;
      this.done = done;
    }
    return this.topic ? [200, 'application/json', JSON.stringify({ topic: this.topic })] : [204, 'text/plain'];
  }
}
