// khugepaged: what it collapses unasked, what it leaves alone, and how it comes and goes with settings and processes.

import { describe, expect, it } from 'vitest';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  fput,
  type Host,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_PAGEOUT,
  MAP_FIXED,
  MAP_SHARED,
  type Mm,
  madvise,
  memfdCreate,
  mmap,
  mmapAnonymous,
  PROT_READ,
  PROT_WRITE,
  readKhugepaged,
  thpStore,
} from '../../src/mm/index.ts';
import { inspectEntry } from '../../src/mm/inspect.ts';
import { isHugePmd } from '../../src/mm/pagetable/pmd.ts';
import { scheduleTimeout } from '../../src/mm/timeout.ts';
import type { Steps } from '../../src/sched/index.ts';
import { bug, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { expectBalanced, expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const HUGE_PAGES = 512;
const HUGE = HUGE_PAGES * PAGE_SIZE;
const BASE = 0x4000_0000 as Hva;
const STAMPED = [0, 1, 100, 511];
const ROUND_NS = 10_000_000;

interface Scene {
  readonly host: Host;
  readonly mm: Mm;
  /** Lets khugepaged come round some times. */
  readonly rounds: () => Steps;
}

/**
 * `body` in a process with 2 MiB at BASE that are mapped page by page; then khugepaged is stopped, and nothing is left.
 */
function play(body: (scene: Scene) => Steps, touched: readonly number[] = STAMPED): void {
  const bench = makeBench({ frames: 2700, swapSlots: 700 });
  const { host } = bench;
  host.khugepaged.scanSleepMillisecs = 1;
  const rounds = (): Steps => scheduleTimeout(host.sched, ROUND_NS);
  let mm!: Mm;
  runTasks(bench, function* () {
    mm = yield* newMm(host);
    expect(yield* mmapAnonymous(mm, BASE, HUGE, RW, MAP_FIXED)).toBe(BASE);
    yield* stamp(mm, touched);
    yield* body({ host, mm, rounds });
    thpStore(host, { enabled: 'never', shmemEnabled: 'never' });
    yield* rounds();
  });
  expect(host.khugepaged.hasThread).toBe(false);
  expectBalanced(bench);
  runTasks(bench, () => exitMm(mm));
  expect([host.khugepaged.mms, host.khugepaged.cursor]).toEqual([[], null]);
  expectNothingLeaked(bench);
}

function* stamp(mm: Mm, pages: readonly number[] = STAMPED, base = BASE): Steps {
  for (const page of pages)
    expect(yield* copyToUser(mm, 0, pageAt(base, page), Uint8Array.of(1 + (page % 200)))).toBe(0);
}

function* expectStamps(mm: Mm, pages: readonly number[] = STAMPED, base = BASE): Steps {
  const into = new Uint8Array(1);
  for (const page of pages) {
    expect(yield* copyFromUser(mm, 0, pageAt(base, page), into)).toBe(0);
    expect({ page, value: into[0] }).toEqual({ page, value: 1 + (page % 200) });
  }
}

function isHuge(mm: Mm, address: Hva = BASE): boolean {
  const { entry, level } = inspectEntry(mm, address);
  return level === 1 && isHugePmd(entry);
}

/** The setting, and the advice that makes khugepaged look at the process. */
function* enable(host: Host, mm: Mm): Steps {
  thpStore(host, { enabled: 'madvise' });
  expect(yield* madvise(mm, BASE, HUGE, MADV_HUGEPAGE)).toBe(0);
}

function* forked(mm: Mm): Steps<Mm> {
  const child = yield* fork(mm);
  return typeof child === 'number' ? bug('fork failed', { errno: child }) : child;
}

describe('khugepaged', () => {
  it('collapses anonymous memory, holes and all, and goes round and round', () => {
    play(function* ({ host, mm, rounds }) {
      yield* enable(host, mm);
      expect([isHuge(mm), mm.isKhugepagedScanned]).toEqual([false, true]);
      yield* rounds();
      expect([isHuge(mm), mm.anonPages]).toEqual([true, HUGE_PAGES]);
      yield* expectStamps(mm);
      const { pages_collapsed, full_scans, max_ptes_none } = readKhugepaged(host.khugepaged);
      expect([pages_collapsed, full_scans! > 2, max_ptes_none]).toEqual([1, true, 511]);
    });
  });

  it.each([
    ['holes', 'maxPtesNone', 507, 'thp_scan_exceed_none_pte'],
    ['pages on swap', 'maxPtesSwap', 0, 'thp_scan_exceed_swap_pte'],
    ['shared pages', 'maxPtesShared', 2, 'thp_scan_exceed_share_pte'],
  ] as const)(
    'leaves memory alone with more %s than the limit, and takes as many',
    (kind, limit, pages, counter) => {
      play(function* ({ host, mm, rounds }) {
        if (kind === 'pages on swap') expect(yield* madvise(mm, BASE, PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
        while (host.throttle.writebackInFlight > 0) yield* host.throttle.waitForWriteback();
        const child = kind === 'shared pages' ? yield* forked(mm) : null;
        host.khugepaged[limit] = pages;
        yield* enable(host, mm);
        yield* rounds();
        expect([isHuge(mm), host.vmstat[counter] > 0]).toEqual([false, true]);
        host.khugepaged.maxPtesNone = 508;
        host.khugepaged.maxPtesSwap = 1;
        host.khugepaged.maxPtesShared = 4;
        // Half of 512 must have been used where some are on swap.
        if (kind === 'pages on swap')
          yield* stamp(
            mm,
            Array.from({ length: 300 }, (_, i) => i + 1),
          );
        yield* rounds();
        expect([kind, isHuge(mm)]).toEqual([kind, true]);
        yield* expectStamps(mm);
        if (child !== null) yield* expectStamps(child);
        if (child !== null) yield* exitMm(child);
      });
    },
  );

  it('leaves memory alone that nobody uses, and what it is told to', () => {
    play(function* ({ host, mm, rounds }) {
      for (const page of STAMPED) {
        host.memory.i32[inspectEntry(mm, pageAt(BASE, page)).entryp >>> 2]! &= ~(1 << 6);
        host.frames.flags[inspectEntry(mm, pageAt(BASE, page)).entry >>> 10]! &= ~2;
      }
      yield* enable(host, mm);
      yield* rounds();
      expect(isHuge(mm)).toBe(false);
      expect(yield* madvise(mm, BASE, HUGE, MADV_NOHUGEPAGE)).toBe(0);
      yield* stamp(mm);
      yield* rounds();
      expect(isHuge(mm)).toBe(false);
    });
  });

  it('collapses a shmem object, whose mappings lose their tables and get it by their next fault', () => {
    play(function* ({ host, mm, rounds }) {
      const object = memfdCreate(host, HUGE);
      thpStore(host, { shmemEnabled: 'advise' });
      const base = (yield* mmap(mm, 0, HUGE, RW, MAP_SHARED, object, 0)) as Hva;
      yield* stamp(mm, STAMPED, base);
      expect(yield* madvise(mm, base, HUGE, MADV_HUGEPAGE)).toBe(0);
      const child = yield* forked(mm);
      yield* expectStamps(child, STAMPED, base);
      yield* rounds();
      expect([isHuge(mm, base), mm.shmemPages, child.shmemPages]).toEqual([false, 0, 0]);
      expect(host.vmstat.nr_shmem_hugepages).toBe(1);
      for (const each of [mm, child]) {
        yield* expectStamps(each, STAMPED, base);
        expect(isHuge(each, base)).toBe(true);
      }
      yield* exitMm(child);
      yield* fput(object);
    });
  });

  it('lets go of a process that exits while it is looked at', () => {
    play(function* ({ host, mm, rounds }) {
      yield* enable(host, mm);
      for (let i = 0; i < 6; i++) {
        const child = yield* forked(mm);
        expect(child.isKhugepagedScanned).toBe(true);
        yield* scheduleTimeout(host.sched, 100_000 * (i + 1));
        yield* exitMm(child);
      }
      yield* rounds();
      expect(host.khugepaged.mms).toEqual([mm]);
      expect(host.mms).toEqual([mm]);
    });
  });
});
