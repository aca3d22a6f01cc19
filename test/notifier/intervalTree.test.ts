// The interval tree against a list that is searched from end to end.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IntervalTree } from '../../src/notifier/intervalTree.ts';

interface Interval {
  readonly first: number;
  readonly last: number;
}

const interval = fc
  .record({ first: fc.integer({ min: -20, max: 60 }), length: fc.nat({ max: 30 }) })
  .map(({ first, length }): Interval => ({ first, last: first + length }));

describe('an interval tree', () => {
  it('finds what a search of all finds, in order, while items come and go', () => {
    const step = fc.record({ interval, removes: fc.option(fc.nat()), query: interval });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tree = new IntervalTree<Interval>();
        const all: Interval[] = [];
        for (const { interval: item, removes, query } of steps) {
          tree.insert(item, item.first, item.last);
          all.push(item);
          if (removes !== null) {
            const [gone] = all.splice(removes % all.length, 1);
            expect(tree.remove(gone!)).toBe(true);
            expect(tree.remove(gone!)).toBe(false);
          }
          const expected = all.filter(({ first, last }) => first <= query.last && last >= query.first);
          const sorted = expected.toSorted((a, b) => a.first - b.first);
          expect(tree.overlapping(query.first, query.last)).toEqual(sorted);
          expect(tree.size).toBe(all.length);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('stays flat when intervals come in order', () => {
    const tree = new IntervalTree<Interval>();
    for (let i = 0; i < 50_000; i++) tree.insert({ first: i, last: i }, i, i);
    expect(tree.overlapping(40_000, 40_001)).toEqual([
      { first: 40_000, last: 40_000 },
      { first: 40_001, last: 40_001 },
    ]);
  });
});
