// The heat map of guest memory: rows of pages, by columns of time: how many of a row's pages are in memory, how many in
// swap, and how many faults they took.
//
// Only rows that something has touched are kept, and when there are more than MAX_ROWS, neighbours become one: so a small
// guest in a large RAM has a row for each page.
//
// Invariant: rows are in the order in which they were touched; columns that ended before a row was touched have none.

import type { Merge } from './columns.ts';

const MAX_ROWS = 256;
/** A cell: pages in memory and in swap at the column's end, faults in it. */
const RESIDENT = 0;
const SWAPPED = 1;
const FAULTS = 2;
const METRICS = 3;

export interface HeatMapRecord {
  /** A row's pages follow one another, and begin at a multiple of this. */
  readonly pagesPerRow: number;
  /** First page of each row, rising; pages count from the start of RAM. */
  readonly rows: readonly number[];
  /** Of each metric a list for each column, with a number for each row. */
  readonly resident: readonly (readonly number[])[];
  readonly swapped: readonly (readonly number[])[];
  readonly faults: readonly (readonly number[])[];
}

type Column = number[];

export class HeatMap {
  #pagesPerRow = 1;
  /** By number of the row in memory. */
  #rows = new Map<number, number>();
  #columns: Column[] = [[]];

  fault(page: number): void {
    this.#add(page, FAULTS);
  }

  /** For each page that is somewhere, before the column ends. */
  place(page: number, isInSwap: boolean): void {
    this.#add(page, isInSwap ? SWAPPED : RESIDENT);
  }

  endColumn(merge: Merge | null): void {
    if (merge !== null) {
      this.#columns = merge.map((last, i) =>
        mergeColumns(this.#columns.slice(i === 0 ? 0 : merge[i - 1]! + 1, last + 1)),
      );
    }
    this.#columns.push([]);
  }

  get record(): HeatMapRecord {
    const rows = [...this.#rows].toSorted(([a], [b]) => a - b);
    const whole = this.#columns.slice(0, -1);
    const metric = (which: number): number[][] =>
      whole.map((column) => rows.map(([, index]) => column[index * METRICS + which] ?? 0));
    return {
      pagesPerRow: this.#pagesPerRow,
      rows: rows.map(([row]) => row * this.#pagesPerRow),
      resident: metric(RESIDENT),
      swapped: metric(SWAPPED),
      faults: metric(FAULTS),
    };
  }

  #add(page: number, metric: number): void {
    const at = this.#rowOf(page) * METRICS + metric;
    const column = this.#columns.at(-1)!;
    while (column.length <= at) column.push(0);
    column[at] = column[at]! + 1;
  }

  #rowOf(page: number): number {
    for (;;) {
      const row = Math.floor(page / this.#pagesPerRow);
      const index = this.#rows.get(row);
      if (index !== undefined) return index;
      if (this.#rows.size < MAX_ROWS) {
        this.#rows.set(row, this.#rows.size);
        return this.#rows.size - 1;
      }
      this.#mergeRows();
    }
  }

  #mergeRows(): void {
    const merged = new Map<number, number>();
    const into: number[] = [];
    for (const [row, index] of this.#rows) {
      const half = Math.floor(row / 2);
      if (!merged.has(half)) merged.set(half, merged.size);
      into[index] = merged.get(half)!;
    }
    this.#columns = this.#columns.map((column) => {
      const sums: Column = new Array(merged.size * METRICS).fill(0);
      column.forEach((value, at) => {
        const to = into[Math.floor(at / METRICS)]! * METRICS + (at % METRICS);
        sums[to] = sums[to]! + value;
      });
      return sums;
    });
    this.#rows = merged;
    this.#pagesPerRow *= 2;
  }
}

/** Places at the end of the last of them, faults in all of them. */
function mergeColumns(columns: readonly Column[]): Column {
  const merged = columns.at(-1)!;
  for (const column of columns.slice(0, -1)) {
    for (let at = FAULTS; at < column.length; at += METRICS) {
      while (merged.length <= at) merged.push(0);
      merged[at] = merged[at]! + column[at]!;
    }
  }
  return merged;
}
