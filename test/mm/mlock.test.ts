// Locked memory is there at once, or from its first use on, and stays; unlocked it is like any other.

import { describe, expect, it } from 'vitest';
import { isPresent } from '../../src/hw/sv39/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  MADV_PAGEOUT,
  MLOCK_ONFAULT,
  type Mm,
  madvise,
  mlock,
  mmapAnonymous,
  mprotect,
  munlock,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { randomPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const FRAMES = 64;
const LOCKED = 12;

/** A process with `pages` pages of memory, on a host that is small; nothing may be left at the end. */
function inProcess(pages: number, act: (mm: Mm, base: Hva) => Steps, seed: number | null = null): void {
  const policy = seed === null ? {} : { policy: randomPolicy(seed) };
  const bench = makeBench({ frames: FRAMES, swapSlots: 200, ...policy });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    yield* act(mm, (yield* mmapAnonymous(mm, 0, pages * PAGE_SIZE, RW, 0)) as Hva);
    yield* exitMm(mm);
  });
  expectNothingLeaked(bench);
}

function* fill(mm: Mm, base: Hva, pages: number): Steps {
  for (let page = 0; page < pages; page++)
    expect(yield* copyToUser(mm, 0, pageAt(base, page), Uint8Array.of(page + 1))).toBe(0);
}

const present = (mm: Mm, base: Hva, pages: number): number =>
  Array.from({ length: pages }, (_, page) => inspectPte(mm, pageAt(base, page))).filter(isPresent).length;

/** More memory than there is passes through the process. */
function* press(mm: Mm): Steps {
  const hog = (yield* mmapAnonymous(mm, 0, 2 * FRAMES * PAGE_SIZE, RW, 0)) as Hva;
  yield* fill(mm, hog, 2 * FRAMES);
  expect(yield* munmap(mm, hog, 2 * FRAMES * PAGE_SIZE)).toBe(0);
}

describe('locked memory', () => {
  it.each([null, 1, 2])('is faulted in and stays under pressure, until it is unlocked (seed %s)', (seed) => {
    inProcess(
      LOCKED,
      function* (mm, base) {
        expect(yield* mlock(mm, base, LOCKED * PAGE_SIZE, 0)).toBe(0);
        expect(present(mm, base, LOCKED)).toBe(LOCKED);
        yield* press(mm);
        expect(present(mm, base, LOCKED)).toBe(LOCKED);
        expect(yield* munlock(mm, base, LOCKED * PAGE_SIZE)).toBe(0);
        expect(yield* madvise(mm, base, LOCKED * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
        expect(present(mm, base, LOCKED)).toBe(0);
      },
      seed,
    );
  });

  it('comes with the first use if it is locked so', () => {
    inProcess(LOCKED, function* (mm, base) {
      expect(yield* mlock(mm, base, LOCKED * PAGE_SIZE, MLOCK_ONFAULT)).toBe(0);
      expect(present(mm, base, LOCKED)).toBe(0);
      yield* fill(mm, base, 4);
      yield* press(mm);
      expect(present(mm, base, LOCKED)).toBe(4);
    });
  });

  it('is brought back from the swap', () => {
    inProcess(LOCKED, function* (mm, base) {
      yield* fill(mm, base, LOCKED);
      expect(yield* madvise(mm, base, LOCKED * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect(present(mm, base, LOCKED)).toBe(0);
      expect(yield* mlock(mm, base, LOCKED * PAGE_SIZE, 0)).toBe(0);
      expect(present(mm, base, LOCKED)).toBe(LOCKED);
      expect(yield* madvise(mm, base, PAGE_SIZE, MADV_PAGEOUT)).toBe(-Errno.EINVAL);
    });
  });

  it('is copied at once where it becomes writable', () => {
    inProcess(2, function* (mm, base) {
      yield* fill(mm, base, 2);
      const child = (yield* fork(mm)) as Mm;
      yield* mprotect(mm, base, 2 * PAGE_SIZE, PROT_READ);
      expect(yield* mlock(mm, base, 2 * PAGE_SIZE, 0)).toBe(0);
      yield* mprotect(mm, base, 2 * PAGE_SIZE, RW);
      const faults = mm.faults;
      yield* fill(mm, base, 2);
      expect(mm.faults).toBe(faults);
      yield* exitMm(child);
    });
  });

  it('of the parent does not go while only the child would let it', () => {
    inProcess(LOCKED, function* (mm, base) {
      expect(yield* mlock(mm, base, LOCKED * PAGE_SIZE, 0)).toBe(0);
      yield* fill(mm, base, LOCKED);
      const child = (yield* fork(mm)) as Mm;
      yield* press(child);
      expect(present(mm, base, LOCKED)).toBe(LOCKED);
      const byte = new Uint8Array(1);
      for (let page = 0; page < LOCKED; page++) {
        expect(yield* copyFromUser(child, 0, pageAt(base, page), byte)).toBe(0);
        expect(byte[0]).toBe(page + 1);
      }
      yield* exitMm(child);
    });
  });
});
