// The notifications of this browser: adds what comes to the list that the server has rendered, counts what is unread, and has
// the system show what comes while no tab with this page is visible. The server renders the first list, everything that is
// scheduled, and the words, so that the page is the same with this script and without.
//
// What has been read is kept by this browser: everything up to a position, and single ones after it.

import { publish, subscribe } from '/fairwind.js';

/** The most that the list shows. */
const MAX_NOTES = 50;

/** The most of one that is shown, in characters. */
const MAX_LENGTH = 1_000;

/** How long the page gathers what comes before it says so. */
const GATHER = 300;

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

function loadRead() {
  try {
    const { upTo = '', also = [] } = JSON.parse(load(STORE)) ?? {};
    return { upTo: String(upTo), also: new Set(also) };
  } catch {
    return { upTo: '', also: new Set() };
  }
}

let read = loadRead();

const rows = () => [...list.children];
const isRead = (position) => read.also.has(position) || isUpTo(position, read.upTo);

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
  byId('unread').textContent = unread ? filled(words.unread, unread) : '';
  byId('read-all').disabled = unread === 0;
  byId('none').hidden = list.children.length > 0;
  document.title = unread ? `(${unread}) ${title}` : title;
}

function saveRead() {
  const also = rows().map((row) => row.dataset.position).filter((position) => read.also.has(position));
  save(STORE, JSON.stringify({ upTo: read.upTo, also }));
  showRead();
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
  row.dataset.position = position;
  row.querySelector('time').dateTime = new Date().toISOString();
  row.querySelector('.note-text').textContent = data.length > MAX_LENGTH ? `${data.slice(0, MAX_LENGTH)}…` : data;
  localize(row);
  list.prepend(row);
  while (list.children.length > MAX_NOTES) {
    // The focus goes on where the reader was.
    if (list.lastElementChild.contains(document.activeElement)) list.parentElement.focus();
    list.lastElementChild.remove();
  }
  showRead();
}

// What has come is said once, however many there are.
let arrived = [];
let saying;

function say(text) {
  byId('said').textContent = text;
}

function arrive(event) {
  add(event);
  arrived.push(event);
  saying ??= setTimeout(() => {
    const [{ data }] = arrived;
    say(arrived.length === 1 ? filled(words.newOne, data.slice(0, 100)) : filled(words.newOnes, arrived.length));
    arrived = [];
    saying = undefined;
    refreshScheduled();
  }, GATHER);
  notify(event);
}

/** Has the system show a notification, if no tab with this page is visible; one of the tabs does, under a lock. */
async function notify({ data, position }) {
  if (!document.hidden || !navigator.locks || globalThis.Notification?.permission !== 'granted') return;
  const { held } = await navigator.locks.query();
  if (held.some(({ name }) => name === SEEN)) return;
  await navigator.locks.request(SHOWN, () => {
    const last = load(SHOWN_UP_TO);
    if (last && isUpTo(position, last)) return;
    save(SHOWN_UP_TO, position);
    try {
      const shown = new Notification(title, { body: data.slice(0, MAX_LENGTH), tag: position, lang: document.documentElement.lang });
      shown.onclick = () => {
        window.focus();
        shown.close();
      };
    } catch {
      // Browsers of telephones let service workers alone do this.
    }
  });
}

/** While this tab is visible, the others know. */
let unsee;

function see() {
  unsee?.();
  unsee = undefined;
  if (document.hidden || !navigator.locks) return;
  const until = new Promise((resolve) => (unsee = resolve));
  navigator.locks.request(SEEN, { mode: 'shared' }, () => until);
}

/** Takes what is scheduled from a page that the server renders now. */
let refreshing = false;

async function refreshScheduled() {
  if (refreshing || document.hidden) return;
  refreshing = true;
  try {
    const answer = await fetch(location.pathname, { headers: { accept: 'text/html' } });
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('scheduled');
    const old = byId('scheduled');
    if (answer.ok && fresh) {
      localize(fresh);
      if (fresh.innerHTML !== old.innerHTML && !old.contains(document.activeElement)) old.replaceChildren(...fresh.childNodes);
    }
  } catch {
    // The subscription says that the server does not answer.
  }
  refreshing = false;
}

/** What the server says against a request. */
const refusal = ({ status, problem, message }) => (status ? filled(words.notSent, problem?.detail ?? message) : words.unreachable);

async function send(form) {
  const outcome = byId('outcome');
  const [text, time] = [form.elements.data, form.elements.in];
  const button = form.querySelector('button');
  button.disabled = true;
  try {
    const receipt = await publish(topic, text.value, { in: time?.value || undefined, tries: 3 });
    outcome.textContent = receipt.scheduled ? words.scheduled : words.sent;
    await refreshScheduled();
  } catch (error) {
    outcome.textContent = refusal(error);
  }
  button.disabled = false;
}

async function cancel(form) {
  const button = form.querySelector('button');
  button.disabled = true;
  try {
    await fetch(form.dataset.url, { method: 'DELETE' });
    byId('later-heading').focus();
  } catch {
    button.disabled = false;
  }
  await refreshScheduled();
}

function showPermission() {
  const permission = globalThis.Notification?.permission;
  byId('allow').disabled = permission !== 'default';
  byId('allow-said').textContent = { granted: words.allowed, denied: words.denied }[permission] ?? '';
}

document.addEventListener('submit', (event) => {
  if (event.target.id === 'make') send(event.target);
  else if (event.target.dataset.url) cancel(event.target);
  else return;
  event.preventDefault();
});
list.addEventListener('click', ({ target }) => {
  const button = target.closest('.read-one');
  if (!button) return;
  read.also.add(button.closest('li').dataset.position);
  saveRead();
  // The button is disabled now.
  list.parentElement.focus();
});
byId('read-all').addEventListener('click', () => {
  read = { upTo: list.firstElementChild?.dataset.position ?? read.upTo, also: new Set() };
  saveRead();
  list.parentElement.focus();
});
byId('allow').addEventListener('click', async () => {
  await Notification.requestPermission();
  showPermission();
});
addEventListener('storage', ({ key }) => {
  if (key !== STORE) return;
  read = loadRead();
  showRead();
});
document.addEventListener('visibilitychange', () => {
  see();
  refreshScheduled();
});

subscribe(
  topic,
  {
    event: arrive,
    gap: () => say(words.gap),
    state: ({ state }) => {
      const said = { connecting: words.connecting, live: words.live, polling: words.live, reconnecting: words.lost };
      say(said[state] ?? words.refused);
    },
  },
  { from: words.from },
);
localize(document);
see();
showPermission();
showRead();
document.documentElement.dataset.hydrated = '';
