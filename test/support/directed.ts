// Schedules by hand on a TestVm: one task runs up to a place that the test names, there another is let in and runs as far
// as it can, and then the first goes on.
//
// letIn() does it once; letInEverywhere() at each of the first task's steps in turn, which makes every schedule that lets
// the other task in once, each from the state that `prepare` leaves.

import { BLOCKED, type Policy, RESCHED, type Steps, type Task, type Yielded } from '../../src/sched/index.ts';
import type { TestVm } from './testVm.ts';

/** Run mode until a test takes over; never pre-empts by itself. */
export class DirectedPolicy implements Policy {
  stopsAtPoints = false;
  #preferred: Task | null = null;
  #last: Task | null = null;

  /** From now on `task` goes first whenever it can; but after it gave the CPU away, somebody else runs for once. */
  prefer(task: Task | null): void {
    this.#preferred = task;
    this.#last = null;
  }

  pick(runnable: readonly Task[]): number {
    const index = this.#preferred === null ? -1 : runnable.indexOf(this.#preferred);
    const gaveWay = this.#last === this.#preferred && index >= 0 && runnable[index]!.pointObject < 0;
    const picked = index < 0 ? 0 : gaveWay ? Number(index === 0) : index;
    this.#last = runnable[picked]!;
    return picked;
  }
}

/** Asked before the first step (0) and after each: is this the place? `stop` is what the task stands before. */
export type Place = (step: number, stop: Yielded) => boolean;

/** A body for a task; the name says on which host CPU (TestVm.run). */
export interface Actor {
  readonly name: string;
  readonly body: () => Steps;
}

/** Runs `main`, and `other` from the place on where `main` is at; afterwards if it never was. True: it was. */
export function letIn(vm: TestVm, policy: DirectedPolicy, main: Actor, other: Actor, place: Place): boolean {
  const { sched } = vm;
  let waiting: Task | null = null;
  let isOpen = false;
  let wasThere = false;
  const open = (): void => {
    isOpen = true;
    policy.prefer(waiting);
    if (waiting !== null) sched.wake(waiting);
  };
  const gated = function* (): Steps {
    waiting = sched.current;
    while (!isOpen) {
      sched.block('to be let in');
      yield BLOCKED;
    }
    yield* other.body();
  };
  const watched = function* (): Steps {
    const steps = main.body();
    for (let step = 0, stop: Yielded = RESCHED; ; step++) {
      if (!isOpen && place(step, stop)) {
        wasThere = true;
        open();
      }
      if (step > 0 || isOpen) yield stop;
      const result = steps.next();
      if (result.done) break;
      stop = result.value;
    }
    if (!isOpen) open();
  };
  policy.stopsAtPoints = true;
  vm.run({ [other.name]: gated, [main.name]: watched });
  policy.stopsAtPoints = false;
  policy.prefer(null);
  return wasThere;
}

export interface Round {
  readonly main: Actor;
  readonly other: Actor;
  /** Looks at what came of it. */
  readonly verify?: () => void;
}

/** The number of places, each of which was tried. `prepare` is called for each. */
export function letInEverywhere(vm: TestVm, policy: DirectedPolicy, prepare: () => Round): number {
  for (let place = 0; ; place++) {
    const { main, other, verify } = prepare();
    const wasThere = letIn(vm, policy, main, other, (step) => step === place);
    verify?.();
    if (!wasThere) return place;
  }
}
