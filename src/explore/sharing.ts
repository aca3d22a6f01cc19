// Which points matter: where a switch to another task can change what happens (reference explore.md 7.7).
//
// An access to an object that one task alone ever touches commutes with all that others do; so does one to an object
// that nobody changes; so does one to an object that is only ever touched under one and the same lock, held exclusively,
// since who could interfere waits for the lock; and so does giving a lock back. What is left: taking locks that are contended, unprotected accesses, and
// whatever hardware may look at between any two steps of a kernel (page tables, TLBs, vCPUs).
//
// All of it is learned from the runs themselves. Invariant: what is said to be private was so in all runs so far; a
// search that wants to be exhaustive begins again when `version` has grown (it can only grow so often).

import type { Point, PointKind, Task } from '../sched/index.ts';
import { isTranslation } from './dependency.ts';
import { keyOf } from './objects.ts';

interface Sharers {
  readonly owner: Task['name'];
  isShared: boolean;
  isWritten: boolean;
  /** Ids of the locks that every access so far was made under. */
  locks: readonly number[];
}

/** What is known of one object (its key, objects.ts), as plain data: for who searches another part of the same tree. */
export type KnownObject = readonly [
  key: number,
  owner: Task['name'],
  isShared: boolean,
  isWritten: boolean,
  locks: readonly number[],
];

export class Sharing {
  readonly #objects = new Map<number, Sharers>();
  /** What touch() was asked about last, since write() mostly comes of it. */
  #touched: Sharers | undefined;
  #touchedKey = -1;
  /** Grows when a point that did not matter turns out to. */
  version = 0;

  /** Whether several tasks touch it, or hardware does. */
  isShared(kind: PointKind, object: number): boolean {
    return isTranslation(kind) || this.#objects.get(keyOf(kind, object))?.isShared === true;
  }

  /** `task` is about to access what `point` names; true: others must be given a chance first. */
  touch(task: Task, { kind, object }: Point): boolean {
    if (isTranslation(kind)) return true;
    const isLock = kind === 'lock';
    if (isLock && holds(task, object)) return false;
    const key = keyOf(kind, object);
    let known = this.#objects.get(key);
    if (known === undefined) {
      const locks = isLock ? [] : task.held.filter(isExclusive).map(({ id }) => id);
      known = { owner: task.name, isShared: false, isWritten: false, locks };
      this.#objects.set(key, known);
    }
    this.#touched = known;
    this.#touchedKey = key;
    if (matters(known)) return true;
    if (!isAllHeld(known.locks, task)) known.locks = known.locks.filter((id) => isHeld(id, task));
    if (known.owner !== task.name) known.isShared = true;
    if (!matters(known)) return false;
    this.version++;
    return true;
  }

  /** The object was changed by the access that touch() was asked about last. */
  write(kind: PointKind, object: number): void {
    const key = keyOf(kind, object);
    const known = key === this.#touchedKey ? this.#touched : this.#objects.get(key);
    if (known === undefined || known.isWritten) return;
    known.isWritten = true;
    if (matters(known)) this.version++;
  }

  /** All that was learned so far, in the order of the keys. */
  get known(): KnownObject[] {
    return [...this.#objects]
      .sort(([a], [b]) => a - b)
      .map(([key, { owner, isShared, isWritten, locks }]) => [
        key,
        owner,
        isShared,
        isWritten,
        [...locks].sort((a, b) => a - b),
      ]);
  }

  /** Adds what was learned elsewhere; `version` grows with each object that matters only with both taken together. */
  learn(objects: readonly KnownObject[]): void {
    for (const [key, owner, isShared, isWritten, locks] of objects) {
      const known = this.#objects.get(key);
      if (known === undefined) {
        const added = { owner, isShared, isWritten, locks };
        this.#objects.set(key, added);
        if (matters(added)) this.version++;
        continue;
      }
      const mattered = matters(known);
      known.isShared ||= isShared || owner !== known.owner;
      known.isWritten ||= isWritten;
      known.locks = known.locks.filter((id) => locks.includes(id));
      if (!mattered && matters(known)) this.version++;
    }
  }

  /** Knows nothing any more. */
  forget(): void {
    this.#objects.clear();
    this.#touchedKey = -1;
    this.version = 0;
  }
}

const matters = ({ isShared, isWritten, locks }: Sharers): boolean =>
  isShared && isWritten && locks.length === 0;

function holds({ held }: Task, id: number): boolean {
  for (let i = held.length - 1; i >= 0; i--) if (held[i]!.id === id) return true;
  return false;
}

/** Whether the task holds the lock alone. */
function isHeld(id: number, { held }: Task): boolean {
  for (let i = held.length - 1; i >= 0; i--) if (held[i]!.id === id && isExclusive(held[i]!)) return true;
  return false;
}

function isAllHeld(ids: readonly number[], task: Task): boolean {
  for (let i = 0; i < ids.length; i++) if (!isHeld(ids[i]!, task)) return false;
  return true;
}

/** A mutex or spinlock, or a reader-writer lock that is held for write. */
function isExclusive(held: Task['held'][number]): boolean {
  return !('isWriteLocked' in held) || held.isWriteLocked === true;
}
