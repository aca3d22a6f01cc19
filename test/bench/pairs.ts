// What something costs, from runs side by side: with it and without, one after the other, in random order.
//
// Whatever else the computer does hits all of a round alike, so the ratio of a round is better than its times; the median
// of many is better still, for what hits one run of a short round alone leaves it alone; and its confidence interval says
// how much it is worth. Several instances take part for each side, for the compiler treats no two quite alike, and the one
// in their middle speaks for them.

import type { Random } from '../../src/sched/index.ts';
import { median } from './measure.ts';

export interface Interval {
  readonly median: number;
  /** Of the 95 % confidence interval of the median, by order statistics. */
  readonly low: number;
  readonly high: number;
}

/** Instances of one thing: each call does the same work. */
export type Side = readonly (() => void)[];

/** The time that each side takes, the median of its instances, a round a row; in ms. */
export function timeRounds(sides: readonly Side[], rounds: number, random: Random): number[][] {
  const runs = sides.flatMap((side, index) => side.map((run) => ({ index, run })));
  return Array.from({ length: rounds }, () => {
    const times: number[][] = sides.map(() => []);
    shuffle(runs, random);
    for (const { index, run } of runs) {
      const begin = performance.now();
      run();
      times[index]!.push(performance.now() - begin);
    }
    return times.map(median);
  });
}

function shuffle<T>(values: T[], random: Random): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
}

/** Of at least six values. */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  // The ranks of the binomial distribution, by its normal approximation.
  const reach = 1.96 * Math.sqrt(n) * 0.5;
  const low = sorted[Math.max(0, Math.floor(n / 2 - reach))]!;
  const high = sorted[Math.min(n - 1, Math.ceil(n / 2 + reach))]!;
  return { median: (sorted[(n - 1) >> 1]! + sorted[n >> 1]!) / 2, low, high };
}
