// The unevictable list: what is locked is there, counted once for each locked mapping, and out of reclaim's way.

import { describe, expect, it } from 'vitest';
import { PTE_V, ptePfn } from '../../src/hw/sv39/index.ts';
import {
  compactMemory,
  copyToUser,
  exitMm,
  fork,
  type Host,
  kpageFlags,
  MADV_PAGEOUT,
  MAP_FIXED,
  MLOCK_ONFAULT,
  type Mm,
  madvise,
  migrateUserPages,
  mlock,
  mmapAnonymous,
  munlock,
  munmap,
  PROT_READ,
  PROT_WRITE,
  readVmstat,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { folioPutbackLru } from '../../src/mm/page/folio.ts';
import { tryToFreePages } from '../../src/mm/reclaim/directReclaim.ts';
import { RESCHED, randomPolicy, type Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { load, mapShared, playFiles, store } from './fileScene.ts';
import { expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const HOST = { frames: 128, swapSlots: 64 };
const BYTES = 8 * PAGE_SIZE;
const HUGE = 2 ** 21;
/** KPF_LRU, KPF_ACTIVE, KPF_UNEVICTABLE, KPF_MLOCKED. */
const KPF = [1n << 5n, 1n << 6n, 1n << 18n, 1n << 33n] as const;

const pfnOf = (mm: Mm, address: Hva): Pfn => ptePfn(inspectPte(mm, address));
const isPresent = (mm: Mm, address: Hva): boolean => (inspectPte(mm, address) & PTE_V) !== 0;
const shown = (host: Host, pfn: Pfn): boolean[] => KPF.map((bit) => (kpageFlags(host, pfn) & bit) !== 0n);
const UNEVICTABLE = [true, false, true, true];

/** Pages that are locked, and that are on the list. */
function sizes(host: Host): [number | undefined, number | undefined] {
  const { nr_mlock, nr_unevictable } = readVmstat(host);
  return [nr_mlock, nr_unevictable];
}

/** What has happened so far, in pages: locked, unlocked, off the LRU lists, back on them. */
function events({ vmstat }: Host): number[] {
  const { unevictable_pgs_mlocked, unevictable_pgs_munlocked } = vmstat;
  const { unevictable_pgs_culled, unevictable_pgs_rescued } = vmstat;
  return [
    unevictable_pgs_mlocked,
    unevictable_pgs_munlocked,
    unevictable_pgs_culled,
    unevictable_pgs_rescued,
  ];
}

function* fill(mm: Mm, base: Hva, pages = 8): Steps {
  for (let page = 0; page < pages; page++) expect(yield* store(mm, base, page, page + 1)).toBe(0);
}

function* anonymous(mm: Mm, pages = 8): Steps<Hva> {
  return (yield* mmapAnonymous(mm, 0, pages * PAGE_SIZE, RW, 0)) as Hva;
}

/** Reclaim gives up before it has taken what is locked. */
function* reclaimAll(host: Host): Steps {
  for (let round = 0; round < 20; round++) yield* tryToFreePages(host, 0);
}

describe('the unevictable list', () => {
  it('has what was mapped when it was locked, and what a locked VMA maps later', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const base = yield* anonymous(mm);
      yield* fill(mm, base, 4);
      expect(yield* mlock(mm, base, BYTES, 0)).toBe(0);
      expect([sizes(host), events(host)]).toEqual([
        [8, 8],
        [8, 0, 8, 0],
      ]);
      for (let page = 0; page < 8; page++)
        expect(shown(host, pfnOf(mm, pageAt(base, page)))).toEqual(UNEVICTABLE);
      for (const flags of [0, MLOCK_ONFAULT]) expect(yield* mlock(mm, base, BYTES, flags)).toBe(0);
      expect([events(host), host.frames.mlockCount[pfnOf(mm, base)]]).toEqual([[8, 0, 8, 0], 1]);
      expect(yield* munlock(mm, base, BYTES)).toBe(0);
      expect([sizes(host), events(host)]).toEqual([
        [0, 0],
        [8, 8, 8, 8],
      ]);
      expect(shown(host, pfnOf(mm, base))).toEqual([true, false, false, false]);
    });
  });

  it('is not scanned: reclaim has nothing to look at where all is locked', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const base = yield* anonymous(mm);
      yield* fill(mm, base);
      expect(yield* mlock(mm, base, BYTES, 0)).toBe(0);
      yield* reclaimAll(host);
      expect([host.vmstat.pgscan_anon, isPresent(mm, base)]).toEqual([0, true]);
      expect(yield* munlock(mm, base, BYTES)).toBe(0);
      yield* reclaimAll(host);
      expect([host.vmstat.pgscan_anon > 0, isPresent(mm, base)]).toEqual([true, false]);
    });
  });

  it('gives a page back when the last of several locked mappings is gone', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const base = yield* mapShared(mm, 8);
      yield* fill(mm, base);
      const [child, other] = [(yield* fork(mm)) as Mm, (yield* fork(mm)) as Mm];
      for (const each of [mm, child, other]) expect(yield* mlock(each, base, BYTES, 0)).toBe(0);
      expect([sizes(host), events(host)[0]]).toEqual([[8, 8], 8]);
      const pfn = pfnOf(mm, base);
      expect(host.frames.mlockCount[pfn]).toBe(3);
      expect(yield* munlock(mm, base, BYTES)).toBe(0);
      expect(yield* munmap(child, base, BYTES)).toBe(0);
      expect([host.frames.mlockCount[pfn], sizes(host)]).toEqual([1, [8, 8]]);
      yield* exitMm(other);
      expect([sizes(host), shown(host, pfn)]).toEqual([
        [0, 0],
        [true, false, false, false],
      ]);
      yield* exitMm(child);
    });
  });

  it('has pages that came back from the swap', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const base = yield* anonymous(mm);
      yield* fill(mm, base);
      expect(yield* madvise(mm, base, BYTES, MADV_PAGEOUT)).toBe(0);
      expect(yield* mlock(mm, base, BYTES, 0)).toBe(0);
      expect(sizes(host)).toEqual([8, 8]);
      for (let page = 0; page < 8; page++) expect(yield* load(mm, base, page)).toBe(page + 1);
    });
  });

  it('has the copy where a locked page was copied or moved, and not the original', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const base = yield* anonymous(mm);
      yield* fill(mm, base);
      expect(yield* mlock(mm, base, BYTES, 0)).toBe(0);
      const child = (yield* fork(mm)) as Mm;
      const original = pfnOf(mm, base);
      expect(yield* store(mm, base, 0, 99)).toBe(0);
      const copy = pfnOf(mm, base);
      expect(copy).not.toBe(original);
      expect([shown(host, copy), shown(host, original)[3]]).toEqual([UNEVICTABLE, false]);
      expect(yield* migrateUserPages(mm, base, PAGE_SIZE)).toBe(0);
      expect(pfnOf(mm, base)).not.toBe(copy);
      expect([shown(host, pfnOf(mm, base)), sizes(host)]).toEqual([UNEVICTABLE, [8, 8]]);
      // Unlocked while it was isolated, the copy was stranded for a moment; what took its place was put back first.
      expect([events(host), host.vmstat.unevictable_pgs_stranded]).toEqual([[10, 1, 10, 2], 1]);
      yield* exitMm(child);
    });
  });

  it('gets a page that was locked while it was isolated once that is over', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const base = yield* anonymous(mm);
      yield* fill(mm, base);
      const pfn = pfnOf(mm, base);
      expect(yield* host.lruvec.isolate(pfn)).toBe(true);
      expect(yield* mlock(mm, base, BYTES, 0)).toBe(0);
      expect(sizes(host)).toEqual([8, 7]);
      yield* folioPutbackLru(host, pfn);
      expect([sizes(host), shown(host, pfn)]).toEqual([[8, 8], UNEVICTABLE]);
      expect(yield* host.lruvec.isolate(pfn)).toBe(true);
      expect(yield* munlock(mm, base, BYTES)).toBe(0);
      expect([sizes(host), host.vmstat.unevictable_pgs_stranded]).toEqual([[0, 0], 1]);
      yield* folioPutbackLru(host, pfn);
      expect([shown(host, pfn), events(host)[3]]).toEqual([[true, false, false, false], 8]);
    });
  });

  it('loses a page of which it has counted too few mappings, until reclaim finds the other', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const base = yield* mapShared(mm, 8);
      yield* fill(mm, base);
      const child = (yield* fork(mm)) as Mm;
      for (let page = 0; page < 8; page++) yield* load(child, base, page);
      const pages = Array.from({ length: 8 }, (_, page) => pfnOf(mm, pageAt(base, page)));
      for (const pfn of pages) expect(yield* host.lruvec.isolate(pfn)).toBe(true);
      for (const each of [mm, child]) expect(yield* mlock(each, base, BYTES, 0)).toBe(0);
      for (const pfn of pages) yield* folioPutbackLru(host, pfn);
      expect(yield* munlock(mm, base, BYTES)).toBe(0);
      expect(sizes(host)).toEqual([0, 0]);
      yield* reclaimAll(host);
      expect([sizes(host), isPresent(child, base)]).toEqual([[8, 8], true]);
      yield* exitMm(child);
    });
  });
});

describe('mlock()', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'leaves no page locked behind while pages are being moved (seed %s)',
    (seed) => {
      const bench = makeBench({ frames: 128, swapSlots: 64, policy: randomPolicy(seed) });
      const { host } = bench;
      let isOver = false;
      const compactor = function* (): Steps {
        while (!isOver) {
          yield* compactMemory(host);
          yield RESCHED;
        }
      };
      runTasks(
        bench,
        function* () {
          const mm = yield* newMm(host);
          const base = yield* anonymous(mm);
          for (let round = 0; round < 6; round++) {
            yield* fill(mm, base);
            expect(yield* mlock(mm, base, BYTES, 0)).toBe(0);
            expect(yield* munlock(mm, base, BYTES)).toBe(0);
            for (let page = 0; page < 8; page++) {
              if (isPresent(mm, pageAt(base, page)))
                expect(kpageFlags(host, pfnOf(mm, pageAt(base, page))) & KPF[3]).toBe(0n);
            }
          }
          isOver = true;
          yield* exitMm(mm);
        },
        compactor,
      );
      expectNothingLeaked(bench);
    },
  );
});

describe('a huge page', () => {
  it('is unlocked whole when it is unmapped', () => {
    const bench = makeBench({ frames: 1600, swapSlots: 64 });
    const { host } = bench;
    host.thp.enabled = 'always';
    runTasks(bench, function* () {
      const mm = yield* newMm(host);
      const base = (yield* mmapAnonymous(mm, 0x4000_0000 as Hva, HUGE, RW, MAP_FIXED)) as Hva;
      expect(yield* mlock(mm, base, HUGE, 0)).toBe(0);
      expect(events(host)).toEqual([512, 0, 512, 0]);
      expect(yield* munmap(mm, base, HUGE)).toBe(0);
      expect([events(host), host.vmstat.unevictable_pgs_cleared]).toEqual([[512, 512, 512, 512], 0]);
      yield* exitMm(mm);
    });
    expectNothingLeaked(bench);
  });

  it('is locked whole; when a part is unlocked, reclaim splits it and keeps the rest', () => {
    const bench = makeBench({ frames: 1600, swapSlots: 1200 });
    const { host } = bench;
    host.thp.enabled = 'always';
    runTasks(bench, function* () {
      const mm = yield* newMm(host);
      const base = (yield* mmapAnonymous(mm, 0x4000_0000 as Hva, HUGE, RW, MAP_FIXED)) as Hva;
      for (let page = 0; page < 512; page++)
        expect(yield* copyToUser(mm, 0, pageAt(base, page), Uint8Array.of(1 + (page % 250)))).toBe(0);
      expect(yield* mlock(mm, base, HUGE, 0)).toBe(0);
      expect([sizes(host), host.vmstat.thp_split_pmd]).toEqual([[512, 512], 0]);
      expect(yield* munlock(mm, pageAt(base, 100), HUGE - 100 * PAGE_SIZE)).toBe(0);
      expect([sizes(host), host.vmstat.thp_split_pmd]).toEqual([[0, 0], 1]);
      yield* reclaimAll(host);
      expect(sizes(host)).toEqual([100, 100]);
      const kept = Array.from({ length: 512 }, (_, page) => page).filter((page) =>
        isPresent(mm, pageAt(base, page)),
      );
      expect(kept).toEqual(Array.from({ length: 100 }, (_, page) => page));
      yield* exitMm(mm);
    });
    expectNothingLeaked(bench);
  });
});
