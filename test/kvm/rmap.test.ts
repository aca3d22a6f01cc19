// The gfn rmap against a plain map of sets.

import { describe, expect, it } from 'vitest';
import { GfnRmap } from '../../src/kvm/rmap.ts';
import { Random } from '../../src/sched/index.ts';
import type { Gfn, Hpa } from '../../src/units.ts';
import { bugOf } from '../support/tasks.ts';

const BASE = 0x80_0000 as Gfn;
const gfnAt = (index: number): Gfn => (BASE + index) as Gfn;
const sptepAt = (index: number): Hpa => (0x10_0000 + index * 8) as Hpa;

describe('the gfn rmap', () => {
  it('holds none, one or many sptes of a gfn, and counts them', () => {
    const rmap = new GfnRmap(BASE);
    expect(rmap.sptesOf(BASE)).toEqual([]);
    expect([1, 2, 3].map((i) => rmap.add(BASE, sptepAt(i)))).toEqual([1, 2, 3]);
    expect(rmap.sptesOf(BASE)).toEqual([1, 2, 3].map(sptepAt));
    rmap.remove(BASE, sptepAt(2));
    expect(rmap.sptesOf(BASE)).toEqual([1, 3].map(sptepAt));
    expect(rmap.add(BASE, sptepAt(4))).toBe(3);
    for (const i of [1, 3, 4]) rmap.remove(BASE, sptepAt(i));
    expect(rmap.sptesOf(BASE)).toEqual([]);
    expect(rmap.mappedGfns(BASE, gfnAt(1))).toEqual([]);
  });

  it('answers copies, which stay as they are while it changes', () => {
    const rmap = new GfnRmap(BASE);
    for (let i = 0; i < 3; i++) rmap.add(gfnAt(i), sptepAt(i));
    rmap.add(BASE, sptepAt(9));
    const sptes = rmap.sptesOf(BASE);
    const gfns = rmap.mappedGfns(BASE, gfnAt(3));
    rmap.remove(BASE, sptepAt(0));
    rmap.remove(BASE, sptepAt(9));
    expect([sptes, gfns]).toEqual([[0, 9].map(sptepAt), [0, 1, 2].map(gfnAt)]);
  });

  it('finds it a bug when something is removed that is not there', () => {
    const rmap = new GfnRmap(BASE);
    expect(bugOf(() => rmap.remove(BASE, sptepAt(0))).message).toContain('rmap');
    rmap.add(BASE, sptepAt(1));
    expect(bugOf(() => rmap.remove(BASE, sptepAt(0))).message).toContain('rmap');
    rmap.add(BASE, sptepAt(2));
    expect(bugOf(() => rmap.remove(BASE, sptepAt(0))).message).toContain('rmap');
  });

  it('agrees with a map of sets, whatever is added, removed and asked', () => {
    const random = new Random(7);
    const rmap = new GfnRmap(BASE);
    const model = new Map<number, Set<number>>();
    // Few gfns, some of them far apart: chunks come and go.
    const gfns = [0, 1, 2, 510, 511, 512, 513, 1023, 1024, 70_000, 70_001].map(gfnAt);
    for (let i = 0; i < 5000; i++) {
      const gfn = gfns[random.below(gfns.length)]!;
      const sptep = sptepAt(random.below(6));
      const set = model.get(gfn) ?? new Set();
      model.set(gfn, set);
      if (set.has(sptep)) {
        rmap.remove(gfn, sptep);
        set.delete(sptep);
      } else {
        set.add(sptep);
        expect(rmap.add(gfn, sptep)).toBe(set.size);
      }
      const from = gfns[random.below(gfns.length)]!;
      const to = gfnAt(random.below(80_000));
      const expected = gfns.filter((each) => each >= from && each < to && (model.get(each)?.size ?? 0) > 0);
      if (to > from) expect(rmap.mappedGfns(from, to)).toEqual(expected);
      expect(new Set(rmap.sptesOf(gfn))).toEqual(set);
    }
  });
});
