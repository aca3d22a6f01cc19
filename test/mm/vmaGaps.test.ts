// Where mmap() puts something: the highest gap that is large enough, however the VMAs came to be where they are.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mmapAnonymous, munmap, PROT_READ, PROT_WRITE } from '../../src/mm/index.ts';
import { TASK_SIZE, VmaGaps } from '../../src/mm/vma/vmaGaps.ts';
import type { Hva } from '../../src/units.ts';
import { makeBench, newMm, runTasks } from './support.ts';

const SIZE = 64;

/** The same by looking at each address. */
function highestFree(taken: readonly boolean[], length: number, ceiling: number): number | null {
  for (let at = ceiling - length; at >= 0; at--) if (!taken.slice(at, at + length).some(Boolean)) return at;
  return null;
}

describe('the gaps between VMAs', () => {
  it('answer as a look at every address does', () => {
    const range = fc.tuple(
      fc.nat(SIZE - 1),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: SIZE }),
    );
    fc.assert(
      fc.property(fc.array(range, { maxLength: 60 }), (ranges) => {
        const gaps = new VmaGaps();
        gaps.take(SIZE, TASK_SIZE);
        const taken = new Array<boolean>(SIZE).fill(false);
        for (const [start, length, ceiling] of ranges) {
          const end = Math.min(SIZE, start + length);
          const part = taken.slice(start, end);
          if (part.every((each) => each === part[0])) {
            if (part[0]) gaps.give(start, end);
            else gaps.take(start, end);
            taken.fill(!part[0], start, end);
          }
          expect(gaps.highest(length, ceiling)).toBe(highestFree(taken, length, ceiling));
        }
      }),
      { numRuns: 300, seed: 4 },
    );
  });

  it('are where munmap has left them, also within what was merged and split', () => {
    const { host, ...bench } = makeBench({ frames: 64 });
    runTasks({ host, ...bench }, function* () {
      const mm = yield* newMm(host);
      const RW = PROT_READ | PROT_WRITE;
      const base = (yield* mmapAnonymous(mm, 0, 16 * 4096, RW, 0)) as Hva;
      expect(yield* mmapAnonymous(mm, 0, 4096, RW, 0)).toBe(base - 4096);
      expect(mm.vmas.all).toHaveLength(1);
      expect(yield* munmap(mm, (base + 4096) as Hva, 2 * 4096)).toBe(0);
      expect(yield* munmap(mm, (base + 8 * 4096) as Hva, 4 * 4096)).toBe(0);
      expect(yield* mmapAnonymous(mm, 0, 3 * 4096, PROT_READ, 0)).toBe(base + 9 * 4096);
      expect(yield* mmapAnonymous(mm, 0, 2 * 4096, PROT_READ, 0)).toBe(base + 4096);
      expect(yield* mmapAnonymous(mm, 0, 4096, PROT_READ, 0)).toBe(base + 8 * 4096);
      expect(yield* mmapAnonymous(mm, 0, 4096, PROT_READ, 0)).toBe(base - 2 * 4096);
    });
  });
});
