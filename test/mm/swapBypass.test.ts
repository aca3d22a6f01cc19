// Swap-in past the swap cache, from a device that answers at once.

import { describe, expect, it } from 'vitest';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MemorySwapDevice,
  type Mm,
  madvise,
  mmapAnonymous,
  PROT_READ,
  PROT_WRITE,
  shrinkAllMemory,
} from '../../src/mm/index.ts';
import { type Policy, randomPolicy, runPolicy, type Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import {
  type Bench,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
  settle,
} from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const SLOTS = 32;
const PAGES = 4;

interface Scene {
  readonly bench: Bench;
  readonly mm: Mm;
  readonly base: Hva;
}

function* store(mm: Mm, address: Hva, byte: number): Steps {
  expect(yield* copyToUser(mm, 0, address, Uint8Array.of(byte))).toBe(0);
}

function* load(mm: Mm, address: Hva): Steps<number> {
  const into = new Uint8Array(1);
  expect(yield* copyFromUser(mm, 0, address, into)).toBe(0);
  return into[0]!;
}

/** A process with four pages, page i holding i + 1, all swapped out and out of the cache. */
function swappedOut(policy: Policy = runPolicy()): Scene {
  const bench = makeBench({ frames: 64, device: new MemorySwapDevice(SLOTS + 1, true), policy });
  const { host } = bench;
  let scene: Scene;
  runTasks(bench, function* () {
    const mm = yield* newMm(host);
    const base = (yield* mmapAnonymous(mm, 0, PAGES * PAGE_SIZE, RW, 0)) as Hva;
    for (let i = 0; i < PAGES; i++) yield* store(mm, pageAt(base, i), i + 1);
    expect(yield* madvise(mm, base, PAGES * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    scene = { bench, mm, base };
  });
  settle(bench);
  runTasks(bench, function* () {
    for (let i = 0; i < 3; i++) yield* shrinkAllMemory(host, PAGES);
  });
  expect([scene!.mm.swapEntries, host.swap!.cachedPages]).toEqual([PAGES, 0]);
  return scene!;
}

function finish({ bench, mm }: Scene): void {
  expectBalanced(bench);
  runTasks(bench, () => exitMm(mm));
  expectNothingLeaked(bench);
}

describe('a page that one process alone refers to', () => {
  it('comes in without its neighbours, leaves its slot at once, and is writable', () => {
    const scene = swappedOut();
    const { bench, mm, base } = scene;
    const { swap, vmstat } = bench.host;
    runTasks(bench, function* () {
      expect(yield* load(mm, pageAt(base, 1))).toBe(2);
      expect([swap!.cachedPages, swap!.freeSlots, mm.swapEntries]).toEqual([0, SLOTS - 3, 3]);
      expect([vmstat.swap_ra, vmstat.pswpin, vmstat.pgmajfault]).toEqual([0, 1, 1]);
      yield* store(mm, pageAt(base, 1), 9);
      expect([vmstat.pgreuse, yield* load(mm, pageAt(base, 1))]).toEqual([0, 9]);
    });
    finish(scene);
  });

  it('goes through the cache once two refer to it', () => {
    const scene = swappedOut();
    const { bench, mm, base } = scene;
    runTasks(bench, function* () {
      const child = (yield* fork(mm)) as Mm;
      expect(yield* load(mm, base)).toBe(1);
      expect(bench.host.swap!.cachedPages).toBeGreaterThan(0);
      expect(yield* load(child, base)).toBe(1);
      yield* exitMm(child);
    });
    finish(scene);
  });
});

describe('faults that meet', () => {
  it('find the page that was written, whoever of them reads the slot, and whatever becomes of it meanwhile', () => {
    for (let seed = 0; seed < 20; seed++) {
      const scene = swappedOut(randomPolicy(seed));
      const { bench, mm, base } = scene;
      const reader = function* (): Steps {
        for (let i = 0; i < 3; i++) expect([1, 7]).toContain(yield* load(mm, base));
      };
      const writer = function* (): Steps {
        yield* store(mm, base, 7);
        expect(yield* madvise(mm, base, PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
        expect(yield* load(mm, base)).toBe(7);
      };
      const dropper = function* (): Steps {
        expect(yield* load(mm, pageAt(base, 2))).toBe(3);
        expect(yield* madvise(mm, pageAt(base, 2), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
        expect(yield* load(mm, pageAt(base, 2))).toBe(0);
      };
      runTasks(bench, reader, writer, dropper);
      finish(scene);
    }
  });
});
