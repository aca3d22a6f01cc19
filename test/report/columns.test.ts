// The time of a report: as many columns as there is room for, about equally long, and nothing lost when they are merged.

import { describe, expect, it } from 'vitest';
import { Counts, Levels, MAX_COLUMNS, TimeAxis } from '../../src/report/columns.ts';

/** Runs to `end` in steps of `step(time)`; one occurrence and the time as level at each. */
function recorded(end: number, step: (time: number) => number, rest = 1e9) {
  const axis = new TimeAxis(0);
  const counts = new Counts();
  const levels = new Levels();
  levels.add({ time: 0 }, null);
  let steps = 0;
  for (let time = 0; time < end; ) {
    time += step(time);
    steps++;
    counts.add('steps', 1);
    if (!axis.isDue(time)) continue;
    const merge = axis.end(time);
    counts.endColumn(merge);
    levels.add({ time }, merge);
  }
  const last = axis.edges.at(-1)! + rest;
  const merge = axis.close(last);
  counts.endColumn(merge);
  levels.add({ time: last }, merge);
  return { edges: axis.edges, counts: counts.record, levels: levels.record, steps };
}

describe('columns', () => {
  it.each([1e3, 1e6, 1e9, 60e9])('of a run of %d ns are few, and all that was counted is in them', (end) => {
    const { edges, counts, levels, steps } = recorded(end, () => Math.max(100, end / 5000));
    expect(edges.length).toBeLessThanOrEqual(MAX_COLUMNS + 1);
    expect(counts.steps).toHaveLength(edges.length - 1);
    expect(counts.steps!.reduce((a, b) => a + b, 0)).toBe(steps);
    expect(levels.time).toEqual(edges);
    expect(edges.toSorted((a, b) => a - b)).toEqual(edges);
  });

  it('are about equally long, also where a run began slowly', () => {
    const { edges } = recorded(1e9, (time) => (time < 1e7 ? 70_000 : 3000));
    const lengths = edges.slice(1, -1).map((edge, i) => edge - edges[i]!);
    expect(Math.max(...lengths)).toBeLessThan(2.1 * Math.min(...lengths));
    expect(edges.length).toBeGreaterThan(MAX_COLUMNS / 2);
  });

  it('are as long as they must be where nothing happened for long', () => {
    const { edges } = recorded(60e9, () => 90_000_000);
    expect(edges.length).toBeLessThanOrEqual(MAX_COLUMNS + 1);
    expect(edges.length).toBeGreaterThan(MAX_COLUMNS / 4);
  });

  it('do not end with a sliver', () => {
    const { edges, counts, levels, steps } = recorded(1e9, () => 100_000, 1);
    const lengths = edges.slice(1).map((edge, i) => edge - edges[i]!);
    expect(Math.min(...lengths)).toBeGreaterThan(100_000);
    expect(counts.steps!.reduce((a, b) => a + b, 0)).toBe(steps);
    expect(levels.time).toEqual(edges);
  });

  it('know a name from when it was first counted', () => {
    const counts = new Counts();
    counts.endColumn(null);
    counts.add('late', 2);
    counts.add('never', 0);
    counts.endColumn(null);
    expect(counts.record).toEqual({ late: [0, 2] });
  });
});
