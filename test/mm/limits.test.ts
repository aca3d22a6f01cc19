// How much an address space may map, lock and promise, and that what a refused call had begun is undone.

import { describe, expect, it } from 'vitest';
import {
  exitMm,
  fork,
  type Host,
  MADV_RANDOM,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_SHARED,
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  madvise,
  mlock,
  mmap,
  mmapAnonymous,
  mprotect,
  mremap,
  munlock,
  munmap,
  PROT_READ,
  PROT_WRITE,
  readMaps,
} from '../../src/mm/index.ts';
import type { Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const BASE = (2 ** 30) as Hva;
const FRAMES = 128;
const SLOTS = 64;

/** Runs `act` in a process; at the end nothing may be left of it, promises included. */
function inProcess(act: (mm: Mm, host: Host) => Steps): void {
  const bench = makeBench({ frames: FRAMES, swapSlots: SLOTS });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    yield* act(mm, bench.host);
    yield* exitMm(mm);
  });
  expect(bench.host.committedAs).toBe(0);
  expectNothingLeaked(bench);
}

const map = (mm: Mm, page: number, pages: number, prot = RW, flags = 0): Steps<number> =>
  mmapAnonymous(mm, pageAt(BASE, page), pages * PAGE_SIZE, prot, MAP_FIXED | flags);

describe('the number of VMAs', () => {
  it('limits what would add one', () => {
    inProcess(function* (mm, host) {
      host.sysctl.maxMapCount = 4;
      for (let i = 0; i < 4; i++) expect(yield* map(mm, 4 * i, 3)).toBe(pageAt(BASE, 4 * i));
      const middle = pageAt(BASE, 1);
      expect(yield* munmap(mm, middle, PAGE_SIZE)).toBe(-Errno.ENOMEM);
      expect(yield* mprotect(mm, middle, PAGE_SIZE, PROT_READ)).toBe(-Errno.ENOMEM);
      expect(yield* madvise(mm, middle, PAGE_SIZE, MADV_RANDOM)).toBe(-Errno.EAGAIN);
      expect(yield* mlock(mm, middle, PAGE_SIZE, 0)).toBe(-Errno.ENOMEM);
      const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
      expect(yield* mremap(mm, middle, PAGE_SIZE, PAGE_SIZE, flags, pageAt(BASE, 40))).toBe(-Errno.ENOMEM);
      expect(readMaps(mm).length).toBe(4);
    });
  });

  it('may be passed by one mmap, and by cutting an end off', () => {
    inProcess(function* (mm, host) {
      host.sysctl.maxMapCount = 1;
      expect(yield* map(mm, 0, 3)).toBe(BASE);
      expect(yield* map(mm, 8, 3)).toBe(pageAt(BASE, 8));
      expect(yield* map(mm, 16, 3)).toBe(-Errno.ENOMEM);
      expect(yield* munmap(mm, pageAt(BASE, 2), PAGE_SIZE)).toBe(0);
      expect(readMaps(mm).map(({ start, end }) => (end - start) / PAGE_SIZE)).toEqual([2, 3]);
    });
  });
});

describe('the address space', () => {
  it('is limited in pages, whatever they are', () => {
    inProcess(function* (mm) {
      mm.limits.addressSpace = 6;
      expect(yield* map(mm, 0, 4, PROT_READ)).toBe(BASE);
      expect(yield* map(mm, 10, 3)).toBe(-Errno.ENOMEM);
      expect(yield* mremap(mm, BASE, 4 * PAGE_SIZE, 7 * PAGE_SIZE, 0, 0)).toBe(-Errno.ENOMEM);
      expect(yield* mremap(mm, BASE, 4 * PAGE_SIZE, 6 * PAGE_SIZE, 0, 0)).toBe(BASE);
      // What is replaced makes room first.
      expect(yield* map(mm, 2, 4)).toBe(pageAt(BASE, 2));
      expect(mm.totalVm).toBe(6);
    });
  });
});

describe('locked memory', () => {
  it('is limited in pages', () => {
    inProcess(function* (mm) {
      mm.limits.memlock = 4;
      expect(yield* map(mm, 0, 8)).toBe(BASE);
      expect(yield* mlock(mm, BASE, 5 * PAGE_SIZE, 0)).toBe(-Errno.ENOMEM);
      expect(yield* mlock(mm, BASE, 3 * PAGE_SIZE, 0)).toBe(0);
      expect(yield* map(mm, 20, 2, RW, MAP_LOCKED)).toBe(-Errno.EAGAIN);
      expect(mm.lockedVm).toBe(3);
      expect(yield* munmap(mm, BASE, PAGE_SIZE)).toBe(0);
      expect(mm.lockedVm).toBe(2);
      const grow = mremap(mm, pageAt(BASE, 1), 2 * PAGE_SIZE, 5 * PAGE_SIZE, MREMAP_MAYMOVE, 0);
      expect(yield* grow).toBe(-Errno.EAGAIN);
      expect(yield* munlock(mm, pageAt(BASE, 1), 7 * PAGE_SIZE)).toBe(0);
      expect(mm.lockedVm).toBe(0);
    });
  });

  it('is no concern of a child', () => {
    inProcess(function* (mm) {
      yield* map(mm, 0, 2, RW, MAP_LOCKED);
      const child = (yield* fork(mm)) as Mm;
      expect([mm.lockedVm, child.lockedVm]).toEqual([2, 0]);
      expect(readMaps(child)[0]!.flags & ~readMaps(mm)[0]!.flags).toBe(0);
      yield* exitMm(child);
    });
  });
});

describe('what is promised', () => {
  it('by a single call is no more than there is, if the host guesses', () => {
    inProcess(function* (mm, host) {
      host.sysctl.overcommitMemory = 0;
      const most = host.zone.managedPages + SLOTS;
      expect(yield* map(mm, 0, most + 1)).toBe(-Errno.ENOMEM);
      expect(yield* map(mm, 0, most)).toBe(BASE);
      expect(yield* map(mm, 1000, most)).toBe(pageAt(BASE, 1000));
      expect(yield* map(mm, 2000, most + 1, PROT_READ)).toBe(pageAt(BASE, 2000));
      expect(yield* map(mm, 3000, most + 1, RW, MAP_NORESERVE)).toBe(pageAt(BASE, 3000));
      expect(host.committedAs).toBe(2 * most);
      expect(yield* mprotect(mm, pageAt(BASE, 2000), (most + 1) * PAGE_SIZE, RW)).toBe(-Errno.ENOMEM);
    });
  });

  it('by all is no more than the limit, if the host never overcommits', () => {
    inProcess(function* (mm, host) {
      host.sysctl.overcommitMemory = 2;
      host.sysctl.overcommitRatio = 50;
      const limit = Math.floor(host.zone.managedPages / 2) + SLOTS;
      expect(yield* map(mm, 0, limit, RW, MAP_NORESERVE)).toBe(-Errno.ENOMEM);
      expect(yield* map(mm, 0, 50)).toBe(BASE);
      const child = (yield* fork(mm)) as Mm;
      expect(host.committedAs).toBe(100);
      expect(yield* fork(mm)).toBe(-Errno.ENOMEM);
      expect(host.committedAs).toBe(100);
      yield* exitMm(child);
      expect(host.committedAs).toBe(50);
    });
  });

  it('follows the mappings through every change', () => {
    inProcess(function* (mm, host) {
      yield* map(mm, 0, 8);
      expect(yield* mprotect(mm, BASE, 4 * PAGE_SIZE, PROT_READ)).toBe(0);
      // Never touched: what is read-only need not be backed.
      expect(host.committedAs).toBe(4);
      const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
      yield* mremap(mm, pageAt(BASE, 5), 2 * PAGE_SIZE, 3 * PAGE_SIZE, flags, pageAt(BASE, 30));
      expect(host.committedAs).toBe(5);
      yield* munmap(mm, pageAt(BASE, 31), PAGE_SIZE);
      expect(host.committedAs).toBe(4);
      yield* mmap(mm, pageAt(BASE, 50), 6 * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, null, 0);
      expect(host.committedAs).toBe(10);
      yield* munmap(mm, pageAt(BASE, 50), 3 * PAGE_SIZE);
      // The object is as large as ever.
      expect(host.committedAs).toBe(10);
    });
  });
});
