// The page of a report: charts of a run, the heat map of its guest's memory, the life of each page of it.
//
// Style and scripts are files of page/, and uPlot's; they are put in here, with what was recorded as JSON.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { NOTIFIER_EVENTS } from '../trace/index.ts';
import type { HeatMapRecord } from './heatMap.ts';
import { LIFE_EVENTS, type PageLife } from './pageLives.ts';
import type { RunRecord } from './recorder.ts';
import { asset, htmlPage } from './shell.ts';

/** What the page says of a run beside what was recorded. */
export interface PageFacts {
  readonly title: string;
  /** How it ended, in a line, and whether that was well, not, or by a limit. */
  readonly verdict: string;
  readonly end: 'well' | 'badly' | 'early';
  readonly command: string;
  /** Large figures: a value, and what it is of. */
  readonly figures: readonly (readonly [value: string, label: string])[];
  readonly ramBase: number;
  readonly hostBytes: number;
  /** Tables of counters at the end, by title. */
  readonly counters: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Modules of page/, each after those that it imports. */
const SCRIPTS = ['format.js', 'theme.js', 'plot.js', 'charts.js', 'heat.js', 'life.js', 'main.js'];

/** Throws for a file of page/ that is not there, which is no mistake of the user. */
export const pageOf = (facts: PageFacts, record: RunRecord): string =>
  htmlPage({
    title: facts.title,
    style: `${ofUplot('uPlot.min.css')}\n${asset('page/page.css')}`,
    body: asset('page/body.html'),
    data: { ...facts, ...packed(record) },
    script: `${ofUplot('uPlot.iife.min.js')}\n(() => {\n${SCRIPTS.map(script).join('\n')}\n})();`,
  });

/** As part of one script that has all modules in it: no name stands in two of them, and nothing is imported by another. */
const script = (name: string): string =>
  asset(`page/${name}`)
    .replace(/^import [^;]*;\n/gm, '')
    .replace(/^export /gm, '');

const ofUplot = (name: string): string =>
  readFileSync(createRequire(import.meta.url).resolve(`uplot/dist/${name}`), 'utf8');

const packed = ({ heat, lives, ...rest }: RunRecord) => ({
  ...rest,
  heat: packedHeat(heat),
  lifeEvents: LIFE_EVENTS,
  notifierEvents: NOTIFIER_EVENTS,
  lives: lives.map(packedLife),
});

/** Cells as bytes in base64, column by column: shares of a row's pages, and faults on a scale of logarithms. */
function packedHeat({ pagesPerRow, rows, resident, swapped, faults }: HeatMapRecord) {
  const share = (pages: number): number => Math.round((255 * pages) / pagesPerRow);
  return {
    pagesPerRow,
    rows,
    columns: resident.length,
    resident: bytesOf(resident, share),
    swapped: bytesOf(swapped, share),
    faults: bytesOf(faults, (count) => Math.round(16 * Math.log2(1 + count))),
  };
}

const bytesOf = (columns: readonly (readonly number[])[], byte: (value: number) => number): string =>
  Buffer.from(columns.flatMap((column) => column.map((value) => Math.min(255, byte(value))))).toString(
    'base64',
  );

/** Times as differences, which are shorter. */
function packedLife({ page, events, dropped }: PageLife) {
  let last = 0;
  return {
    page,
    dropped,
    events: events.map((word, i) => {
      if (i % 3 !== 0) return word;
      const passed = word - last;
      last = word;
      return passed;
    }),
  };
}
