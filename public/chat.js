// A chat room. It is made of three requests, and a topic like any other: what has been said came with the page, what is said from now
// on arrives over the stream that all pages of the browser share, and a message is published with an id of its own, so that it is
// there once however often it is sent.
//
// A message is an event with the data {"name":"Ada","text":"hello"}. Nothing that it contains ever becomes HTML.

import { publish, subscribe } from '/fairwind.js';

/** How many messages the page has at most; the oldest go first. */
const MAX_MESSAGES = 500;

/** After so long, a message of the same person has a heading again, in milliseconds. */
const GROUP = 300_000;

/** How much of a message is shown. */
const MAX_TEXT = 8_000;

/** In a room with more people than this, the page does not show who writes. */
const FEW = 50;

/** How often a page says that its reader writes, and for how long that holds. */
const TYPING_PERIOD = 3_000;
const TYPING_HOLDS = 5_000;

/** The shortest time between two announcements of new messages to a screen reader, and how long a loss is not shown. */
const SAID_PERIOD = 3_000;
const GRACE = 1_000;

/** How often a message is sent by itself: for some 15 seconds. */
const TRIES = 5;

/** An address, as the server cuts it out of a text too. */
const ADDRESS = /(?<![\p{L}\p{N}])https?:\/\/[^\s<>"'`，。；：！？）」』】、]+/gu;

const main = document.querySelector('main');
const words = main.dataset;
const { topic } = words;
const element = (id) => document.getElementById(id);
const [box, list, none, jump, typing, said, state] = ['messages', 'list', 'none', 'jump', 'typing', 'said', 'state'].map(element);
const [count, people, form, nameField, textField] = ['count', 'people', 'write', 'name', 'text'].map(element);
const template = element('row').content.firstElementChild;
const title = document.title;
const { lang } = document.documentElement;
const order = new Intl.Collator(lang, { numeric: true });
const clock = new Intl.DateTimeFormat(lang, { hour: '2-digit', minute: '2-digit' });

/** The rows of messages that this page has sent, by id. */
const own = new Map();
/** What has arrived and is not in the list yet. */
let arrived = [];
/** How many messages the reader has not seen: in the background, and below the part of the list that is shown. */
let unread = 0;
let below = 0;
/** Who is here. */
let present = new Set();
/** Who writes, and until when. */
const typists = new Map();

const fill = (text, ...values) => text.replace(/\{(\d)\}/g, (_, position) => values[position]);
const random = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-');

/** The members of a JSON object; none of anything else. */
function membersOf(data) {
  try {
    return Object(JSON.parse(data));
  } catch {
    return {};
  }
}

/** A value as the server takes it for a name; empty if it is none. */
function nameOf(value) {
  const name = typeof value === 'string' ? value.trim() : '';
  return /^[^/\p{Cc}]{1,128}$/u.test(name) ? name : '';
}

/** A message as its event has it: any data is one. */
function read(data) {
  const { name, text } = membersOf(data);
  return typeof text === 'string' ? { name: nameOf(name), text } : { name: '', text: data };
}

// --- rows ------------------------------------------------------------------------------------------------------------

/** The text as nodes: text, and links to addresses. */
function nodesOf(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = found.replace(/[.,;:!?)\]}]+$/, '');
    if (/^https?:\/\/?$/.test(address)) continue;
    const link = Object.assign(document.createElement('a'), { href: address, textContent: address, target: '_blank' });
    link.rel = 'noopener noreferrer nofollow ugc';
    nodes.push(text.slice(end, index), link);
    end = index + address.length;
  }
  return [...nodes, text.slice(end)];
}

function rowOf({ name, text }, at = new Date()) {
  const row = template.cloneNode(true);
  row.dataset.name = name;
  row.querySelector('bdi').textContent = name || words.withoutName;
  const time = row.querySelector('time');
  time.dateTime = at.toISOString();
  time.textContent = clock.format(at);
  row.querySelector('.text').append(...nodesOf(text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)} …` : text));
  return row;
}

const timeOf = (row) => Date.parse(row.querySelector('time')?.dateTime);

/** A row has a heading unless the one before it is of the same person, and not much older. */
function group(row) {
  if (!row?.matches('.chat-message')) return;
  const before = row.previousElementSibling;
  const follows = before?.dataset.name === row.dataset.name && timeOf(row) - timeOf(before) <= GROUP;
  row.classList.toggle('first', !follows);
}

/** Puts rows behind what has been said, and before what is on its way. */
function add(rows) {
  const pending = list.querySelector('[data-fate]');
  for (const row of rows) {
    list.insertBefore(row, pending);
    group(row);
  }
  group(pending);
  while (list.children.length > MAX_MESSAGES) list.firstElementChild.remove();
  group(list.firstElementChild);
  none.hidden = true;
}

const isAtEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 48;
const toEnd = () => box.scrollTo({ top: box.scrollHeight });

/** Changes the list once for all that has arrived in a frame. */
function show() {
  const rows = arrived.splice(0);
  const wasAtEnd = isAtEnd();
  add(rows);
  if (wasAtEnd) return toEnd();
  below += rows.length;
  jump.textContent = fill(words.newMessages, below);
  jump.hidden = false;
}

function arrive(row) {
  arrived.push(row);
  // A page in the background has no frames.
  if (document.hidden) show();
  else if (arrived.length === 1) requestAnimationFrame(() => arrived.length && show());
}

jump.addEventListener('click', () => {
  toEnd();
  box.focus();
});
box.addEventListener('scroll', () => {
  if (!isAtEnd()) return;
  below = 0;
  jump.hidden = true;
});

// --- what arrives ----------------------------------------------------------------------------------------------------

function onEvent({ type, id, data }) {
  if (type === 'typing') return noteTyping(nameOf(membersOf(data).name));
  if (type !== 'message') return;
  if (own.has(id)) return confirm(own.get(id));
  const message = read(data);
  typists.delete(message.name);
  showTyping();
  arrive(rowOf(message));
  if (message.name === nameField?.value.trim()) return;
  announce(message);
  if (document.hidden) {
    unread += 1;
    document.title = `(${unread}) ${title}`;
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  unread = 0;
  document.title = title;
});

let saidAt = 0;
let unsaid = [];
let saying;

/** A screen reader hears each message of a slow talk, and of a quick one how many there are. */
function announce(message) {
  unsaid.push(message);
  clearTimeout(saying);
  saying = setTimeout(() => {
    const [only, ...others] = unsaid;
    said.textContent = others.length ? fill(words.saidNew, unsaid.length) : `${only.name || words.withoutName}: ${only.text.slice(0, 200)}`;
    unsaid = [];
    saidAt = Date.now();
  }, Math.max(0, saidAt + SAID_PERIOD - Date.now()));
}

function onGap() {
  const notice = Object.assign(document.createElement('li'), { className: 'chat-notice', textContent: words.gap });
  notice.dataset.name = '';
  arrive(notice);
}

function onPresence({ present: all, joined = [], left = [] }) {
  if (all) present = new Set(all);
  for (const name of joined) present.add(name);
  for (const name of left) present.delete(name);
  count.textContent = present.size.toLocaleString('en');
  const names = [...present].sort(order.compare);
  people.replaceChildren(
    ...names.map((name) => Object.assign(document.createElement('li'), { dir: 'auto', textContent: name })),
  );
}

let stateTimer;

/** Puts a text of this page, and the server's words, into the places for them. */
function say(place, text, detail = '') {
  const [ours, theirs] = place.querySelectorAll('span');
  ours.textContent = text;
  theirs.textContent = detail;
}

function onState({ state: is, reason, detail = '' }) {
  // The reader has another name, and so another subscription.
  if (reason === 'reader') return;
  clearTimeout(stateTimer);
  const show = () => {
    main.dataset.state = is;
    say(state, words[reason ?? is], detail);
  };
  // A loss that is over at once would only flash.
  if (is === 'reconnecting') stateTimer = setTimeout(show, GRACE);
  else show();
  if (is === 'ended' && form) form.hidden = true;
}

// --- who writes ------------------------------------------------------------------------------------------------------

let typingTimer;
let typingSaidAt = 0;

function noteTyping(name) {
  if (!name || name === nameField?.value.trim() || typists.size >= FEW) return;
  typists.set(name, Date.now() + TYPING_HOLDS);
  showTyping();
}

function showTyping() {
  clearTimeout(typingTimer);
  const now = Date.now();
  for (const [name, until] of typists) if (until <= now) typists.delete(name);
  const names = [...typists.keys()];
  const text = ['', words.oneTypes, words.twoType][names.length] ?? words.manyType;
  typing.textContent = fill(text, ...names);
  if (names.length) typingTimer = setTimeout(showTyping, TYPING_HOLDS / 5);
}

function sayTyping() {
  const name = nameField.value.trim();
  const now = Date.now();
  if (!nameOf(name) || !textField.value.trim() || present.size > FEW || now - typingSaidAt < TYPING_PERIOD) return;
  typingSaidAt = now;
  // It is gone in a moment, whatever becomes of it.
  publish(topic, { name }, { type: 'typing', keep: false, tries: 1 }).catch(() => {});
}

// --- what the reader sends -------------------------------------------------------------------------------------------

/** Shows what has become of a message. */
function setFate(row, fate, text, detail) {
  row.dataset.fate = fate;
  const shown = row.querySelector('.fate');
  shown.hidden = false;
  say(shown, text, detail);
  shown.querySelector('button').hidden = fate !== 'failed';
}

/** The server has it: it stands where it was said. */
function confirm(row) {
  if (!row.dataset.fate) return;
  if (arrived.length) show();
  delete row.dataset.fate;
  row.querySelector('.fate').hidden = true;
  const next = row.nextElementSibling;
  add([row]);
  group(next);
}

async function send(row, id, message) {
  setFate(row, 'pending', words.sending);
  try {
    await publish(topic, message, { id, key: id, tries: TRIES });
    confirm(row);
  } catch (error) {
    // It had come through before the server lost its memory of it.
    if (error.problem?.code === 'duplicate-id') confirm(row);
    else if (row.dataset.fate) setFate(row, 'failed', words.failed, error.problem?.detail);
  }
}

function submit() {
  nameField.value = nameField.value.trim();
  if (!textField.value.trim() || !form.reportValidity()) return;
  const message = { name: nameField.value, text: textField.value.trim() };
  const id = random();
  const row = rowOf(message);
  own.set(id, row);
  if (own.size > MAX_MESSAGES) own.delete(own.keys().next().value);
  list.append(row);
  group(row);
  none.hidden = true;
  row.querySelector('button').addEventListener('click', () => {
    send(row, id, message);
    textField.focus();
  });
  send(row, id, message);
  textField.value = '';
  typingSaidAt = 0;
  toEnd();
}

// --- the beginning ---------------------------------------------------------------------------------------------------

let subscription;

/** Enters under the name in the field, if it is one. */
function enter() {
  const name = words.token === undefined ? nameOf(nameField?.value ?? words.name) || undefined : '';
  const as = words.present === undefined ? undefined : name;
  const listener = { event: onEvent, gap: onGap, presence: onPresence, state: onState };
  const former = subscription;
  subscription = subscribe(topic, listener, { from: former?.position ?? words.from, as });
  // Now that the new one is there, the stream stays open.
  former?.close();
}

if (form) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  textField.addEventListener('keydown', (event) => {
    // While an input method composes, Enter takes its proposal; Safari says so by 229 alone.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  textField.addEventListener('input', sayTyping);
  nameField.addEventListener('change', () => {
    nameField.value = nameField.value.trim().replaceAll('/', '-');
    const name = encodeURIComponent(nameField.value);
    document.cookie = `fairwind_chat_name=${name};path=/chat;max-age=31536000;samesite=lax`;
    enter();
  });
}
for (const row of list.children) {
  const time = row.querySelector('time');
  time.textContent = clock.format(new Date(time.dateTime));
}
toEnd();
say(state, words.connecting);
enter();
document.documentElement.dataset.hydrated = '';
