// The fence clock against what a hart's fences mean: a root is in sync for an ASID if it was synced after the last fence
// that concerned that ASID. It may forget, and must never claim too much.

import { describe, expect, it } from 'vitest';
import { FenceClock } from '../../src/kvm/fenceClock.ts';
import { Random } from '../../src/sched/index.ts';
import { type Gfn, gfn } from '../../src/units.ts';

describe('the fence clock', () => {
  it('calls nothing in sync that never was', () => {
    const clock = new FenceClock();
    expect(clock.isInSync(gfn(1), 0)).toBe(false);
    clock.fence(null);
    expect(clock.isInSync(gfn(1), 0)).toBe(false);
  });

  it('agrees with a list of all fences and syncs', () => {
    const random = new Random(3);
    const clock = new FenceClock();
    const history: ({ readonly asid: number | null } | { readonly root: Gfn; readonly synced: number })[] =
      [];
    const isInSync = (root: Gfn, asid: number): boolean => {
      for (const event of [...history].reverse()) {
        if (!('synced' in event)) {
          if (event.asid === null || event.asid === asid) return false;
        } else if (event.root === root && event.synced === asid) return true;
      }
      return false;
    };
    for (let i = 0; i < 400; i++) {
      const asid = random.below(3);
      const root = gfn(random.below(3));
      if (random.below(2) === 0) {
        clock.noteSynced(root, asid);
        history.push({ root, synced: asid });
      } else {
        const fenced = random.below(3) === 0 ? null : asid;
        clock.fence(fenced);
        history.push({ asid: fenced });
      }
      for (let r = 0; r < 3; r++)
        for (let a = 0; a < 3; a++) expect(clock.isInSync(gfn(r), a)).toBe(isInSync(gfn(r), a));
    }
  });

  it('tells roots and ASIDs apart at the ends of their ranges', () => {
    const clock = new FenceClock();
    clock.noteSynced(gfn(2 ** 29 - 1), 65535);
    expect(clock.isInSync(gfn(2 ** 29 - 1), 65535)).toBe(true);
    expect(clock.isInSync(gfn(2 ** 29 - 1), 0)).toBe(false);
    expect(clock.isInSync(gfn(2 ** 29 - 2), 65535)).toBe(false);
    expect(clock.isInSync(gfn(0), 65535)).toBe(false);
  });

  it('is bounded: it forgets rather than grow, and what it says stays true', () => {
    const clock = new FenceClock();
    for (let root = 0; root < 10_000; root++) clock.noteSynced(gfn(root), 0);
    const known = Array.from({ length: 10_000 }, (_, root) => clock.isInSync(gfn(root), 0));
    expect(known.filter(Boolean).length).toBeLessThanOrEqual(4096);
    expect(known.at(-1)).toBe(true);
    clock.fence(0);
    for (let root = 0; root < 10_000; root += 100) expect(clock.isInSync(gfn(root), 0)).toBe(false);
  });
});
