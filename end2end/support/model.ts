// A small server in place of a model's: each request waits until the test says what it gets.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Message = { role: string; content: string };

/** A request for a completion, and its response. */
export class Completion {
  /** Whether the client has closed the connection, or got all of it. */
  isClosed = false;

  constructor(
    readonly messages: readonly Message[],
    private readonly response: ServerResponse,
  ) {
    response.on('close', () => (this.isClosed = true));
  }

  /** Sends a piece of the text. */
  write(content: string): void {
    this.send(JSON.stringify({ choices: [{ index: 0, delta: { content } }] }));
  }

  /** The text is whole. */
  finish(): void {
    this.send('[DONE]');
    this.response.end();
  }

  /** Breaks the connection off. */
  cut(): void {
    this.response.destroy();
  }

  /** Answers with a status in place of a text. */
  refuse(status: number, headers: Record<string, string> = {}): void {
    this.response.writeHead(status, headers).end('{}');
  }

  private send(data: string): void {
    if (!this.response.headersSent) this.response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    this.response.write(`data: ${data}\n\n`);
  }
}

/** The server. */
export class Model {
  private readonly completions: Completion[] = [];
  private waiting: ((completion: Completion) => void) | undefined;

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => void this.take(request, response));
  }

  static async start(): Promise<Model> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Model(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  /** The next request, once it has come. */
  next(): Promise<Completion> {
    const come = this.completions.shift();
    return come ? Promise.resolve(come) : new Promise((resolve) => (this.waiting = resolve));
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const { messages } = JSON.parse(body) as { messages: Message[] };
    const completion = new Completion(messages, response);
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting) waiting(completion);
    else this.completions.push(completion);
  }
}
