// The zone: single frames and aligned groups of four, watermarks that scale down to 32 frames.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocKernelPages, freeKernelPages } from '../../src/mm/index.ts';
import { FrameKind } from '../../src/mm/internals.ts';
import { watermarksOf } from '../../src/mm/zone.ts';
import type { Steps } from '../../src/sched/index.ts';
import type { Pfn } from '../../src/units.ts';
import { expectNothingLeaked, makeBench, runTasks } from './support.ts';

describe('watermarks', () => {
  it('leave most of a tiny host usable', () => {
    expect(watermarksOf(31)).toEqual({ min: 2, low: 3, high: 5 });
    expect(watermarksOf(128)).toEqual({ min: 8, low: 11, high: 14 });
  });

  it("follow Linux's square root on a large one", () => {
    expect(watermarksOf(2 ** 19)).toEqual({ min: 1448, low: 1811, high: 2174 });
  });
});

describe('kernel pages', () => {
  it('of order 2 are aligned, contiguous and zero, also after use', () => {
    const bench = makeBench({ frames: 64 });
    const { host } = bench;
    runTasks(bench, function* () {
      for (let round = 0; round < 3; round++) {
        const root = (yield* allocKernelPages(host, 2, 'shadow'))!;
        expect(root % 4).toBe(0);
        const bytes = host.memory.u8.subarray(root * 4096, (root + 4) * 4096);
        expect(bytes.every((byte) => byte === 0)).toBe(true);
        expect(host.vmstat.nr_sec_page_table_pages).toBe(4);
        for (let i = 0; i < 4; i++) host.memory.poison((root + i) as Pfn);
        yield* freeKernelPages(host, root, 2);
      }
    });
    expectNothingLeaked(bench);
  });

  it('of order 2 cannot be had from scattered frames, which is no reason to kill anybody', () => {
    const bench = makeBench({ frames: 64 });
    const { host } = bench;
    runTasks(bench, function* () {
      const all: Pfn[] = [];
      for (let pfn = yield* allocKernelPages(host, 0, 'kernel'); pfn !== null; ) {
        all.push(pfn);
        pfn = yield* allocKernelPages(host, 0, 'kernel');
      }
      const kept = all.filter((pfn) => pfn % 4 === 0);
      for (const pfn of all) if (pfn % 4 !== 0) yield* freeKernelPages(host, pfn, 0);
      expect(yield* allocKernelPages(host, 2, 'shadow')).toBeNull();
      expect(host.vmstat.oom_kill).toBe(0);
      for (const pfn of kept) yield* freeKernelPages(host, pfn, 0);
      const root = (yield* allocKernelPages(host, 2, 'shadow'))!;
      yield* freeKernelPages(host, root, 2);
    });
    expectNothingLeaked(bench);
  });

  it('are never handed out twice, in any order of allocating and freeing', () => {
    const op = fc.record({
      order: fc.constantFrom(0 as const, 2 as const),
      free: fc.boolean(),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(
        fc.array(op, { maxLength: 120, size: 'max' }),
        fc.integer({ min: 32, max: 71 }),
        (ops, frames) => {
          const bench = makeBench({ frames });
          runTasks(bench, () => allocateAndFree(bench.host, ops));
          expectNothingLeaked(bench);
        },
      ),
      { numRuns: 60 },
    );
  });
});

type Op = { readonly order: 0 | 2; readonly free: boolean; readonly which: number };

function* allocateAndFree(host: ReturnType<typeof makeBench>['host'], ops: readonly Op[]): Steps {
  const held: { readonly pfn: Pfn; readonly order: 0 | 2 }[] = [];
  for (const { order, free, which } of ops) {
    if (free && held.length > 0) {
      const [block] = held.splice(which % held.length, 1);
      yield* freeKernelPages(host, block!.pfn, block!.order);
      continue;
    }
    const pfn = yield* allocKernelPages(host, order, 'kernel');
    if (pfn !== null) held.push({ pfn, order });
    const frames = held.flatMap((block) => Array.from({ length: 1 << block.order }, (_, i) => block.pfn + i));
    expect(new Set(frames).size).toBe(frames.length);
    expect(frames.every((frame) => host.frames.kind[frame] === FrameKind.kernel)).toBe(true);
    expect(host.zone.freePages).toBe(host.zone.managedPages - frames.length);
    expect(host.zone.freePages).toBeGreaterThanOrEqual(host.zone.watermarks.min);
  }
  for (const { pfn, order } of held) yield* freeKernelPages(host, pfn, order);
}
