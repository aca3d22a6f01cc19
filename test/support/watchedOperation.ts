// An operation of the host on the memory of a guest that looks at it all the time, as the tests of notifier order play
// them. The guest has stored in each page its own address.

import { expect } from 'vitest';
import type { Mm } from '../../src/mm/index.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import { GuestHart, type Outcome, PHYSICAL } from './guestHart.ts';
import { pageAt } from './pagedGuest.ts';
import type { TestVm } from './testVm.ts';

export interface WatchedOperation {
  /** What a guest page may hold from the beginning of the operation on, besides what it held before. */
  readonly drops?: boolean;
  /** Pages that are gone for the guest. */
  readonly gone?: readonly number[];
  /** Pages that the guest looks at before and after alone: a fault that waits for a folio has a reference to it. */
  readonly rests?: readonly number[];
  readonly before?: (vm: TestVm, base: Hva) => Steps;
  readonly act: (vm: TestVm, base: Hva, mm: Mm) => Steps;
  readonly after?: (vm: TestVm, base: Hva) => Steps;
}

/** The guest's memory that is watched. */
export interface Watched {
  /** Where it begins in the VMM's process. */
  readonly base: Hva;
  /** Its first page in the guest. */
  readonly first: number;
  /** Those that the guest loads, counted from there. */
  readonly pages: readonly number[];
}

/** The body of vCPU 0's task: the operation is a task called `op`. */
export function* playWatched(vm: TestVm, watched: Watched, operation: WatchedOperation): Steps {
  const { base } = watched;
  const hart = new GuestHart(vm.kvm.vcpus[0]!);
  yield* hart.reset();
  yield* verify(hart, watched, operation, () => true);
  if (operation.before !== undefined) yield* operation.before(vm, base);
  let over = false;
  const op = function* (): Steps {
    yield* operation.act(vm, base, vm.mm);
    over = true;
  };
  vm.sched.spawn('op', op(), vm.spareCpu);
  yield* verify(hart, watched, operation, () => over);
  if (operation.after !== undefined) yield* operation.after(vm, base);
}

/** Every page, over and over, until the operation is done and once more. */
function* verify(
  hart: GuestHart,
  { first, pages }: Watched,
  { drops = false, gone = [], rests = [] }: WatchedOperation,
  isOver: () => boolean,
): Steps {
  for (let last = false; !last; ) {
    last = isOver();
    yield RESCHED;
    for (const page of pages) {
      if (gone.includes(page) || (!last && rests.includes(page))) continue;
      const address = pageAt(first + page);
      const outcome: Outcome = yield* hart.load(address, PHYSICAL);
      const found = outcome.kind === 'value' ? outcome.value : outcome;
      expect(drops ? [address, 0] : [address]).toContain(found);
    }
  }
}

/** The address of page `first` of what begins at `base`. */
export const part = (base: Hva, first: number): Hva => (base + first * PAGE_SIZE) as Hva;

/** A system call that succeeds. */
export function* well(call: Steps<number>): Steps {
  expect(yield* call).toBe(0);
}

/** What the guest stores of a number: 8 bytes. */
export const word = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
