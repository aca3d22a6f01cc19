// The time of a report, cut into columns, and what was counted in each: named counts of the column, named levels at its
// edges.
//
// A run may last for minutes and its report must not grow with it: when there are MAX_COLUMNS, neighbours become one, and
// columns are at least twice as long from then on.
//
// Invariant: an edge is the first moment at or after a multiple of the length at which somebody asked, so that columns
// are about equally long however long the run was when they began.

export const MAX_COLUMNS = 384;
/** Of a column at first: ns of virtual time. */
const FIRST_LENGTH = 10_000;

/** Which columns become one: for each new column the number of the last old one in it. */
export type Merge = readonly number[];

export class TimeAxis {
  /** Where columns begin and end: ns, rising. */
  edges: number[];
  #length = FIRST_LENGTH;

  constructor(start: number) {
    this.edges = [start];
  }

  /** The column under way is over. */
  isDue(time: number): boolean {
    return this.#cellOf(time) > this.#cellOf(this.edges.at(-1)!);
  }

  /** Ends the column under way. What must be merged now, or null. */
  end(time: number): Merge | null {
    this.edges.push(time);
    return this.edges.length > MAX_COLUMNS ? this.#lengthen() : null;
  }

  /** As end(), of the run: a rest that is much shorter than a column belongs to the one before, or its rates are noise. */
  close(time: number): Merge | null {
    const columns = this.edges.length;
    if (columns < 2 || (time - this.edges.at(-1)!) * 2 >= this.#length) return this.end(time);
    this.edges.splice(-1, 1, time);
    return Array.from({ length: columns - 1 }, (_, i) => (i === columns - 2 ? columns - 1 : i));
  }

  /** Columns may be longer than they must, where nothing happened: one doubling need not do. */
  #lengthen(): Merge {
    let kept: number[];
    do {
      this.#length *= 2;
      kept = this.#edgesToKeep();
    } while (kept.length > (MAX_COLUMNS * 3) / 4);
    this.edges = kept.map((index) => this.edges[index]!);
    return kept.slice(1).map((index) => index - 1);
  }

  /** The first and the last, and each that is the first in its cell. */
  #edgesToKeep(): number[] {
    const kept = [0];
    for (let i = 1; i < this.edges.length; i++) {
      const isNext = this.#cellOf(this.edges[i]!) > this.#cellOf(this.edges[kept.at(-1)!]!);
      if (isNext || i === this.edges.length - 1) kept.push(i);
    }
    return kept;
  }

  #cellOf = (time: number): number => Math.floor(time / this.#length);
}

/** What was counted in each column, by name. */
export class Counts {
  readonly #counts = new Map<string, number[]>();
  #columns = 0;

  /** In the column under way. */
  add(name: string, amount: number): void {
    const counts = this.#counts.get(name);
    if (counts !== undefined) counts[this.#columns] = counts[this.#columns]! + amount;
    else if (amount !== 0) this.#counts.set(name, [...new Array<number>(this.#columns).fill(0), amount]);
  }

  endColumn(merge: Merge | null): void {
    this.#columns = merge === null ? this.#columns + 1 : merge.length;
    for (const [name, counts] of this.#counts) {
      if (merge === null) counts.push(0);
      else this.#counts.set(name, [...sums(counts, merge), 0]);
    }
  }

  /** Most frequent first, a number for each column. */
  get record(): Readonly<Record<string, readonly number[]>> {
    const whole = [...this.#counts].map(([name, counts]) => [name, counts.slice(0, this.#columns)] as const);
    return Object.fromEntries(whole.toSorted(([, a], [, b]) => total(b) - total(a)));
  }
}

/** How much there was at each edge, by name. */
export class Levels {
  #edges: Readonly<Record<string, number>>[] = [];

  /** The first edge, or that of the column that has ended. */
  add(levels: Readonly<Record<string, number>>, merge: Merge | null): void {
    this.#edges.push(levels);
    if (merge !== null) this.#edges = [this.#edges[0]!, ...merge.map((last) => this.#edges[last + 1]!)];
  }

  get record(): Readonly<Record<string, readonly number[]>> {
    const names = Object.keys(this.#edges[0] ?? {});
    return Object.fromEntries(names.map((name) => [name, this.#edges.map((levels) => levels[name]!)]));
  }
}

function sums(counts: readonly number[], merge: Merge): number[] {
  return merge.map((last, i) => total(counts.slice(i === 0 ? 0 : merge[i - 1]! + 1, last + 1)));
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
