// What migration does with one page: what keeps it from moving, what moves with it, and what others find meanwhile.

import { describe, expect, it } from 'vitest';
import { PTE_D, PTE_W, ptePfn } from '../../src/hw/sv39/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  getUserPage,
  MADV_PAGEOUT,
  MADV_WILLNEED,
  type Mm,
  madvise,
  migrateUserPages,
  mincore,
  mmapAnonymous,
  mprotect,
  munmap,
  PROT_READ,
  PROT_WRITE,
  pagemapEntry,
  pinUserPage,
  putPage,
  readPagemap,
  unpinUserPage,
} from '../../src/mm/index.ts';
import { inspectPte, isMigrationPte, isPresentPte } from '../../src/mm/internals.ts';
import { removeMigrationPtes, tryToMigrate } from '../../src/mm/migrate/tryToMigrate.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { bug, type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { type Bench, expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const PAGES = 4;
const RW = PROT_READ | PROT_WRITE;

const pfnOf = (mm: Mm, address: Hva): Pfn => ptePfn(inspectPte(mm, address));
const store = (mm: Mm, address: Hva, value: number): Steps<number> =>
  copyToUser(mm, 0, address, Uint8Array.of(value));

function* loaded(mm: Mm, address: Hva): Steps<number> {
  const into = new Uint8Array(1);
  expect(yield* copyFromUser(mm, 0, address, into)).toBe(0);
  return into[0]!;
}

/** Runs `act` on a process whose page i holds i + 1, then takes it down. */
function scene(act: (bench: Bench, mm: Mm, base: Hva) => Steps): void {
  const bench = makeBench({ frames: 64, swapSlots: 64 });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    const base = (yield* mmapAnonymous(mm, 0, PAGES * PAGE_SIZE, RW, 0)) as Hva;
    for (let i = 0; i < PAGES; i++) expect(yield* store(mm, pageAt(base, i), i + 1)).toBe(0);
    yield* act(bench, mm, base);
    for (let i = 0; i < PAGES; i++) {
      if (mm.vmas.find(pageAt(base, i)) !== null) expect(yield* loaded(mm, pageAt(base, i))).toBe(i + 1);
    }
    yield* exitMm(mm);
  });
  expectNothingLeaked(bench);
}

/** While migration entries stand for the page of `address`, which goes back to where it was. */
function* whileMoving({ host, sched }: Bench, mm: Mm, address: Hva, act: () => Steps): Steps {
  const pfn = pfnOf(mm, address);
  let phase: string = 'before';
  const mover = function* (): Steps {
    host.frames.get(pfn);
    yield* host.folioLocks.lock(pfn);
    yield* tryToMigrate(host, pfn, null);
    phase = 'away';
    while (phase !== 'acted') yield RESCHED;
    yield* removeMigrationPtes(host, pfn, pfn);
    host.folioLocks.unlock(pfn);
    yield* putPage(host, pfn);
    phase = 'back';
  };
  sched.spawn('mover', mover());
  while (phase !== 'away') yield RESCHED;
  expect(isMigrationPte(inspectPte(mm, address))).toBe(true);
  yield* act();
  phase = 'acted';
  while (phase !== 'back') yield RESCHED;
}

describe('a page moves', () => {
  it('with its content and its rights, and the old frame is free', () => {
    scene(function* ({ host }, mm, base) {
      const before = pfnOf(mm, base);
      expect(yield* migrateUserPages(mm, base, PAGES * PAGE_SIZE)).toBe(0);
      expect(pfnOf(mm, base)).not.toBe(before);
      expect(inspectPte(mm, base) & (PTE_W | PTE_D)).toBe(PTE_W | PTE_D);
      expect(host.vmstat).toMatchObject({ pgmigrate_success: PAGES, pgmigrate_fail: 0 });
      expect(mm.anonPages).toBe(PAGES);
    });
  });

  it('in every process that maps it', () => {
    scene(function* (_, mm, base) {
      const child = (yield* fork(mm)) as Mm;
      expect(yield* migrateUserPages(mm, base, PAGES * PAGE_SIZE)).toBe(0);
      for (let i = 0; i < PAGES; i++) {
        expect(pfnOf(child, pageAt(base, i))).toBe(pfnOf(mm, pageAt(base, i)));
        expect(inspectPte(child, pageAt(base, i)) & PTE_W).toBe(0);
      }
      expect(yield* store(child, base, 99)).toBe(0);
      yield* exitMm(child);
    });
  });

  it('in the swap cache, mapped or not', () => {
    scene(function* (bench, mm, base) {
      expect(yield* madvise(mm, base, PAGES * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect(yield* madvise(mm, base, PAGES * PAGE_SIZE, MADV_WILLNEED)).toBe(0);
      while (bench.host.swap!.cachedPages < PAGES) yield RESCHED;
      expect(yield* loaded(mm, base)).toBe(1);
      const before = pfnOf(mm, base);
      expect(yield* migrateUserPages(mm, base, PAGES * PAGE_SIZE)).toBe(0);
      expect(pfnOf(mm, base)).not.toBe(before);
      expect(bench.host.swap!.cachedPages).toBe(PAGES);
    });
  });

  it('not while somebody has a reference: what moves him is that he lets go', () => {
    scene(function* ({ host }, mm, base) {
      const pfn = (yield* getUserPage(mm, base, true)) as Pfn;
      expect(yield* migrateUserPages(mm, base, PAGES * PAGE_SIZE)).toBe(1);
      expect(pfnOf(mm, base)).toBe(pfn);
      expect(host.vmstat).toMatchObject({ pgmigrate_success: PAGES - 1, pgmigrate_fail: 1 });
      yield* putPage(host, pfn);
      expect(yield* migrateUserPages(mm, base, PAGE_SIZE)).toBe(0);
      expect(pfnOf(mm, base)).not.toBe(pfn);
    });
  });

  it('not while it is pinned, and it stays writable', () => {
    scene(function* ({ host }, mm, base) {
      const pfn = (yield* pinUserPage(mm, base, false)) as Pfn;
      expect(yield* migrateUserPages(mm, base, PAGE_SIZE)).toBe(1);
      expect(pfnOf(mm, base)).toBe(pfn);
      expect(inspectPte(mm, base) & PTE_W).toBe(PTE_W);
      yield* unpinUserPage(host, pfn, false);
    });
  });

  it('not where there is no frame left', () => {
    scene(function* ({ host }, mm, base) {
      const taken: Pfn[] = [];
      const { zone } = host;
      while (zone.isAbove(zone.watermarks.low, 0)) {
        const into = (yield* mmapAnonymous(mm, 0, PAGE_SIZE, RW, 0)) as Hva;
        expect(yield* store(mm, into, 7)).toBe(0);
        taken.push(pfnOf(mm, into));
      }
      expect(taken.length).toBeGreaterThan(8);
      expect(yield* migrateUserPages(mm, base, PAGES * PAGE_SIZE)).toBeLessThan(0);
    });
  });
});

describe('while a page is on its way', () => {
  it('an access waits for it', () => {
    scene(function* (bench, mm, base) {
      let found = 0;
      yield* whileMoving(bench, mm, base, function* () {
        bench.sched.spawn(
          'reader',
          (function* () {
            found = yield* loaded(mm, base);
          })(),
        );
        for (let i = 0; i < 5; i++) yield RESCHED;
        expect(found).toBe(0);
      });
      while (found === 0) yield RESCHED;
      expect(found).toBe(1);
    });
  });

  it('it counts as resident, in core, and is shown as a swap entry of its own type', () => {
    scene(function* (bench, mm, base) {
      const pfn = pfnOf(mm, base);
      yield* whileMoving(bench, mm, base, function* () {
        expect(mm.anonPages).toBe(PAGES);
        expect(readPagemap(mm, base).kind).toBe('migration');
        const entry = pagemapEntry(mm, base);
        expect([entry >> 62n, entry & 31n, (entry >> 5n) & 0xffffffn]).toEqual([1n, 27n, BigInt(pfn)]);
        const vec = new Uint8Array(1);
        expect(yield* mincore(mm, base, vec)).toBe(0);
        expect(vec[0]).toBe(1);
      });
    });
  });

  it('a fork shares it', () => {
    scene(function* (bench, mm, base) {
      let child: Mm | null = null;
      yield* whileMoving(bench, mm, base, function* () {
        const forked = yield* fork(mm);
        child = typeof forked === 'number' ? bug('fork failed') : forked;
        expect(isMigrationPte(inspectPte(child, base))).toBe(true);
        expect(child.anonPages).toBe(PAGES);
      });
      expect(pfnOf(child!, base)).toBe(pfnOf(mm, base));
      expect((inspectPte(child!, base) | inspectPte(mm, base)) & PTE_W).toBe(0);
      expect(yield* store(child!, base, 50)).toBe(0);
      yield* exitMm(child!);
    });
  });

  it('an unmapping drops it for good', () => {
    scene(function* (bench, mm, base) {
      yield* whileMoving(bench, mm, base, function* () {
        expect(yield* munmap(mm, base, PAGE_SIZE)).toBe(0);
        expect(mm.anonPages).toBe(PAGES - 1);
      });
      expect(inspectPte(mm, base)).toBe(0);
    });
  });

  it('an mprotect makes it arrive read-only', () => {
    scene(function* (bench, mm, base) {
      yield* whileMoving(bench, mm, base, function* () {
        expect(yield* mprotect(mm, base, PAGE_SIZE, PROT_READ)).toBe(0);
      });
      expect(isPresentPte(inspectPte(mm, base))).toBe(true);
      expect(inspectPte(mm, base) & PTE_W).toBe(0);
      expect(yield* store(mm, base, 9)).toBeLessThan(0);
      expect(yield* mprotect(mm, base, PAGE_SIZE, RW)).toBe(0);
      expect(yield* store(mm, base, 1)).toBe(0);
    });
  });
});
