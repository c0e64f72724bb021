// The notifications of this browser: adds what comes to the list that the server has rendered, counts what is unread, and has
// the system show what comes while no tab with this page is visible. The server renders the first list, everything that is
// scheduled, and the words, so that the page is the same with this script and without.
//
// What has been read is kept by this browser: everything up to a position, and single ones.

import { publish, subscribe } from '/fairwind.js';

/** The most that the list shows, and how many single ones are remembered as read. */
const [MAX_NOTES, MAX_READ] = [50, 100];

/** The most of one that is shown, in bytes. */
const MAX_BYTES = 1_000;

/** The shortest times between two changes of the list, and between two announcements to a screen reader. */
const [SHOWN_PERIOD, SAID_PERIOD] = [300, 3_000];

/** The lock that a visible tab holds, and the one under which a hidden one has the system show something. */
const [SEEN, SHOWN] = ['fairwind inbox is seen', 'fairwind inbox is shown'];

const byId = (id) => document.getElementById(id);
const words = document.querySelector('main').dataset;
const { topic } = words;
const list = byId('notes');
const [STORE, SHOWN_UP_TO] = [`fairwind ${topic} read`, `fairwind ${topic} shown`];
const title = document.title;
const times = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'medium' });

/** Log ids are `#<epoch>-<offset>`; within an epoch offsets grow. */
const epochOf = (id) => id.slice(0, id.lastIndexOf('-'));
const offsetOf = (id) => Number(id.slice(id.lastIndexOf('-') + 1));
const isUpTo = (id, position) => Boolean(position) && epochOf(id) === epochOf(position) && offsetOf(id) <= offsetOf(position);

/** A text with a value in the place of its sign. */
const filled = (text, value) => text.replace('#', () => value);

/** As much of a text as the list shows: as many bytes as the server would. */
function shortened(text) {
  const { read: shown } = new TextEncoder().encodeInto(text, new Uint8Array(MAX_BYTES));
  return shown < text.length ? `${text.slice(0, shown)}…` : text;
}

// What the browser keeps. Where it keeps nothing, what was read is unread again after a reload.
function load(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function save(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A browser that is told to keep nothing.
  }
}

let read = { upTo: '', also: new Set() };

/** Takes over what any tab has kept last. */
function loadRead() {
  try {
    const kept = JSON.parse(load(STORE));
    if (kept) read = { upTo: String(kept.upTo), also: new Set(kept.also) };
  } catch {
    // Not what this page has written.
  }
}

const rows = () => [...list.querySelectorAll('[data-position]')];
const isRead = (position) => read.also.has(position) || isUpTo(position, read.upTo);

/** Marks rows as read. `upTo` says that everything up to there is; rows of an epoch before that are read one by one. */
function mark(marked, upTo) {
  loadRead();
  const also = [...read.also, ...marked.map((row) => row.dataset.position)];
  read = { upTo: upTo ?? read.upTo, also: new Set(also.slice(-MAX_READ)) };
  save(STORE, JSON.stringify({ upTo: read.upTo, also: [...read.also] }));
  showRead();
}

/** Shows what is unread: in each row, in the heading and in the title. */
function showRead() {
  let unread = 0;
  for (const row of rows()) {
    const is = isRead(row.dataset.position);
    row.classList.toggle('is-unread', !is);
    row.querySelector('.dot').hidden = is;
    row.querySelector('.read-one').disabled = is;
    unread += Number(!is);
  }
  // There may be more than the list has.
  const shown = unread < MAX_NOTES ? unread : `${unread}+`;
  byId('unread').textContent = unread ? filled(words.unread, shown) : '';
  byId('read-all').disabled = unread === 0;
  byId('none').hidden = list.children.length > 0;
  document.title = unread ? `(${shown}) ${title}` : title;
}

/** Times as the reader's own clock shows them. */
function localize(root) {
  for (const time of root.querySelectorAll('time')) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.textContent = times.format(at);
  }
}

function add({ data, position }) {
  if (rows().some((row) => row.dataset.position === position)) return;
  const row = byId('note').content.firstElementChild.cloneNode(true);
  const [text, button] = [row.querySelector('.note-text'), row.querySelector('.read-one')];
  row.dataset.position = position;
  row.querySelector('time').dateTime = new Date().toISOString();
  text.textContent = shortened(data);
  text.id = `text${position}`;
  button.setAttribute('aria-describedby', text.id);
  localize(row);
  list.prepend(row);
}

/** Keeps the list short, and leads to what it does not show any more. */
function shorten() {
  while (list.children.length > MAX_NOTES) {
    // The focus goes on where the reader was.
    if (list.lastElementChild.contains(document.activeElement)) list.parentElement.focus();
    list.lastElementChild.remove();
    const older = byId('older');
    older.hidden = false;
    older.querySelector('a').search = `?before=${encodeURIComponent(rows().at(-1)?.dataset.position ?? '')}`;
  }
}

// What comes is shown at once, or with what comes a moment later. Of very many, the newest.
let arrived = [];
let count = 0;
let shownAt = -Infinity;
let showing;

function arrive(event) {
  arrived.push(event);
  count += 1;
  if (arrived.length > MAX_NOTES) arrived.shift();
  const wait = shownAt + SHOWN_PERIOD - Date.now();
  if (wait <= 0) show();
  else showing ??= setTimeout(show, wait);
}

function show() {
  const newest = arrived.at(-1);
  for (const event of arrived) add(event);
  shorten();
  showRead();
  announce(count === 1 ? filled(words.newOne, newest.data.slice(0, 100)) : '', count);
  notify(arrived, count);
  clearTimeout(showing);
  [arrived, count, showing, shownAt] = [[], 0, undefined, Date.now()];
  const due = byId('scheduled')?.querySelectorAll('time') ?? [];
  if ([...due].some(({ dateTime }) => Date.parse(dateTime) <= Date.now())) refresh();
}

// A screen reader says what has come once, however many there are.
let unsaid = 0;
let saidAt = -Infinity;
let saying;

function announce(text, more) {
  unsaid += more;
  const say = (said) => {
    byId('news').textContent = said;
    [unsaid, saying, saidAt] = [0, undefined, Date.now()];
  };
  const wait = saidAt + SAID_PERIOD - Date.now();
  if (wait <= 0 && text) say(text);
  else saying ??= setTimeout(() => say(unsaid === 1 && text ? text : filled(words.newOnes, unsaid)), Math.max(wait, 0));
}

/**
 * Has the system show one notification of these events, the newest of so many, if no tab with this page is visible. One of the
 * tabs does, under a lock, and counts what no other has shown.
 */
async function notify(events, count) {
  const { position } = events.at(-1);
  if (!document.hidden) {
    save(SHOWN_UP_TO, position);
    return;
  }
  if (globalThis.Notification?.permission !== 'granted') return;
  try {
    const { held } = await navigator.locks.query();
    if (held.some(({ name }) => name === SEEN)) return;
    await navigator.locks.request(SHOWN, () => {
      loadRead();
      // A tab that was frozen learns late what others have shown, or their reader has read.
      const known = load(SHOWN_UP_TO);
      const unknown = events.filter((event) => !isRead(event.position) && !isUpTo(event.position, known));
      if (unknown.length === 0) return;
      save(SHOWN_UP_TO, position);
      // Older ones than those at hand are known if one of these is.
      const fresh = unknown.length < events.length ? unknown.length : count;
      const text = fresh === 1 ? unknown[0].data : filled(words.newOnes, fresh);
      const options = { body: shortened(text), tag: position, lang: document.documentElement.lang };
      const shown = new Notification(title, options);
      shown.onclick = () => {
        window.focus();
        shown.close();
      };
    });
  } catch {
    // Browsers of telephones let service workers alone do this, and some have no locks.
    byId('allow-said').textContent = words.cannot;
  }
}

/** While this tab is visible, the others know. */
let unsee;

function see() {
  unsee?.();
  unsee = undefined;
  if (document.hidden || !navigator.locks) return;
  const until = new Promise((resolve) => (unsee = resolve));
  // Where the browser refuses locks, it keeps nothing either, and no tab has the system show anything.
  navigator.locks.request(SEEN, { mode: 'shared' }, () => until).catch(() => {});
}

/** Takes what is scheduled, and when everything came, from a page that the server renders now. */
let refreshing = false;
let again = false;

async function refresh() {
  again = true;
  if (refreshing || document.hidden) return;
  refreshing = true;
  while (again) {
    again = false;
    try {
      const answer = await fetch(location.pathname, { headers: { accept: 'text/html' } });
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      // Without a cookie, the page is one of another topic.
      if (answer.ok && fresh.querySelector('main')?.dataset.topic === topic) take(fresh);
    } catch {
      // The subscription says that the server does not answer.
    }
  }
  refreshing = false;
}

function take(fresh) {
  localize(fresh);
  const timeOf = new Map([...fresh.querySelectorAll('#notes li')].map((row) => [row.dataset.position, row.querySelector('time')]));
  for (const row of rows()) {
    const time = timeOf.get(row.dataset.position);
    if (time) row.querySelector('time').replaceWith(time);
  }
  const [old, scheduled] = [byId('scheduled'), fresh.getElementById('scheduled')];
  if (!old || !scheduled || scheduled.innerHTML === old.innerHTML || old.contains(document.activeElement)) return;
  old.replaceChildren(...scheduled.childNodes);
}

/** Writes words, and those of the server after them. */
function write(place, text, detail = '') {
  const [own, server] = [document.createElement('span'), document.createElement('span')];
  own.textContent = text;
  Object.assign(server, { lang: 'en', textContent: detail ? ` ${detail}` : '' });
  if (place.textContent !== own.textContent + server.textContent) place.replaceChildren(own, server);
}

/** Writes why a request was not taken. */
function writeRefusal({ status, problem, message }) {
  write(byId('outcome'), status ? words.notSent : words.unreachable, status ? (problem?.detail ?? message) : '');
}

let isSending = false;

async function send(form) {
  // The button keeps the focus.
  if (isSending) return;
  isSending = true;
  const [text, time] = [form.elements.data, form.elements.in];
  try {
    const receipt = await publish(topic, text.value, { in: time?.value || undefined, tries: 3 });
    write(byId('outcome'), receipt.scheduled ? words.scheduled : words.sent);
    if (receipt.scheduled) refresh();
  } catch (error) {
    writeRefusal(error);
  }
  isSending = false;
}

async function cancel(form) {
  try {
    const answer = await fetch(form.dataset.url, { method: 'DELETE' });
    if (answer.ok || answer.status === 404) byId('later-heading').focus();
    else {
      const problem = await answer.json().catch(() => undefined);
      writeRefusal({ status: answer.status, problem, message: String(answer.status) });
    }
  } catch (error) {
    writeRefusal(error);
  }
  refresh();
}

function showPermission() {
  const permission = globalThis.Notification?.permission;
  byId('allow').disabled = permission !== 'default';
  byId('allow-said').textContent = { granted: words.allowed, denied: words.denied, default: '' }[permission] ?? words.cannot;
}

/** Shows where the subscription stands. */
let wasLive = false;

function showState({ state, detail }) {
  const said = { connecting: words.connecting, live: words.live, polling: words.live, reconnecting: words.lost, ended: words.ended };
  write(byId('said'), said[state] ?? words.refused, said[state] ? '' : detail);
  const isLive = said[state] === words.live;
  // What came while the stream was lost has been published before it arrived.
  if (isLive && wasLive) setTimeout(refresh, SHOWN_PERIOD);
  wasLive ||= isLive;
}

document.addEventListener('submit', (event) => {
  if (event.target.id === 'make') send(event.target);
  else if (event.target.dataset.url) cancel(event.target);
  else return;
  event.preventDefault();
});
list.addEventListener('click', ({ target }) => {
  const row = target.closest('.read-one')?.closest('li');
  if (!row) return;
  mark([row]);
  // The button is disabled now: the focus goes to that of the next one.
  const after = [...rows(), ...rows()].slice(rows().indexOf(row));
  const next = after.map((other) => other.querySelector('.read-one:enabled')).find(Boolean);
  (next ?? list.parentElement).focus();
});
byId('read-all').addEventListener('click', () => {
  mark(rows(), rows()[0]?.dataset.position);
  list.parentElement.focus();
});
byId('allow').addEventListener('click', async () => {
  await Notification.requestPermission();
  showPermission();
  if (byId('allow').disabled) byId('allow-said').focus();
});
addEventListener('storage', ({ key }) => {
  if (key !== STORE) return;
  loadRead();
  showRead();
});
addEventListener('pageshow', ({ persisted }) => {
  if (!persisted) return;
  loadRead();
  showRead();
});
document.addEventListener('visibilitychange', () => {
  see();
  refresh();
});
addEventListener('focus', refresh);

subscribe(
  topic,
  {
    event: arrive,
    gap() {
      list.prepend(Object.assign(document.createElement('li'), { className: 'missing', textContent: words.gap }));
      byId('news').textContent = words.gap;
      shorten();
      showRead();
    },
    state: showState,
  },
  { from: words.from },
);
loadRead();
localize(document);
see();
showPermission();
showRead();
document.documentElement.dataset.hydrated = '';
