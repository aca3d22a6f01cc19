// The charts over time: rates of what happened in each column, stacked or as lines, and levels at its edges.

import { bytesText, compact, whole } from './format.js';
import { DATA, discard, element, isNarrow, makePlot, stretchText, swatch, tipTable } from './plot.js';
import { color } from './theme.js';

const PALETTE = ['blue', 'orange', 'green', 'purple', 'red', 'teal', 'gold', 'gray'];
const MILLISECOND = 1e6;
const POWERS = Array.from({ length: 40 }, (_, i) => 2 ** i);

/** A legend whose entries show and hide; calls `redraw` after each change. */
function legendOf(card, series, hidden, redraw) {
  const legend = element('div', '', 'legend');
  for (const { name, fill, note } of series) {
    const entry = element('button', '');
    entry.type = 'button';
    entry.setAttribute('aria-pressed', String(!hidden.has(name)));
    entry.append(swatch(color(fill)), name, element('b', note));
    entry.onclick = () => {
      if (!hidden.delete(name)) hidden.add(name);
      redraw();
    };
    legend.append(entry);
  }
  card.querySelector('.legend')?.remove();
  card.append(legend);
}

export function holderIn(card) {
  card.querySelector('.plot')?.remove();
  const holder = element('div', '', 'plot');
  card.append(holder);
  return holder;
}

/** Draws the chart of `card`, and again when an entry of its legend is pressed. */
function chart(card, series, { stacked = false, isRate = true, text = compact, incrs, most }) {
  const hidden = new Set();
  let plot = null;
  const draw = () => {
    discard(plot);
    legendOf(card, series, hidden, draw);
    const holder = holderIn(card);
    if (series.length === 0) return void holder.append(element('p', 'None in this run.', 'none'));
    const shown = series.filter(({ name }) => !hidden.has(name));
    plot = plotOf(holder, shown, { stacked, isRate, text, incrs, most });
  };
  return draw;
}

function plotOf(holder, shown, { stacked, isRate, text, incrs, most }) {
  const curves = stacked ? stack(shown) : shown.map(({ values }) => values);
  // What lies below is drawn over what lies above it.
  const order = stacked ? shown.map((_, i) => shown.length - 1 - i) : shown.map((_, i) => i);
  return makePlot(holder, {
    height: isNarrow() ? 190 : 230,
    scales: { y: { range: (_, __, max) => [0, Math.max(max, most ?? 0, 1e-9) * 1.06] } },
    axes: [{ ...axisStyle(), size: 54, ...(incrs && { incrs }), values: (_, marks) => marks.map(text) }],
    series: order.map((i) => styleOf(shown[i], stacked, isRate)),
    data: [DATA.edges, ...order.map((i) => curves[i])],
    hooks: most === undefined ? {} : { draw: [(plot) => drawLimit(plot, most)] },
    tip: (_, column) => [
      stretchText(column),
      tipTable(
        shown.map(({ name, fill, values }) => [
          color(fill),
          name,
          text(values[isRate ? column : column + 1]),
        ]),
      ),
    ],
  });
}

const styleOf = ({ fill, area }, stacked, isRate) => ({
  stroke: color(fill),
  width: stacked ? 0.5 : 1.5,
  fill: stacked ? color(fill) : area ? `${color(fill)}26` : undefined,
  points: { show: false },
  paths: isRate ? uPlot.paths.stepped({ align: 1 }) : undefined,
});

/** Sums from the first on. */
function stack(series) {
  let below = new Array(DATA.edges.length).fill(0);
  return series.map(({ values }) => {
    below = below.map((sum, i) => sum + values[i]);
    return below;
  });
}

function drawLimit(plot, value) {
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(value, 'y', true));
  ctx.save();
  ctx.strokeStyle = color('soft');
  ctx.setLineDash([6 * devicePixelRatio, 5 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

/** Per millisecond in each column; the last value stands for the last edge. */
function rates(counts) {
  const values = counts.map((n, i) => (n * MILLISECOND) / (DATA.edges[i + 1] - DATA.edges[i]));
  return [...values, values.at(-1) ?? 0];
}

const total = (counts) => counts.reduce((a, b) => a + b, 0);

const NONE = DATA.edges.slice(1).map(() => 0);

const rateSeries = (name, counts, fill) => ({
  name,
  fill,
  values: rates(counts ?? NONE),
  note: whole(total(counts ?? NONE)),
});

export const workChart = () =>
  chart(
    document.getElementById('work'),
    [
      rateSeries('guest faults', DATA.work.faults, 'blue'),
      rateSeries('pages to swap', DATA.work.pswpout, 'orange'),
      rateSeries('pages from swap', DATA.work.pswpin, 'green'),
    ],
    {},
  );

export function memoryChart() {
  const level = (name, key, fill) => {
    const values = DATA.levels[key].map((pages) => pages * 4096);
    return { name, fill, values, area: true, note: `most ${bytesText(Math.max(...values))}` };
  };
  const series = [
    level('in use', 'memory', 'blue'),
    level('tables', 'tables', 'teal'),
    level('swap', 'swap', 'orange'),
  ];
  const options = { isRate: false, text: bytesText, incrs: POWERS, most: DATA.hostBytes };
  return chart(document.getElementById('memory'), series, options);
}

export const causesChart = (id, counts) =>
  chart(
    document.getElementById(id),
    Object.entries(counts).map(([name, values], i) => rateSeries(name, values, PALETTE[i % PALETTE.length])),
    { stacked: true },
  );
