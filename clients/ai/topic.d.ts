/** A token (JWT) for the server, or where to get one. */
export type Token = string | (() => string | PromiseLike<string>);

/** Why an answer cannot be read or published. The message says what to do. */
export declare class AnswerError extends Error {
  constructor(code: AnswerError['code'], message: string, response?: { status?: number; problem?: string });
  /**
   * - `gap`: a part of the answer is no longer on the server
   * - `failed`: the answer broke off; the message is the one that its publisher chose
   * - `abandoned`: its publisher has stopped without ending it
   * - `refused`: the server refuses the request, see `status` and `problem`
   * - `unreachable`: a publisher got no receipt for `patience` milliseconds
   * - `taken`: there is an answer of this name
   */
  code: 'gap' | 'failed' | 'abandoned' | 'refused' | 'unreachable' | 'taken';
  /** The HTTP status of the server's answer. */
  status: number | undefined;
  /** The code of the server's problem document, such as `token-required`. */
  problem: string | undefined;
}

/** How far a reader is. */
export interface Place {
  /** The log's id of the last event, or `earliest`. */
  id: string;
  /** The number of the next event. */
  next: number;
}

export interface ReadOptions {
  /** The topic's URL. */
  url: string;
  token?: Token;
  credentials?: RequestCredentials;
  fetch?: typeof globalThis.fetch;
  patience?: number;
  signal?: AbortSignal;
  /** Where to begin. It moves on with the reader. */
  place?: Place;
}

export declare const PATIENCE: number;
export declare function topicUrl(server: string, topic: string): string;
export declare function passes(status: number): boolean;
export declare function refused(response: Response): Promise<AnswerError>;
export declare function sleep(ms: number, signal?: AbortSignal): Promise<void>;
export declare function authorization(token: Token | undefined): Promise<Record<string, string>>;
export declare function readAnswer(options: ReadOptions): AsyncGenerator<unknown, void, void>;
export declare function streamOf<T>(
  read: (signal: AbortSignal) => AsyncGenerator<T, void, void>,
  signal?: AbortSignal,
): ReadableStream<T>;
