// mmap, munmap, madvise: addresses, errors, and what becomes of VMAs and tables.

import { describe, expect, it } from 'vitest';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  getUserPage,
  MADV_DONTNEED,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  type Mm,
  madvise,
  mmapAnonymous,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/mm/index.ts';
import type { Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { type Bench, expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const GIB = 2 ** 30;

/** Runs `act` with an address space of its own; nothing may leak. */
function withMm(act: (mm: Mm, bench: Bench) => Steps): void {
  const bench = makeBench({ frames: 64, swapSlots: 64 });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    yield* act(mm, bench);
    yield* exitMm(mm);
  });
  expectNothingLeaked(bench);
}

const boundsOf = (mm: Mm, base: number): number[][] =>
  mm.vmas.all.map((vma) => [(vma.start - base) / PAGE_SIZE, (vma.end - base) / PAGE_SIZE]);

describe('mmap', () => {
  it('hands out the highest gap that fits', () => {
    withMm(function* (mm) {
      const first = yield* mmapAnonymous(mm, 0, 4 * PAGE_SIZE, RW, 0);
      expect(yield* mmapAnonymous(mm, 0, PAGE_SIZE, PROT_READ, 0)).toBe(first - PAGE_SIZE);
      expect(yield* munmap(mm, pageAt(first, 1), 2 * PAGE_SIZE)).toBe(0);
      expect(yield* mmapAnonymous(mm, 0, 2 * PAGE_SIZE, PROT_READ, 0)).toBe(first + PAGE_SIZE);
      expect(yield* mmapAnonymous(mm, 0, 2 * PAGE_SIZE, RW, 0)).toBe(first - 3 * PAGE_SIZE);
    });
  });

  it('takes a hint if it is free', () => {
    withMm(function* (mm) {
      expect(yield* mmapAnonymous(mm, GIB as Hva, PAGE_SIZE, RW, 0)).toBe(GIB);
      expect(yield* mmapAnonymous(mm, GIB as Hva, PAGE_SIZE, RW, 0)).not.toBe(GIB);
    });
  });

  it('refuses what cannot be', () => {
    withMm(function* (mm) {
      expect(yield* mmapAnonymous(mm, 0, 0, RW, 0)).toBe(-Errno.EINVAL);
      expect(yield* mmapAnonymous(mm, 5 as Hva, PAGE_SIZE, RW, MAP_FIXED)).toBe(-Errno.EINVAL);
      expect(yield* mmapAnonymous(mm, 0, 2 ** 39, RW, 0)).toBe(-Errno.ENOMEM);
      expect(yield* mmapAnonymous(mm, 0x1000 as Hva, PAGE_SIZE, RW, MAP_FIXED)).toBe(-Errno.ENOMEM);
      expect(yield* mmapAnonymous(mm, -PAGE_SIZE as Hva, PAGE_SIZE, RW, MAP_FIXED)).toBe(-Errno.ENOMEM);
      yield* mmapAnonymous(mm, GIB as Hva, PAGE_SIZE, RW, MAP_FIXED);
      expect(yield* mmapAnonymous(mm, GIB as Hva, PAGE_SIZE, RW, MAP_FIXED_NOREPLACE)).toBe(-Errno.EEXIST);
    });
  });

  it('MAP_FIXED replaces what is there', () => {
    withMm(function* (mm) {
      const base = (yield* mmapAnonymous(mm, 0, 3 * PAGE_SIZE, RW, 0)) as Hva;
      for (let i = 0; i < 3; i++) yield* copyToUser(mm, 0, pageAt(base, i), Uint8Array.of(7));
      expect(yield* mmapAnonymous(mm, pageAt(base, 1), PAGE_SIZE, RW, MAP_FIXED)).toBe(base + PAGE_SIZE);
      const seen = [];
      for (let i = 0; i < 3; i++) {
        const into = new Uint8Array(1);
        yield* copyFromUser(mm, 0, pageAt(base, i), into);
        seen.push(into[0]);
      }
      expect(seen).toEqual([7, 0, 7]);
    });
  });

  it('of a terabyte quarter costs no frames', () => {
    withMm(function* (mm, { host }) {
      const before = host.zone.freePages;
      const base = yield* mmapAnonymous(mm, 0, 200 * GIB, RW, 0);
      expect(base).toBeGreaterThan(0);
      expect(host.zone.freePages).toBe(before);
      expect(yield* copyToUser(mm, 0, (base + 100 * GIB) as Hva, Uint8Array.of(1))).toBe(0);
      expect(yield* madvise(mm, base as Hva, 200 * GIB, MADV_DONTNEED)).toBe(0);
      expect(yield* munmap(mm, base as Hva, 200 * GIB)).toBe(0);
      expect(host.zone.freePages).toBe(before);
    });
  });
});

describe('VMAs', () => {
  it('that continue each other become one, with pages or without', () => {
    withMm(function* (mm) {
      const base = (yield* mmapAnonymous(mm, GIB as Hva, PAGE_SIZE, RW, 0)) as Hva;
      yield* copyToUser(mm, 0, base, Uint8Array.of(1));
      yield* mmapAnonymous(mm, pageAt(base, 2), PAGE_SIZE, RW, 0);
      expect(boundsOf(mm, base)).toEqual([
        [0, 1],
        [2, 3],
      ]);
      yield* mmapAnonymous(mm, pageAt(base, 1), PAGE_SIZE, RW, 0);
      expect(boundsOf(mm, base)).toEqual([[0, 3]]);
      yield* copyToUser(mm, 0, pageAt(base, 2), Uint8Array.of(1));
      expect(mm.host.anonVmas.byId.size).toBe(1);
    });
  });

  it('with different permissions stay apart', () => {
    withMm(function* (mm) {
      yield* mmapAnonymous(mm, GIB as Hva, PAGE_SIZE, RW, 0);
      yield* mmapAnonymous(mm, (GIB + PAGE_SIZE) as Hva, PAGE_SIZE, PROT_READ, 0);
      expect(mm.vmas.all.length).toBe(2);
    });
  });

  it('are split by munmap, and their halves share the anon_vma', () => {
    withMm(function* (mm) {
      const base = (yield* mmapAnonymous(mm, 0, 5 * PAGE_SIZE, RW, 0)) as Hva;
      yield* copyToUser(mm, 0, base, Uint8Array.of(1));
      expect(yield* munmap(mm, pageAt(base, 2), PAGE_SIZE)).toBe(0);
      expect(boundsOf(mm, base)).toEqual([
        [0, 2],
        [3, 5],
      ]);
      const [left, right] = mm.vmas.all;
      expect(left!.anonVma).not.toBeNull();
      expect(right!.anonVma).toBe(left!.anonVma);
      expect(left!.anonVma!.vmas.overlapping(0, right!.lastPgoff)).toEqual([left, right]);
    });
  });
});

describe('tables', () => {
  it('go with the last mapping that could use them, and not before', () => {
    withMm(function* (mm) {
      const base = (yield* mmapAnonymous(mm, GIB as Hva, 4 * PAGE_SIZE, RW, 0)) as Hva;
      yield* copyToUser(mm, 0, base, Uint8Array.of(1));
      expect(mm.pageTables).toBe(3);
      yield* munmap(mm, base, 2 * PAGE_SIZE);
      expect(mm.pageTables).toBe(3);
      yield* munmap(mm, pageAt(base, 2), 2 * PAGE_SIZE);
      expect(mm.pageTables).toBe(1);
    });
  });
});

describe('errors', () => {
  it('of munmap and madvise', () => {
    withMm(function* (mm) {
      const base = (yield* mmapAnonymous(mm, 0, 4 * PAGE_SIZE, RW, 0)) as Hva;
      expect(yield* munmap(mm, (base + 1) as Hva, PAGE_SIZE)).toBe(-Errno.EINVAL);
      expect(yield* munmap(mm, base, 0)).toBe(-Errno.EINVAL);
      expect(yield* madvise(mm, (base + 1) as Hva, PAGE_SIZE, MADV_DONTNEED)).toBe(-Errno.EINVAL);
      expect(yield* madvise(mm, base, PAGE_SIZE, 9999)).toBe(-Errno.EINVAL);
      expect(yield* madvise(mm, base, 0, MADV_DONTNEED)).toBe(0);
      expect(yield* madvise(mm, pageAt(base, 3), 2 * PAGE_SIZE, MADV_DONTNEED)).toBe(-Errno.ENOMEM);
    });
  });

  it('of accesses without a VMA or against its permissions', () => {
    withMm(function* (mm) {
      const readOnly = (yield* mmapAnonymous(mm, 0, PAGE_SIZE, PROT_READ, 0)) as Hva;
      const none = (yield* mmapAnonymous(mm, 0, PAGE_SIZE, 0, 0)) as Hva;
      const into = new Uint8Array(1);
      expect(yield* copyFromUser(mm, 0, readOnly, into)).toBe(0);
      expect(yield* copyToUser(mm, 0, readOnly, into)).toBe(-Errno.EFAULT);
      expect(yield* copyFromUser(mm, 0, none, into)).toBe(-Errno.EFAULT);
      expect(yield* getUserPage(mm, readOnly, true)).toBe(-Errno.EFAULT);
      expect(yield* getUserPage(mm, none, false)).toBe(-Errno.EFAULT);
      expect(yield* getUserPage(mm, (none - GIB) as Hva, false)).toBe(-Errno.EFAULT);
    });
  });
});
