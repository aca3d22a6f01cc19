// The invariants I1 to I3 under everything that a process can do to the memory of its guest: harts store and load
// while the host drops, swaps out, ages, unmaps, maps anew, moves, protects, locks, forks and
// migrates; every load is held
// against what the order of the calls allows.
//
// Each word has one writer, which alone reads it. It must find what it stored last, or 0 if the page was dropped
// since: it must be 0 once a drop that began after the store has ended, and cannot be before one has begun.
//
// coherence.property.test.ts plays some; the soak `coherence` any number.

import { expect } from 'vitest';
import {
  changeProtNuma,
  compactMemory,
  copyFromUser,
  copyToUser,
  exitMm,
  filePunchHole,
  fileTruncate,
  fork,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MADV_REMOVE,
  MADV_WILLNEED,
  MAP_FIXED,
  MAP_SHARED,
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  MS_SYNC,
  madvise,
  migrateUserPages,
  mlock,
  mmap,
  mmapAnonymous,
  mprotect,
  mremap,
  msync,
  munlock,
  munmap,
  PROT_READ,
  PROT_WRITE,
  vfsFsync,
} from '../../src/mm/index.ts';
import { Random, RESCHED, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { type GuestHart, type Outcome, PHYSICAL, SUPERVISOR } from '../support/guestHart.ts';
import { bootPaged, dataAt, makeTables, vaOf } from '../support/pagedGuest.ts';
import { TestVm, type TestVmOptions } from '../support/testVm.ts';

const PAGES = 5;
/** Where nothing is mapped. */
const ELSEWHERE = (2 ** 36) as Hva;
const SCRIBBLE = new Uint8Array(PAGE_SIZE).fill(0xa5);
/** Frames that a host must have for a second process. */
const FORK_NEEDS = 64;

interface Drop {
  readonly page: number;
  readonly began: number;
  ended: number;
}

interface Word {
  readonly page: number;
  value: number;
  storeBegan: number;
  storeEnded: number;
}

class World {
  readonly vm: TestVm;
  readonly drops: Drop[] = [];
  #now = 0;

  constructor(options: TestVmOptions) {
    this.vm = new TestVm({ ramPages: 16, ...options });
    this.vm.run({ boot: () => makeTables(this.vm, PAGES) });
  }

  tick(): number {
    return ++this.#now;
  }

  /** Runs `call`, which drops all pages of [page, page + count). */
  *drop(page: number, count: number, call: Steps): Steps {
    const began = this.tick();
    const drops = Array.from({ length: count }, (_, i) => ({
      page: page + i,
      began,
      ended: Number.POSITIVE_INFINITY,
    }));
    this.drops.push(...drops);
    yield* call;
    const ended = this.tick();
    for (const drop of drops) drop.ended = ended;
  }

  /** What a load of `word` that took from `began` till now may find. */
  allowed({ page, value, storeBegan, storeEnded }: Word, began: number): number[] {
    const drops = this.drops.filter((drop) => drop.page === page && drop.ended > storeBegan);
    const gone = drops.some((drop) => drop.began > storeEnded && drop.ended < began);
    return [...(gone ? [] : [value]), ...(drops.length > 0 ? [0] : [])];
  }
}

/** Tries again while nothing is mapped there. */
function* insist({ vm }: World, hart: GuestHart, first: Outcome): Steps<Outcome> {
  let outcome = first;
  while (outcome.kind === 'errno') {
    expect(outcome.errno).toBe(Errno.EFAULT);
    // The host may be waiting for I/O that was under way to what it cuts off.
    if (vm.isRamShared) vm.sched.spend(1000);
    yield RESCHED;
    outcome = yield* hart.complete();
  }
  return outcome;
}

function* runHart(world: World, index: number, seed: number, operations: number): Steps {
  const random = new Random(seed);
  const hart = yield* bootPaged(world.vm, index);
  const offset = 64 + index * 8;
  const words: Word[] = Array.from({ length: PAGES }, (_, page) => ({
    page,
    value: dataAt(page) + offset,
    storeBegan: 0,
    storeEnded: 0,
  }));
  for (let i = 1; i <= operations; i++) {
    const word = words[random.below(PAGES)]!;
    const paged = random.below(3) > 0;
    const address = (paged ? vaOf(word.page) : dataAt(word.page)) + offset;
    const mode = paged ? SUPERVISOR : PHYSICAL;
    const began = world.tick();
    // For I/O of the host to be over some time.
    if (world.vm.isRamShared) world.vm.sched.spend(1000);
    if (random.below(2) === 0) {
      expect(yield* insist(world, hart, yield* hart.store(address, i, mode))).toMatchObject({
        kind: 'value',
      });
      Object.assign(word, { value: i, storeBegan: began, storeEnded: world.tick() });
      continue;
    }
    const outcome = yield* insist(world, hart, yield* hart.load(address, mode));
    if (outcome.kind !== 'value') throw new Error(`a load ended as ${outcome.kind}`);
    expect(world.allowed(word, began)).toContain(outcome.value);
    // Whoever has seen that it is gone does not see it again.
    if (outcome.value === 0) word.value = 0;
  }
}

/** What a host does to memory that is a shared mapping: of shmem, or of a file. */
function* runSharedHost(world: World, random: Random, operations: number): Steps {
  const { vm } = world;
  const { mm, ramFile } = vm;
  for (let i = 0; i < operations; i++) {
    const page = random.below(PAGES);
    const count = 1 + random.below(PAGES - page);
    const start = vm.hvaOf(dataAt(page));
    const bytes = count * PAGE_SIZE;
    const offset = start - vm.ram;
    const well = function* (call: Steps<number>): Steps {
      expect(yield* call).toBe(0);
    };
    const dice = random.below(28);
    if (dice < 5) yield* well(madvise(mm, start, bytes, MADV_PAGEOUT));
    else if (dice < 6) yield* well(madvise(mm, start, bytes, MADV_COLD));
    else if (dice < 7) yield* well(madvise(mm, start, bytes, MADV_WILLNEED));
    else if (dice < 9) yield* well(madvise(mm, start, bytes, MADV_DONTNEED));
    else if (dice < 11) yield* world.drop(page, count, well(filePunchHole(ramFile, offset, bytes)));
    else if (dice < 12) yield* world.drop(page, count, well(madvise(mm, start, bytes, MADV_REMOVE)));
    else if (dice < 13) yield* world.drop(page, PAGES - page, cutAndGrow(vm, offset));
    else if (dice < 15) yield* mapAnew(vm, start, bytes);
    else if (dice < 16) yield* protect(mm, start, bytes);
    else if (dice < 17) yield* moveThereAndBack(mm, start, bytes);
    else if (dice < 18) yield* lockAndUnlock(mm, start, bytes);
    else if (dice < 20) yield* well(msync(mm, start, bytes, MS_SYNC));
    else if (dice < 21) yield* well(vfsFsync(ramFile.mapping));
    else if (dice < 22) vm.host.flusher.wake();
    else if (dice < 25) yield* migrateUserPages(mm, start, bytes);
    else if (dice < 26) yield* changeProtNuma(mm, start, bytes);
    else if (vm.host.zone.managedPages > FORK_NEEDS) yield* forkAndLook(vm, start, bytes);
    vm.sched.spend(1000);
    yield RESCHED;
  }
}

/** All from `offset` on is gone for a while, and zeros then. */
function* cutAndGrow({ ramFile, ramPages }: TestVm, offset: number): Steps {
  expect(yield* fileTruncate(ramFile, offset)).toBe(0);
  yield RESCHED;
  expect(yield* fileTruncate(ramFile, ramPages * PAGE_SIZE)).toBe(0);
}

/** The guest finds nothing there for a while, and then what was there before. */
function* mapAnew({ mm, ram, ramFile }: TestVm, start: Hva, bytes: number): Steps {
  expect(yield* munmap(mm, start, bytes)).toBe(0);
  yield RESCHED;
  const page = (start - ram) / PAGE_SIZE;
  const flags = MAP_SHARED | MAP_FIXED;
  expect(yield* mmap(mm, start, bytes, PROT_READ | PROT_WRITE, flags, ramFile, page)).toBe(start);
}

/** A child process looks at the guest's memory, which keeps its pages mapped once more, and exits. */
function* forkAndLook({ mm, spareCpu }: TestVm, start: Hva, bytes: number): Steps {
  const child = yield* fork(mm);
  if (typeof child === 'number') throw new Error(`fork failed: ${child}`);
  yield RESCHED;
  for (let at = 0; at < bytes; at += PAGE_SIZE)
    yield* copyFromUser(child, spareCpu, (start + at) as Hva, new Uint8Array(1));
  yield* exitMm(child);
}

function* runHost(world: World, random: Random, operations: number): Steps {
  const { vm } = world;
  const { mm } = vm;
  for (let i = 0; i < operations; i++) {
    const page = random.below(PAGES);
    const count = 1 + random.below(PAGES - page);
    const start = vm.hvaOf(dataAt(page));
    const bytes = count * PAGE_SIZE;
    const advise = function* (advice: number): Steps {
      yield* madvise(mm, start, bytes, advice);
    };
    const remap = function* (): Steps {
      expect(yield* munmap(mm, start, bytes)).toBe(0);
      yield RESCHED;
      const mapped = yield* mmapAnonymous(mm, start, bytes, PROT_READ | PROT_WRITE, MAP_FIXED);
      expect(mapped).toBe(start as Hva);
    };
    const dice = random.below(24);
    if (dice < 5) yield* advise(MADV_PAGEOUT);
    else if (dice < 6) yield* advise(MADV_COLD);
    else if (dice < 9) yield* world.drop(page, count, advise(MADV_DONTNEED));
    else if (dice < 11) yield* world.drop(page, count, remap());
    else if (dice < 13) yield* protect(mm, start, bytes);
    else if (dice < 15) yield* moveThereAndBack(mm, start, bytes);
    else if (dice < 16) yield* lockAndUnlock(mm, start, bytes);
    else if (dice < 19) yield* migrateUserPages(mm, start, bytes);
    else if (dice < 20) yield* compactMemory(vm.host);
    else if (dice < 22) yield* changeProtNuma(mm, start, bytes);
    else if (vm.host.zone.managedPages > FORK_NEEDS) yield* forkAndScribble(vm, start, bytes);
    vm.sched.spend(1000);
    yield RESCHED;
  }
}

/** Stores of the guest find no permission for a while. */
function* protect(mm: Mm, start: Hva, bytes: number): Steps {
  expect(yield* mprotect(mm, start, bytes, PROT_READ)).toBe(0);
  yield RESCHED;
  expect(yield* mprotect(mm, start, bytes, PROT_READ | PROT_WRITE)).toBe(0);
}

/** The guest finds nothing there for a while. */
function* moveThereAndBack(mm: Mm, start: Hva, bytes: number): Steps {
  const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  expect(yield* mremap(mm, start, bytes, bytes, flags, ELSEWHERE)).toBe(ELSEWHERE);
  yield RESCHED;
  expect(yield* mremap(mm, ELSEWHERE, bytes, bytes, flags, start)).toBe(start);
}

function* lockAndUnlock(mm: Mm, start: Hva, bytes: number): Steps {
  expect(yield* mlock(mm, start, bytes, 0)).toBe(0);
  yield RESCHED;
  expect(yield* munlock(mm, start, bytes)).toBe(0);
}

/** A child process writes to its copy of the guest's memory, which the guest must not see, and exits. */
function* forkAndScribble({ mm, spareCpu }: TestVm, start: Hva, bytes: number): Steps {
  const child = yield* fork(mm);
  if (typeof child === 'number') throw new Error(`fork failed: ${child}`);
  yield RESCHED;
  for (let at = 0; at < bytes; at += PAGE_SIZE)
    expect(yield* copyToUser(child, spareCpu, (start + at) as Hva, SCRIBBLE)).toBe(0);
  yield RESCHED;
  yield* exitMm(child);
}

export interface CoherenceScenario extends TestVmOptions {
  readonly operations: number;
  readonly hostOperations: number;
}

/** How far the run got: equal for equal seeds. */
export function playCoherence(seed: number, { operations, hostOperations, ...options }: CoherenceScenario) {
  const world = new World({ harts: 2, checkEvery: 100, ...options });
  const host = (options.ramBacking ?? 'anonymous') === 'anonymous' ? runHost : runSharedHost;
  world.vm.run({
    'vcpu/0': () => runHart(world, 0, seed * 8, operations),
    'vcpu/1': () => runHart(world, 1, seed * 8 + 1, operations),
    host: () => host(world, new Random(seed * 8 + 2), hostOperations),
  });
  world.vm.finish();
  const { sched, ring } = world.vm;
  return { steps: sched.steps, now: sched.now, events: ring.recorded };
}
