// What all plots share: the axis of time, which they zoom together, the cursor, and the box that tells what is under it.

import { timeText } from './format.js';
import { color } from './theme.js';

export const DATA = JSON.parse(document.getElementById('data').textContent);
export const START = DATA.edges[0];
export const END = DATA.edges.at(-1);
const NARROW = 560;

/** Every plot that is drawn, and what is seen of the run. */
const plots = new Set();
export let view = [START, END];

let onView = () => {};

/** Calls `listener` when other times are seen. */
export function whenViewChanges(listener) {
  onView = listener;
}

/** Shows `from` to `to` in all plots. */
function zoomTo(from, to) {
  const span = Math.max(Math.min(to - from, END - START), Math.min(20, END - START));
  const start = Math.min(Math.max(from, START), END - span);
  view = [start, start + span];
  for (const plot of plots) plot.setScale('x', { min: view[0], max: view[1] });
  showView();
  onView();
}

export function showView() {
  const [from, to] = view;
  const isAll = from <= START && to >= END;
  const text = isAll
    ? `${timeText(END - START, (END - START) / 1000)} of virtual time${isNarrow() ? '' : '. Drag in a plot to zoom'}`
    : `${timeText(from, to - from)} to ${timeText(to, (to - from) / 100)}`;
  document.querySelector('.zoom .span').textContent = text;
  document.querySelector('[data-zoom="all"]').disabled = isAll;
}

export function steerZoom() {
  const steps = {
    back: ([from, to]) => [from - (to - from) / 2, to - (to - from) / 2],
    on: ([from, to]) => [from + (to - from) / 2, to + (to - from) / 2],
    in: ([from, to]) => [from + (to - from) / 4, to - (to - from) / 4],
    out: ([from, to]) => [from - (to - from) / 2, to + (to - from) / 2],
    all: () => [START, END],
  };
  for (const button of document.querySelectorAll('[data-zoom]'))
    button.onclick = () => zoomTo(...steps[button.dataset.zoom](view));
}

export const isNarrow = () => innerWidth < NARROW;

function axisStyle() {
  return {
    stroke: color('soft'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('line'), width: 1 },
    ticks: { stroke: color('line'), width: 1, size: 4 },
  };
}

const timeAxis = () => ({
  ...axisStyle(),
  space: isNarrow() ? 70 : 90,
  size: 28,
  values: (_, marks) => marks.map((mark) => (mark === 0 ? '0' : timeText(mark, marks[1] - marks[0]))),
});

/**
 * A plot in `holder`. `tip(plot, index, x, y)` tells what is under the cursor: the index of the last edge before it, and
 * the values that it points at; null for nothing.
 */
export function makePlot(holder, { height, scales, axes, series, bands, data, hooks = {}, tip, onPick }) {
  holder.replaceChildren();
  const box = document.createElement('div');
  box.className = 'tip';
  box.hidden = true;
  const plot = new uPlot(
    {
      width: holder.clientWidth,
      height,
      legend: { show: false },
      padding: [8, 6, 0, 0],
      cursor: {
        sync: { key: 'run', scales: ['x', null], setSeries: false },
        drag: { x: true, y: false, dist: 4 },
        points: { show: false },
        y: false,
      },
      scales: { x: { time: false, range: timeRange() }, ...scales },
      axes: [timeAxis(), ...axes],
      series: [{}, ...series],
      bands,
      hooks: {
        ...hooks,
        setScale: [(self, key) => key === 'x' && takeZoom(self)],
        setCursor: [(self) => showTip(self, box, tip)],
      },
    },
    data,
    holder,
  );
  holder.append(box);
  plot.over.addEventListener('mouseleave', () => {
    box.hidden = true;
  });
  plot.over.addEventListener('dblclick', () => zoomTo(START, END));
  if (onPick !== undefined) watchPicks(plot, onPick);
  plots.add(plot);
  return plot;
}

/** Takes a plot away, if there is one. */
export function discard(plot) {
  if (plot === null) return;
  plots.delete(plot);
  plot.destroy();
}

/** What uPlot asks for, but for the first time, when it asks for everything. */
function timeRange() {
  let isFirst = true;
  return (_, min, max) => {
    const range = isFirst ? view : [min, max];
    isFirst = false;
    return range;
  };
}

/** The reader has selected a stretch, or another plot has. */
function takeZoom(plot) {
  const { min, max } = plot.scales.x;
  if (min !== view[0] || max !== view[1]) zoomTo(min, max);
}

function watchPicks(plot, onPick) {
  let pressed = 0;
  plot.over.addEventListener('mousedown', ({ clientX }) => {
    pressed = clientX;
  });
  plot.over.addEventListener('click', (event) => {
    if (Math.abs(event.clientX - pressed) > 3) return;
    const { left, top } = plot.over.getBoundingClientRect();
    onPick(plot.posToVal(event.clientX - left, 'x'), plot.posToVal(event.clientY - top, 'y'));
  });
}

/** Index of the column that `time` lies in. */
function columnAt(time) {
  let [low, high] = [0, DATA.edges.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (DATA.edges[middle] <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

function showTip(plot, box, tip) {
  const { left, top, event } = plot.cursor;
  // A cursor that another plot moves has no box here.
  const isHere = left >= 0 && event?.type === 'mousemove' && plot.over.contains(event.target);
  const time = plot.posToVal(left, 'x');
  const content = isHere ? tip(plot, columnAt(time), time, plot.posToVal(top, 'y')) : null;
  box.hidden = content === null;
  if (content === null) return;
  box.replaceChildren(...content);
  const x = plot.over.offsetLeft + left;
  const isRight = left > plot.over.clientWidth / 2;
  box.style.left = isRight ? '' : `${x + 14}px`;
  box.style.right = isRight ? `${box.parentNode.clientWidth - x + 14}px` : '';
  box.style.top = `${Math.max(0, plot.over.offsetTop + Math.min(top, plot.over.clientHeight - 40) - 20)}px`;
}

export function element(tag, text, className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}

export function swatch(fill) {
  const made = document.createElement('i');
  made.style.background = fill;
  return made;
}

/** A table of a tip: rows of a colour or null, a name and a value. */
export function tipTable(rows) {
  const table = document.createElement('table');
  for (const [fill, name, value] of rows) {
    const [row, left] = [table.insertRow(), element('td', '')];
    if (fill !== null) left.append(swatch(fill));
    left.append(name);
    row.append(left, element('td', value));
  }
  return table;
}

export const stretchText = (column) => {
  const [from, to] = [DATA.edges[column], DATA.edges[column + 1]];
  return element('div', `${timeText(from, to - from)} to ${timeText(to, to - from)}`, 'hint');
};
