// RCU and SRCU with real reader counts: synchronize() really waits for the readers that were inside when it began.
//
// One implementation, two contexts: an SRCU reader may sleep, an RCU reader may not. As in Linux's SRCU there are two
// counters; synchronize() flips the index and waits for the old one to drain, once for each index so that a reader
// who read the index just before the flip is waited for too.
//
// Invariant: counts[0] + counts[1] is the number of readers inside. Lock: grace periods of one domain are serial.

import { bug } from '../units.ts';
import { at, points } from './points.ts';
import type { Scheduler } from './scheduler.ts';
import { mightSleep, type Steps } from './task.ts';
import { WaitQueue } from './wait.ts';

export class Srcu {
  readonly id: number;
  readonly #sched: Scheduler;
  readonly #name: string;
  readonly #readersMaySleep: boolean;
  readonly #counts: [number, number] = [0, 0];
  readonly #drained: WaitQueue;
  readonly #idle: WaitQueue;
  #index: 0 | 1 = 0;
  #busy = false;

  constructor(sched: Scheduler, name: string, readersMaySleep = true) {
    this.#sched = sched;
    this.#name = name;
    this.#readersMaySleep = readersMaySleep;
    this.id = sched.lockId();
    this.#drained = new WaitQueue(sched, `${name}: readers`);
    this.#idle = new WaitQueue(sched, `${name}: grace period`);
  }

  get readers(): number {
    return this.#counts[0] + this.#counts[1];
  }

  /** Returns the index that readUnlock() wants back. */
  *readLock(): Steps<0 | 1> {
    if (points.on) yield at.lock(this);
    const index = this.#index;
    this.#counts[index]++;
    if (!this.#readersMaySleep) this.#sched.current.rcuDepth++;
    return index;
  }

  *readUnlock(index: 0 | 1): Steps {
    if (points.on) yield at.lock(this);
    if (this.#counts[index] === 0) bug(`${this.#name}: unlock without lock`);
    this.#counts[index]--;
    if (!this.#readersMaySleep) this.#sched.current.rcuDepth--;
    if (this.#counts[index] === 0) this.#drained.wakeAll();
  }

  /** Returns after every reader that was inside at the call has left. Must not be called by a reader. */
  *synchronize(): Steps {
    mightSleep(this.#sched.current, `synchronize: ${this.#name}`);
    yield* this.#idle.until(() => !this.#busy);
    this.#busy = true;
    for (let pass = 0; pass < 2; pass++) {
      if (points.on) yield at.lock(this);
      const old = this.#index;
      this.#index = old === 0 ? 1 : 0;
      yield* this.#drained.until(() => this.#counts[old] === 0);
    }
    this.#busy = false;
    this.#idle.wakeAll();
  }
}
