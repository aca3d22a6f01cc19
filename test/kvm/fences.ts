// A world of harts that write each other's tables, fence as they like, switch roots and ASIDs, map tables as data, while
// the host swaps their memory out; every access is held against the model of what the architecture allows
// (fenceModel.ts), every stored value must be found again: I10 and I3 under everything at once.
//
// fences.property.test.ts plays some; the soak `fences` any number.

import { expect } from 'vitest';
import { MADV_COLD, MADV_PAGEOUT, madvise } from '../../src/mm/index.ts';
import { Random, RESCHED, type Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import { EntryHistory, FenceModel } from '../support/fenceModel.ts';
import { GuestHart, type Outcome, PHYSICAL, SUPERVISOR } from '../support/guestHart.ts';
import { entryAddress, PTE_A, PTE_D, PTE_R, PTE_V, PTE_W, PTE_X } from '../support/guestTables.ts';
import { RAM, TestVm, type TestVmOptions } from '../support/testVm.ts';

const pageAt = (number: number): number => RAM + number * PAGE_SIZE;
const ROOTS = [1, 2].map(pageAt);
const MIDDLES = [3, 4].map(pageAt);
const LEAVES = [5, 6].map(pageAt);
const PAGES = 14;
const MEGAPAGE = 512 * PAGE_SIZE;
/** Pages of two megapages; their index within it is one of a data page, so that a guest superpage finds one, too. */
const VAS = [0, 1].flatMap((region) => [7, 8, 9].map((page) => region * MEGAPAGE + page * PAGE_SIZE));
/** No translation uses this entry: in every page it says where the page is. */
const NAME_OFFSET = 0xff8;
const SCRATCH_OFFSET = 0x800;

const LEAF_FLAGS = [
  PTE_V | PTE_R | PTE_W | PTE_A | PTE_D,
  PTE_V | PTE_R | PTE_W | PTE_A | PTE_D,
  PTE_V | PTE_R | PTE_W,
  PTE_V | PTE_R | PTE_A,
  PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D,
  PTE_V | PTE_R | PTE_W | PTE_A,
  0,
];

const entryOf = (target: number, flags: number): number => (target / PAGE_SIZE) * 1024 + flags;

class World {
  readonly vm: TestVm;
  readonly history = new EntryHistory();
  /** Entries that guests write, each with the hart that may. */
  readonly entries: { readonly address: number; readonly level: number }[] = [];
  /** What each hart stored last in each page. */
  readonly stored = new Map<string, number>();
  nextValue = 1;

  constructor(options: TestVmOptions) {
    this.vm = new TestVm({ ramPages: PAGES, ...options });
    for (const root of ROOTS) this.#entry(root, 0, 2);
    for (const middle of MIDDLES) for (const va of [0, MEGAPAGE]) this.#entry(middle, va, 1);
    for (const leaf of LEAVES) for (const va of VAS.slice(0, 3)) this.#entry(leaf, va, 0);
  }

  #entry(table: number, va: number, level: number): void {
    this.entries.push({ address: entryAddress(table, va, level), level });
  }

  /** Tables that map something, before any hart runs. */
  *prepare(random: Random): Steps {
    for (const { address, level } of this.entries) {
      const entry = this.randomEntry(random, level, 0);
      this.history.begin(address, entry);
      yield* this.vm.write64(address, BigInt(entry));
    }
  }

  randomEntry(random: Random, level: number, oddity = random.below(8)): number {
    const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!;
    if (level === 0) {
      // A leaf table as often as not: tables that map each other are where shadow paging is hardest.
      const target = random.below(2) === 0 ? pick(LEAVES) : pageAt(1 + random.below(PAGES - 1));
      return entryOf(target, pick(LEAF_FLAGS));
    }
    if (oddity === 1) return 0;
    if (oddity === 2 && level === 1) return entryOf(RAM, pick(LEAF_FLAGS));
    return entryOf(pick(level === 2 ? MIDDLES : LEAVES), PTE_V);
  }

  *expectStoredFound(): Steps {
    for (const [place, value] of this.stored) {
      const [page, offset] = place.split('/').map(Number) as [number, number];
      expect({ place, value: Number(yield* this.vm.read64(page + offset)) }).toEqual({ place, value });
    }
  }
}

/** One hart and what it does. */
class Actor {
  readonly #world: World;
  readonly #hart: GuestHart;
  readonly #fences: FenceModel;
  readonly #random: Random;
  readonly #index: number;
  #root = ROOTS[0]!;
  #asid = 0;

  constructor(world: World, index: number, seed: number) {
    this.#world = world;
    this.#index = index;
    this.#hart = new GuestHart(world.vm.kvm.vcpus[index]!);
    this.#fences = new FenceModel(world.history);
    this.#random = new Random(seed);
  }

  *run(operations: number): Steps {
    yield* this.#hart.reset();
    yield* this.#hart.satp(this.#root, this.#asid);
    for (let i = 0; i < operations; i++) yield* this.#operate();
  }

  *#operate(): Steps {
    const dice = this.#random.below(100);
    if (dice < 40) return yield* this.#load();
    if (dice < 60) return yield* this.#store();
    if (dice < 75) return yield* this.#writeEntry();
    if (dice < 80) return yield* this.#readEntry();
    if (dice < 92) return yield* this.#fence();
    return yield* this.#switch();
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)]!;
  }

  *#load(): Steps {
    const va = this.#pick(VAS);
    const outcome = yield* this.#hart.load(va + NAME_OFFSET, SUPERVISOR);
    if (outcome.kind !== 'value') return this.#judgeFault('load', va, PTE_R, outcome, 13);
    const page = outcome.value - NAME_OFFSET;
    const { pages } = this.#fences.allowed(this.#root, this.#asid, va, PTE_R);
    if (!pages.has(page)) this.#complain('load', va, `reached ${page.toString(16)}`, pages);
  }

  *#store(): Steps {
    const va = this.#pick(VAS);
    const offset = SCRATCH_OFFSET + this.#index * 8;
    // Even: as a table's entry it is invalid.
    const value = this.#world.nextValue++ * 2;
    const outcome = yield* this.#hart.store(va + offset, value, SUPERVISOR);
    if (outcome.kind !== 'value') return this.#judgeFault('store', va, PTE_W, outcome, 15);
    const { pages } = this.#fences.allowed(this.#root, this.#asid, va, PTE_W);
    for (const page of pages) {
      if (Number(yield* this.#world.vm.read64(page + offset)) !== value) continue;
      this.#world.stored.set(`${page}/${offset}`, value);
      return;
    }
    this.#complain('store', va, 'went elsewhere', pages);
  }

  #judgeFault(what: string, va: number, permission: number, outcome: Outcome, cause: number): void {
    expect(outcome).toMatchObject({ kind: 'trap', cause });
    const { mayFault, pages } = this.#fences.allowed(this.#root, this.#asid, va, permission);
    if (!mayFault) this.#complain(what, va, 'faulted', pages);
  }

  #complain(what: string, va: number, how: string, pages: ReadonlySet<number>): never {
    const allowed = [...pages].map((page) => page.toString(16)).join(' ');
    throw new Error(`hart ${this.#index}: ${what} of ${va.toString(16)} ${how}, allowed: ${allowed}`);
  }

  *#writeEntry(): Steps {
    const { entries, history, vm } = this.#world;
    const mine = entries.filter((_, i) => i % vm.harts.length === this.#index);
    const { address, level } = this.#pick(mine);
    const entry = this.#world.randomEntry(this.#random, level);
    history.beginStore(address, entry);
    expect(yield* this.#hart.store(address, entry, PHYSICAL)).toMatchObject({ kind: 'value' });
    history.commit(address);
  }

  /** Whoever has seen a new entry knows that it is there. */
  *#readEntry(): Steps {
    const { entries, history } = this.#world;
    const { address } = this.#pick(entries);
    const outcome = yield* this.#hart.load(address, PHYSICAL);
    if (outcome.kind !== 'value') throw new Error(`an entry could not be read: ${outcome.kind}`);
    const ignored = PTE_A | PTE_D;
    const seen = outcome.value - (outcome.value & ignored);
    const latest = history.latest(address);
    if (seen === latest - (latest & ignored)) history.commit(address);
  }

  *#fence(): Steps {
    const page = this.#random.below(2) === 0 ? null : this.#pick(VAS);
    const asid = this.#random.below(2) === 0 ? null : this.#random.below(3);
    const time = this.#world.history.tick();
    yield* this.#hart.fence(page, asid);
    this.#fences.fence(time, page, asid);
  }

  *#switch(): Steps {
    this.#root = this.#pick(ROOTS);
    this.#asid = this.#random.below(3);
    yield* this.#hart.satp(this.#root, this.#asid);
  }
}

function* host(vm: TestVm, random: Random, operations: number): Steps {
  for (let i = 0; i < operations; i++) {
    const page = random.below(PAGES);
    const start = (vm.ram + page * PAGE_SIZE) as Hva;
    const pages = Math.min(1 + random.below(4), PAGES - page);
    yield* madvise(vm.mm, start, pages * PAGE_SIZE, random.below(4) === 0 ? MADV_COLD : MADV_PAGEOUT);
    vm.sched.spend(2000);
    yield RESCHED;
  }
}

export interface FenceScenario extends TestVmOptions {
  readonly operations?: number;
  readonly hostOperations?: number;
}

/** One run with `seed`; throws where an access does what the model forbids. */
export function playFences(
  seed: number,
  { operations = 60, hostOperations = 12, ...options }: FenceScenario,
): World {
  const world = new World(options);
  const { vm } = world;
  vm.run({ prepare: () => world.prepare(new Random(seed)) });
  const actors = vm.harts.map((_, index) => new Actor(world, index, seed * 16 + index));
  const bodies = actors.map((actor, i) => [`vcpu/${i}`, () => actor.run(operations)] as const);
  vm.run({
    ...Object.fromEntries(bodies),
    host: () => host(vm, new Random(seed * 16 + 15), hostOperations),
  });
  vm.run({ verify: () => world.expectStoredFound() });
  vm.finish();
  return world;
}
