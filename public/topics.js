// Keeps the list of topics up to date: fetches the page again while it is visible, and takes over what has changed. The
// server renders the list, bounds it and finds the words, so that it is the same with this script and without.
//
// Counts change where they stand. Rows come and go in their places, but not while the pointer or the focus is in the list:
// nothing moves under a hand. Each pause is at least ten times as long as the answer took, and doubles while there is none.

const PERIOD = 2_000; // milliseconds
const LONGEST_PERIOD = 60_000;
const SHARE = 10;

const list = document.getElementById('topics-list');
const moment = document.getElementById('topics-moment');
const status = document.getElementById('topics-status');
const toggle = document.getElementById('topics-toggle');

/** A finger leaves no pointer behind. */
const canHover = matchMedia('(hover: hover)');

let period = PERIOD;
let timer;
let isPaused = false;
let isUnderWay = false;

/** Rows by the path of their topic. */
const rowsOf = (root) => new Map(Array.from(root.querySelectorAll('tbody tr'), (row) => [row.querySelector('a').href, row]));

function show(words) {
  if (status.textContent !== words) status.textContent = words;
}

/** Takes over the cells of a row that have changed. The link stays as it is, and so does a focus on it. */
function updateRow(row, fresh) {
  Array.from(fresh.cells).forEach((cell, index) => {
    const old = row.cells[index];
    if (old.innerHTML === cell.innerHTML) return;
    if (index > 0) return old.replaceChildren(...cell.childNodes);
    old.querySelector('.ended')?.remove();
    const ended = cell.querySelector('.ended');
    if (ended) old.append(' ', ended);
  });
}

function take(fresh) {
  moment.textContent = fresh.getElementById('topics-moment').textContent;
  const freshList = fresh.getElementById('topics-list');
  const isInUse = list.matches(canHover.matches ? ':hover, :focus-within' : ':focus-within');
  const body = list.querySelector('tbody');
  if (!body || !freshList.querySelector('tbody')) {
    if (!isInUse && list.innerHTML !== freshList.innerHTML) list.replaceChildren(...freshList.childNodes);
    return;
  }
  const rows = rowsOf(list);
  const freshRows = rowsOf(freshList);
  let next = body.firstElementChild;
  for (const [path, freshRow] of freshRows) {
    const row = rows.get(path);
    if (row) {
      updateRow(row, freshRow);
      if (!isInUse && row !== next) body.insertBefore(row, next);
      next = row.nextElementSibling;
    } else if (!isInUse) {
      body.insertBefore(freshRow, next);
    }
  }
  if (!isInUse) for (const [path, row] of rows) if (!freshRows.has(path)) row.remove();
}

async function update() {
  if (isPaused || isUnderWay || document.hidden) return;
  isUnderWay = true;
  const began = performance.now();
  try {
    const answer = await fetch(location.pathname, { headers: { accept: 'text/html' } });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (!isPaused) {
      take(fresh);
      show(status.dataset.live);
    }
    period = Math.min(Math.max(PERIOD, SHARE * (performance.now() - began)), LONGEST_PERIOD);
  } catch {
    period = Math.min(2 * period, LONGEST_PERIOD);
    if (!isPaused) show(status.dataset.lost);
  }
  isUnderWay = false;
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (!isPaused && !document.hidden) timer = setTimeout(update, period);
}

toggle.addEventListener('click', () => {
  isPaused = !isPaused;
  toggle.textContent = isPaused ? toggle.dataset.resume : toggle.dataset.pause;
  show(isPaused ? status.dataset.paused : status.dataset.live);
  clearTimeout(timer);
  period = PERIOD;
  update();
});
document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  update();
});
toggle.disabled = false;
show(status.dataset.live);
document.documentElement.dataset.hydrated = '';
schedule();
