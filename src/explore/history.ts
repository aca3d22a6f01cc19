// What a run has done so far, as a number that equal pasts share: the happens-before order of all accesses, hashed.
//
// Two runs whose accesses differ only in the order of those that commute have done the same and are in the same
// state; so a search need not go on from where an equal one went on already (bounded search of Musuvathi and Qadeer's
// kind, with a cache). Each task's past is a hash of its accesses, each with the past of what it accessed; each
// object's past is that of who accessed it last. Generators cannot be compared, and need not be: a task is a function
// of what it saw.
//
// Which accesses commute says dependency.ts. Invariant: equal numbers mean equal states, up to collisions of 53 bits.

import type { PointKind, Task } from '../sched/index.ts';
import { isHardware, isSeenByHardware } from './dependency.ts';
import type { HardwareAction } from './hardwareAction.ts';
import { NumberTable } from './numberTable.ts';
import { keyOf } from './objects.ts';

/** A 53-bit hash in two words. */
interface Past {
  lo: number;
  hi: number;
}

function mix(past: Past, a: number, b: number): void {
  let lo = Math.imul(past.lo ^ a, 0x9e3779b1) ^ (past.hi >>> 15);
  let hi = Math.imul(past.hi ^ b, 0x85ebca77) ^ (lo >>> 13);
  lo = Math.imul(lo ^ (hi << 7), 0xc2b2ae3d);
  hi = Math.imul(hi ^ (lo >>> 11), 0x27d4eb2f);
  past.lo = lo ^ (lo >>> 16);
  past.hi = hi ^ (hi >>> 15);
}

export class History {
  readonly #tasks = new Map<{ readonly id: number }, Past>();
  /** Of each object the two words of its past. */
  readonly #objects = new NumberTable(2);
  /** The last hardware step, and the sum of all accesses since to what hardware sees. */
  readonly #hardware: Past = { lo: 0, hi: 0 };
  readonly #since: Past = { lo: 0, hi: 0 };
  // Of state() alone.
  readonly #sum: Past = { lo: 0, hi: 0 };
  readonly #own: Past = { lo: 0, hi: 0 };

  begin(): void {
    this.#tasks.clear();
    this.#objects.clear();
    for (const past of [this.#hardware, this.#since]) past.lo = past.hi = 0;
  }

  /** `task` takes the access that `point` names. */
  access(task: { readonly id: number }, kind: PointKind, object: number): void {
    const past = this.#of(task);
    if (isHardware(kind)) {
      mix(past, this.#since.lo, this.#since.hi);
      this.#since.lo = this.#since.hi = 0;
    }
    const key = keyOf(kind, object);
    const seen = this.#objects.placeOf(key);
    const { words } = this.#objects;
    mix(past, key | 0, Math.floor(key / 2 ** 32));
    mix(past, words[seen]!, words[seen + 1]!);
    if (isHardware(kind) || isSeenByHardware(kind)) mix(past, this.#hardware.lo, this.#hardware.hi);
    words[seen] = past.lo;
    words[seen + 1] = past.hi;
    if (isHardware(kind)) {
      this.#hardware.lo = past.lo;
      this.#hardware.hi = past.hi;
    } else if (isSeenByHardware(kind)) {
      // A sum: those of different objects commute.
      this.#since.lo = (this.#since.lo + past.lo) | 0;
      this.#since.hi = (this.#since.hi + past.hi) | 0;
    }
  }

  /** Hardware acts on its own: it looks at all that hardware sees. */
  act({ actor, number }: HardwareAction): void {
    const past = this.#of(actor);
    mix(past, number | 0, Math.floor(number / 2 ** 32));
    if (actor.kind !== null) this.access(actor, actor.kind, actor.object);
  }

  /** `task` begins, was woken, or goes on after giving the CPU away. */
  resume(task: Task): void {
    mix(this.#of(task), 1, 0);
  }

  #of(task: { readonly id: number }): Past {
    let past = this.#tasks.get(task);
    if (past === undefined) {
      past = { lo: task.id, hi: 0 };
      this.#tasks.set(task, past);
    }
    return past;
  }

  /** The state of all tasks; the rest is what else decides what can happen next. */
  state(next: number, waiting: number, clock: number): number {
    const sum = this.#sum;
    const own = this.#own;
    sum.lo = sum.hi = 0;
    for (const [{ id }, { lo, hi }] of this.#tasks) {
      own.lo = lo;
      own.hi = hi;
      mix(own, id, 0);
      sum.lo = (sum.lo + own.lo) | 0;
      sum.hi = (sum.hi + own.hi) | 0;
    }
    mix(sum, next, waiting);
    mix(sum, clock | 0, Math.floor(clock / 2 ** 32) | 0);
    return (sum.hi & 0x1fffff) * 2 ** 32 + (sum.lo >>> 0);
  }
}
