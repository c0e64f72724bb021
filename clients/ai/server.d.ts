import type { UIMessageChunk } from 'ai';
import type { Token } from './topic.js';

export { AnswerError } from './topic.js';

export interface ServerOptions {
  /** Scheme, host and port of the Fairwind server. */
  server: string;
  /** A token that may publish to the topics; to read them as well, where reading needs one. None, where the server needs none. */
  token?: Token;
  /** How long a request is repeated without a receipt, in milliseconds: 60,000. */
  patience?: number;
}

export interface PublishOptions extends ServerOptions {
  /** Whether only readers whose token names the topic may read the answer. */
  private?: boolean;
  /** What arrives within so many milliseconds is one event: 50. */
  interval?: number;
  /** The text that readers get when the source fails. An error may contain secrets, so the default is a fixed sentence. */
  onError?: (error: unknown) => string;
}

/** A stream, or what makes one; its signal is aborted when the answer is stopped. */
export type Source<T> =
  | ReadableStream<T>
  | ((options: { signal: AbortSignal }) => ReadableStream<T> | PromiseLike<ReadableStream<T>>);

export type Outcome =
  /** All is published, and the topic has ended. */
  | { outcome: 'complete' }
  /** The topic was ended before: `stopAnswer`, or a DELETE by other means. */
  | { outcome: 'stopped' }
  /** The source has failed, or the server has taken no more events. */
  | { outcome: 'failed'; error: unknown };

export interface Answer {
  /** The name of the answer's topic, for `FairwindChatTransport`. */
  topic: string;
  /** Resolves when there is nothing more to publish; never rejects. */
  done: Promise<Outcome>;
}

/**
 * Publishes an answer as a topic of its own. Resolves when the topic is there; rejects with an `AnswerError` if the server refuses.
 * The source is then read to its end, whether or not any page reads the answer.
 */
export declare function publishAnswer(
  source: Source<UIMessageChunk>,
  options: PublishOptions & {
    /** The topic's name. By default it has a random UUID in it: a client that may read and knows the name reads the answer. */
    topic?: string;
  },
): Promise<Answer>;

/** Stops an answer: its readers' streams end, and its publisher, wherever it runs, cancels the source at its next event. */
export declare function stopAnswer(topic: string, options: ServerOptions): Promise<void>;

export interface ResumableStreamContextOptions extends PublishOptions {
  /** What the names of the topics begin with: `resumable-stream`, and a slash. */
  keyPrefix?: string;
  /** Keeps the program alive until the promise resolves, such as Next.js's `after`; `null` where nothing is needed. */
  waitUntil: ((promise: Promise<unknown>) => void) | null;
}

/** As `ResumableStreamContext` of the package `resumable-stream`. */
export interface ResumableStreamContext {
  /** Begins the stream, or reads it from its beginning if it has begun. `null` if it is complete. */
  resumableStream(
    streamId: string,
    makeStream: () => ReadableStream<string>,
    skipCharacters?: number,
  ): Promise<ReadableStream<string> | null>;
  /** Reads a stream from its beginning. `undefined` if there is none, `null` if it is complete. */
  resumeExistingStream(streamId: string, skipCharacters?: number): Promise<ReadableStream<string> | null | undefined>;
  /** Begins a stream. `null` if it is complete; rejects with an `AnswerError` if it is being written. */
  createNewResumableStream(
    streamId: string,
    makeStream: () => ReadableStream<string>,
    skipCharacters?: number,
  ): Promise<ReadableStream<string> | null>;
  /** `null` if there is none, `true` if it is being written, `DONE` if it is complete. */
  hasExistingStream(streamId: string): Promise<null | true | 'DONE'>;
}

/** A store for streams of text, by the interface of the package `resumable-stream`. */
export declare function createResumableStreamContext(options: ResumableStreamContextOptions): ResumableStreamContext;
