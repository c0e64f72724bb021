// Live events in a page, and events published from it.
//
//     import { subscribe, publish } from '/fairwind.js';
//
//     const kitchen = subscribe('kitchen', ({ data }) => console.log(data));
//     await publish('kitchen', 'tea is ready');
//
// All pages of a site that a browser has open share one EventSource: over HTTP/1.1 a browser opens six connections to a
// host, and the seventh page would wait. One page, the leader, holds the stream of all topics that any page wants, and passes
// on what it hears over a BroadcastChannel. When the leader closes, freezes or hangs, another page leads. A page remembers the
// id of the newest event that it has, so a change of leaders neither loses nor repeats anything: what the new leader's stream
// does not bring, the page reads by itself, from that id on. Where there is no BroadcastChannel, each page has a stream of
// its own.
//
// A stream that is open and silent is found out by the server's heartbeats, and replaced. If a proxy holds a stream back, the page
// asks every few seconds instead.
//
// `fairwind.d.ts` describes the types. No dependencies, no build step.

/** What the channel and the locks are named. Pages that share have the same number of this protocol. */
const NAME = 'fairwind 1 ';

/** How often a page looks whether everything is well, in milliseconds. */
const TICK = 1_000;

/** How long another page may take to answer. */
const ANSWER_TIMEOUT = 2_000;

/** How long a leader waits for what the others want before it opens a stream. */
const GATHER = 60;

/** How long a stream that has become too large stays open. */
const SHRINK = 1_000;

/** How long the server may be silent until it has said so itself. */
const HEARTBEAT = 20_000;

/** How many heartbeats may be missing: one may be late, two are not late together. */
const MISSED_HEARTBEATS = 2.5;

/** How long the first event of a stream may take, which the server sends at once. */
const FIRST_TIMEOUT = 10_000;

/** How often a page asks whose stream a proxy holds back, and after how many times it tries a stream again. */
const POLL = 3_000;
const POLLS = 100;

/** The waits between attempts, in milliseconds; the last one repeats. Chance adds up to a quarter. */
const WAITS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/** The most topics and patterns of one stream. */
const MAX_NAMES = 100;

/** The most events that wait while a page reads those before them. */
const MAX_WAITING = 10_000;

/** How often pages without locks say that they are there, and when the leader forgets one that does not. */
const RENEW = 60_000;
const FORGET = 200_000;

/** The answers that pass by themselves: Request Timeout, Too Early, Too Many Requests, and all that is the server's fault. */
const passes = (status) => [408, 425, 429].includes(status) || status >= 500;

const wait = (failures) => WAITS[Math.min(failures, WAITS.length - 1)] * (1 + Math.random() / 4);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const random = () => crypto.getRandomValues(new Uint32Array(4)).join('-');

/** Log ids are `#<epoch>-<offset>`. Offsets grow; a stream on which they do not says so by a gap. */
const epochOf = (id) => id.slice(0, id.lastIndexOf('-'));
const offsetOf = (id) => Number(id.slice(id.lastIndexOf('-') + 1));

/** The page's sites, by their address and what becomes of a slow reader there. */
const sites = new Map();

/** The server that the script is from, or the page's own if the script is part of something built. */
function home() {
  const { origin, pathname } = new URL(import.meta.url);
  return pathname === '/fairwind.js' ? origin : location.origin;
}

/**
 * Subscribes to topics and patterns. All pages of a site share one stream.
 * @param {import('./fairwind.d.ts').What} what a topic, topics, or `{ topics, match }`
 * @param {import('./fairwind.d.ts').Listener | ((event: import('./fairwind.d.ts').TopicEvent) => void)} listener
 * @param {import('./fairwind.d.ts').SubscribeOptions} options where to begin, and on which server
 * @returns {import('./fairwind.d.ts').Subscription}
 */
export function subscribe(what, listener, options = {}) {
  return new Subscription(what, listener, options);
}

/**
 * Publishes an event: again, until the server has it, and once.
 * @param {string} topic
 * @param {unknown} data a text, or what is published as JSON
 * @param {import('./fairwind.d.ts').PublishOptions} options attributes of the event, and how often it is tried
 * @returns {Promise<import('./fairwind.d.ts').Receipt>}
 */
export async function publish(topic, data, options = {}) {
  const { server = home(), key = random(), tries = 8, signal, withCredentials, headers, ...rest } = options;
  const named = Object.entries(rest).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(/** @type {string[][]} */ (named));
  const url = `${server}/topics/${encodeURIComponent(topic)}${String(query) && `?${query}`}`;
  const body = typeof data === 'string' ? data : JSON.stringify(data);
  for (let attempt = 1; ; attempt += 1) {
    let response, problem;
    try {
      response = await fetch(url, {
        method: 'POST',
        body,
        signal,
        credentials: withCredentials ? 'include' : 'same-origin',
        headers: { 'Content-Type': 'text/plain;charset=UTF-8', ...headers, 'Idempotency-Key': key },
      });
      const answer = await response.json();
      if (response.ok) return answer;
      problem = answer;
    } catch (error) {
      if (signal?.aborted || attempt >= tries) throw error;
    }
    if (response && (attempt >= tries || !(response.ok || passes(response.status)))) {
      const { status } = response;
      throw Object.assign(new Error(problem?.detail ?? `status ${status}`), { status, problem });
    }
    const asked = Number(response?.headers.get('retry-after')) * 1_000;
    await sleep(Math.max(asked || 0, wait(attempt - 1)));
  }
}

class Subscription {
  /**
   * Where it stands.
   * @type {import('./fairwind.d.ts').State}
   */
  state = { state: 'connecting' };
  /** The log's id of the newest event that it has, or knows that it has missed nothing before. */
  position;

  #listener;
  #topics;
  #match;
  #site;
  /** What to read first: `last=10`, for one. */
  #start;
  #hasJoined = false;
  #ended = new Set();
  /** While it reads what the shared stream is past: the request, and what has come meanwhile. */
  #reading;
  #waiting = [];

  constructor(what, listener, options) {
    const { topics = [], match = [] } = typeof what === 'string' || Array.isArray(what) ? { topics: [what].flat() } : what;
    this.#topics = topics;
    this.#match = match.map((pattern) => pattern.slice(0, -1));
    this.#listener = typeof listener === 'function' ? { event: listener } : listener;
    const { server = home(), withCredentials = false, slowReader = '', from, last, since, as } = options;
    this.consumers = Boolean(this.#listener.consumers || options.consumers);
    const want = [...topics.map((topic) => name('topic', topic)), ...match.map((pattern) => name('match', pattern))];
    if (!want.length) throw new TypeError('a topic is needed');
    // Each name goes with its topic, since other pages have other names elsewhere.
    if (as !== undefined) want.push(...topics.map((topic) => name('name', `${topic}/${as}`)));
    if (this.#listener.presence) want.push('presence=event');
    this.want = want.join('&');
    this.position = from;
    if (last !== undefined) this.#start = name('last', last);
    if (since !== undefined) this.#start = name('since', since instanceof Date ? since.toISOString() : since);
    const key = server + slowReader;
    if (!sites.has(key)) sites.set(key, new Site(server, withCredentials, slowReader, true));
    this.#site = sites.get(key);
    this.#site.add(this);
  }

  /** Ends it. The shared stream stays for the other subscriptions. */
  close() {
    if (!this.isOver) this.#over({ state: 'closed', reason: 'reader' });
  }

  /** Tries again at once, where the stream is lost. */
  retry() {
    this.#site.retry();
  }

  get isOver() {
    return ['closed', 'ended'].includes(this.state.state);
  }

  /** The shared stream stands so; this is live when it has joined it. */
  show(state) {
    const isLive = ['live', 'polling'].includes(state.state);
    if ((isLive && !this.#hasJoined) || this.isOver || isSame(state, this.state)) return;
    this.state = state;
    this.#tell({ kind: 'state', ...state });
  }

  /** The shared stream has these names, and brings what comes after an id. */
  join(names, at) {
    if (!this.want.split('&').every((wanted) => names.includes(wanted))) return;
    const isKnown = this.position?.startsWith('#') && epochOf(this.position) === epochOf(at);
    // Who is present, a page that joins later reads by itself.
    const isReady = this.#hasJoined || !this.#listener.presence;
    if (isReady && !this.#start && (this.position === undefined || (isKnown && offsetOf(this.position) >= offsetOf(at)))) {
      this.#reading?.abort();
      this.#reading = undefined;
      this.position ??= at;
      this.#joined();
    } else {
      this.#read();
    }
  }

  #joined() {
    this.#hasJoined = true;
    this.show(this.#site.state);
  }

  leave() {
    this.#hasJoined = false;
    this.#reading?.abort();
    this.#reading = undefined;
  }

  take(item) {
    const { kind, position } = item;
    if (kind === 'consumers') {
      if (this.#topics.includes(item.topic)) this.#tell(item);
    } else if (this.#reading) {
      if (kind === 'gap' || this.#waiting.length >= MAX_WAITING) this.#read();
      else if (this.#concerns(item)) this.#waiting.push(item);
    } else if (kind === 'gap') {
      if (!this.#hasJoined) return;
      this.position = position;
      this.#tell(item);
    } else if (this.#hasJoined) {
      this.#give(item);
    } else if (item.type === 'end' && this.#concerns(item)) {
      this.#read();
    }
  }

  refuse(problem) {
    this.#over({ state: 'closed', reason: 'refused', ...problem });
  }

  /** From now on it has a stream of its own: the shared one is full. */
  part() {
    this.leave();
    this.#site.remove(this);
    this.#site = new Site(this.#site.server, this.#site.withCredentials, this.#site.slowReader, false);
    this.#site.add(this);
  }

  #concerns({ topic, topics = [topic] }) {
    return topics.some((topic) => this.#topics.includes(topic) || this.#match.some((prefix) => topic.startsWith(prefix)));
  }

  #give(item) {
    if (item.kind === 'presence') return this.#listener.presence && this.#concerns(item) && this.#tell(item);
    const isNew = !this.position?.startsWith('#') || offsetOf(item.position) > offsetOf(this.position);
    if (isNew) this.position = item.position;
    if (item.kind !== 'event' || !this.#concerns(item)) return;
    if (item.type === 'end') this.#end(item.topic);
    else if (isNew) this.#tell(item);
  }

  #end(topic) {
    if (this.#ended.has(topic) || !this.#topics.includes(topic)) return;
    this.#ended.add(topic);
    this.#tell({ kind: 'end', topic });
    if (!this.#match.length && this.#topics.every((topic) => this.#ended.has(topic))) this.#over({ state: 'ended' });
  }

  #tell(item) {
    // What comes with the last event, or in a listener that closes it.
    if (this.isOver && item.kind !== 'state') return;
    try {
      this.#listener[item.kind]?.(item);
      this.#listener.news?.(item);
    } catch (error) {
      // The other subscriptions go on.
      reportError(error);
    }
  }

  #over(state) {
    this.leave();
    this.show(state);
    this.#site.remove(this);
  }

  /** Reads what the shared stream is past, up to now; what that stream brings meanwhile waits. */
  async #read() {
    this.#reading?.abort();
    const reading = (this.#reading = new AbortController());
    this.#waiting = [];
    const isStale = () => reading !== this.#reading;
    for (let failures = 0; !isStale(); failures += 1) {
      if (failures) await sleep(wait(failures - 1));
      if (isStale()) return;
      try {
        const url = this.#site.url(this.want, this.position, this.#start);
        const response = await this.#site.fetch(url, reading.signal);
        if (isStale()) return;
        if (response.status === 204) return this.#topics.forEach((topic) => this.#end(topic));
        if (!response.ok) {
          const problem = await problemOf(response);
          if (isStale()) return;
          if (passes(response.status)) continue;
          return this.refuse(problem);
        }
        let isWhole = false;
        for await (const item of itemsOf(response.body)) {
          if (isStale()) return;
          // Without an id the server had no place.
          isWhole ||= Boolean(item.position);
          if (item.position) this.#start = undefined;
          if (item.kind === 'event' || item.kind === 'presence') {
            this.#give(item);
          } else {
            this.position = item.position;
            if (item.kind === 'gap') this.#tell(item);
          }
        }
        if (isStale() || !isWhole) continue;
        this.#reading = undefined;
        this.#joined();
        for (const item of this.#waiting.splice(0)) this.#give(item);
      } catch {
        // The connection has broken: it goes on from where it was.
      }
    }
  }
}

/** A server, as one page knows it: what the page has subscribed to, and its part in the shared stream. */
class Site {
  #subscriptions = new Set();
  #tab;
  #channel;
  #leader;
  #isLeading = false;
  /** Ends this page's lead, and withdraws what it has asked of the locks. */
  #release;
  #standing;
  #held;
  #locks;
  /** When something came from the leader. */
  #heardAt = 0;
  #isAsking = false;
  #isAnswered = false;
  #ticker;
  #lastTick = 0;
  #hasSlept = false;
  #saidAt = 0;
  #isShared;
  #isHere = false;
  /** The newest id of the shared stream. */
  #position;
  #heartbeat = HEARTBEAT;
  state = { state: 'connecting' };

  // As the leader:
  /** What each page wants. */
  #tabs = new Map();
  #names = [];
  #consumers = false;
  #source;
  #opening;
  #hasBegun = false;
  #isHeldBack = false;
  #openedAt = 0;
  #failures = 0;
  #outbox = [];
  /** Is replaced whenever the stream is: what belongs to an earlier one is over. */
  #turn = {};

  constructor(server, withCredentials, slowReader, isShared) {
    this.server = server;
    this.withCredentials = withCredentials;
    this.slowReader = slowReader;
    this.key = server + slowReader;
    this.#isShared = isShared && typeof BroadcastChannel === 'function';
  }

  add(subscription) {
    this.#subscriptions.add(subscription);
    if (!this.#isHere) return this.#come();
    this.#say();
    queueMicrotask(() => subscription.show(this.state));
  }

  remove(subscription) {
    if (!this.#subscriptions.delete(subscription)) return;
    if (this.#subscriptions.size) return this.#say();
    this.#go();
    this.#listen('removeEventListener');
    if (sites.get(this.key) === this) sites.delete(this.key);
  }

  retry() {
    if (this.state.state === 'live') return;
    this.#isHeldBack = false;
    if (this.#isLeading) this.#open('opening');
    else this.#post({ kind: 'retry' });
  }

  url(names, position, start = position && name('last_event_id', position)) {
    const parts = [names, 'format=json&heartbeat=event', this.slowReader && `slow_reader=${this.slowReader}`, start];
    return `${this.server}/topics?${parts.filter(Boolean).join('&')}`;
  }

  /** The same stream as a response that ends. */
  fetch(url, signal) {
    return fetch(`${url}&follow=false`, {
      signal,
      cache: 'no-store',
      headers: { Accept: 'text/event-stream' },
      credentials: this.withCredentials ? 'include' : 'same-origin',
    });
  }

  // --- a page among others -----------------------------------------------------------------------------------------

  handleEvent({ type }) {
    if (type === 'pagehide' || type === 'freeze') this.#go();
    else if (type === 'pageshow' || type === 'resume') this.#come();
    else if (!this.#isHere) return;
    else if (!this.#isLeading) {
      if (document.visibilityState === 'visible') this.#ask();
    } else if (type === 'online') this.retry();
    else if (this.#source && this.#silence() > this.#heartbeat * 1.5) this.#replace('sleep');
  }

  #listen(method) {
    for (const type of ['pagehide', 'pageshow', 'online']) globalThis[method](type, this);
    for (const type of ['freeze', 'resume', 'visibilitychange']) document[method](type, this);
  }

  #come() {
    if (this.#isHere || !this.#subscriptions.size) return;
    this.#isHere = true;
    // A page that comes back is another: what still waits for its lock is the business of the one that went.
    this.#tab = random();
    this.#listen('addEventListener');
    this.#lastTick = this.#heardAt = Date.now();
    this.#ticker = setInterval(() => this.#tick(), TICK);
    if (!this.#isShared) return this.#lead();
    this.#channel = new BroadcastChannel(NAME + this.key);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#locks = navigator.locks;
    if (!this.#locks) return this.#begin();
    // While this page has this lock, it is there: the leader waits for it.
    const { promise, resolve } = resolvable();
    this.#held = resolve;
    const here = () => {
      this.#begin();
      return promise;
    };
    this.#locks.request(this.#lockOf(this.#tab), here).catch(() => {
      // Where storage is refused, locks are too.
      this.#locks = undefined;
      this.#begin();
    });
  }

  #begin() {
    if (!this.#isHere) return;
    if (this.#locks) this.#stand();
    this.#say();
    this.#ask(this.#locks ? ANSWER_TIMEOUT : undefined);
  }

  /** The page goes, perhaps to come back: it is closed, frozen, or kept in the browser's memory. */
  #go() {
    if (!this.#isHere) return;
    this.#isHere = false;
    clearInterval(this.#ticker);
    this.#standing = undefined;
    this.#follow();
    this.#post({ kind: 'bye' });
    this.#goBy(undefined);
    this.#held?.();
    this.#channel?.close();
    this.#channel = undefined;
  }

  /** Another leads, whose stream may be further than this page: what it brings counts from where it says that it is. */
  #goBy(leader) {
    this.#leader = leader;
    for (const subscription of this.#subscriptions) subscription.leave();
  }

  #post(message) {
    this.#channel?.postMessage({ from: this.#tab, ...message });
  }

  /** Says what this page wants. */
  #say() {
    this.#saidAt = Date.now();
    const subscriptions = [...this.#subscriptions];
    const wants = {
      names: subscriptions.map(({ want }) => want),
      consumers: subscriptions.some(({ consumers }) => consumers),
      position: this.#position ?? subscriptions.map(({ position }) => position).find((id) => id?.startsWith('#')),
    };
    if (this.#isLeading) this.#serve(this.#tab, wants);
    else this.#post({ kind: 'want', wants });
  }

  #hear({ from, kind, wants, items }) {
    if (kind === 'lead') {
      const wasLeading = this.#isLeading;
      this.#follow();
      this.#goBy(from);
      this.#say();
      // Without locks two can begin to lead at one moment, and each gives way to the other.
      if (wasLeading && !this.#locks) this.#ask();
    } else if (this.#isLeading) {
      if (kind === 'want') this.#serve(from, wants);
      else if (kind === 'bye') this.#serve(from);
      else if (kind === 'ask') this.#answer();
      else if (kind === 'retry') this.retry();
      return;
    } else if (kind === 'bye') {
      if (from === this.#leader) {
        this.#goBy(undefined);
        if (!this.#locks) this.#ask();
      }
      return;
    } else if (kind === 'items' || kind === 'here') {
      if (!this.#leader) this.#goBy(from);
      // A leader that has been replaced, and does not know it yet.
      if (from !== this.#leader) return;
      items?.forEach((item) => this.#take(item));
    } else {
      return;
    }
    this.#heardAt = Date.now();
    this.#isAnswered = true;
  }

  #answer() {
    this.#post({ kind: 'here' });
    // A hidden page looks once a minute by itself.
    this.#tick();
  }

  /** Asks whether the leader is there, and leads if it is not. Without locks, chance decides who is first. */
  async #ask(timeout = (this.#leader ? ANSWER_TIMEOUT : 2 * GATHER) * (1 + Math.random())) {
    if (this.#isAsking || this.#isLeading) return;
    this.#isAsking = true;
    this.#isAnswered = false;
    this.#post({ kind: 'ask' });
    await sleep(timeout);
    this.#isAsking = false;
    if (!this.#isHere || this.#isLeading || this.#isAnswered) return;
    if (this.#locks) this.#stand({ steal: true });
    else this.#lead();
  }

  /** Leads as soon as no other page does; or at once, in place of one that does not answer. */
  #stand(options) {
    const standing = (this.#standing = {});
    this.#release?.();
    const abort = new AbortController();
    this.#release = () => abort.abort();
    const { promise, resolve } = resolvable();
    const granted = () => {
      if (standing !== this.#standing) return undefined;
      this.#release = resolve;
      this.#lead();
      return promise;
    };
    const held = this.#locks.request(this.#lockOf(''), options ?? { signal: abort.signal }, granted);
    held.catch(() => {}).then(() => {
      // Another page has taken the lock because this one did not answer in time, or leads now: this one stands in line again.
      if (standing !== this.#standing) return;
      this.#follow();
      this.#stand();
    });
  }

  #lockOf(tab) {
    return NAME + this.key + tab;
  }

  #lead() {
    this.#isLeading = true;
    this.#goBy(this.#tab);
    this.#tabs.clear();
    this.#names = [];
    this.#post({ kind: 'lead' });
    this.#say();
  }

  /** Leads no more. */
  #follow() {
    const release = this.#release;
    this.#release = undefined;
    if (this.#isLeading) {
      this.#isLeading = false;
      this.#flush();
      this.#close();
      this.#tabs.clear();
      this.#goBy(undefined);
    }
    release?.();
  }

  #tick() {
    const now = Date.now();
    // A hidden page's timers come once a minute; a visible page's come late when the machine has slept.
    const isLate = now - this.#lastTick > 5 * TICK;
    this.#lastTick = now;
    if (isLate && document.visibilityState === 'visible') {
      // What has arrived meanwhile is heard first.
      this.#hasSlept = true;
      return;
    }
    const hasSlept = this.#hasSlept;
    this.#hasSlept = false;
    if (!this.#isLeading) {
      if (now - this.#heardAt > this.#heartbeat * MISSED_HEARTBEATS) this.#ask();
      if (!this.#locks && now - this.#saidAt > RENEW) this.#say();
      return;
    }
    if (!this.#locks) {
      for (const [tab, { at }] of this.#tabs) if (tab !== this.#tab && now - at > FORGET) this.#serve(tab);
    }
    if (!this.#source) return;
    if (hasSlept && this.#silence() > this.#heartbeat * 1.5) this.#replace('sleep');
    else if (this.#silence() > this.#heartbeat * MISSED_HEARTBEATS) this.#replace('silence');
    else if (!this.#hasBegun && now - this.#openedAt > FIRST_TIMEOUT) this.#suspect();
  }

  #take(item) {
    if (item.kind === 'state') {
      this.state = item.state;
      for (const subscription of [...this.#subscriptions]) subscription.show(item.state);
      return;
    }
    if (item.position) this.#position = item.position;
    if (item.heartbeat) this.#heartbeat = item.heartbeat;
    for (const subscription of [...this.#subscriptions]) {
      if (subscription.isOver) continue;
      if (item.kind === 'on') {
        subscription.join(item.names, item.position);
      } else if (item.wants) {
        if (!item.wants.includes(subscription.want)) continue;
        if (item.problem) subscription.refuse(item.problem);
        else subscription.part();
      } else {
        subscription.take(item);
      }
    }
  }

  // --- the leader --------------------------------------------------------------------------------------------------

  /** Tells every page. */
  #tell(item) {
    if (this.#tabs.size > 1) {
      if (!this.#outbox.length) queueMicrotask(() => this.#flush());
      this.#outbox.push(item);
    }
    this.#take(item);
  }

  #flush() {
    if (this.#outbox.length) this.#post({ kind: 'items', items: this.#outbox.splice(0) });
  }

  #show(state) {
    if (!isSame(state, this.state)) this.#tell({ kind: 'state', state });
  }

  /** A page wants this, or is gone. */
  #serve(tab, wants) {
    const isNew = !this.#tabs.has(tab);
    if (wants) this.#tabs.set(tab, { ...wants, at: Date.now() });
    else this.#tabs.delete(tab);
    if (wants && isNew && tab !== this.#tab && this.#locks) {
      const turn = this.#tabs;
      this.#locks.request(this.#lockOf(tab), () => this.#isLeading && turn === this.#tabs && this.#serve(tab)).catch(() => {});
    }
    const { names, consumers, full } = this.#wanted();
    if (full.length) this.#tell({ kind: 'full', wants: full });
    const isMore = names.some((name) => !this.#names.includes(name)) || (consumers && !this.#consumers);
    const isLess = names.length < this.#names.length || (!consumers && this.#consumers);
    if (wants && tab !== this.#tab) this.#tell({ kind: 'state', state: this.state });
    if (!names.length) {
      this.#close();
      this.#names = [];
    } else if (isMore || isLess) {
      this.#openSoon(isMore ? GATHER : SHRINK);
    }
    if (wants && !isMore && this.#hasBegun) this.#tell({ kind: 'on', names: this.#names, position: this.#position });
  }

  /** What all pages want together, as far as one stream can have it, and which wants it cannot have. */
  #wanted() {
    const all = [...this.#tabs.values()];
    const names = new Set();
    const full = [];
    for (const want of new Set(all.flatMap((tab) => tab.names))) {
      const added = want.split('&').filter((name) => !names.has(name));
      // One that does not fit even by itself is the server's to refuse.
      if (names.size && names.size + added.length > MAX_NAMES) full.push(want);
      else added.forEach((name) => names.add(name));
    }
    return { names: [...names].sort(), consumers: all.some((tab) => tab.consumers), full };
  }

  #openSoon(delay) {
    clearTimeout(this.#opening);
    this.#opening = setTimeout(() => {
      const { names, consumers } = this.#wanted();
      if (this.#source && String(names) === String(this.#names) && consumers === this.#consumers) return;
      this.#names = names;
      this.#consumers = consumers;
      this.#open();
    }, delay);
  }

  #streamUrl() {
    const position = this.#position ?? [...this.#tabs.values()].map(({ position }) => position).find(Boolean);
    return this.url(this.#names.join('&') + (this.#consumers ? '&consumers=event' : ''), position);
  }

  #open(retry) {
    this.#close();
    if (!this.#names.length) return;
    if (this.#isHeldBack) return this.#poll();
    if (retry) this.#show({ state: 'reconnecting', retry });
    const source = (this.#source = new EventSource(this.#streamUrl(), { withCredentials: this.withCredentials }));
    this.#openedAt = this.#heardAt = Date.now();
    source.onopen = () => {
      this.#hasBegun = false;
      this.#openedAt = Date.now();
    };
    source.onerror = () => {
      this.#hasBegun = false;
      if (source.readyState === EventSource.CLOSED) this.#probe();
      else this.#show({ state: 'reconnecting', retry: 'browser', cause: navigator.onLine ? undefined : 'offline' });
    };
    for (const type of ['message', 'heartbeat', 'consumers', 'presence', 'gap']) {
      source.addEventListener(type, ({ data, lastEventId }) => this.#heard(itemOf(type, data, lastEventId)));
    }
  }

  #heard(item) {
    this.#heardAt = Date.now();
    if (item.kind === 'beat' && !this.#hasBegun) {
      this.#hasBegun = true;
      this.#failures = 0;
      this.#tell({ ...item, kind: 'on', names: this.#names });
      this.#show({ state: this.#source ? 'live' : 'polling' });
    } else {
      this.#tell(item);
    }
  }

  #close() {
    clearTimeout(this.#opening);
    this.#turn = {};
    this.#source?.close();
    this.#source = undefined;
    this.#hasBegun = false;
  }

  #silence() {
    return Date.now() - this.#heardAt;
  }

  /** The stream only looks alive. */
  #replace(cause) {
    this.#show({ state: 'reconnecting', retry: 'opening', cause: navigator.onLine ? cause : 'offline' });
    this.#open();
  }

  /** The browser has given up: asks the server why. */
  async #probe() {
    this.#close();
    const turn = this.#turn;
    this.#show({ state: 'reconnecting', retry: 'asking' });
    const wants = [...new Set([...this.#tabs.values()].flatMap(({ names }) => names))];
    const ask = async (names) => {
      try {
        const response = await this.fetch(this.url(names), AbortSignal.timeout(FIRST_TIMEOUT));
        const problem = response.status === 200 && isStream(response) ? undefined : await problemOf(response);
        if (problem) return problem;
        response.body?.cancel();
      } catch {}
      return { status: 503 };
    };
    const answer = await ask(this.#names.join('&'));
    if (turn !== this.#turn) return;
    if (answer.status === 204) {
      // They have all ended.
      for (const topic of this.#names) {
        const topicName = decodeURIComponent(topic.slice(topic.indexOf('=') + 1));
        this.#tell({ kind: 'event', type: 'end', topic: topicName, position: this.#position ?? '#-0' });
      }
      return;
    }
    if (!passes(answer.status)) {
      // Whose want is it?
      let isFound = false;
      for (const want of wants) {
        const problem = wants.length > 1 ? await ask(want) : answer;
        if (turn !== this.#turn) return;
        if (passes(problem.status) || problem.status === 204) continue;
        isFound = true;
        for (const [, entry] of this.#tabs) entry.names = entry.names.filter((known) => known !== want);
        this.#tell({ kind: 'refused', wants: [want], problem });
      }
      if (isFound) return this.#isLeading && this.#openSoon(GATHER);
    }
    const delay = wait(this.#failures);
    this.#failures += 1;
    this.#show({ state: 'reconnecting', retry: 'waiting', until: Date.now() + delay });
    this.#opening = setTimeout(() => this.#open('opening'), delay);
  }

  /** A stream has been open for long, and nothing has come: is the server there, and does something hold the stream back? */
  async #suspect() {
    this.#openedAt = Date.now();
    const turn = this.#turn;
    let isThere = false;
    try {
      const response = await this.fetch(this.#streamUrl(), AbortSignal.timeout(FIRST_TIMEOUT));
      isThere = response.ok && (await response.text()).includes('\nid:');
    } catch {}
    if (turn !== this.#turn || this.#hasBegun) return;
    this.#isHeldBack = isThere;
    if (isThere) this.#open();
    else this.#replace('silence');
  }

  /** Asks again and again. */
  async #poll() {
    const turn = this.#turn;
    this.#show({ state: 'polling' });
    for (let left = POLLS; left > 0; left -= 1) {
      try {
        const response = await this.fetch(this.#streamUrl(), AbortSignal.timeout(FIRST_TIMEOUT));
        if (turn !== this.#turn) return;
        if (!response.ok || response.status === 204) return this.#probe();
        for await (const item of itemsOf(response.body)) {
          if (turn !== this.#turn) return;
          if (item.position) this.#heard(item);
        }
      } catch {
        break;
      }
      await sleep(POLL);
      if (turn !== this.#turn) return;
    }
    if (turn !== this.#turn) return;
    this.#isHeldBack = false;
    this.#open('opening');
  }
}

function name(parameter, value) {
  return `${parameter}=${encodeURIComponent(value)}`;
}

function resolvable() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

const isStream = (response) => (response.headers.get('content-type') ?? '').startsWith('text/event-stream');

/** What is wrong, as the problem document says (RFC 9457). */
async function problemOf(response) {
  const { status } = response;
  const { code, detail, title } = await response.json().catch(() => ({}));
  return { status, code, detail: detail ?? title };
}

/** An event of the stream, as pages know it. */
function itemOf(type, data, position) {
  if (type === 'heartbeat') return { kind: 'beat', heartbeat: Number(data), position };
  if (type === 'message') return { kind: 'event', ...JSON.parse(data), position };
  const { resumed_from: resumedFrom, ...rest } = JSON.parse(data);
  if (type === 'gap') return { kind: 'gap', ...rest, resumedFrom, position: resumedFrom };
  return { kind: type, ...rest, position };
}

/** The events of a response, in the form that the server gives them: at most one line of data each. */
async function* itemsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let position = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => [line.split(': ', 1)[0], line.slice(line.indexOf(': ') + 2)]));
      position = fields.id ?? position;
      if (fields.data !== undefined) yield itemOf(fields.event ?? 'message', fields.data, position);
    }
  }
}
