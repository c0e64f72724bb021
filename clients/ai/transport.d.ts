import { HttpChatTransport } from 'ai';
import type { HttpChatTransportInitOptions, UIMessage, UIMessageChunk } from 'ai';

export { AnswerError } from './topic.js';

/** What the chat's own server responds with, to the messages and to a request to resume. */
export interface AnswerResponse {
  /** The topic's name: what `publishAnswer` returned. */
  topic: string;
  /** A token by which the page may read it, where a token is needed. */
  token?: string;
}

/** The options of the AI SDK's `DefaultChatTransport`, which are about the chat's own server, and those about the Fairwind server. */
export type FairwindChatTransportOptions<UI_MESSAGE extends UIMessage> = HttpChatTransportInitOptions<UI_MESSAGE> & {
  /** Scheme, host and port of the Fairwind server; the page's own origin otherwise. */
  server?: string;
  /** Whether cookies go to the Fairwind server: `include` for one of another origin. */
  serverCredentials?: RequestCredentials;
  /** In place of the global `fetch` for requests to the Fairwind server, where that one cannot stream. */
  serverFetch?: typeof globalThis.fetch;
  /** How long the answer may be without any event, in milliseconds, before its stream fails: 60,000. */
  patience?: number;
};

/**
 * A transport that reads answers from a Fairwind server. Each chat has one of its own, since it remembers where that chat goes on after its
 * connection was lost for longer than `patience`.
 *
 * `api` takes the messages by POST, and responds with an `AnswerResponse`. `api/CHAT/stream` responds to GET with the same for the answer
 * that is being written, or with 204 if there is none.
 */
export declare class FairwindChatTransport<UI_MESSAGE extends UIMessage = UIMessage> extends HttpChatTransport<UI_MESSAGE> {
  constructor(options?: FairwindChatTransportOptions<UI_MESSAGE>);
  readonly resumeStreamIsReplay: boolean;
  protected processResponseStream(stream: ReadableStream<Uint8Array<ArrayBufferLike>>): ReadableStream<UIMessageChunk>;
}
