// What a run has done so far, as a number that equal pasts share: the happens-before order of all accesses, hashed.
//
// Two runs whose accesses differ only in the order of those that commute have done the same and are in the same
// state; so a search need not go on from where an equal one went on already (bounded search of Musuvathi and Qadeer's
// kind, with a cache). Each task's past is a hash of its accesses, each with the past of what it accessed; each
// object's past is that of who changed it last, and the sum of those who looked at it since, in whatever order.
// Generators cannot be compared, and need not be: a task is a function of what it saw.
//
// Which accesses commute says dependency.ts. Invariant: equal numbers mean equal states, up to collisions of 53 bits.

import type { PointKind, Task } from '../sched/index.ts';
import { type Access, isHardware, isSeenByHardware } from './dependency.ts';
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

/** A sum: those that commute leave the same. */
function add(sum: Past, { lo, hi }: Past): void {
  sum.lo = (sum.lo + lo) | 0;
  sum.hi = (sum.hi + hi) | 0;
}

function forget(past: Past): void {
  past.lo = past.hi = 0;
}

export class History {
  readonly #tasks = new Map<{ readonly id: number }, Past>();
  /** Of each object two words of who changed it last, and two of who has looked since. */
  readonly #objects = new NumberTable(4);
  /** The last step of hardware's that changed anything, and the sums of what came since to what hardware sees. */
  readonly #hardware: Past = { lo: 0, hi: 0 };
  readonly #hardwareReads: Past = { lo: 0, hi: 0 };
  readonly #reads: Past = { lo: 0, hi: 0 };
  readonly #writes: Past = { lo: 0, hi: 0 };
  /** The sums of all changes of what hardware sees, and of all that was done to TLBs and vCPUs without a walk. */
  readonly #allWrites: Past = { lo: 0, hi: 0 };
  readonly #quiet: Past = { lo: 0, hi: 0 };
  // Of state() alone.
  readonly #sum: Past = { lo: 0, hi: 0 };
  readonly #own: Past = { lo: 0, hi: 0 };

  begin(): void {
    this.#tasks.clear();
    this.#objects.clear();
    for (const past of [this.#hardware, this.#hardwareReads, this.#reads, this.#writes]) forget(past);
    for (const past of [this.#allWrites, this.#quiet]) forget(past);
  }

  /** `task` has accessed an object. */
  access(
    task: { readonly id: number },
    { kind, object, isRead = false, isQuiet = false }: Access & { readonly kind: PointKind },
  ): void {
    const past = this.#of(task);
    const key = keyOf(kind, object);
    const seen = this.#objects.placeOf(key);
    const { words } = this.#objects;
    mix(past, key | 0, Math.floor(key / 2 ** 32));
    mix(past, words[seen]!, words[seen + 1]!);
    if (!isRead) mix(past, words[seen + 2]!, words[seen + 3]!);
    if (isQuiet) mix(past, this.#allWrites.lo, this.#allWrites.hi);
    else if (isHardware(kind)) this.#seeMemory(past, isRead);
    else if (isSeenByHardware(kind)) this.#seeHardware(past, isRead);
    if (isRead) {
      words[seen + 2] = (words[seen + 2]! + past.lo) | 0;
      words[seen + 3] = (words[seen + 3]! + past.hi) | 0;
    } else {
      words[seen] = past.lo;
      words[seen + 1] = past.hi;
      words[seen + 2] = words[seen + 3] = 0;
    }
    if (isQuiet) add(this.#quiet, past);
    else if (isHardware(kind)) this.#noteHardware(past, isRead);
    else if (isSeenByHardware(kind)) this.#noteSeen(past, isRead);
  }

  #seeMemory(past: Past, isRead: boolean): void {
    mix(past, this.#hardware.lo, this.#hardware.hi);
    mix(past, this.#writes.lo, this.#writes.hi);
    if (isRead) return;
    mix(past, this.#reads.lo, this.#reads.hi);
    mix(past, this.#hardwareReads.lo, this.#hardwareReads.hi);
  }

  #seeHardware(past: Past, isRead: boolean): void {
    mix(past, this.#hardware.lo, this.#hardware.hi);
    if (isRead) return;
    mix(past, this.#hardwareReads.lo, this.#hardwareReads.hi);
    mix(past, this.#quiet.lo, this.#quiet.hi);
  }

  #noteSeen(past: Past, isRead: boolean): void {
    add(isRead ? this.#reads : this.#writes, past);
    if (!isRead) add(this.#allWrites, past);
  }

  #noteHardware(past: Past, isRead: boolean): void {
    if (isRead) {
      add(this.#hardwareReads, past);
      return;
    }
    this.#hardware.lo = past.lo;
    this.#hardware.hi = past.hi;
    for (const sum of [this.#hardwareReads, this.#reads, this.#writes]) forget(sum);
  }

  /** Hardware acts on its own: it looks at all that hardware sees. */
  act({ actor, number }: HardwareAction): void {
    const past = this.#of(actor);
    mix(past, number | 0, Math.floor(number / 2 ** 32));
    if (actor.kind !== null) this.access(actor, { kind: actor.kind, object: actor.object });
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
