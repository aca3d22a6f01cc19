// Enumerates every schedule of a small program, in the manner of loom: depth first over all picks of a policy, each
// schedule a fresh run. What it counts are exactly the interleavings of the steps between points.
//
// A program spawns its tasks and returns a function that says how a finished run came out. Deadlocks and bugs are
// outcomes too. `preemptions` bounds how often a task that could go on is made to wait.

import { type Policy, Scheduler, type Task } from '../../src/sched/index.ts';
import { UmbraBug } from '../../src/units.ts';

export type Program = (sched: Scheduler) => () => unknown;

export interface Enumeration {
  /** Schedules run, all different. */
  readonly schedules: number;
  /** How many schedules came out how. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The first schedule of each outcome, for replayPolicy. */
  readonly witnesses: Readonly<Record<string, readonly number[]>>;
}

const MAX_STEPS = 10_000;
const MAX_SCHEDULES = 2_000_000;

/** The tree of all picks: pick() walks down one path, advance() turns to the next. */
class PickTree implements Policy {
  readonly stopsAtPoints = true;
  readonly #preemptions: number;
  readonly #path: { choice: number; readonly width: number }[] = [];
  #depth = 0;
  #preempted = 0;
  #last: Task | null = null;

  constructor(preemptions: number) {
    this.#preemptions = preemptions;
  }

  get picks(): readonly number[] {
    return this.#path.map(({ choice }) => choice);
  }

  pick(runnable: readonly Task[]): number {
    const goesOn = runnable[0] === this.#last && runnable[0]!.pointObject >= 0;
    const width = goesOn && this.#preempted === this.#preemptions ? 1 : runnable.length;
    if (this.#depth === this.#path.length) this.#path.push({ choice: 0, width });
    const { choice } = this.#path[this.#depth++]!;
    if (goesOn && choice > 0) this.#preempted++;
    this.#last = runnable[choice]!;
    return choice;
  }

  /** Goes to the next path; false when there is none. */
  advance(): boolean {
    this.#depth = 0;
    this.#preempted = 0;
    this.#last = null;
    for (let node = this.#path.at(-1); node !== undefined; node = this.#path.at(-1)) {
      if (++node.choice < node.width) return true;
      this.#path.pop();
    }
    return false;
  }
}

function outcomeOf(program: Program, policy: Policy): string {
  const sched = new Scheduler(policy);
  const outcome = program(sched);
  try {
    const end = sched.run(() => sched.tasks.length === 0 || sched.steps > MAX_STEPS);
    if (sched.steps > MAX_STEPS) return 'livelock';
    return end === 'deadlock' ? 'deadlock' : String(outcome());
  } catch (error) {
    if (error instanceof UmbraBug) return `bug: ${error.message}`;
    throw error;
  }
}

/** Runs every schedule of `program`, or every one with at most `preemptions` pre-emptions. */
export function enumerate(program: Program, preemptions = Number.POSITIVE_INFINITY): Enumeration {
  const tree = new PickTree(preemptions);
  const outcomes: Record<string, number> = {};
  const witnesses: Record<string, readonly number[]> = {};
  let schedules = 0;
  do {
    const outcome = outcomeOf(program, tree);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    witnesses[outcome] ??= tree.picks;
    if (++schedules > MAX_SCHEDULES) throw new Error(`more than ${MAX_SCHEDULES} schedules`);
  } while (tree.advance());
  return { schedules, outcomes, witnesses };
}

/** How `program` comes out under one policy. */
export const outcomeUnder = (program: Program, policy: Policy): string => outcomeOf(program, policy);
