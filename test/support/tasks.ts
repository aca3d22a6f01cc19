// Small helpers for tests that run tasks on a Scheduler.

import { type Policy, points, Random, Scheduler, type Steps } from '../../src/sched/index.ts';
import { UmbraBug } from '../../src/units.ts';

/** A body for spawn(): from a generator function, so that the test reads as the task does. */
export type Body = (sched: Scheduler) => Steps;

/** Run mode, first come first served. */
export const inTurn = (): Policy => ({ stopsAtPoints: false, pick: () => 0 });

/** Stops at each point and never pre-empts, first come first served. */
export const pointByPoint = (): Policy => ({ stopsAtPoints: true, pick: () => 0 });

/** The zero-preemption schedule of runPolicy(seed): stops at each point, and switches only where that does. */
export function withoutPreemption(seed: number): Policy {
  const random = new Random(seed);
  return {
    stopsAtPoints: true,
    interruptsAtPoints: false,
    pick: (runnable) => (runnable[0]!.pointObject >= 0 ? 0 : random.below(runnable.length)),
  };
}

/** Spawns the tasks in the order of the object and runs until none is left or none can run; returns the scheduler. */
export function runTasks(bodies: Readonly<Record<string, Body>>, policy: Policy = inTurn()): Scheduler {
  const sched = new Scheduler(policy);
  for (const [name, body] of Object.entries(bodies)) sched.spawn(name, body(sched));
  sched.run(() => sched.tasks.length === 0);
  return sched;
}

/** The bug that `action` throws; fails when it throws none. */
export function bugOf(action: () => unknown): UmbraBug {
  try {
    action();
  } catch (error) {
    if (error instanceof UmbraBug) return error;
    throw error;
  }
  throw new Error('expected a bug, and there was none');
}

/** Stops at one page point: where another task may run. */
export function* step(object = 0): Steps {
  if (points.on) yield { type: 'point', kind: 'page', object };
}
