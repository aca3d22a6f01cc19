// Weak memory, where an exploration asks for it: a store may become visible late, and a load may see what was there
// before.
//
// Variables that are read and written without a lock (READ_ONCE, WRITE_ONCE and atomics in Linux) are Marked. Otherwise
// each access takes effect where it stands. With `on`, whoever drives the scheduler may arm the step that a task is about
// to take: its first store to such a variable is then delayed, or its first load of one that was changed a moment ago
// answers the value before. A task has one delayed store at a time.
//
// Allowed is only what the Linux memory model allows: a delayed store is visible to its own task, and to all before what
// comes after smp_wmb(), smp_mb(), a release, an atomic operation that orders, or a sleep; a load is never older than the
// last smp_rmb(), smp_mb() or acquire of its task, nor than what the task has seen or written of that variable. Not
// covered: stores that stay behind and come out between two barriers, more than one at a time, loads before older stores
// of other kinds, dependencies, and everything that is not Marked, which is ordered as it stands.
//
// Invariants: without `on` a Marked is a plain variable; a task that sleeps or has ended has nothing delayed.

import type { CheckedKind } from './accesses.ts';
import { type PointKind, points } from './points.ts';
import type { Scheduler } from './scheduler.ts';

/** The kinds of which every access is marked. */
type MarkedKind = Exclude<PointKind, CheckedKind>;

/** A variable, whatever it holds. */
export interface Word {
  readonly kind: PointKind;
  readonly object: number;
  /** Whether a load by `task` could see the value before. */
  isOlderFor(task: number): boolean;
  /** The delayed store becomes visible, at moment `now`. */
  drain(now: number): void;
}

/** What the memory system knows of one task. */
interface View {
  delayed: Word | null;
  /** Nothing that was overwritten before this moment is read any more. */
  fence: number;
}

export type Arm = 'delay' | 'stale';

export class WeakMemory {
  on = false;
  /** Told when a delayed store becomes visible: an access that the step makes beside the one that it stood before. */
  drained: (kind: PointKind, object: number) => void = () => {};
  /** Of the step under way: it left a store that could be delayed, or made a load that could have been older. */
  couldDelay = false;
  couldBeStale = false;
  #armed: Arm | null = null;
  /** Moments: stores that became visible. */
  #now = 0;
  readonly #views = new Map<number, View>();
  readonly #words: Word[] = [];

  /** A new variable. */
  add(word: Word): void {
    this.#words.push(word);
  }

  /** The variables that a point announces. */
  wordsAt(kind: PointKind, object: number): readonly Word[] {
    return this.#words.filter((word) => word.kind === kind && word.object === object);
  }

  /** A run begins, with nothing under way. */
  begin(on: boolean): void {
    if (!on && !this.on) return;
    this.on = on;
    this.#armed = null;
    this.#views.clear();
  }

  /** A step begins. */
  step(): void {
    this.couldDelay = this.couldBeStale = false;
    this.#armed = null;
  }

  /** For the step that is about to be taken. */
  arm(what: Arm): void {
    this.#armed = what;
  }

  get isArmed(): boolean {
    return this.#armed !== null;
  }

  /** Whether `task` has a store that nobody else sees yet. */
  hasDelayed(task: number): boolean {
    return this.#viewOf(task).delayed !== null;
  }

  /** smp_mb(). */
  full(task: number): void {
    this.release(task);
    this.acquire(task);
  }

  /** smp_wmb(), and what gives a lock back: earlier stores are visible before later ones. */
  release(task: number): void {
    this.couldDelay = false;
    const view = this.#viewOf(task);
    const word = view.delayed;
    if (word === null) return;
    view.delayed = null;
    word.drain(++this.#now);
    this.drained(word.kind, word.object);
  }

  /** smp_rmb(), and what takes a lock: later loads are no older than this. */
  acquire(task: number): void {
    this.#viewOf(task).fence = this.#now;
  }

  /** A store to `word` by `task`: whether it is delayed. */
  delays(task: number, word: Word): boolean {
    const view = this.#viewOf(task);
    if (view.delayed !== null) return view.delayed === word;
    this.couldDelay = true;
    if (this.#armed !== 'delay') return false;
    this.#armed = null;
    view.delayed = word;
    return true;
  }

  /** Whether `task` may still read what was overwritten at `changedAt`. */
  reaches(task: number, changedAt: number): boolean {
    return changedAt > this.#viewOf(task).fence;
  }

  /** A load by `task` of what it may see an older value of: whether it does. */
  isStale(): boolean {
    this.couldBeStale = true;
    if (this.#armed !== 'stale') return false;
    this.#armed = null;
    return true;
  }

  /** A store becomes visible at once: the moment. */
  next(): number {
    return ++this.#now;
  }

  #viewOf(task: number): View {
    let view = this.#views.get(task);
    if (view === undefined) {
      view = { delayed: null, fence: 0 };
      this.#views.set(task, view);
    }
    return view;
  }
}

/** A variable that is accessed without a lock. Every access is preceded by a point of its kind and object. */
export class Marked<T> implements Word {
  readonly kind: MarkedKind;
  readonly object: number;
  readonly #sched: Scheduler;
  #value: T;
  // With weak memory on:
  #before: T;
  #changedAt = 0;
  #writer = 0;
  /** What is delayed: by whom, and what becomes of the value. */
  #by = 0;
  #change: ((value: T) => T) | null = null;
  /** By task: the moment of the newest value that it has read. */
  readonly #seen = new Map<number, number>();

  constructor(sched: Scheduler, kind: MarkedKind, object: number, value: T) {
    this.#sched = sched;
    this.kind = kind;
    this.object = object;
    this.#value = value;
    this.#before = value;
    sched.weak.add(this);
  }

  /** READ_ONCE(). Between steps: what whoever wrote last takes it to be. */
  read(): T {
    const { weak, currentId } = this.#sched;
    if (!weak.on) return this.#value;
    if (this.#change !== null && (currentId === this.#by || currentId === 0))
      return this.#change(this.#value);
    if (currentId === 0) return this.#value;
    if (this.isOlderFor(currentId) && weak.isStale()) return this.#before;
    this.#seen.set(currentId, this.#changedAt);
    return this.#value;
  }

  isOlderFor(task: number): boolean {
    if (this.#before === this.#value || task === this.#writer) return false;
    if ((this.#seen.get(task) ?? -1) >= this.#changedAt) return false;
    return this.#sched.weak.reaches(task, this.#changedAt);
  }

  /** WRITE_ONCE(). */
  write(value: T): void {
    this.update(() => value);
  }

  /** An atomic operation that orders nothing and answers nothing, as set_bit(). */
  update(change: (value: T) => T): void {
    if (points.on) points.check(this.kind, this.object);
    const { weak, currentId } = this.#sched;
    if (!weak.on || currentId === 0 || !weak.delays(currentId, this)) this.#show(change, currentId);
    else {
      const earlier = this.#change;
      this.#by = currentId;
      this.#change = earlier === null ? change : (value) => change(earlier(value));
    }
  }

  /** xchg(): a full barrier. The old value. */
  exchange(value: T): T {
    if (points.on) points.check(this.kind, this.object);
    const { weak, currentId } = this.#sched;
    if (weak.on) weak.full(currentId);
    const old = this.#value;
    this.#show(() => value, currentId);
    if (weak.on) weak.full(currentId);
    return old;
  }

  /** cmpxchg(): if it changes the value a full barrier, else none. The old value. */
  compareExchange(expected: T, value: T): T {
    if (points.on) points.check(this.kind, this.object);
    const { weak, currentId } = this.#sched;
    if (weak.on && this.#by === currentId && this.#change !== null) weak.release(currentId);
    return this.#value === expected ? this.exchange(value) : this.#value;
  }

  drain(now: number): void {
    const change = this.#change!;
    this.#change = null;
    this.#put(change, this.#by, now);
  }

  #show(change: (value: T) => T, writer: number): void {
    const { weak } = this.#sched;
    if (weak.on) this.#put(change, writer, weak.next());
    else this.#value = change(this.#value);
  }

  #put(change: (value: T) => T, writer: number, now: number): void {
    this.#before = this.#value;
    this.#value = change(this.#value);
    this.#writer = writer;
    this.#changedAt = now;
  }
}

/** smp_mb(): all accesses before it come before all after it. */
export function smpMb({ weak, currentId }: Scheduler): void {
  if (weak.on && currentId !== 0) weak.full(currentId);
}

/** smp_wmb(): stores before it are visible before stores after it. */
export function smpWmb({ weak, currentId }: Scheduler): void {
  if (weak.on) weak.release(currentId);
}

/** smp_rmb(): loads after it are no older than loads before it. */
export function smpRmb({ weak, currentId }: Scheduler): void {
  if (weak.on) weak.acquire(currentId);
}
