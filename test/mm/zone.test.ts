// The zone: single frames and aligned groups of four, watermarks that scale down to 32 frames.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocKernelPages, freeKernelPages, type Host } from '../../src/mm/index.ts';
import { FrameKind } from '../../src/mm/internals.ts';
import { watermarksOf } from '../../src/mm/page/zone.ts';
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

describe('blocks of 512 frames', () => {
  it('that kernel memory is in are few, while user memory is all over the zone', () => {
    const bench = makeBench({ frames: 5 * 512 });
    const { host } = bench;
    runTasks(bench, function* () {
      const kernel: Pfn[] = [];
      const user: Pfn[] = [];
      for (let i = 0; i < 150; i++) {
        kernel.push((yield* allocKernelPages(host, 0, 'kernel'))!);
        for (let j = 0; j < 10; j++) user.push((yield* host.zone.take(0, FrameKind.folio)) as Pfn);
      }
      expect(new Set(kernel.map((pfn) => pfn >> 9)).size).toBe(1);
      expect(new Set(user.map((pfn) => pfn >> 9)).size).toBeGreaterThan(3);
      for (const pfn of kernel) yield* freeKernelPages(host, pfn, 0);
      for (const pfn of user) {
        host.frames.putTestZero(pfn);
        yield* host.zone.give(pfn, 0);
      }
    });
    expectNothingLeaked(bench);
  });

  /** Each operation takes or gives; the lists are walked by what can be had at the end: everything, in each order. */
  const operation = fc.record({
    kind: fc.constantFrom('movable', 'kernel', 'group', 'block', 'this', 'give', 'give'),
    which: fc.nat(),
  });
  it('and groups and frames are taken apart and put together again without loss', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 100, size: 'max' }), (operations) => {
        const bench = makeBench({ frames: 5 * 512 });
        const { zone } = bench.host;
        const held: (readonly [Pfn, 0 | 2 | 9])[] = [];
        runTasks(bench, function* () {
          for (const { kind, which } of operations) {
            if (kind === 'give') {
              const [taken] = held.splice(which % (held.length || 1), 1);
              if (taken !== undefined) yield* giveBack(bench.host, ...taken);
              continue;
            }
            const order = kind === 'group' ? 2 : kind === 'block' ? 9 : 0;
            const had = yield* zone.has(order);
            const one = (zone.firstPfn + (which % zone.managedPages)) as Pfn;
            const pfn =
              kind === 'this'
                ? (yield* zone.takeFree(one, FrameKind.folio))
                  ? one
                  : 0
                : yield* zone.take(order, kind === 'kernel' ? FrameKind.kernel : FrameKind.folio);
            if (kind !== 'this') expect(pfn !== 0).toBe(had);
            if (pfn !== 0) held.push([pfn as Pfn, order]);
            const used = held.reduce((sum, [, each]) => sum + (1 << each), 0);
            expect(zone.freePages).toBe(zone.managedPages - used);
          }
          for (const taken of held) yield* giveBack(bench.host, ...taken);
          const blocks: Pfn[] = [];
          while (yield* zone.has(9)) blocks.push((yield* zone.take(9, FrameKind.folio)) as Pfn);
          expect(blocks).toHaveLength(4);
          for (const block of blocks) yield* giveBack(bench.host, block, 9);
        });
        expect(zone.freePages).toBe(zone.managedPages);
      }),
      { numRuns: 15 },
    );
  });
});

function* giveBack(host: Host, pfn: Pfn, order: 0 | 2 | 9): Steps {
  for (let i = 0; i < 1 << order; i++) host.frames.putTestZero((pfn + i) as Pfn);
  yield* host.zone.give(pfn, order);
}

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
