// Puts the page together, and draws again when colours or the width change.

import { causesChart, memoryChart, workChart } from './charts.js';
import { whole } from './format.js';
import { heatMap } from './heat.js';
import { pageLife } from './life.js';
import { DATA, element, showView, steerZoom } from './plot.js';
import { applyTheme, whenThemeChanges } from './theme.js';

document.querySelector('h1').textContent = DATA.title;
document.querySelector('.command').textContent = DATA.command;
const verdict = document.querySelector('.verdict');
verdict.textContent = DATA.verdict;
verdict.classList.add(DATA.end);

for (const [value, label] of DATA.figures) {
  const figure = document.createElement('div');
  figure.append(element('dt', label), element('dd', value));
  document.querySelector('.figures').append(figure);
}

function counterTables() {
  const tables = element('div', '', 'tables');
  for (const [title, counters] of Object.entries(DATA.counters)) {
    const section = document.createElement('div');
    const table = document.createElement('table');
    for (const [name, value] of Object.entries(counters)) {
      if (value === 0) continue;
      table.insertRow().append(element('td', name), element('td', whole(value)));
    }
    section.append(element('h3', title), table);
    if (table.rows.length > 0) tables.append(section);
  }
  document.getElementById('counters').append(tables);
}

const life = pageLife();
const drawings = [
  workChart(),
  memoryChart(),
  causesChart('exits', DATA.exits),
  causesChart('notifier', DATA.notifier),
  heatMap(life.pick),
  life.draw,
];
const drawAll = () => {
  for (const draw of drawings) draw();
};

counterTables();
steerZoom();
showView();
applyTheme();
whenThemeChanges(drawAll);
drawAll();

let drawnWidth = innerWidth;
addEventListener('resize', () => {
  if (innerWidth === drawnWidth) return;
  drawnWidth = innerWidth;
  drawAll();
});
