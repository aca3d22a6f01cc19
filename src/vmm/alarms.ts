// What wakes halted harts: lines that somebody raises, and deadlines of their own timers.
//
// vcpuThread.ts puts a hart to sleep here; the CLINT and the clock wake it. Knows when all harts sleep for ever.
//
// Invariants: wakeAt[i] is -1 while hart i is awake, else the virtual time at which it wakes by itself, or Infinity. At
// most one event per hart is outstanding that is not later than wakeAt[i]; a hart that is woken early finds nothing to
// do and sleeps again.

import type { Scheduler } from '../sched/index.ts';

const AWAKE = -1;
const NEVER = Number.POSITIVE_INFINITY;

export class Alarms {
  readonly #sched: Scheduler;
  readonly #kick: (hart: number) => void;
  readonly #wakeAt: Float64Array;
  /** When the next event of the hart comes; NEVER if none is outstanding. */
  readonly #armedAt: Float64Array;

  /** `kick` wakes the thread of a hart. */
  constructor(sched: Scheduler, harts: number, kick: (hart: number) => void) {
    this.#sched = sched;
    this.#kick = kick;
    this.#wakeAt = new Float64Array(harts).fill(AWAKE);
    this.#armedAt = new Float64Array(harts).fill(NEVER);
  }

  /** The hart goes to sleep until `deadline` (virtual ns, or Infinity) or wake(). */
  sleepUntil(hart: number, deadline: number): void {
    this.#wakeAt[hart] = deadline;
    if (deadline >= this.#armedAt[hart]!) return;
    this.#armedAt[hart] = deadline;
    this.#sched.after(Math.max(0, deadline - this.#sched.now), () => this.#ring(hart, deadline));
  }

  wake(hart: number): void {
    this.#wakeAt[hart] = AWAKE;
    this.#kick(hart);
  }

  isAwake(hart: number): boolean {
    return this.#wakeAt[hart] === AWAKE;
  }

  /** Every hart sleeps, and none has a deadline. */
  get nobodyCanWake(): boolean {
    return this.#wakeAt.every((time) => time === NEVER);
  }

  #ring(hart: number, time: number): void {
    if (this.#armedAt[hart] === time) this.#armedAt[hart] = NEVER;
    this.wake(hart);
  }
}
