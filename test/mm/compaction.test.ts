// Compaction: scattered pages move out of the way, so that blocks of frames can be had, and nobody notices.

import { describe, expect, it } from 'vitest';
import { ptePfn } from '../../src/hw/sv39/index.ts';
import {
  allocKernelPages,
  compactMemory,
  copyFromUser,
  copyToUser,
  exitMm,
  freeKernelPages,
  type Host,
  MADV_DONTNEED,
  MADV_HUGEPAGE,
  type Mm,
  madvise,
  mmapAnonymous,
  PROT_READ,
  PROT_WRITE,
  pinUserPage,
  unpinUserPage,
} from '../../src/mm/index.ts';
import { FrameKind, inspectPte } from '../../src/mm/internals.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;

/** Memory of a process that fills the host, of which only every `stride`-th frame is left. */
interface Scattered {
  readonly mm: Mm;
  readonly base: Hva;
  /** The pages that are left, each with its number in its first four bytes. */
  readonly pages: readonly number[];
}

function* scatter(host: Host, stride: number): Steps<Scattered> {
  const mm = yield* newMm(host);
  const count = host.zone.managedPages;
  const base = (yield* mmapAnonymous(mm, 0, count * PAGE_SIZE, RW, 0)) as Hva;
  const pages: number[] = [];
  const { zone } = host;
  for (let page = 0; page < count && zone.isAbove(zone.watermarks.low + 1, 0); page++) {
    const bytes = new Uint8Array(Uint32Array.of(page).buffer);
    expect(yield* copyToUser(mm, 0, pageAt(base, page), bytes)).toBe(0);
    pages.push(page);
  }
  const isLeft = (page: number): boolean => ptePfn(inspectPte(mm, pageAt(base, page))) % stride === 1;
  const left = pages.filter(isLeft);
  for (const page of pages) {
    if (!left.includes(page))
      expect(yield* madvise(mm, pageAt(base, page), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
  }
  expect(left.length).toBeGreaterThan(count / (2 * stride));
  return { mm, base, pages: left };
}

function* expectIntact({ mm, base, pages }: Scattered): Steps {
  for (const page of pages) {
    const bytes = new Uint8Array(4);
    expect(yield* copyFromUser(mm, 0, pageAt(base, page), bytes)).toBe(0);
    expect(new Uint32Array(bytes.buffer)[0]).toBe(page);
  }
}

/** Groups of four frames that are wholly free. */
function freeGroups({ frames }: Host): number {
  let groups = 0;
  for (let first = 4; first + 4 <= frames.endPfn; first += 4)
    groups += Number([0, 1, 2, 3].every((i) => frames.kind[first + i] === FrameKind.free));
  return groups;
}

describe('compaction', () => {
  it('makes a group of four frames where there was none', () => {
    const bench = makeBench({ frames: 128 });
    const { host } = bench;
    runTasks(bench, function* () {
      const scattered = yield* scatter(host, 4);
      const taken: Pfn[] = [];
      // Whatever is in one piece already.
      while (freeGroups(host) > 0) taken.push((yield* allocKernelPages(host, 2, 'kernel'))!);
      expect(host.vmstat.compact_stall).toBe(0);
      const root = yield* allocKernelPages(host, 2, 'shadow');
      expect(root).not.toBeNull();
      expect(host.vmstat).toMatchObject({ compact_stall: 1, compact_success: 1, compact_fail: 0 });
      expect(host.vmstat.pgmigrate_success).toBeGreaterThan(0);
      expect(host.vmstat.compact_isolated).toBeGreaterThanOrEqual(2 * host.vmstat.pgmigrate_success);
      yield* expectIntact(scattered);
      for (const group of [...taken, root!]) yield* freeKernelPages(host, group, 2);
      yield* exitMm(scattered.mm);
    });
    expectNothingLeaked(bench);
  });

  it('of all memory brings the pages together at its end', () => {
    const bench = makeBench({ frames: 256 });
    const { host } = bench;
    runTasks(bench, function* () {
      const scattered = yield* scatter(host, 4);
      const before = freeGroups(host);
      yield* compactMemory(host);
      const unmovable = host.vmstat.nr_page_table_pages;
      const best = Math.floor(host.zone.freePages / 4) - unmovable;
      expect(before).toBeLessThan(best / 2);
      expect(freeGroups(host)).toBeGreaterThanOrEqual(best - 1);
      yield* expectIntact(scattered);
      yield* exitMm(scattered.mm);
    });
    expectNothingLeaked(bench);
  });

  it('goes round a page that is pinned', () => {
    const bench = makeBench({ frames: 128 });
    const { host } = bench;
    runTasks(bench, function* () {
      const scattered = yield* scatter(host, 4);
      const { mm, base, pages } = scattered;
      const pfnOf = (page: number): number => ptePfn(inspectPte(mm, pageAt(base, page)));
      const lowest = pages.reduce((low, page) => (pfnOf(page) < pfnOf(low) ? page : low));
      const pinned = (yield* pinUserPage(mm, pageAt(base, lowest), true)) as Pfn;
      yield* compactMemory(host);
      expect(pfnOf(lowest)).toBe(pinned);
      expect(host.vmstat.pgmigrate_success).toBeGreaterThan(pages.length / 2 - 2);
      yield* unpinUserPage(host, pinned, false);
      yield* compactMemory(host);
      expect(pfnOf(lowest)).toBeGreaterThan(pinned);
      yield* expectIntact(scattered);
      yield* exitMm(mm);
    });
    expectNothingLeaked(bench);
  });

  it('makes huge pages for those who ask for them, and for them alone', () => {
    const bench = makeBench({ frames: 5 * 512 });
    const { host } = bench;
    host.thp.enabled = 'always';
    runTasks(bench, function* () {
      host.thp.enabled = 'never';
      const scattered = yield* scatter(host, 4);
      host.thp.enabled = 'always';
      const huge = yield* newMm(host);
      const HUGE = 2 ** 21;
      const start = (yield* mmapAnonymous(huge, 0x4000_0000 as Hva, 2 * HUGE, RW, 0x10)) as Hva;
      const touch = (at: number): Steps<number> => copyToUser(huge, 0, (start + at) as Hva, Uint8Array.of(1));
      expect(yield* touch(0)).toBe(0);
      expect(host.vmstat).toMatchObject({ thp_fault_alloc: 0, thp_fault_fallback: 1, compact_stall: 0 });
      expect(yield* madvise(huge, (start + HUGE) as Hva, HUGE, MADV_HUGEPAGE)).toBe(0);
      expect(yield* touch(HUGE)).toBe(0);
      expect(host.vmstat).toMatchObject({ thp_fault_alloc: 1, compact_success: 1 });
      yield* expectIntact(scattered);
      yield* exitMm(huge);
      yield* exitMm(scattered.mm);
    });
    expectNothingLeaked(bench);
  });
});
