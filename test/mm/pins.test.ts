// What a pin prevents, and what it does not: whoever pinned a page accesses the frame himself, and must go on having the
// page that the process has.

import { describe, expect, it } from 'vitest';
import { isPresent, PTE_W, ptePfn } from '../../src/hw/sv39/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  getUserPage,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  type Mm,
  madvise,
  mmapAnonymous,
  munmap,
  PROT_READ,
  PROT_WRITE,
  pinUserPage,
  putPage,
  unpinUserPage,
} from '../../src/mm/index.ts';
import { FrameKind, inspectPte } from '../../src/mm/internals.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn, pfnToHpa } from '../../src/units.ts';
import { type Bench, expectNothingLeaked, makeBench, newMm, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;

/** Runs `act` in a process with one page, which holds 1; nothing may be left at the end. */
function withPage(act: (mm: Mm, page: Hva, bench: Bench) => Steps): void {
  const bench = makeBench({ frames: 64, swapSlots: 32 });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    const page = (yield* mmapAnonymous(mm, 0, PAGE_SIZE, RW, 0)) as Hva;
    yield* store(mm, page, 1);
    yield* act(mm, page, bench);
    yield* exitMm(mm);
  });
  expectNothingLeaked(bench);
}

function* store(mm: Mm, page: Hva, value: number): Steps {
  expect(yield* copyToUser(mm, 0, page, Uint8Array.of(value))).toBe(0);
}

function* load(mm: Mm, page: Hva): Steps<number> {
  const into = new Uint8Array(1);
  expect(yield* copyFromUser(mm, 0, page, into)).toBe(0);
  return into[0]!;
}

const inFrame = ({ host }: Bench, pfn: Pfn): number => host.memory.readBytes(pfnToHpa(pfn), 1)[0]!;

function* pin(mm: Mm, page: Hva, write: boolean): Steps<Pfn> {
  const pfn = yield* pinUserPage(mm, page, write);
  expect(pfn).toBeGreaterThan(0);
  return pfn as Pfn;
}

function* forked(mm: Mm): Steps<Mm> {
  const child = yield* fork(mm);
  expect(child).toBeTypeOf('object');
  return child as Mm;
}

describe('a pinned page', () => {
  it('is not swapped out until it is unpinned', () => {
    withPage(function* (mm, page, bench) {
      const pfn = yield* pin(mm, page, true);
      yield* madvise(mm, page, PAGE_SIZE, MADV_PAGEOUT);
      expect(ptePfn(inspectPte(mm, page))).toBe(pfn);
      expect(bench.host.vmstat.pswpout).toBe(0);
      bench.host.memory.write8(pfnToHpa(pfn), 9);
      expect(yield* load(mm, page)).toBe(9);
      yield* unpinUserPage(bench.host, pfn, true);
      yield* madvise(mm, page, PAGE_SIZE, MADV_PAGEOUT);
      expect(isPresent(inspectPte(mm, page))).toBe(false);
      expect(yield* load(mm, page)).toBe(9);
    });
  });

  it('that was on its way out already stays mapped', () => {
    withPage(function* (mm, page, { host }) {
      // In the swap cache, and mapped again from there: reclaim need not give it a slot.
      yield* madvise(mm, page, PAGE_SIZE, MADV_PAGEOUT);
      yield* load(mm, page);
      const pfn = yield* pin(mm, page, false);
      yield* madvise(mm, page, PAGE_SIZE, MADV_PAGEOUT);
      expect(ptePfn(inspectPte(mm, page))).toBe(pfn);
      yield* unpinUserPage(host, pfn, false);
    });
  });

  it('is swapped out of the process with a mere reference, which then has another page', () => {
    withPage(function* (mm, page, bench) {
      const pfn = (yield* getUserPage(mm, page, true)) as Pfn;
      yield* madvise(mm, page, PAGE_SIZE, MADV_PAGEOUT);
      expect(isPresent(inspectPte(mm, page))).toBe(false);
      yield* putPage(bench.host, pfn);
    });
  });

  it('stays with the parent in fork: the child gets a copy at once, writable', () => {
    withPage(function* (mm, page, bench) {
      const pfn = yield* pin(mm, page, true);
      const child = yield* forked(mm);
      expect(ptePfn(inspectPte(mm, page))).toBe(pfn);
      expect(inspectPte(mm, page) & PTE_W).toBe(PTE_W);
      expect(ptePfn(inspectPte(child, page))).not.toBe(pfn);
      expect(inspectPte(child, page) & PTE_W).toBe(PTE_W);
      yield* store(mm, page, 2);
      expect(inFrame(bench, pfn)).toBe(2);
      expect(yield* load(child, page)).toBe(1);
      yield* store(child, page, 3);
      expect(yield* load(mm, page)).toBe(2);
      yield* exitMm(child);
      yield* unpinUserPage(bench.host, pfn, true);
    });
  });

  it('with a mere reference is shared by fork, and left to the child by the first store', () => {
    withPage(function* (mm, page, bench) {
      const pfn = (yield* getUserPage(mm, page, true)) as Pfn;
      const child = yield* forked(mm);
      yield* store(mm, page, 2);
      expect(inFrame(bench, pfn)).toBe(1);
      yield* exitMm(child);
      yield* putPage(bench.host, pfn);
    });
  });

  it('outlives its mapping', () => {
    withPage(function* (mm, page, bench) {
      const pfn = yield* pin(mm, page, true);
      yield* madvise(mm, page, PAGE_SIZE, MADV_DONTNEED);
      expect(yield* load(mm, page)).toBe(0);
      yield* munmap(mm, page, PAGE_SIZE);
      expect(inFrame(bench, pfn)).toBe(1);
      expect(bench.host.frames.kind[pfn]).toBe(FrameKind.folio);
      yield* unpinUserPage(bench.host, pfn, true);
      expect(bench.host.frames.kind[pfn]).toBe(FrameKind.free);
    });
  });
});

describe('pinning for reading', () => {
  it('takes a shared page out of the sharing, and does not make it writable', () => {
    withPage(function* (mm, page, bench) {
      const child = yield* forked(mm);
      const shared = ptePfn(inspectPte(mm, page));
      const pfn = yield* pin(mm, page, false);
      expect(pfn).not.toBe(shared);
      expect(ptePfn(inspectPte(child, page))).toBe(shared);
      expect(inspectPte(mm, page) & PTE_W).toBe(0);
      yield* store(mm, page, 2);
      expect(inFrame(bench, pfn)).toBe(2);
      expect(yield* load(child, page)).toBe(1);
      yield* exitMm(child);
      yield* unpinUserPage(bench.host, pfn, false);
    });
  });

  it('keeps the page where nobody shares it any more', () => {
    withPage(function* (mm, page, { host }) {
      yield* exitMm(yield* forked(mm));
      const before = ptePfn(inspectPte(mm, page));
      const pfn = yield* pin(mm, page, false);
      expect(pfn).toBe(before);
      yield* unpinUserPage(host, pfn, false);
    });
  });

  it('of the zero page takes no pin', () => {
    withPage(function* (mm, page, { host }) {
      yield* madvise(mm, page, PAGE_SIZE, MADV_DONTNEED);
      const pfn = yield* pin(mm, page, false);
      expect([pfn, host.frames.refcount[pfn]]).toEqual([host.zeroPfn, 1]);
      yield* unpinUserPage(host, pfn, false);
    });
  });
});
