// KSM: what is merged and what is not, who has what afterwards, and that nobody notices.

import { describe, expect, it } from 'vitest';
import { ptePfn } from '../../src/hw/sv39/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  getUserPage,
  KSM_RUN_MERGE,
  KSM_RUN_STOP,
  KSM_RUN_UNMERGE,
  kpageFlags,
  ksmMaxPageSharingStore,
  ksmRunStore,
  MADV_DONTNEED,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  MADV_UNMERGEABLE,
  MAP_ANONYMOUS,
  MAP_SHARED,
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  madvise,
  mmap,
  mmapAnonymous,
  mremap,
  PROT_READ,
  PROT_WRITE,
  pinUserPage,
  putPage,
  readKsm,
  shrinkAllMemory,
  unpinUserPage,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { VM_MERGEABLE } from '../../src/mm/vma/vmFlags.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { bug, Errno, type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import {
  type Bench,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
} from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const PAGES = 4;

interface Process {
  readonly mm: Mm;
  readonly base: Hva;
}

/** A process whose page i is full of contents[i], and which has offered it all. */
function* processWith(bench: Bench, contents: readonly number[]): Steps<Process> {
  const mm = yield* newMm(bench.host);
  const base = (yield* mmapAnonymous(mm, 0, contents.length * PAGE_SIZE, RW, 0)) as Hva;
  for (const [i, byte] of contents.entries()) yield* fill(mm, pageAt(base, i), byte);
  expect(yield* madvise(mm, base, contents.length * PAGE_SIZE, MADV_MERGEABLE)).toBe(0);
  return { mm, base };
}

function* fill(mm: Mm, address: Hva, byte: number): Steps {
  expect(yield* copyToUser(mm, 0, address, new Uint8Array(PAGE_SIZE).fill(byte))).toBe(0);
}

function* expectContents({ mm, base }: Process, contents: readonly number[]): Steps {
  const into = new Uint8Array(PAGE_SIZE);
  for (const [i, byte] of contents.entries()) {
    expect(yield* copyFromUser(mm, 0, pageAt(base, i), into)).toBe(0);
    expect({ page: i, is: into.every((each) => each === byte) }).toEqual({ page: i, is: true });
  }
}

const pfnOf = ({ mm, base }: Process, page: number): Pfn => ptePfn(inspectPte(mm, pageAt(base, page)));

/** Lets ksmd complete so many scans from now on. */
function* scan({ host, sched }: Bench, times: number): Steps {
  expect(yield* ksmRunStore(host, KSM_RUN_MERGE)).toBe(0);
  const until = host.ksm.seqnr + times;
  while (host.ksm.seqnr < until) {
    sched.spend(100_000);
    yield RESCHED;
  }
  expect(yield* ksmRunStore(host, KSM_RUN_STOP)).toBe(0);
}

/** What every scene ends with: the processes exit, ksmd notices, and nothing is left. */
function* leave(bench: Bench, ...processes: readonly Process[]): Steps {
  for (const { mm } of processes) yield* exitMm(mm);
  expect(yield* ksmRunStore(bench.host, KSM_RUN_UNMERGE)).toBe(0);
  const { pages_shared, pages_sharing, pages_unshared, pages_volatile } = readKsm(bench.host.ksm);
  expect({ pages_shared, pages_sharing, pages_unshared, pages_volatile }).toEqual({
    pages_shared: 0,
    pages_sharing: 0,
    pages_unshared: 0,
    pages_volatile: 0,
  });
}

function withBench(body: (bench: Bench) => Steps, frames = 128): Bench {
  const bench = makeBench({ frames, swapSlots: 200 });
  runTasks(bench, () => body(bench));
  expectNothingLeaked(bench);
  expect([bench.host.ksm.nodes.size, bench.host.ksm.stableTree.length, bench.host.ksm.slots.length]).toEqual([
    0, 0, 0,
  ]);
  return bench;
}

const CONTENTS = [11, 22, 33, 44];

describe('pages that are the same', () => {
  it('become one, and everybody finds what he left', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, CONTENTS);
      const b = yield* processWith(bench, CONTENTS);
      const before = bench.host.zone.freePages;
      yield* scan(bench, 3);
      expect(bench.host.zone.freePages - before).toBe(PAGES);
      for (let page = 0; page < PAGES; page++) expect(pfnOf(a, page)).toBe(pfnOf(b, page));
      expect(readKsm(bench.host.ksm)).toMatchObject({
        pages_shared: PAGES,
        pages_sharing: PAGES,
        pages_unshared: 0,
        full_scans: 3,
        general_profit: PAGES * PAGE_SIZE - 2 * PAGES * 64,
      });
      expect([a.mm.ksmMergingPages, a.mm.ksmRmapItems]).toEqual([PAGES, PAGES]);
      expect(kpageFlags(bench.host, pfnOf(a, 0)) & (1n << 21n)).toBe(1n << 21n);
      yield* expectContents(a, CONTENTS);
      yield* expectContents(b, CONTENTS);
      yield* leave(bench, a, b);
    });
  });

  it('of one process too; zeros are like any other', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, [0, 7, 0, 7]);
      yield* scan(bench, 3);
      expect(readKsm(bench.host.ksm)).toMatchObject({ pages_shared: 2, pages_sharing: 2 });
      expect([pfnOf(a, 0), pfnOf(a, 1)]).toEqual([pfnOf(a, 2), pfnOf(a, 3)]);
      yield* leave(bench, a);
    });
  });

  it('are each copied by whoever writes, also when only one is left', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, CONTENTS);
      const b = yield* processWith(bench, CONTENTS);
      yield* scan(bench, 3);
      const merged = pfnOf(a, 1);
      yield* fill(a.mm, pageAt(a.base, 1), 99);
      expect([pfnOf(a, 1) === merged, pfnOf(b, 1)]).toEqual([false, merged]);
      yield* fill(b.mm, pageAt(b.base, 1), 98);
      expect(pfnOf(b, 1)).not.toBe(merged);
      yield* expectContents(a, [11, 99, 33, 44]);
      yield* expectContents(b, [11, 98, 33, 44]);
      yield* scan(bench, 1);
      expect(readKsm(bench.host.ksm)).toMatchObject({ pages_shared: 3, pages_sharing: 3 });
      yield* leave(bench, a, b);
    });
  });

  it('join a page that was merged before', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, CONTENTS);
      const b = yield* processWith(bench, CONTENTS);
      yield* scan(bench, 3);
      const c = yield* processWith(bench, CONTENTS);
      yield* scan(bench, 2);
      expect(readKsm(bench.host.ksm)).toMatchObject({ pages_shared: PAGES, pages_sharing: 2 * PAGES });
      expect(pfnOf(c, 3)).toBe(pfnOf(a, 3));
      yield* leave(bench, a, b, c);
    });
  });
});

describe('what is not merged', () => {
  it('a page that changes between scans', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, [5]);
      const b = yield* processWith(bench, [5]);
      for (let i = 0; i < 4; i++) {
        yield* scan(bench, 1);
        yield* fill(a.mm, a.base, 6 + i);
        yield* fill(b.mm, b.base, 6 + i);
      }
      expect(readKsm(bench.host.ksm)).toMatchObject({ pages_shared: 0, pages_volatile: 2 });
      yield* leave(bench, a, b);
    });
  });

  it('a page that somebody has pinned, until he lets go', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, [5]);
      const b = yield* processWith(bench, [5]);
      const pinned = (yield* pinUserPage(a.mm, a.base, true)) as Pfn;
      bench.host.ksm.smartScan = false;
      yield* scan(bench, 3);
      expect(readKsm(bench.host.ksm).pages_shared).toBe(0);
      // What is written through the pin is the process's.
      bench.host.memory.zero(pinned);
      yield* expectContents(a, [0]);
      yield* fill(a.mm, a.base, 5);
      yield* unpinUserPage(bench.host, pinned, true);
      yield* scan(bench, 3);
      expect(readKsm(bench.host.ksm).pages_shared).toBe(1);
      yield* leave(bench, a, b);
    });
  });

  it('shared memory: the advice is passed over', () => {
    withBench(function* (bench) {
      const mm = yield* newMm(bench.host);
      const base = (yield* mmap(mm, 0, PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS, null, 0)) as Hva;
      expect(yield* madvise(mm, base, PAGE_SIZE, MADV_MERGEABLE)).toBe(0);
      expect([mm.isKsmMergeable, mm.vmas.all[0]!.flags & VM_MERGEABLE]).toEqual([false, 0]);
      yield* exitMm(mm);
    });
  });

  it('a page that has as many sharers as it may: another of the same content is begun', () => {
    withBench(function* (bench) {
      expect(yield* ksmMaxPageSharingStore(bench.host.ksm, 1)).toBe(-Errno.EINVAL);
      expect(yield* ksmMaxPageSharingStore(bench.host.ksm, 2)).toBe(0);
      const a = yield* processWith(bench, [9, 9, 9, 9, 9]);
      yield* scan(bench, 4);
      expect(new Set([0, 1, 2, 3, 4].map((page) => pfnOf(a, page))).size).toBe(3);
      expect(readKsm(bench.host.ksm)).toMatchObject({
        pages_shared: 2,
        pages_sharing: 2,
        stable_node_chains: 1,
        stable_node_dups: 2,
      });
      expect(yield* ksmMaxPageSharingStore(bench.host.ksm, 3)).toBe(-Errno.EBUSY);
      yield* expectContents(a, [9, 9, 9, 9, 9]);
      yield* leave(bench, a);
    });
  });
});

describe('pages of zeros, with use_zero_pages', () => {
  const ZEROS = [0, 7, 0, 0];

  it('become the zero page, which is counted and belongs to no tree', () => {
    const bench = withBench(function* (bench) {
      const { host } = bench;
      host.ksm.useZeroPages = true;
      const a = yield* processWith(bench, ZEROS);
      const before = [host.zone.freePages, a.mm.anonPages];
      yield* scan(bench, 2);
      expect([0, 2, 3].map((page) => pfnOf(a, page))).toEqual([host.zeroPfn, host.zeroPfn, host.zeroPfn]);
      expect([host.zone.freePages, a.mm.anonPages]).toEqual([before[0]! + 3, before[1]! - 3]);
      expect(readKsm(host.ksm)).toMatchObject({
        ksm_zero_pages: 3,
        pages_shared: 0,
        pages_sharing: 0,
        general_profit: 3 * PAGE_SIZE - PAGES * 64,
      });
      expect(a.mm.ksmZeroPages).toBe(3);
      yield* expectContents(a, ZEROS);
      yield* leave(bench, a);
    });
    expect(bench.host.ksm.zeroPages).toBe(0);
    const merges = [...bench.ring.records()].filter(({ event }) => event === 'ksm_merge_one_page');
    expect(merges.map(({ fields }) => [fields.pfn, fields.err])).toEqual(
      Array.from({ length: 3 }, () => [bench.host.zeroPfn, 0]),
    );
  });

  it('are counted for a child as well, and no more once written to, dropped or unmerged', () => {
    withBench(function* (bench) {
      const { host } = bench;
      host.ksm.useZeroPages = true;
      const a = yield* processWith(bench, [0, 0, 0, 0]);
      yield* scan(bench, 2);
      const child = { mm: (yield* fork(a.mm)) as Mm, base: a.base };
      const counts = () => [host.ksm.zeroPages, a.mm.ksmZeroPages, child.mm.ksmZeroPages];
      expect(counts()).toEqual([8, 4, 4]);
      yield* fill(a.mm, a.base, 5);
      expect(counts()).toEqual([7, 3, 4]);
      expect(yield* madvise(child.mm, pageAt(a.base, 3), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      expect(counts()).toEqual([6, 3, 3]);
      expect(yield* madvise(a.mm, pageAt(a.base, 1), PAGE_SIZE, MADV_UNMERGEABLE)).toBe(0);
      expect(counts()).toEqual([5, 2, 3]);
      expect(pfnOf(a, 1)).not.toBe(host.zeroPfn);
      yield* expectContents(a, [5, 0, 0, 0]);
      yield* expectContents(child, [0, 0, 0, 0]);
      expect(yield* ksmRunStore(host, KSM_RUN_UNMERGE)).toBe(0);
      expect(counts()).toEqual([0, 0, 0]);
      yield* leave(bench, a, child);
    });
  });

  it('not a page that somebody has pinned', () => {
    withBench(function* (bench) {
      const { host } = bench;
      host.ksm.useZeroPages = true;
      const a = yield* processWith(bench, [0, 1, 2, 3]);
      const pinned = (yield* pinUserPage(a.mm, a.base, true)) as Pfn;
      yield* scan(bench, 2);
      expect([pfnOf(a, 0), host.ksm.zeroPages]).toEqual([pinned, 0]);
      yield* unpinUserPage(host, pinned, false);
      yield* scan(bench, 1);
      expect([pfnOf(a, 0), host.ksm.zeroPages]).toEqual([host.zeroPfn, 1]);
      yield* leave(bench, a);
    });
  });
});

describe('taking it back', () => {
  it('MADV_UNMERGEABLE: pages of one’s own, and no more merging', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, CONTENTS);
      const b = yield* processWith(bench, CONTENTS);
      yield* scan(bench, 3);
      expect(yield* madvise(a.mm, a.base, 2 * PAGE_SIZE, MADV_UNMERGEABLE)).toBe(0);
      expect([0, 1, 2, 3].map((page) => pfnOf(a, page) === pfnOf(b, page))).toEqual([
        false,
        false,
        true,
        true,
      ]);
      yield* scan(bench, 3);
      expect([0, 1, 2, 3].map((page) => pfnOf(a, page) === pfnOf(b, page))).toEqual([
        false,
        false,
        true,
        true,
      ]);
      yield* expectContents(a, CONTENTS);
      yield* leave(bench, a, b);
    });
  });

  it('2 in `run`: everybody, and the books are empty', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, CONTENTS);
      const b = yield* processWith(bench, CONTENTS);
      yield* scan(bench, 3);
      expect(yield* ksmRunStore(bench.host, KSM_RUN_UNMERGE)).toBe(0);
      expect([0, 1, 2, 3].some((page) => pfnOf(a, page) === pfnOf(b, page))).toBe(false);
      expect(bench.host.ksm.nodes.size).toBe(0);
      yield* expectContents(a, CONTENTS);
      yield* expectContents(b, CONTENTS);
      expect(yield* ksmRunStore(bench.host, 3)).toBe(-Errno.EINVAL);
      yield* leave(bench, a, b);
    });
  });

  it('mremap takes pages of its own along', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, CONTENTS);
      const b = yield* processWith(bench, CONTENTS);
      yield* scan(bench, 3);
      const to = 0x20_0000_0000 as Hva;
      const bytes = PAGES * PAGE_SIZE;
      expect(yield* mremap(a.mm, a.base, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to)).toBe(to);
      const moved = { mm: a.mm, base: to };
      expect([0, 1, 2, 3].some((page) => pfnOf(moved, page) === pfnOf(b, page))).toBe(false);
      yield* expectContents(moved, CONTENTS);
      yield* leave(bench, moved, b);
    });
  });
});

describe('reclaim of merged pages', () => {
  it('finds everybody who maps one, those who were forked since included', () => {
    const bench = withBench(function* (bench) {
      const a = yield* processWith(bench, CONTENTS);
      const b = yield* processWith(bench, CONTENTS);
      yield* scan(bench, 3);
      const child = yield* fork(a.mm);
      if (typeof child === 'number') return bug('fork failed');
      const c = { mm: child, base: a.base };
      expect(bench.host.frames.mapcount[pfnOf(a, 0)]).toBe(3);
      // The first looks clear what says that they were used.
      for (let i = 0; i < 4; i++) yield* shrinkAllMemory(bench.host, 100);
      expect([a.mm.swapEntries, b.mm.swapEntries, c.mm.swapEntries]).toEqual([PAGES, PAGES, PAGES]);
      yield* expectContents(c, CONTENTS);
      yield* expectContents(b, CONTENTS);
      yield* expectContents(a, CONTENTS);
      yield* fill(b.mm, b.base, 77);
      yield* expectContents(a, CONTENTS);
      yield* leave(bench, a, b, c);
    });
    expect(bench.host.vmstat.ksm_swpin_copy).toBeGreaterThan(0);
  });

  it('a read-only look by a driver does not merge, nor is it merged away', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, [5]);
      const b = yield* processWith(bench, [5]);
      yield* scan(bench, 3);
      const got = (yield* getUserPage(a.mm, a.base, false)) as Pfn;
      expect(got).toBe(pfnOf(b, 0));
      yield* putPage(bench.host, got);
      const pinned = (yield* pinUserPage(a.mm, a.base, false)) as Pfn;
      expect(pinned).not.toBe(pfnOf(b, 0));
      yield* unpinUserPage(bench.host, pinned, false);
      expect(yield* madvise(b.mm, b.base, PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      yield* expectContents(b, [5]);
      yield* leave(bench, a, b);
    });
  });
});

describe('exit', () => {
  it('before ksmd ever came by leaves nothing to do', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, CONTENTS);
      yield* exitMm(a.mm);
      expect(bench.host.ksm.slots).toEqual([]);
    });
  });

  it('is noticed by the next scan', () => {
    withBench(function* (bench) {
      const a = yield* processWith(bench, CONTENTS);
      const b = yield* processWith(bench, CONTENTS);
      yield* scan(bench, 3);
      yield* exitMm(a.mm);
      yield* scan(bench, 2);
      expect(readKsm(bench.host.ksm)).toMatchObject({ pages_shared: PAGES, pages_sharing: 0 });
      expect(bench.host.mms).toHaveLength(1);
      yield* expectContents(b, CONTENTS);
      yield* leave(bench, b);
    });
  });
});

describe('the tracepoints', () => {
  it('tell of it in the kernel’s words', () => {
    const bench = makeBench({ frames: 128 });
    const lines: string[] = [];
    for (const name of [
      'ksm_enter',
      'ksm_exit',
      'ksm_start_scan',
      'ksm_stop_scan',
      'ksm_merge_with_ksm_page',
    ] as const)
      bench.trace.subscribe(name, (event) => lines.push(`${name} ${JSON.stringify(event.fields)}`));
    runTasks(bench, function* () {
      const a = yield* processWith(bench, [5, 5]);
      yield* scan(bench, 2);
      yield* leave(bench, a);
    });
    expect(lines.map((line) => line.split(' ')[0])).toEqual([
      'ksm_enter',
      'ksm_start_scan',
      'ksm_stop_scan',
      'ksm_start_scan',
      'ksm_merge_with_ksm_page',
      'ksm_merge_with_ksm_page',
      'ksm_stop_scan',
      'ksm_exit',
    ]);
    expect(lines[4]).toContain('"ksm_page":0');
    expect(lines[5]).not.toContain('"ksm_page":0');
    expectBalanced(bench);
  });
});
