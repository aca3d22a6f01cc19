// A page's life: where it was, and each thing that happened to it, in lanes over time and as a list.

import { holderIn } from './charts.js';
import { hex, timeText, whole } from './format.js';
import { DATA, discard, END, element, makePlot, START, swatch, view, whenViewChanges } from './plot.js';
import { color } from './theme.js';

const LIVES = DATA.lives.map(({ page, dropped, events }) => ({
  page,
  dropped,
  events: unpackEvents(events),
}));
/** Of an event: its lane, its colour, and what it says. */
const EVENTS = {
  mapped: ['fault', 'blue', (frame) => `a fault installed a translation to frame ${hex(frame)}`],
  retried: ['retry', 'red', (seq) => `a fault met an invalidation and was tried again (sequence ${seq})`],
  notified: ['notifier', 'purple', (event) => `invalidate_range_start, ${DATA.notifierEvents[event]}`],
  unmapped: ['swap out', 'orange', (slot) => `unmapped; its entry names swap slot ${slot}`],
  written: ['swap out', 'gold', (slot) => `written to swap slot ${slot}`],
  read: ['swap in', 'green', (slot) => `read from swap slot ${slot}`],
  moving: [
    'moved',
    'gold',
    (frame) => `its entry says that the page is being moved from frame ${hex(frame)}`,
  ],
  moved: ['moved', 'teal', (frame) => `moved to frame ${hex(frame)}`],
  aged: ['aged', 'gray', (young) => (young ? 'aged: it was accessed' : 'aged: it was not accessed')],
};
const LANES = ['page', 'translation', 'fault', 'retry', 'notifier', 'swap out', 'swap in', 'moved', 'aged'];
/** More lines than this nobody reads. */
const MAX_LINES = 400;
let shownLife = busiest(LIVES);

function unpackEvents(words) {
  const events = [];
  let time = 0;
  for (let i = 0; i < words.length; i += 3) {
    time += words[i];
    events.push({ time, kind: DATA.lifeEvents[words[i + 1]], argument: words[i + 2] });
  }
  return events;
}

/** Of most events, aging left out. */
function busiest(lives) {
  const weight = ({ events }) => events.filter(({ kind }) => kind !== 'aged').length;
  return lives.reduce((best, life) => (best === null || weight(life) > weight(best) ? life : best), null);
}

const addressOf = ({ page }) => hex(DATA.ramBase + page * 4096);

const sayEvent = ({ kind, argument }) => EVENTS[kind][2](argument);

/** Stretches [from, to, colour, what] of a band. */
function pageBand({ events }) {
  const [first] = events;
  const start = first === undefined || first.kind === 'mapped' ? null : ['resident', 'in memory'];
  const next = {
    mapped: ['resident', 'in memory'],
    unmapped: ['swapped', 'in swap'],
    read: ['resident', 'in memory'],
  };
  return band(events, start, (kind) => next[kind]);
}

function translationBand({ events }) {
  const next = { mapped: ['teal', 'the guest has a translation'], notified: null };
  return band(events, null, (kind) => next[kind]);
}

/** `next(kind)`: what holds after an event, null for nothing, undefined for no change. */
function band(events, start, next) {
  const stretches = [];
  let [since, state] = [START, start];
  for (const { time, kind } of events) {
    const after = next(kind);
    if (after === undefined || after?.[1] === state?.[1]) continue;
    if (state !== null) stretches.push([since, time, ...state]);
    [since, state] = [time, after];
  }
  if (state !== null) stretches.push([since, END, ...state]);
  return stretches;
}

function drawLife(plot, life, lanes) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const x = (time) => plot.valToPos(time, 'x', true);
  const laneTop = (lane) => plot.valToPos(lanes.length - lanes.indexOf(lane), 'y', true);
  const height = bbox.height / lanes.length;
  for (const [lane, stretches] of [
    ['page', pageBand(life)],
    ['translation', translationBand(life)],
  ]) {
    for (const [from, to, fill] of stretches) {
      ctx.fillStyle = color(fill);
      ctx.fillRect(x(from), laneTop(lane) + height * 0.22, Math.max(1, x(to) - x(from)), height * 0.56);
    }
  }
  for (const { time, kind } of life.events) {
    const [lane, fill] = EVENTS[kind];
    ctx.fillStyle = color(fill);
    ctx.fillRect(
      Math.round(x(time)) - devicePixelRatio,
      laneTop(lane) + height * 0.18,
      2 * devicePixelRatio,
      height * 0.64,
    );
  }
  ctx.restore();
}

function lifePlot(holder, life) {
  const used = new Set(['page', 'translation', ...life.events.map(({ kind }) => EVENTS[kind][0])]);
  const lanes = LANES.filter((lane) => used.has(lane));
  return makePlot(holder, {
    height: lanes.length * 26 + 44,
    scales: { y: { range: () => [0, lanes.length] } },
    axes: [
      {
        ...axisStyle(),
        size: 86,
        grid: { show: false },
        ticks: { show: false },
        splits: () => lanes.map((_, i) => i + 0.5),
        values: () => lanes.toReversed(),
      },
    ],
    series: [{ show: true, stroke: 'transparent', points: { show: false } }],
    data: [DATA.edges, DATA.edges.map(() => 0)],
    hooks: { draw: [(plot) => drawLife(plot, life, lanes)] },
    tip: (plot, _, time, y) => lifeTip(plot, life, lanes.toReversed()[Math.floor(y)], time),
  });
}

function lifeTip(plot, life, lane, time) {
  if (lane === 'page' || lane === 'translation') {
    const bands = lane === 'page' ? pageBand(life) : translationBand(life);
    const stretch = bands.find(([from, to]) => from <= time && time < to);
    if (stretch === undefined) return null;
    const [from, to, , what] = stretch;
    return [element('div', what), element('div', `for ${timeText(to - from)}`, 'hint')];
  }
  const reach = ((view[1] - view[0]) / plot.over.clientWidth) * 6;
  let nearest = null;
  for (const event of life.events) {
    const distance = Math.abs(event.time - time);
    if (EVENTS[event.kind][0] !== lane || distance > reach) continue;
    if (nearest === null || distance < Math.abs(nearest.time - time)) nearest = event;
  }
  if (nearest === null) return null;
  return [element('div', sayEvent(nearest)), element('div', timeText(nearest.time, 1), 'hint')];
}

/** What happened in the time that is seen. */
function lifeList(life) {
  const box = element('div', '', 'events');
  box.tabIndex = 0;
  const events = life.events.filter(({ time }) => view[0] <= time && time <= view[1]);
  const table = document.createElement('table');
  const head = table.createTHead().insertRow();
  head.append(element('th', 'time'), element('th', 'what happened'));
  const body = table.createTBody();
  for (const event of events.slice(0, MAX_LINES)) {
    const what = element('td', '');
    what.append(swatch(color(EVENTS[event.kind][1])), sayEvent(event));
    body.insertRow().append(element('td', timeText(event.time, 1)), what);
  }
  if (events.length > MAX_LINES)
    body
      .insertRow()
      .append(element('td', ''), element('td', `and ${whole(events.length - MAX_LINES)} more: zoom in`));
  box.append(table);
  return box;
}

/** Draws the life that is shown; the answer shows that of the page nearest to one. */
export function pageLife() {
  const card = document.getElementById('life');
  const input = card.querySelector('input');
  let plot = null;
  const draw = () => {
    discard(plot);
    plot = null;
    card.querySelector('.events')?.remove();
    const holder = holderIn(card);
    if (shownLife === null) return void holder.append(element('p', 'Nothing happened to any page.', 'none'));
    input.value = addressOf(shownLife);
    card.querySelector('.hint').textContent = lifeHint(shownLife);
    plot = lifePlot(holder, shownLife);
    card.append(lifeList(shownLife));
  };
  whenViewChanges(() => {
    if (shownLife !== null) card.querySelector('.events')?.replaceWith(lifeList(shownLife));
  });
  const show = (life) => {
    shownLife = life;
    draw();
  };
  steerLives(card, input, show);
  return { draw, pick: (page) => show(nearestLife(page)) };
}

function lifeHint({ events, dropped }) {
  const kept = LIVES.length === 1 ? 'one page' : `${whole(LIVES.length)} pages`;
  const earlier = dropped > 0 ? ` ${whole(dropped)} earlier ones were not kept.` : '';
  return `${whole(events.length)} events of this page; the report has the lives of ${kept}.${earlier}`;
}

function nearestLife(page) {
  let best = shownLife;
  for (const life of LIVES)
    if (best === null || Math.abs(life.page - page) < Math.abs(best.page - page)) best = life;
  return best;
}

function steerLives(card, input, show) {
  for (const button of card.querySelectorAll('[data-step]')) {
    button.disabled = shownLife === null;
    button.onclick = () => {
      const step = Number(button.dataset.step);
      const at = LIVES.indexOf(shownLife) + step;
      show(step === 0 ? busiest(LIVES) : LIVES[(at + LIVES.length) % LIVES.length]);
    };
  }
  input.disabled = shownLife === null;
  input.onchange = () => {
    const page = (Number(input.value) - DATA.ramBase) / 4096;
    show(Number.isNaN(page) ? shownLife : nearestLife(Math.floor(page)));
  };
}
