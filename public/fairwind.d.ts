/** What to read: a topic, several topics, or topics and patterns. `orders/*` is every topic whose name begins with `orders/`. */
export type What = string | readonly string[] | { topics?: readonly string[]; match?: readonly string[] };

/** An event of a topic. */
export interface TopicEvent {
  kind: 'event';
  /** The topic that it was published to. */
  topic: string;
  /** All subscribed topics that it came by, if there are several. */
  topics?: string[];
  /** `message` unless the publisher named another. */
  type: string;
  data: string;
  /** The publisher's own id, or the log's. */
  id: string;
  /** The log's id: a subscription that begins with `from` goes on after it. */
  position: string;
}

/** Events are missing: they are no longer kept, or were lost. Fetch the present state; the subscription goes on by itself. */
export interface Gap {
  kind: 'gap';
  /** The id after which the stream was to go on. */
  requested: string;
  /** The id after which it goes on. */
  resumedFrom: string;
  position: string;
}

/** A topic has ended: nothing more will come. */
export interface End {
  kind: 'end';
  topic: string;
}

/** How many subscribers a topic has. All pages of a browser are one. */
export interface Consumers {
  kind: 'consumers';
  topic: string;
  consumers: number;
}

/** Who is present in a topic: the names that subscribers gave with `as`. First `present`, then what changes. */
export interface Presence {
  kind: 'presence';
  topic: string;
  /** All names, by which what was known before is replaced. */
  present?: string[];
  joined?: string[];
  left?: string[];
}

/** A problem document (RFC 9457), as far as the server gave one. */
export interface Problem {
  /** The HTTP status. */
  status: number;
  /** The stable code, such as `token-required`. */
  code?: string;
  /** What is wrong, for people. */
  detail?: string;
}

/** Where a subscription stands. */
export type State =
  /** The stream is being opened for the first time. */
  | { state: 'connecting' }
  /** Events arrive as they are published. */
  | { state: 'live' }
  /** A proxy holds the stream back; the page asks every few seconds instead. */
  | { state: 'polling' }
  | {
      /** The stream is lost, and is being replaced. */
      state: 'reconnecting';
      /** By the browser itself; now; after the server has been asked why; or at the time `until` (milliseconds since 1970). */
      retry: 'browser' | 'opening' | 'asking' | 'waiting';
      until?: number;
      /** Why, where it is known: there is no network, the machine has slept, or nothing came for too long. */
      cause?: 'offline' | 'sleep' | 'silence';
    }
  /** All topics have ended. */
  | { state: 'ended' }
  /** `close()` was called. */
  | { state: 'closed'; reason: 'reader' }
  /** The server refuses: another attempt would change nothing. */
  | ({ state: 'closed'; reason: 'refused' } & Problem);

/** What is called when something happens. */
export interface Listener {
  event?(event: TopicEvent): void;
  gap?(gap: Gap): void;
  end?(end: End): void;
  state?(state: State): void;
  /** With this, the server is asked for the number of subscribers of each topic. */
  consumers?(consumers: Consumers): void;
  /** With this, the server is asked who is present in each topic. */
  presence?(presence: Presence): void;
  /** Everything, in the order in which it happens. */
  news?(news: TopicEvent | Gap | End | Consumers | Presence | (State & { kind: 'state' })): void;
}

export interface SubscribeOptions {
  /**
   * Scheme, host and port of the server: the one that the script is from, or the page's own if the script is built into something.
   * Another origin's server must allow the page's for all but public reading.
   */
  server?: string;
  /** Whether cookies go to another origin. */
  withCredentials?: boolean;
  /** The id of the newest event that the page has, or `earliest` for everything that is kept. New events only, if nothing is named. */
  from?: string;
  /** Begin with so many of the newest events. */
  last?: number;
  /** Begin with what was published since then, or so long ago: `10m`. */
  since?: Date | string;
  /** The name under which the page is present in its topics; empty for the name in its token. */
  as?: string;
  /**
   * What the server does if this browser reads too slowly, in place of its own policy: `latest` for values of which only the newest
   * counts. Subscriptions with the same policy share a stream; those with another have one of their own.
   */
  slowReader?: 'disconnect' | 'skip' | 'latest';
  /** Whether to ask for the number of subscribers. A listener's `consumers` asks for it too. */
  consumers?: boolean;
}

export interface Subscription {
  readonly state: State;
  /** The log's id of the newest event that it has. */
  readonly position: string | undefined;
  /** Ends it. */
  close(): void;
  /** Tries again at once, where the stream is lost. */
  retry(): void;
}

/**
 * Subscribes to topics and patterns. All pages of a site that a browser has open share one stream. Events come in the order in
 * which they were published, each once; where some are missing, `gap` says so.
 */
export function subscribe(what: What, listener: Listener | ((event: TopicEvent) => void), options?: SubscribeOptions): Subscription;

export interface PublishOptions {
  server?: string;
  withCredentials?: boolean;
  /** The event's type, `message` otherwise. */
  type?: string;
  /** The event's own id. */
  id?: string;
  /** Whether the event is kept for readers that come later. */
  keep?: boolean;
  private?: boolean;
  /** When it is published, if later: after a duration such as `30s`, or at a time. */
  in?: string;
  at?: string;
  /** How long readers wait before they reconnect, in milliseconds. */
  retry?: number;
  /** The idempotency key: a random one unless the page has its own. */
  key?: string;
  /** How often it is tried: 8 times. */
  tries?: number;
  signal?: AbortSignal;
  /** Further headers, such as `Authorization`. */
  headers?: Record<string, string>;
}

export interface Receipt {
  topic: string;
  /** The event's id and how many subscribers it reached, unless it is published later. */
  id?: string;
  subscribers?: number;
  /** What is published later: its name, its time, and the URL that `DELETE` cancels. */
  scheduled?: string;
  at?: string;
  url?: string;
  /** The event had been published before under this key. */
  repeated?: boolean;
}

/**
 * Publishes an event. Where there is no answer, or one that passes by itself (408, 425, 429, 5xx), it is sent again under the same
 * idempotency key, so that it is published once. Data that is no text is published as JSON.
 *
 * Rejects with an `Error` that has the members `status` and `problem` if the server refuses, and with fetch's own error if there is
 * no answer after all tries.
 */
export function publish(topic: string, data: unknown, options?: PublishOptions): Promise<Receipt>;
