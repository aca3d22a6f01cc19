// Transparent huge pages: where faults map them, and what each operation makes of one that it meets whole or in part.

import { describe, expect, it } from 'vitest';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  getUserPage,
  type Host,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_PAGEOUT,
  MAP_FIXED,
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  madvise,
  mincore,
  mlock,
  mmapAnonymous,
  mprotect,
  mremap,
  munmap,
  PROT_READ,
  PROT_WRITE,
  pinUserPage,
  putPage,
  readPagemap,
  unpinUserPage,
} from '../../src/mm/index.ts';
import { inspectEntry } from '../../src/mm/inspect.ts';
import { forEachPte, inspectPte } from '../../src/mm/internals.ts';
import { isHugePmd } from '../../src/mm/pagetable/pmd.ts';
import { deferredSplitScan } from '../../src/mm/thp/deferredSplit.ts';
import { shrinkHugeZeroFolio } from '../../src/mm/thp/hugeZero.ts';
import { RESCHED, randomPolicy, type Steps } from '../../src/sched/index.ts';
import { bug, Errno, type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { type Bench, expectBalanced, expectNothingLeaked, makeBench, newMm, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const HUGE = 2 ** 21;
const BASE = 0x4000_0000 as Hva;
const FAR = 0x8000_0000 as Hva;

const pageOf = (page: number, base = BASE): Hva => (base + page * PAGE_SIZE) as Hva;

function isHuge(mm: Mm, address: Hva): boolean {
  const { entry, level } = inspectEntry(mm, address);
  return level === 1 && isHugePmd(entry);
}

function presentPages(mm: Mm): number {
  let pages = 0;
  forEachPte(mm, () => pages++);
  return pages;
}

function* write(mm: Mm, address: Hva, value: number): Steps {
  expect(yield* copyToUser(mm, 0, address, Uint8Array.of(value))).toBe(0);
}

function* read(mm: Mm, address: Hva): Steps<number> {
  const into = new Uint8Array(1);
  expect(yield* copyFromUser(mm, 0, address, into)).toBe(0);
  return into[0]!;
}

/** Stamps on a few pages of each huge page from `base`. */
const STAMPED = [0, 1, 100, 511, 512, 700, 1023];
/** What holds zeros comes free when the huge page is split. */
const EVERY = Array.from({ length: 1024 }, (_, page) => page);

function* stamp(mm: Mm, pages: readonly number[] = STAMPED): Steps {
  for (const page of pages) yield* write(mm, pageOf(page), 1 + (page % 200));
}

function* expectStamps(mm: Mm, pages: readonly number[] = STAMPED, base = BASE): Steps {
  for (const page of pages)
    expect({ page, value: yield* read(mm, pageOf(page, base)) }).toEqual({ page, value: 1 + (page % 200) });
}

/** `body` in a process with two huge pages at BASE, stamped; at its end nothing is left. */
function withHuge(body: (mm: Mm, host: Host) => Steps, frames = 2600): Bench {
  const bench = makeBench({ frames, swapSlots: 1200 });
  const { host } = bench;
  host.thp.enabled = 'always';
  let mm!: Mm;
  runTasks(bench, function* () {
    mm = yield* newMm(host);
    expect(yield* mmapAnonymous(mm, BASE, 2 * HUGE, RW, MAP_FIXED)).toBe(BASE);
    yield* stamp(mm);
    yield* body(mm, host);
  });
  expectBalanced(bench);
  runTasks(bench, () => exitMm(mm));
  expectNothingLeaked(bench);
  expect([host.vmstat.nr_anon_transparent_hugepages, host.frames.large.deferredSplit.size]).toEqual([0, 0]);
  return bench;
}

describe('the huge page of zeros', () => {
  const zeroCounts = ({ vmstat }: Host): number[] => [vmstat.thp_zero_page_alloc, vmstat.thp_fault_alloc];

  /** `body` in a process with 2 MiB at FAR that were read. */
  function withZeros(body: (mm: Mm, host: Host) => Steps, frames = 4000): void {
    withHuge(function* (mm, host) {
      expect(yield* mmapAnonymous(mm, FAR, HUGE, RW, MAP_FIXED)).toBe(FAR);
      expect(yield* read(mm, pageOf(100, FAR))).toBe(0);
      expect([isHuge(mm, FAR), mm.anonPages, zeroCounts(host)]).toEqual([true, 1024, [1, 2]]);
      yield* body(mm, host);
    }, frames);
  }

  it('is what who reads first gets, once for all, and goes when nobody has it', () => {
    withZeros(function* (mm, host) {
      const child = yield* fork(mm);
      if (typeof child === 'number') throw new Error(`fork: ${child}`);
      expect([isHuge(child, FAR), yield* read(child, FAR)]).toEqual([true, 0]);
      const free = host.zone.freePages;
      expect(yield* shrinkHugeZeroFolio(host)).toBe(0);
      yield* exitMm(child);
      expect(yield* munmap(mm, FAR, HUGE)).toBe(0);
      expect(yield* shrinkHugeZeroFolio(host)).toBe(0);
      expect(host.zone.freePages).toBeGreaterThan(free);
      expect(host.hugeZeroFolio).not.toBe(0);
    });
  });

  it('is followed by 2 MiB of its own at the first store', () => {
    withZeros(function* (mm, host) {
      yield* write(mm, pageOf(3, FAR), 7);
      expect([isHuge(mm, FAR), mm.anonPages, zeroCounts(host)]).toEqual([true, 1536, [1, 3]]);
      expect([yield* read(mm, pageOf(3, FAR)), yield* read(mm, pageOf(4, FAR))]).toEqual([7, 0]);
    });
  });

  it('is split into 512 pages of zeros where there are not 2 MiB in one piece', () => {
    withZeros(function* (mm, host) {
      yield* write(mm, pageOf(3, FAR), 8);
      expect([isHuge(mm, FAR), mm.anonPages, host.vmstat.thp_fault_fallback]).toEqual([false, 1025, 1]);
      expect([yield* read(mm, pageOf(3, FAR)), yield* read(mm, pageOf(4, FAR))]).toEqual([8, 0]);
    }, 2600);
  });

  it.each([
    ['munmap of a part', (mm: Mm) => munmap(mm, pageOf(1, FAR), PAGE_SIZE), false],
    ['mprotect', (mm: Mm) => mprotect(mm, FAR, HUGE, PROT_READ), true],
    ['MADV_PAGEOUT', (mm: Mm) => madvise(mm, FAR, HUGE, MADV_PAGEOUT), true],
    ['MADV_FREE', (mm: Mm) => madvise(mm, FAR, HUGE, MADV_FREE), true],
    ['MADV_COLLAPSE', (mm: Mm) => madvise(mm, FAR, HUGE, MADV_COLLAPSE), true],
  ] as const)('%s', (_, act, stays) => {
    withZeros(function* (mm) {
      expect(yield* act(mm)).toBe(0);
      expect([isHuge(mm, FAR), yield* read(mm, FAR), yield* read(mm, pageOf(2, FAR))]).toEqual([stays, 0, 0]);
      expect(mm.anonPages).toBe(1024);
    });
  });

  it('moves, and can be pinned', () => {
    withZeros(function* (mm, host) {
      const to = pageOf(2048, FAR);
      const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
      expect(yield* mremap(mm, FAR, HUGE, HUGE, flags, to)).toBe(to);
      const pfn = yield* pinUserPage(mm, to, false);
      expect(host.frames.folioOf(pfn as Pfn)).toBe(host.hugeZeroFolio);
      yield* unpinUserPage(host, pfn as Pfn, false);
      expect([isHuge(mm, to), yield* read(mm, to)]).toEqual([true, 0]);
    });
  });
});

describe('a fault', () => {
  it('maps 2 MiB by one entry', () => {
    withHuge(function* (mm, host) {
      expect([isHuge(mm, BASE), isHuge(mm, pageOf(512))]).toEqual([true, true]);
      expect([mm.faults, mm.anonPages, host.vmstat.thp_fault_alloc]).toEqual([2, 1024, 2]);
      expect([host.vmstat.nr_anon_transparent_hugepages, host.lruvec.inactive('anon')]).toEqual([2, 1024]);
      yield* expectStamps(mm);
      expect(yield* read(mm, pageOf(3))).toBe(0);
    });
  });

  it.each([
    ['madvise', MADV_HUGEPAGE, true],
    ['madvise', null, false],
    ['always', MADV_NOHUGEPAGE, false],
    ['never', MADV_HUGEPAGE, false],
  ] as const)('with %s and advice %s: %s', (enabled, advice, huge) => {
    withHuge(function* (mm, host) {
      host.thp.enabled = enabled;
      expect(yield* mmapAnonymous(mm, FAR, HUGE, RW, MAP_FIXED)).toBe(FAR);
      if (advice !== null) expect(yield* madvise(mm, FAR, HUGE, advice)).toBe(0);
      yield* write(mm, FAR, 1);
      expect(isHuge(mm, FAR)).toBe(huge);
    });
  });

  it('does not where the VMA has less than 2 MiB around the address, or no 512 frames are together', () => {
    withHuge(function* (mm, host) {
      expect(yield* mmapAnonymous(mm, pageOf(1, FAR), 2 * HUGE, RW, MAP_FIXED)).toBe(pageOf(1, FAR));
      yield* write(mm, pageOf(1, FAR), 1);
      expect(isHuge(mm, FAR)).toBe(false);
      yield* write(mm, pageOf(512, FAR), 1);
      expect(isHuge(mm, pageOf(512, FAR))).toBe(false);
      expect(host.vmstat.thp_fault_fallback).toBe(1);
    }, 1700);
  });

  it('at the same time as others makes one huge page', () => {
    const bench = makeBench({ frames: 2600, swapSlots: 64 });
    bench.host.thp.enabled = 'always';
    let mm!: Mm;
    runTasks(bench, function* () {
      mm = yield* newMm(bench.host);
      yield* mmapAnonymous(mm, BASE, 2 * HUGE, RW, MAP_FIXED);
    });
    runTasks(bench, ...[0, 1, 2, 3].map((page) => () => write(mm, pageOf(page), 1)));
    expect([mm.hugePmds, mm.anonPages]).toEqual([1, 512]);
    runTasks(bench, () => exitMm(mm));
    expectNothingLeaked(bench);
  });
});

describe('an operation on a huge page', () => {
  it('unmaps it whole', () => {
    withHuge(function* (mm, host) {
      expect(yield* munmap(mm, BASE, HUGE)).toBe(0);
      expect([mm.anonPages, mm.hugePmds, host.vmstat.thp_split_pmd]).toEqual([512, 1, 0]);
      yield* expectStamps(mm, [512, 700, 1023]);
    });
  });

  it('unmaps a part of it, which waits for the rest before it is free', () => {
    withHuge(function* (mm, host) {
      const before = host.zone.freePages;
      expect(yield* munmap(mm, pageOf(1), 99 * PAGE_SIZE)).toBe(0);
      expect([isHuge(mm, BASE), isHuge(mm, pageOf(512))]).toEqual([false, true]);
      expect([mm.anonPages, host.zone.freePages - before]).toEqual([1024 - 99, 0]);
      expect(host.frames.large.deferredSplit.size).toBe(1);
      yield* expectStamps(mm, [0, 100, 511]);
      expect(yield* munmap(mm, BASE, HUGE)).toBe(0);
      expect(host.zone.freePages - before).toBeGreaterThanOrEqual(512);
    });
  });

  it('drops a part of it', () => {
    withHuge(function* (mm) {
      expect(yield* madvise(mm, pageOf(100), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      expect(yield* read(mm, pageOf(100))).toBe(0);
      yield* expectStamps(mm, [0, 1, 511, 512]);
    });
  });

  it('changes its protection, whole and in part', () => {
    withHuge(function* (mm, host) {
      expect(yield* mprotect(mm, BASE, HUGE, PROT_READ)).toBe(0);
      expect(yield* copyToUser(mm, 0, BASE, Uint8Array.of(9))).toBe(-Errno.EFAULT);
      expect(yield* mprotect(mm, BASE, HUGE, RW)).toBe(0);
      expect(isHuge(mm, BASE)).toBe(true);
      yield* write(mm, pageOf(3), 9);
      expect(host.vmstat.thp_split_pmd).toBe(0);
      expect(yield* mprotect(mm, pageOf(2), PAGE_SIZE, PROT_READ)).toBe(0);
      expect([isHuge(mm, BASE), host.vmstat.thp_split_pmd]).toEqual([false, 1]);
      expect(yield* copyToUser(mm, 0, pageOf(2), Uint8Array.of(9))).toBe(-Errno.EFAULT);
      yield* write(mm, pageOf(3), 10);
      yield* expectStamps(mm);
    });
  });

  it('moves it by its entry where it stays aligned, page by page where not', () => {
    withHuge(function* (mm, host) {
      const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
      expect(yield* mremap(mm, BASE, HUGE, HUGE, flags, FAR)).toBe(FAR);
      expect([isHuge(mm, FAR), host.vmstat.thp_split_pmd]).toEqual([true, 0]);
      yield* expectStamps(mm, [0, 1, 100, 511], FAR);
      expect(yield* mremap(mm, FAR, HUGE, HUGE, flags, pageOf(600, FAR))).toBe(pageOf(600, FAR));
      expect([mm.hugePmds, host.vmstat.thp_split_pmd]).toEqual([1, 1]);
      yield* expectStamps(mm, [0, 1, 100, 511], pageOf(600, FAR));
      yield* expectStamps(mm, [512, 700, 1023]);
    });
  });

  it('tells mincore() and pagemap of all its pages', () => {
    withHuge(function* (mm) {
      const vec = new Uint8Array(1024);
      expect(yield* mincore(mm, BASE, vec)).toBe(0);
      expect(vec.every((byte) => byte === 1)).toBe(true);
      expect(inspectPte(mm, pageOf(7)) >>> 10).toBe((inspectPte(mm, BASE) >>> 10) + 7);
      expect(presentPages(mm)).toBe(1024);
    });
  });
});

describe('fork', () => {
  function* forked(mm: Mm): Steps<Mm> {
    const child = yield* fork(mm);
    return typeof child === 'number' ? bug('fork failed', { child }) : child;
  }

  it('shares a huge page; who writes first splits his mapping and copies one page', () => {
    withHuge(function* (mm, host) {
      const child = yield* forked(mm);
      expect([mm.hugePmds, child.hugePmds, child.anonPages]).toEqual([2, 2, 1024]);
      yield* expectStamps(child);
      yield* write(child, pageOf(100), 77);
      expect([isHuge(child, BASE), isHuge(mm, BASE), host.vmstat.thp_split_pmd]).toEqual([false, true, 1]);
      yield* expectStamps(mm);
      expect(yield* read(child, pageOf(100))).toBe(77);
      yield* exitMm(child);
      yield* write(mm, pageOf(5), 5);
      yield* expectStamps(mm);
    });
  });

  it('leaves the last owner a huge page that he may write to', () => {
    withHuge(function* (mm, host) {
      yield* exitMm(yield* forked(mm));
      yield* write(mm, pageOf(3), 3);
      expect([isHuge(mm, BASE), host.vmstat.thp_split_pmd]).toEqual([true, 0]);
    });
  });

  it('gives the child its own copy of the page that is pinned, and shares the rest', () => {
    withHuge(function* (mm, host) {
      const pinned = (yield* pinUserPage(mm, pageOf(100), true)) as Pfn;
      const child = yield* forked(mm);
      expect([isHuge(mm, BASE), isHuge(child, BASE), isHuge(child, pageOf(512))]).toEqual([
        false,
        false,
        true,
      ]);
      yield* write(mm, pageOf(100), 55);
      expect(inspectPte(mm, pageOf(100)) >>> 10).toBe(pinned);
      expect(yield* read(child, pageOf(100))).toBe(101);
      yield* exitMm(child);
      yield* unpinUserPage(host, pinned, true);
    });
  });
});

describe('reclaim', () => {
  it('splits a huge page and swaps its pages out one by one; they come back as they were', () => {
    withHuge(function* (mm, host) {
      yield* stamp(mm, EVERY);
      expect(yield* madvise(mm, BASE, HUGE, MADV_PAGEOUT)).toBe(0);
      const { thp_split_page, thp_split_pmd, thp_swpout_fallback } = host.vmstat;
      expect([thp_split_page, thp_split_pmd, thp_swpout_fallback]).toEqual([1, 1, 1]);
      expect([mm.anonPages, mm.swapEntries, mm.hugePmds]).toEqual([512, 512, 1]);
      yield* expectStamps(mm);
    });
  });

  it('of a part takes the folio apart and leaves the rest mapped', () => {
    withHuge(function* (mm, host) {
      yield* stamp(mm, EVERY);
      expect(yield* madvise(mm, pageOf(100), 2 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect([host.vmstat.thp_split_page, mm.swapEntries, mm.anonPages]).toEqual([1, 2, 1022]);
      expect(host.frames.order[inspectPte(mm, BASE) >>> 10]).toBe(0);
      yield* expectStamps(mm);
    });
  });

  // Seen on Linux 6.18.
  it('of a part frees what holds zeros only, unless it is locked', () => {
    withHuge(function* (mm, host) {
      const free = host.zone.freePages;
      expect(yield* madvise(mm, pageOf(100), 2 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      // Pages 0, 1 and 511 have stamps, as has 100, which is on its way to the device.
      expect([mm.swapEntries, mm.anonPages, host.vmstat.pswpout]).toEqual([1, 3 + 512, 1]);
      expect([host.zone.freePages - free, readPagemap(mm, pageOf(101)).kind]).toEqual([508, 'zero']);
      yield* expectStamps(mm);
      expect(yield* mlock(mm, pageOf(512 + 300), 4 * PAGE_SIZE, 0)).toBe(0);
      expect(yield* munmap(mm, pageOf(512), PAGE_SIZE)).toBe(0);
      yield* deferredSplitScan(host, null, 1);
      const kinds = [299, 300, 303, 304].map((page) => readPagemap(mm, pageOf(512 + page)).kind);
      expect([kinds, host.vmstat.thp_split_page]).toEqual([['zero', 'anon', 'anon', 'zero'], 2]);
    });
  });

  it('under pressure gives up huge pages like any other', () => {
    withHuge(function* (mm, host) {
      host.thp.enabled = 'never';
      expect(yield* mmapAnonymous(mm, FAR, 3 * HUGE, RW, MAP_FIXED)).toBe(FAR);
      for (let page = 0; page < 1536; page++) yield* write(mm, pageOf(page, FAR), page & 255);
      expect(host.vmstat.thp_split_page).toBeGreaterThan(0);
      expect(mm.swapEntries).toBeGreaterThan(0);
      yield* expectStamps(mm);
    }, 2300);
  });

  it('leaves alone what somebody has a reference to, or has pinned', () => {
    withHuge(function* (mm, host) {
      const pfn = (yield* pinUserPage(mm, pageOf(100), true)) as Pfn;
      expect(yield* madvise(mm, BASE, HUGE, MADV_PAGEOUT)).toBe(0);
      expect([mm.swapEntries, mm.anonPages, host.vmstat.thp_split_page]).toEqual([0, 1024, 0]);
      expect(inspectPte(mm, pageOf(100)) >>> 10).toBe(pfn);
      yield* unpinUserPage(host, pfn, false);
    });
  });

  it('frees the pages of a huge page that are not mapped any more', () => {
    withHuge(function* (mm, host) {
      yield* stamp(mm, EVERY);
      expect(yield* munmap(mm, pageOf(1), 99 * PAGE_SIZE)).toBe(0);
      const before = host.zone.freePages;
      expect(yield* deferredSplitScan(host, null, 1)).toBe(99);
      expect([host.zone.freePages - before, host.vmstat.thp_split_page]).toEqual([99, 1]);
      yield* expectStamps(mm, [0, 100, 511]);
    });
  });

  it('drops what MADV_FREE gave up, unless it was written to again', () => {
    withHuge(function* (mm) {
      expect(yield* madvise(mm, BASE, HUGE, MADV_FREE)).toBe(0);
      expect(isHuge(mm, BASE)).toBe(true);
      yield* write(mm, pageOf(511), 9);
      expect(yield* madvise(mm, pageOf(511), PAGE_SIZE, MADV_FREE)).toBe(0);
      yield* write(mm, pageOf(511), 8);
      expect(yield* madvise(mm, BASE, HUGE, MADV_PAGEOUT)).toBe(0);
      expect([yield* read(mm, pageOf(511)), yield* read(mm, pageOf(5))]).toEqual([8, 0]);
    });
  });
});

describe('MADV_COLLAPSE', () => {
  it('copies pages into a huge page, what is missing as zeros', () => {
    withHuge(function* (mm, host) {
      host.thp.enabled = 'never';
      expect(yield* mmapAnonymous(mm, FAR, 2 * HUGE, RW, MAP_FIXED)).toBe(FAR);
      for (const page of STAMPED) yield* write(mm, pageOf(page, FAR), 1 + (page % 200));
      expect(yield* read(mm, pageOf(9, FAR))).toBe(0);
      expect(yield* madvise(mm, FAR, 2 * HUGE, MADV_COLLAPSE)).toBe(0);
      expect([mm.hugePmds, mm.anonPages, host.vmstat.thp_collapse_alloc]).toEqual([4, 2048, 2]);
      yield* expectStamps(mm, STAMPED, FAR);
      expect([yield* read(mm, pageOf(9, FAR)), yield* read(mm, pageOf(10, FAR))]).toEqual([0, 0]);
      expect(yield* madvise(mm, FAR, 2 * HUGE, MADV_COLLAPSE)).toBe(0);
      expect(host.vmstat.thp_collapse_alloc).toBe(2);
    }, 3900);
  });

  it('puts a folio together again that was split, and brings in what was swapped out', () => {
    withHuge(function* (mm, host) {
      expect(yield* mprotect(mm, pageOf(5), PAGE_SIZE, PROT_READ)).toBe(0);
      expect(yield* mprotect(mm, pageOf(5), PAGE_SIZE, RW)).toBe(0);
      expect(yield* madvise(mm, BASE, HUGE, MADV_COLLAPSE)).toBe(0);
      expect(isHuge(mm, BASE)).toBe(true);
      expect(yield* madvise(mm, pageOf(100), 4 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      let result = -Errno.EAGAIN as number;
      for (let i = 0; i < 50 && result === -Errno.EAGAIN; i++) {
        result = yield* madvise(mm, BASE, HUGE, MADV_COLLAPSE);
        host.sched.spend(100_000);
        yield RESCHED;
      }
      expect([result, mm.swapEntries, isHuge(mm, BASE)]).toEqual([0, 0, true]);
      yield* expectStamps(mm);
    }, 3200);
  });

  it.each([1, 2])('goes on behind a VMA that grew while mmap_lock was dropped (%i)', (seed) => {
    const bench = makeBench({ frames: 2700, swapSlots: 16, policy: randomPolicy(seed) });
    runTasks(bench, function* () {
      const mm = yield* newMm(bench.host);
      expect(yield* mmapAnonymous(mm, BASE, 2 * HUGE, RW, MAP_FIXED)).toBe(BASE);
      for (const page of [0, 512]) yield* write(mm, pageOf(page), 7);
      expect(yield* mprotect(mm, pageOf(512), HUGE, PROT_READ)).toBe(0);
      let grows = false;
      const stop = bench.trace.subscribe('mm_khugepaged_scan_pmd', () => {
        grows = true;
      });
      const grow = function* (): Steps {
        while (!grows) yield RESCHED;
        expect(yield* mprotect(mm, pageOf(512), HUGE, RW)).toBe(0);
      };
      bench.sched.spawn('grow', grow(), 1);
      expect(yield* madvise(mm, BASE, 2 * HUGE, MADV_COLLAPSE)).toBe(0);
      stop();
      expect([isHuge(mm, BASE), isHuge(mm, pageOf(512))]).toEqual([true, true]);
      yield* exitMm(mm);
    });
    expectNothingLeaked(bench);
  });

  it('shares nothing with a child any more', () => {
    withHuge(function* (mm) {
      const child = (yield* fork(mm)) as Mm;
      yield* write(child, pageOf(100), 77);
      expect(yield* madvise(child, BASE, HUGE, MADV_COLLAPSE)).toBe(0);
      expect([isHuge(child, BASE), isHuge(mm, BASE)]).toEqual([true, true]);
      expect([yield* read(child, pageOf(100)), yield* read(child, pageOf(511))]).toEqual([77, 112]);
      yield* expectStamps(mm);
      yield* exitMm(child);
    }, 3200);
  });

  it.each([
    ['is pinned', -Errno.EAGAIN],
    ['no huge page is left', -Errno.ENOMEM],
    ['it is forbidden', -Errno.EINVAL],
    ['nothing was ever there', -Errno.EINVAL],
  ] as const)('fails where a page %s, and leaves everything as it was', (why, errno) => {
    withHuge(
      function* (mm, host) {
        host.thp.enabled = 'never';
        yield* stamp(mm, EVERY);
        expect(yield* mmapAnonymous(mm, FAR, HUGE, RW, MAP_FIXED)).toBe(FAR);
        if (why !== 'nothing was ever there') yield* write(mm, pageOf(3, FAR), 3);
        const pinned = why === 'is pinned' ? yield* pinUserPage(mm, pageOf(3, FAR), true) : 0;
        if (why === 'it is forbidden') expect(yield* madvise(mm, FAR, HUGE, MADV_NOHUGEPAGE)).toBe(0);
        expect(yield* madvise(mm, FAR, HUGE, MADV_COLLAPSE)).toBe(errno);
        expect([isHuge(mm, FAR), host.nrIsolated.anon]).toEqual([false, 0]);
        if (why !== 'nothing was ever there') expect(yield* read(mm, pageOf(3, FAR))).toBe(3);
        if (pinned !== 0) yield* unpinUserPage(host, pinned as Pfn, false);
      },
      why === 'no huge page is left' ? 1700 : 2600,
    );
  });
});

describe('get_user_pages', () => {
  it('takes a page out of the middle, which keeps the folio after it was unmapped', () => {
    withHuge(function* (mm, host) {
      const pfn = (yield* getUserPage(mm, pageOf(100), true)) as Pfn;
      const folio = host.frames.folioOf(pfn);
      expect([pfn - folio, host.frames.refcount[folio], host.frames.refcount[pfn]]).toEqual([100, 2, 0]);
      expect(yield* munmap(mm, BASE, HUGE)).toBe(0);
      expect(host.frames.refcount[folio]).toBe(1);
      yield* putPage(host, pfn);
      expect([host.frames.refcount[folio], host.frames.order[pfn]]).toEqual([0, 0]);
    });
  });
});
