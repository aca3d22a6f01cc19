// The heat map of guest memory: a row for some pages, a column for some time.

import { holderIn } from './charts.js';
import { bytesText, hex, whole } from './format.js';
import { DATA, discard, element, isNarrow, makePlot, stretchText, swatch, tipTable } from './plot.js';
import { color, rgb } from './theme.js';

const HEAT = DATA.heat;
const CELLS = Object.fromEntries(
  ['resident', 'swapped', 'faults'].map((name) => [
    name,
    Uint8Array.from(atob(HEAT[name]), (letter) => letter.charCodeAt(0)),
  ]),
);
/** Colours from no fault to the most. */
const HEAT_STEPS = ['untouched', 'warm', 'hot', 'hottest'];
let heatView = 'place';

const addressOfRow = (row) => DATA.ramBase + HEAT.rows[row] * 4096;

/** Rows upwards, as an address space is drawn. */
function heatImage() {
  const { rows, columns } = HEAT;
  const image = new ImageData(columns, rows.length);
  const paint = heatView === 'place' ? placePaint() : faultPaint();
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows.length; row++) {
      const pixel = 4 * ((rows.length - 1 - row) * columns + column);
      image.data.set(paint(column * rows.length + row), pixel);
    }
  }
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows.length;
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}

/** A mixture of what a row's pages are. */
function placePaint() {
  const [none, resident, swapped] = [rgb('untouched'), rgb('resident'), rgb('swapped')];
  return (cell) => {
    const [r, s] = [CELLS.resident[cell] / 255, CELLS.swapped[cell] / 255];
    return [...none.map((n, i) => n * Math.max(0, 1 - r - s) + resident[i] * r + swapped[i] * s), 255];
  };
}

function faultPaint() {
  const most = Math.max(...faultRange());
  const stops = HEAT_STEPS.map(rgb);
  return (cell) => {
    const at = (CELLS.faults[cell] / most) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    return [...stops[low].map((n, i) => n + (stops[low + 1][i] - n) * (at - low)), 255];
  };
}

const faultRange = () => [1, CELLS.faults.reduce((a, b) => Math.max(a, b), 0)];

const faultsIn = (cell) => Math.round(2 ** (CELLS.faults[cell] / 16) - 1);

function drawHeat(plot, image) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.imageSmoothingEnabled = false;
  const [top, bottom] = [plot.valToPos(HEAT.rows.length, 'y', true), plot.valToPos(0, 'y', true)];
  for (let column = 0; column < HEAT.columns; column++) {
    const left = Math.floor(plot.valToPos(DATA.edges[column], 'x', true));
    const right = Math.ceil(plot.valToPos(DATA.edges[column + 1], 'x', true));
    if (right < bbox.left || left > bbox.left + bbox.width) continue;
    ctx.drawImage(image, column, 0, 1, image.height, left, top, right - left, bottom - top);
  }
  drawGaps(plot);
  ctx.restore();
}

/** A line where the pages of two rows do not follow one another. */
function drawGaps(plot) {
  const { ctx, bbox } = plot;
  ctx.fillStyle = color('card');
  for (let row = 1; row < HEAT.rows.length; row++) {
    if (HEAT.rows[row] === HEAT.rows[row - 1] + HEAT.pagesPerRow) continue;
    ctx.fillRect(
      bbox.left,
      plot.valToPos(row, 'y', true) - devicePixelRatio,
      bbox.width,
      2 * devicePixelRatio,
    );
  }
}

function heatLegend(card) {
  const legend = element('div', '', 'legend');
  const entry = (fill, text) => {
    const made = element('span', '');
    made.append(swatch(fill), text);
    legend.append(made);
  };
  if (heatView === 'place') {
    entry(color('resident'), 'in memory');
    entry(color('swapped'), 'in swap');
    entry(color('untouched'), 'nowhere yet');
  } else {
    const steps = HEAT_STEPS.map(color).join(', ');
    entry(
      `linear-gradient(90deg, ${steps})`,
      `none to ${whole(2 ** (Math.max(...faultRange()) / 16) - 1)} faults in a cell`,
    );
    legend.querySelector('i').style.width = '80px';
  }
  card.querySelector('.legend')?.remove();
  card.append(legend);
}

/** Draws the map; `pick(page)` when somebody clicks at one. */
export function heatMap(pick) {
  const card = document.getElementById('heat');
  const rowText =
    HEAT.pagesPerRow === 1 ? 'a page' : `${HEAT.pagesPerRow} pages (${bytesText(HEAT.pagesPerRow * 4096)})`;
  card.querySelector('.hint').textContent =
    HEAT.rows.length === 0
      ? ''
      : `Each row is ${rowText} that the run touched, by guest physical address. Click to see the life of a page.`;
  let plot = null;
  const draw = () => {
    discard(plot);
    plot = null;
    for (const button of card.querySelectorAll('[data-view]')) {
      button.setAttribute('aria-pressed', String(button.dataset.view === heatView));
      button.onclick = () => {
        heatView = button.dataset.view;
        draw();
      };
    }
    heatLegend(card);
    const holder = holderIn(card);
    if (HEAT.rows.length === 0) holder.append(element('p', 'The guest had no memory.', 'none'));
    else plot = heatPlot(holder, pick);
  };
  return draw;
}

function heatPlot(holder, pick) {
  const image = heatImage();
  const count = HEAT.rows.length;
  holder.classList.add('picks');
  return makePlot(holder, {
    height: isNarrow() ? 260 : 380,
    scales: { y: { range: () => [0, count] } },
    axes: [
      {
        ...axisStyle(),
        size: 86,
        grid: { show: false },
        incrs: [1, 2, 4, 8, 16, 32, 64, 128, 256],
        values: (_, marks) =>
          marks.map((row) => (row < count && Number.isInteger(row) ? hex(addressOfRow(row)) : '')),
      },
    ],
    series: [{ show: true, stroke: 'transparent', points: { show: false } }],
    data: [DATA.edges, DATA.edges.map(() => 0)],
    hooks: { draw: [(plot) => drawHeat(plot, image)] },
    tip: (_, column, __, y) => heatTip(column, Math.floor(y)),
    onPick: (_, y) => pick(HEAT.rows[Math.min(Math.max(Math.floor(y), 0), count - 1)]),
  });
}

function heatTip(column, row) {
  if (row < 0 || row >= HEAT.rows.length) return null;
  const cell = column * HEAT.rows.length + row;
  const pages = (bytes) => whole((bytes * HEAT.pagesPerRow) / 255);
  const start = addressOfRow(row);
  return [
    element('div', `${hex(start)} to ${hex(start + HEAT.pagesPerRow * 4096)}`),
    stretchText(column),
    tipTable([
      [color('resident'), 'pages in memory', pages(CELLS.resident[cell])],
      [color('swapped'), 'pages in swap', pages(CELLS.swapped[cell])],
      [null, 'faults', whole(faultsIn(cell))],
    ]),
  ];
}
