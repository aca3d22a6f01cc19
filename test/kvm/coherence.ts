// The invariants I1 to I3 under everything that a process can do to the memory of its guest: harts store and load while
// the host drops, swaps out, ages, unmaps, maps anew, moves, protects, locks and forks; every load is held against what the order of the calls allows.
//
// Each word has one writer, which alone reads it. It must find what it stored last, or 0 if the page was dropped since: it
// must be 0 once a drop that began after the store has ended, and cannot be before one has begun.
//
// coherence.property.test.ts plays some; the soak `coherence` any number.

import { expect } from 'vitest';
import {
  copyToUser,
  exitMm,
  fork,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MAP_FIXED,
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  madvise,
  mlock,
  mmapAnonymous,
  mprotect,
  mremap,
  munlock,
  munmap,
  PROT_READ,
  PROT_WRITE,
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
function* insist(hart: GuestHart, first: Outcome): Steps<Outcome> {
  let outcome = first;
  while (outcome.kind === 'errno') {
    expect(outcome.errno).toBe(Errno.EFAULT);
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
    if (random.below(2) === 0) {
      expect(yield* insist(hart, yield* hart.store(address, i, mode))).toMatchObject({ kind: 'value' });
      Object.assign(word, { value: i, storeBegan: began, storeEnded: world.tick() });
      continue;
    }
    const outcome = yield* insist(hart, yield* hart.load(address, mode));
    if (outcome.kind !== 'value') throw new Error(`a load ended as ${outcome.kind}`);
    expect(world.allowed(word, began)).toContain(outcome.value);
    // Whoever has seen that it is gone does not see it again.
    if (outcome.value === 0) word.value = 0;
  }
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
    const dice = random.below(18);
    if (dice < 5) yield* advise(MADV_PAGEOUT);
    else if (dice < 6) yield* advise(MADV_COLD);
    else if (dice < 9) yield* world.drop(page, count, advise(MADV_DONTNEED));
    else if (dice < 11) yield* world.drop(page, count, remap());
    else if (dice < 13) yield* protect(mm, start, bytes);
    else if (dice < 15) yield* moveThereAndBack(mm, start, bytes);
    else if (dice < 16) yield* lockAndUnlock(mm, start, bytes);
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
  world.vm.run({
    'vcpu/0': () => runHart(world, 0, seed * 8, operations),
    'vcpu/1': () => runHart(world, 1, seed * 8 + 1, operations),
    host: () => runHost(world, new Random(seed * 8 + 2), hostOperations),
  });
  world.vm.finish();
  const { sched, ring } = world.vm;
  return { steps: sched.steps, now: sched.now, events: ring.recorded };
}
