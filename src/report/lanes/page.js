// The steps of a run in lanes, and the state at one of them.

const DATA = JSON.parse(document.getElementById('data').textContent);
const scrubber = document.getElementById('scrubber');
const list = document.getElementById('steps');
const arrows = document.getElementById('arrows');
const all = document.getElementById('all');
const last = DATA.trace.length - 1;

function element(tag, text = '', className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}

const title = document.querySelector('h1');
title.textContent =
  DATA.found === null
    ? `${DATA.scenario}: passes`
    : `${DATA.scenario}: ${DATA.found.invariant}, ${DATA.preemptions} pre-emption${DATA.preemptions === 1 ? '' : 's'}`;
title.classList.add(DATA.found === null ? 'pass' : 'fail');
document.querySelector('.why').textContent = DATA.found?.message ?? '';
document.querySelector('.replay').textContent = DATA.replay;
document.documentElement.style.setProperty('--lanes', DATA.tasks.length);
scrubber.max = last;

const heads = document.getElementById('heads');
heads.append(element('span'), ...DATA.tasks.map((task) => element('span', task)));

/** A change reads "name old -> new". */
function changeOf(text) {
  const [, name, now] = /^(.*) \S+ -> (.*)$/.exec(text) ?? [null, text, ''];
  return { name, now };
}

/** A step that others have to do with, or the last. */
const tells = (step, index) =>
  index === last || (step.changes.length > 0 && (step.isShared || step.point === null));

let rows = [];
let edges = [];
let current = last;

function drawSteps() {
  rows = [];
  const items = [];
  let task = '';
  for (const [index, step] of DATA.trace.entries()) {
    if (!all.checked && !tells(step, index)) continue;
    const item = element('li');
    const box = element('div', '', 'box');
    box.style.setProperty('--lane', DATA.tasks.indexOf(step.task));
    box.append(element('span', `${step.task} `, 'task'));
    const lines = step.changes.length > 0 ? step.changes : [step.point ?? 'goes on'];
    for (const line of lines) box.append(element('div', line));
    box.append(element('small', step.site));
    if (step.held.length > 0) box.append(element('small', `holds ${step.held.join(', ')}`));
    item.append(element('span', String(step.number), 'number'), box);
    if (step.task !== task && task !== '') item.classList.add('switch');
    if (index === last && DATA.found !== null) item.classList.add('bad');
    item.addEventListener('click', () => show(index));
    task = step.task;
    rows.push({ index, step, item, box });
    items.push(item);
  }
  list.replaceChildren(...items);
  findEdges();
  drawArrows();
}

/** From the last access of an object by one task to the next by another. */
function findEdges() {
  edges = [];
  const lastOf = new Map();
  for (const row of rows) {
    const { point, task, isShared } = row.step;
    if (point === null || !isShared) continue;
    const from = lastOf.get(point);
    if (from !== undefined && from.step.task !== task) edges.push({ from, to: row });
    lastOf.set(point, row);
  }
}

function drawArrows() {
  const origin = document.getElementById('lanes').getBoundingClientRect();
  const scroll = document.getElementById('lanes').scrollLeft;
  const place = ({ box }, side) => {
    const { left, right, top, height } = box.getBoundingClientRect();
    return [(side === 'left' ? left : right) - origin.left + scroll, top - origin.top + height / 2];
  };
  const paths = edges.map(({ from, to }) => {
    const goesRight = DATA.tasks.indexOf(from.step.task) < DATA.tasks.indexOf(to.step.task);
    const [x1, y1] = place(from, goesRight ? 'right' : 'left');
    const [x2, y2] = place(to, goesRight ? 'left' : 'right');
    const bend = goesRight ? 30 : -30;
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`);
    if (from.index === current || to.index === current) path.setAttribute('class', 'now');
    return path;
  });
  arrows.setAttribute('width', list.scrollWidth);
  arrows.setAttribute('height', list.scrollHeight + heads.offsetHeight);
  arrows.replaceChildren(...paths);
}

function drawState() {
  const state = new Map();
  for (const step of DATA.trace.slice(0, current + 1)) {
    for (const text of step.changes) {
      const { name, now } = changeOf(text);
      state.delete(name);
      state.set(name, { now, isNew: step.number === current + 1 });
    }
  }
  const lines = [...state].reverse().map(([name, { now, isNew }]) => {
    const row = element('tr', '', isNew ? 'new' : '');
    row.append(element('td', name), element('td', now));
    return row;
  });
  document.getElementById('state').replaceChildren(...lines);
}

function show(index) {
  current = Math.min(last, Math.max(0, index));
  scrubber.value = current;
  document.getElementById('where').textContent = `${current + 1} / ${last + 1}`;
  for (const row of rows) {
    row.item.classList.toggle('now', row.index === current);
    row.item.classList.toggle('future', row.index > current);
  }
  drawState();
  drawArrows();
}

/** The row next to the current step. */
function move(by) {
  const others = rows.filter(({ index }) => (by > 0 ? index > current : index < current));
  const next = by > 0 ? others[0] : others.at(-1);
  if (next === undefined) return;
  show(next.index);
  next.item.scrollIntoView({ block: 'center' });
}

scrubber.addEventListener('input', () => show(Number(scrubber.value)));
document.getElementById('back').addEventListener('click', () => move(-1));
document.getElementById('on').addEventListener('click', () => move(1));
all.addEventListener('change', () => {
  drawSteps();
  show(current);
});
addEventListener('resize', drawArrows);
addEventListener('keydown', ({ key }) => {
  if (key === 'ArrowUp' || key === 'ArrowDown') move(key === 'ArrowUp' ? -1 : 1);
});
drawSteps();
show(last);
