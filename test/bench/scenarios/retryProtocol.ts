// The retry protocol alone, on a state of five numbers: what the engine of the explorer takes where no kernel is in the
// way.
//
// Two threads look a page up and install it, one invalidates it, five times each: three tasks of some 40 steps. The same
// program can be written for other model checkers, whose rates it can be held against.

import type { Scenario } from '../../../src/explore/index.ts';
import { at, LOCKS, Mutex, points, RESCHED, type Steps } from '../../../src/sched/index.ts';
import { bug } from '../../../src/units.ts';

const ROUNDS = 5;
const PAGES = 2;

interface Vm {
  readonly lock: Mutex;
  /** Ids for the points of what no lock protects: the sequence, and of each page its entry and its frame. */
  readonly ids: {
    readonly sequence: number;
    readonly pte: readonly number[];
    readonly frame: readonly number[];
  };
  sequence: number;
  readonly pte: number[];
  readonly isFree: boolean[];
  // Under lock.
  inProgress: number;
  readonly spte: number[];
}

function* fault(vm: Vm, page: number): Steps {
  for (;;) {
    if (points.on) yield at.sequence(vm.ids.sequence);
    const { sequence } = vm;
    if (points.on) yield at.list(vm.ids.pte[page]!);
    const frame = vm.pte[page]!;
    yield* vm.lock.lock();
    if (points.on) yield at.sequence(vm.ids.sequence);
    const isStale = vm.inProgress > 0 || vm.sequence !== sequence;
    if (!isStale) {
      vm.spte[page] = frame;
      if (points.on) yield at.list(vm.ids.frame[page]!);
      if (frame !== 0 && vm.isFree[page]) bug('installed a free frame', { page });
    }
    yield* vm.lock.unlock();
    if (!isStale) return;
    yield RESCHED;
  }
}

function* invalidate(vm: Vm, page: number): Steps {
  yield* vm.lock.lock();
  vm.inProgress++;
  vm.spte[page] = 0;
  yield* vm.lock.unlock();
  yield* setPte(vm, page, 0);
  yield* vm.lock.lock();
  if (points.on) yield at.sequence(vm.ids.sequence);
  vm.sequence++;
  vm.inProgress--;
  yield* vm.lock.unlock();
  yield* setFree(vm, page, true);
  yield* setFree(vm, page, false);
  yield* setPte(vm, page, 9);
}

function* setPte(vm: Vm, page: number, pte: number): Steps {
  if (points.on) yield at.list(vm.ids.pte[page]!);
  vm.pte[page] = pte;
}

function* setFree(vm: Vm, page: number, isFree: boolean): Steps {
  if (points.on) yield at.list(vm.ids.frame[page]!);
  vm.isFree[page] = isFree;
}

function* repeat(round: (page: number) => Steps, first: number): Steps {
  for (let i = 0; i < ROUNDS; i++) yield* round((first + i) % PAGES);
}

export const scenario: Scenario = {
  name: 'retry-protocol',
  about: 'the retry protocol, without a kernel',
  guest: 'done: j done',
  tasks({ sched }) {
    const ids = (): number[] => Array.from({ length: PAGES }, () => sched.lockId());
    const vm: Vm = {
      lock: new Mutex(sched, LOCKS.mmu_lock),
      ids: { sequence: sched.lockId(), pte: ids(), frame: ids() },
      sequence: 0,
      pte: [7, 8],
      isFree: [false, false],
      inProgress: 0,
      spte: [0, 0],
    };
    return {
      fault0: () => repeat((page) => fault(vm, page), 0),
      fault1: () => repeat((page) => fault(vm, page), 1),
      reclaim: () => repeat((page) => invalidate(vm, page), 0),
    };
  },
};
