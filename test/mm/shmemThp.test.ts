// Huge pages in shmem objects: who gets them, what truncation, holes, swapping and private copies make of them, and
// collapsing an object that has none.

import { describe, expect, it } from 'vitest';
import {
  exitMm,
  type File,
  filePunchHole,
  fileRead,
  fileTruncate,
  fork,
  fput,
  type Host,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_PAGEOUT,
  type Mm,
  madvise,
  migrateUserPages,
  type ShmemEnabled,
} from '../../src/mm/index.ts';
import { inspectEntry } from '../../src/mm/inspect.ts';
import { isHugePmd } from '../../src/mm/pagetable/pmd.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { printEvent, TaskNames } from '../../src/trace/index.ts';
import { bug, Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { type FileScene, load, mapFile, mapPrivate, memfd, playFiles, readByte, store } from './fileScene.ts';
import { type Bench, newMm, pageAt } from './support.ts';

const HUGE_PAGES = 512;
const HUGE = HUGE_PAGES * PAGE_SIZE;
const SIGBUS = -Errno.EFAULT;
const USED = [0, 1, 100, 511, 512, 700];

interface Scene extends FileScene {
  readonly object: File;
  /** Where all of the object is mapped, at 2 MiB. */
  readonly base: Hva;
}

/** `body` with an object of `pages` pages that is mapped shared, as `shmemEnabled` says; at its end nothing is left. */
function withObject(shmemEnabled: ShmemEnabled, pages: number, body: (scene: Scene) => Steps): Bench {
  return playFiles({ frames: 2700, swapSlots: 1200 }, function* (scene) {
    const { host, mm } = scene;
    host.thp.shmemEnabled = 'always';
    const object = yield* memfd(host, pages);
    const base = yield* mapFile(mm, object, pages);
    if (pages >= HUGE_PAGES) expect(base % HUGE).toBe(0);
    host.thp.shmemEnabled = shmemEnabled;
    yield* body({ ...scene, object, base });
    expect(host.vmstat.nr_shmem_pmdmapped).toBeLessThanOrEqual(host.vmstat.nr_shmem_hugepages);
    yield* fput(object);
  });
}

function isHuge(mm: Mm, address: Hva): boolean {
  const { entry, level } = inspectEntry(mm, address);
  return level === 1 && isHugePmd(entry);
}

function* stamp({ mm, base }: Scene, pages = USED): Steps {
  for (const page of pages) expect(yield* store(mm, base, page, 1 + (page % 200))).toBe(0);
}

function* expectStamps({ mm, base }: Scene, pages = USED): Steps {
  for (const page of pages)
    expect({ page, value: yield* load(mm, base, page) }).toEqual({ page, value: 1 + (page % 200) });
}

const hugeCounts = ({ vmstat }: Host): number[] => [vmstat.nr_shmem_hugepages, vmstat.nr_shmem_pmdmapped];

function* none(): Steps {}

function* hold({ frames }: Host, { mapping }: File, page: number): Steps {
  frames.refcount[mapping.iPages.load(page)]!++;
}

function* letGo({ frames }: Host, { mapping }: File, page: number): Steps {
  frames.refcount[mapping.iPages.load(page)]!--;
}

describe('a fault', () => {
  it('maps 2 MiB by one entry, and again when somebody else comes', () => {
    withObject('always', 2 * HUGE_PAGES, function* (scene) {
      const { host, mm, base, object } = scene;
      yield* stamp(scene);
      expect([isHuge(mm, base), isHuge(mm, pageAt(base, 512))]).toEqual([true, true]);
      expect([mm.faults, mm.shmemPages, object.mapping.iPages.nrpages]).toEqual([2, 1024, 1024]);
      const { thp_file_alloc, thp_file_mapped, nr_shmem } = host.vmstat;
      expect([thp_file_alloc, thp_file_mapped, nr_shmem]).toEqual([2, 2, 1024]);
      expect(hugeCounts(host)).toEqual([2, 2]);
      const other = yield* newMm(host);
      const view = yield* mapFile(other, object, 2 * HUGE_PAGES);
      expect(yield* load(other, view, 700)).toBe(1 + (700 % 200));
      expect([isHuge(other, pageAt(view, 700)), isHuge(other, view)]).toEqual([true, false]);
      expect(yield* readByte(object, 511)).toBe(1 + (511 % 200));
      yield* exitMm(other);
    });
  });

  it.each([
    ['always', null, 600, [true, true]],
    ['within_size', null, 600, [true, false]],
    ['within_size', MADV_HUGEPAGE, 600, [true, true]],
    ['advise', null, 600, [false, false]],
    ['advise', MADV_HUGEPAGE, 600, [true, true]],
    ['always', MADV_NOHUGEPAGE, 600, [false, false]],
    ['never', MADV_HUGEPAGE, 600, [false, false]],
    ['deny', MADV_HUGEPAGE, 600, [false, false]],
    ['force', null, 600, [true, true]],
  ] as const)('with %s and advice %s', (enabled, advice, pages, expected) => {
    // The VMA has room for a second huge page, of which the object has a part.
    withObject(enabled, 2 * HUGE_PAGES, function* ({ mm, base, object, host }) {
      expect(yield* fileTruncate(object, pages * PAGE_SIZE)).toBe(0);
      if (advice !== null) expect(yield* madvise(mm, base, 2 * HUGE, advice)).toBe(0);
      for (const page of [0, 512]) expect(yield* store(mm, base, page, 1)).toBe(0);
      expect([isHuge(mm, base), isHuge(mm, pageAt(base, 512))]).toEqual(expected);
      expect(host.vmstat.nr_shmem_hugepages).toBe(expected.filter(Boolean).length);
    });
  });

  it('does not where there is a page already, nor where the VMA has less than 2 MiB of it', () => {
    withObject('never', HUGE_PAGES, function* ({ mm, base, object, host }) {
      expect(yield* store(mm, base, 7, 7)).toBe(0);
      host.thp.shmemEnabled = 'always';
      expect(yield* store(mm, base, 8, 8)).toBe(0);
      const part = yield* mapFile(mm, object, 100, 9);
      expect(yield* store(mm, part, 0, 9)).toBe(0);
      expect([hugeCounts(host), yield* load(mm, base, 9)]).toEqual([[0, 0], 9]);
    });
  });

  it('maps a huge folio page by page where the VMA has not room for it', () => {
    withObject('always', HUGE_PAGES, function* (scene) {
      const { mm, host, object } = scene;
      yield* stamp(scene, [0, 100, 511]);
      const part = yield* mapFile(mm, object, 100, 50);
      expect(yield* store(mm, part, 50, 50)).toBe(0);
      expect([isHuge(mm, part), mm.shmemPages > 512, hugeCounts(host)]).toEqual([false, true, [1, 1]]);
      expect(yield* load(mm, scene.base, 100)).toBe(50);
    });
  });
});

describe('an object that is cut', () => {
  it('loses what is behind its end; what is before it stays', () => {
    withObject('always', 2 * HUGE_PAGES, function* (scene) {
      const { host, mm, object } = scene;
      yield* stamp(scene);
      const free = host.zone.freePages;
      expect(yield* fileTruncate(object, 100 * PAGE_SIZE + 5)).toBe(0);
      yield* expectStamps(scene, [0, 1, 100]);
      for (const page of [101, 511, 512, 700]) expect(yield* load(mm, scene.base, page)).toBe(SIGBUS);
      expect([object.mapping.iPages.nrpages, host.vmstat.nr_shmem, hugeCounts(host)]).toEqual([
        101,
        101,
        [0, 0],
      ]);
      // All but 101 pages and the tables of the mapping.
      expect(host.zone.freePages - free).toBeGreaterThan(1024 - 101 - 4);
      expect(yield* fileTruncate(object, 2 * HUGE)).toBe(0);
      expect([yield* load(mm, scene.base, 100, 6), yield* load(mm, scene.base, 511)]).toEqual([0, 0]);
    });
  });

  it('is split by a hole, and zeroed where somebody has a reference', () => {
    withObject('always', 2 * HUGE_PAGES, function* (scene) {
      const { host, mm, object, base } = scene;
      yield* stamp(scene);
      expect(yield* filePunchHole(object, PAGE_SIZE, 99 * PAGE_SIZE)).toBe(0);
      expect([yield* load(mm, base, 1), object.mapping.iPages.nrpages, host.vmstat.thp_split_page]).toEqual([
        0, 926, 1,
      ]);
      yield* expectStamps(scene, [0, 100, 511]);
      const folio = object.mapping.iPages.load(512);
      host.frames.refcount[folio]!++;
      expect(yield* filePunchHole(object, 700 * PAGE_SIZE, 10 * PAGE_SIZE)).toBe(0);
      expect([yield* load(mm, base, 700), host.vmstat.thp_split_page_failed]).toEqual([0, 1]);
      host.frames.refcount[folio]!--;
      yield* expectStamps(scene, [0, 100, 511, 512]);
      expect(hugeCounts(host)).toEqual([1, 1]);
    });
  });
});

describe('swap', () => {
  function* pageOut({ host, mm, base }: Scene, pages: number): Steps {
    expect(yield* madvise(mm, base, pages * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    while (host.throttle.writebackInFlight > 0) yield* host.throttle.waitForWriteback();
  }

  it('takes a huge page after it was split, and gives it back page by page', () => {
    withObject('always', 2 * HUGE_PAGES, function* (scene) {
      const { host, object } = scene;
      yield* stamp(scene);
      yield* pageOut(scene, 2 * HUGE_PAGES);
      expect([object.mapping.iPages.swapped, host.vmstat.thp_split_page]).toEqual([1024, 2]);
      yield* expectStamps(scene);
      expect([yield* load(scene.mm, scene.base, 3), hugeCounts(host)]).toEqual([0, [0, 0]]);
    });
  });

  it('takes of a huge page that reaches behind the end of the object what is before it', () => {
    withObject('always', 2 * HUGE_PAGES, function* (scene) {
      const { host, object, base } = scene;
      expect(yield* fileTruncate(object, 100 * PAGE_SIZE)).toBe(0);
      yield* stamp(scene, [0, 1]);
      expect(object.mapping.iPages.nrpages).toBe(512);
      yield* pageOut(scene, 2 * HUGE_PAGES);
      expect([object.mapping.iPages.nrpages, object.mapping.iPages.swapped]).toEqual([0, 100]);
      expect(host.vmstat.nr_shmem).toBe(0);
      yield* expectStamps(scene, [0, 1]);
      expect(yield* load(scene.mm, base, 100)).toBe(SIGBUS);
    });
  });
});

describe('migration', () => {
  it('moves the pages of a huge one to other frames, one by one', () => {
    withObject('always', 2 * HUGE_PAGES, function* (scene) {
      const { host, mm, base, object } = scene;
      yield* stamp(scene);
      const before = object.mapping.iPages.load(100);
      expect(yield* migrateUserPages(mm, pageAt(base, 100), PAGE_SIZE)).toBe(0);
      const { pgmigrate_success, thp_migration_split } = host.vmstat;
      expect([pgmigrate_success, thp_migration_split, hugeCounts(host)]).toEqual([512, 1, [1, 1]]);
      const after = object.mapping.iPages.load(100);
      expect(after < before || after >= before + HUGE_PAGES).toBe(true);
      yield* expectStamps(scene);
    });
  });

  it('leaves a huge page whole that somebody has a reference to', () => {
    withObject('always', HUGE_PAGES, function* (scene) {
      const { host, mm, base, object } = scene;
      yield* stamp(scene, [0, 100]);
      yield* hold(host, object, 100);
      expect(yield* migrateUserPages(mm, base, HUGE)).toBe(1);
      expect([host.vmstat.thp_migration_fail, host.vmstat.pgmigrate_fail]).toEqual([1, 512]);
      yield* letGo(host, object, 100);
      yield* expectStamps(scene, [0, 100]);
    });
  });
});

describe('a private mapping', () => {
  it('maps a huge page until it stores to it: one page is copied', () => {
    withObject('always', HUGE_PAGES, function* (scene) {
      const { mm, object } = scene;
      yield* stamp(scene, [0, 100]);
      const own = yield* mapPrivate(mm, object, HUGE_PAGES);
      expect([yield* load(mm, own, 100), isHuge(mm, own)]).toEqual([101, own % HUGE === 0]);
      expect(yield* store(mm, own, 100, 9)).toBe(0);
      expect([yield* load(mm, own, 100), yield* load(mm, own, 0), mm.anonPages]).toEqual([9, 1, 1]);
      yield* expectStamps(scene, [0, 100]);
    });
  });
});

describe('MADV_COLLAPSE', () => {
  it('loses no store that only the entries of the table know of', () => {
    withObject('never', HUGE_PAGES, function* ({ host, mm, base, object }) {
      // Leaves a table without pages; then a huge one is read into it.
      expect(yield* store(mm, base, 0, 7)).toBe(0);
      expect(yield* filePunchHole(object, 0, PAGE_SIZE)).toBe(0);
      host.thp.shmemEnabled = 'always';
      expect([yield* load(mm, base, 1), isHuge(mm, base), hugeCounts(host)]).toEqual([0, false, [1, 0]]);
      expect(yield* store(mm, base, 2, 9)).toBe(0);
      expect([yield* madvise(mm, base, HUGE, MADV_COLLAPSE), isHuge(mm, base)]).toEqual([0, true]);
      expect(yield* madvise(mm, base, HUGE, MADV_PAGEOUT)).toBe(0);
      while (host.throttle.writebackInFlight > 0) yield* host.throttle.waitForWriteback();
      expect([yield* load(mm, base, 1), yield* load(mm, base, 2)]).toEqual([0, 9]);
    });
  });

  it('makes one huge page of what is there, what is swapped out and holes; who maps it is to fault it in again', () => {
    const bench = withObject('never', HUGE_PAGES, function* (scene) {
      const { host, mm, base, object } = scene;
      yield* stamp(scene, [0, 1, 100, 511]);
      expect(yield* madvise(mm, pageAt(base, 100), PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      while (host.throttle.writebackInFlight > 0) yield* host.throttle.waitForWriteback();
      const forked = yield* fork(mm);
      const child: Mm = typeof forked === 'number' ? bug('fork failed', { errno: forked }) : forked;
      expect(yield* load(child, base, 511, 0, 1)).toBe(112);
      const tables = child.pageTables;
      expect(yield* madvise(mm, base, HUGE, MADV_COLLAPSE)).toBe(0);
      expect([isHuge(mm, base), child.pageTables, child.shmemPages]).toEqual([true, tables - 1, 0]);
      expect([object.mapping.iPages.nrpages, object.mapping.iPages.swapped, host.vmstat.nr_shmem]).toEqual([
        512, 0, 512,
      ]);
      yield* expectStamps(scene, [0, 1, 100, 511]);
      expect([yield* load(child, base, 3, 0, 1), isHuge(child, base)]).toEqual([0, true]);
      expect(hugeCounts(host)).toEqual([1, 1]);
      // Once more there is nothing to do.
      expect(yield* madvise(mm, base, HUGE, MADV_COLLAPSE)).toBe(0);
      yield* exitMm(child);
    });
    const lines = [...bench.ring.records()]
      .filter(({ event }) => event.startsWith('mm_khugepaged'))
      .map((record) => printEvent(record, new TaskNames(() => null)));
    expect(lines.map((line) => line.replace(/mm=\w+|pfn=\w+|addr=\w+/g, '#'))).toEqual([
      '#, hpage_#, index=512, #, is_shmem=1, filename=memfd:, nr=512, result=pte_mapped_hugepage',
      '#, scan_#, filename=memfd:, present=3, swap=1, result=pte_mapped_hugepage',
      '#, scan_#, filename=memfd:, present=0, swap=0, result=pte_mapped_hugepage',
    ]);
  });

  it.each([
    ['deny', (_: Scene) => none(), -Errno.EINVAL],
    [
      'never',
      ({ mm, base }: Scene): Steps<unknown> => madvise(mm, base, HUGE, MADV_NOHUGEPAGE),
      -Errno.EINVAL,
    ],
    ['never', ({ object }: Scene) => fileTruncate(object, 0), -Errno.EINVAL],
    ['never', ({ host, object }: Scene) => hold(host, object, 100), -Errno.EAGAIN],
  ] as const)('with %s, %s: %i', (enabled, before, expected) => {
    withObject(enabled, HUGE_PAGES, function* (scene) {
      const { host, mm, base, object } = scene;
      yield* stamp(scene, [0, 100]);
      yield* before(scene);
      expect(yield* madvise(mm, base, HUGE, MADV_COLLAPSE)).toBe(expected);
      expect(host.vmstat.nr_shmem_hugepages).toBe(0);
      if (expected === -Errno.EAGAIN) yield* letGo(host, object, 100);
      if (object.mapping.iPages.nrpages > 0) yield* expectStamps(scene, [0, 100]);
    });
  });

  it('is not for files on a disk', () => {
    playFiles({ frames: 1400 }, function* ({ mm, file }) {
      const base = yield* mapFile(mm, file, 16);
      expect(yield* madvise(mm, base, 16 * PAGE_SIZE, MADV_COLLAPSE)).toBe(-Errno.EINVAL);
    });
  });

  it('leaves those who use the memory meanwhile with what they stored', () => {
    withObject('never', HUGE_PAGES, function* (scene) {
      const { mm, base, host } = scene;
      let over = false;
      host.sched.spawn(
        'stores',
        (function* (): Steps {
          for (let i = 0; i < 400; i++) {
            const page = (i * 37) % HUGE_PAGES;
            expect(yield* store(mm, base, page, i % 251, 8, 1)).toBe(0);
            yield RESCHED;
            expect(yield* load(mm, base, page, 8, 1)).toBe(i % 251);
          }
          over = true;
        })(),
      );
      let collapsed = 0;
      while (!over) {
        if ((yield* madvise(mm, base, HUGE, MADV_COLLAPSE)) === 0) collapsed++;
        yield RESCHED;
        expect(yield* madvise(mm, pageAt(base, 3), PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
        expect(yield* madvise(mm, pageAt(base, 5), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      }
      expect(collapsed).toBeGreaterThan(2);
      const into = new Uint8Array(HUGE);
      expect(yield* fileRead(scene.object, 0, into)).toBe(HUGE);
      for (let i = 400 - HUGE_PAGES; i < 400; i++)
        if (i >= 0) expect(into[((i * 37) % HUGE_PAGES) * PAGE_SIZE + 8]).toBe(i % 251);
    });
  });
});
