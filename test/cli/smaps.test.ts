// What smaps counts of merged, lazily freed, shared and swapped pages; each figure was seen on Linux 6.18.

import { expect, it } from 'vitest';
import { smapsOf } from '../../src/cli/inspect/smaps.ts';
import {
  copyToUser,
  exitMm,
  fork,
  fput,
  KSM_RUN_MERGE,
  KSM_RUN_STOP,
  ksmRunStore,
  MADV_FREE,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  MAP_PRIVATE,
  MAP_SHARED,
  type Mm,
  madvise,
  memfdCreate,
  mmap,
  mmapAnonymous,
  munmap,
  PROT_READ,
  PROT_WRITE,
  readMaps,
} from '../../src/mm/index.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import { type Bench, makeBench, newMm, pageAt, runTasks } from '../mm/support.ts';

const RW = PROT_READ | PROT_WRITE;

function play(body: (bench: Bench, mm: Mm) => Steps): void {
  const bench = makeBench({ frames: 96, swapSlots: 100 });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    yield* body(bench, mm);
    yield* exitMm(mm);
  });
}

/** The lines in question of the VMA at `address`, but for those of 0. */
function linesOf(
  mm: Mm,
  address: Hva,
  ...names: (keyof ReturnType<typeof smapsOf>)[]
): Record<string, number> {
  const sizes = smapsOf(mm, readMaps(mm).find(({ start }) => start === address)!);
  return Object.fromEntries(names.map((name) => [name, Math.floor(sizes[name])]));
}

function* fill(mm: Mm, address: Hva, pages: number, byte: number): Steps {
  for (let page = 0; page < pages; page++)
    expect(yield* copyToUser(mm, 0, pageAt(address, page), new Uint8Array(PAGE_SIZE).fill(byte))).toBe(0);
}

it('LazyFree: what MADV_FREE named, until it is written to', () => {
  play(function* (_bench, mm) {
    const base = (yield* mmapAnonymous(mm, 0, 4 * PAGE_SIZE, RW, 0)) as Hva;
    yield* fill(mm, base, 4, 7);
    expect(yield* madvise(mm, base, 2 * PAGE_SIZE, MADV_FREE)).toBe(0);
    expect(linesOf(mm, base, 'LazyFree', 'Private_Clean', 'Anonymous')).toEqual({
      LazyFree: 8,
      Private_Clean: 8,
      Anonymous: 16,
    });
    yield* fill(mm, base, 1, 8);
    expect(linesOf(mm, base, 'LazyFree')).toEqual({ LazyFree: 4 });
  });
});

it('KSM: merged pages, with each their share', () => {
  play(function* ({ host, sched }, mm) {
    const base = (yield* mmapAnonymous(mm, 0, 4 * PAGE_SIZE, RW, 0)) as Hva;
    yield* fill(mm, base, 3, 7);
    yield* fill(mm, pageAt(base, 3), 1, 8);
    expect(yield* madvise(mm, base, 4 * PAGE_SIZE, MADV_MERGEABLE)).toBe(0);
    expect(yield* ksmRunStore(host, KSM_RUN_MERGE)).toBe(0);
    for (const until = host.ksm.seqnr + 3; host.ksm.seqnr < until; ) {
      sched.spend(100_000);
      yield RESCHED;
    }
    expect(yield* ksmRunStore(host, KSM_RUN_STOP)).toBe(0);
    // A third of a page thrice is a little less than a page.
    expect(linesOf(mm, base, 'KSM', 'Rss', 'Pss')).toEqual({ KSM: 12, Rss: 16, Pss: 7 });
  });
});

it('SwapPss: the share of a slot', () => {
  play(function* (_bench, mm) {
    const base = (yield* mmapAnonymous(mm, 0, 2 * PAGE_SIZE, RW, 0)) as Hva;
    yield* fill(mm, base, 2, 7);
    expect(yield* madvise(mm, base, 2 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    expect(linesOf(mm, base, 'Swap', 'SwapPss')).toEqual({ Swap: 8, SwapPss: 8 });
    const child = (yield* fork(mm)) as Mm;
    expect(linesOf(mm, base, 'Swap', 'SwapPss')).toEqual({ Swap: 8, SwapPss: 4 });
    yield* exitMm(child);
  });
});

it('Swap of shmem: what the object has there; to a private mapping, where it has nothing of its own', () => {
  play(function* ({ host }, mm) {
    const file = memfdCreate(host, 4 * PAGE_SIZE);
    const map = function* (flags: number): Steps<Hva> {
      return (yield* mmap(mm, 0, 4 * PAGE_SIZE, RW, flags, file, 0)) as Hva;
    };
    const [shared, own] = [yield* map(MAP_SHARED), yield* map(MAP_PRIVATE)];
    yield* fill(mm, shared, 3, 7);
    yield* fill(mm, own, 1, 8);
    expect(yield* madvise(mm, shared, 4 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    expect(linesOf(mm, shared, 'Swap', 'SwapPss')).toEqual({ Swap: 12, SwapPss: 0 });
    expect(linesOf(mm, own, 'Swap', 'SwapPss', 'Rss')).toEqual({ Swap: 8, SwapPss: 0, Rss: 4 });
    expect(yield* munmap(mm, shared, 4 * PAGE_SIZE)).toBe(0);
    yield* fput(file);
  });
});
