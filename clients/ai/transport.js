// A ChatTransport of the AI SDK that reads answers from a Fairwind server. For pages.
//
//     import { FairwindChatTransport } from 'fairwind-ai';
//
//     useChat({ id, messages, resume: true, transport: new FairwindChatTransport({ server: 'https://live.example' }) });
//
// The chat's own server takes the messages and responds with `{ topic }`, the name that `publishAnswer` (server.js) returned; the page
// reads that topic. A connection that is lost is replaced from the id of the last event, and the chat does not notice. A page that is
// loaded again asks the chat's server for the topic, and reads it from its first event.

import { HttpChatTransport } from 'ai';
import { AnswerError, authorization, passes, readAnswer, refused, streamOf, topicUrl } from './topic.js';

export { AnswerError };

/**
 * @template {import('ai').UIMessage} UI_MESSAGE
 * @extends {HttpChatTransport<UI_MESSAGE>}
 */
export class FairwindChatTransport extends HttpChatTransport {
  /** Read by the chat when `reconnectToStream` has resolved: whether that stream begins at the answer's beginning. */
  resumeStreamIsReplay = true;

  #server;
  #credentials;
  #fetch;
  #patience;

  /**
   * Answers whose stream has failed for lack of a connection, by chat: the chat has kept what it had of them, and goes on after it.
   *
   * @type {Map<string, Answer>}
   */
  #lost = new Map();

  /** @param {import('./transport.d.ts').FairwindChatTransportOptions<UI_MESSAGE>} [options] */
  constructor({ server = '', serverCredentials, serverFetch, patience, ...options } = {}) {
    super(options);
    this.#server = server;
    this.#credentials = serverCredentials;
    this.#fetch = serverFetch;
    this.#patience = patience;
  }

  /** @type {import('ai').ChatTransport<UI_MESSAGE>['sendMessages']} */
  async sendMessages(options) {
    this.#lost.delete(options.chatId);
    const answer = await this.#answerOf(await super.sendMessages(options));
    return this.#read(answer, options);
  }

  /** @type {import('ai').ChatTransport<UI_MESSAGE>['reconnectToStream']} */
  async reconnectToStream(options) {
    const lost = this.#lost.get(options.chatId);
    this.#lost.delete(options.chatId);
    if (lost) {
      this.resumeStreamIsReplay = false;
      return this.#read(lost, options);
    }
    const response = await super.reconnectToStream(options);
    if (response === null) return null;
    const answer = await this.#answerOf(response);
    if (!(await this.#isThere(answer, options.abortSignal))) return null;
    this.resumeStreamIsReplay = true;
    return this.#read(answer, options);
  }

  /**
   * The body is no stream of chunks: it names the topic that is one, and `#answerOf` parses it.
   *
   * @protected
   * @param {ReadableStream<any>} stream
   * @returns {ReadableStream<any>}
   */
  processResponseStream(stream) {
    return stream;
  }

  /**
   * @param {ReadableStream<any>} body
   * @returns {Promise<Answer>}
   */
  async #answerOf(body) {
    const { topic, token } = await new Response(body).json().catch(() => ({}));
    if (typeof topic !== 'string') {
      throw new AnswerError('refused', `the chat's server has to respond with JSON that names the answer's topic: { "topic": … }`);
    }
    return { url: topicUrl(this.#server, topic), token, place: { id: 'earliest', next: 0 } };
  }

  /**
   * Whether the server has the answer, or has had it: it may have expired long ago.
   *
   * @param {Answer} answer
   * @param {AbortSignal} [signal]
   */
  async #isThere({ url, token }, signal) {
    const response = await (this.#fetch ?? globalThis.fetch)(`${url}?limit=1`, {
      headers: { Accept: 'application/json', ...(await authorization(token)) },
      credentials: this.#credentials,
      cache: 'no-store',
      signal,
    });
    // The stream tries again.
    if (passes(response.status)) return true;
    if (!response.ok) throw await refused(response);
    const { events, ended } = await response.json();
    return ended || events.length > 0;
  }

  /**
   * @param {Answer} answer
   * @param {{ chatId: string, abortSignal?: AbortSignal }} options
   * @returns {ReadableStream<any>}
   */
  #read(answer, { chatId, abortSignal }) {
    const lost = this.#lost;
    const options = { ...answer, credentials: this.#credentials, fetch: this.#fetch, patience: this.#patience };
    return streamOf(async function* (signal) {
      try {
        yield* readAnswer({ ...options, signal });
      } catch (error) {
        if (error instanceof TypeError) lost.set(chatId, answer);
        throw error;
      }
    }, abortSignal);
  }
}

/** @typedef {{ url: string, token?: string, place: import('./topic.d.ts').Place }} Answer */
