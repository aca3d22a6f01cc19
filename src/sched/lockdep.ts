// lockdep: which classes of locks were taken under which, and a bug as soon as that goes round in a circle.
//
// lockOrder.ts says what the order is; this finds the deadlocks that are in no order of locks alone, without a schedule in
// which they happen. Two classes are of no lock (Linux's lock maps): fs_reclaim is held by whoever reclaims and taken for
// a moment by whoever may have to; mmu_notifier_invalidate_range_start is held around the callbacks of clients, and taken
// for a moment wherever fs_reclaim is, since reclaim calls them. So a client that allocates under the lock that its
// range_start takes is caught by the allocation, be there ever so much memory.
//
// Classes are those of lockOrder.ts by index. Who tries a lock does not wait, so that it comes after nothing; others come
// after it. Invariant: the graph has no circle, or bug() was called.

import { bug } from '../units.ts';
import { KnownOrder } from './knownOrder.ts';
import { LOCK_CLASSES, LOCKS, nextClass } from './lockOrder.ts';
import type { Scheduler } from './scheduler.ts';
import { type LockMap, mightSleep, type Task } from './task.ts';

export const LOCK_MAPS = {
  fs_reclaim: { name: 'fs_reclaim', index: nextClass() },
  mmu_notifier_invalidate_range_start: { name: 'mmu_notifier_invalidate_range_start', index: nextClass() },
} as const satisfies Record<string, LockMap>;

/** Who took `to` under `from` first. */
interface Link {
  readonly from: LockMap;
  readonly to: LockMap;
  readonly task: Task['name'];
}

export class Lockdep {
  /** By from * LOCK_CLASSES + to: 1 if there is such a link. */
  readonly #linked = new Uint8Array(LOCK_CLASSES * LOCK_CLASSES);
  readonly #links: Link[] = [];
  readonly #known = new KnownOrder();
  /** Some link of this run is not in #known, which says nothing of the others any more. */
  #isOutside = false;

  /** `task` is about to take a lock of the class, and may have to wait for it. */
  acquire(task: Task, to: LockMap): void {
    for (const { lockClass } of task.held) this.link(task, lockClass, to);
    for (const map of task.heldMaps) this.link(task, map, to);
  }

  /** lock_map_acquire(). */
  acquireMap(task: Task, map: LockMap): void {
    this.acquire(task, map);
    task.heldMaps.push(map);
  }

  /** lock_map_release(): the last one first. */
  releaseMap(task: Task, map: LockMap): void {
    if (task.heldMaps.pop() !== map) bug('lock map released out of turn', { task: task.name, map: map.name });
  }

  /** `task`, which has `from`, may have to wait for `to`. */
  link(task: Task, from: LockMap, to: LockMap): void {
    const key = from.index * LOCK_CLASSES + to.index;
    if (this.#linked[key] === 1) return;
    // Several of one class: lockOrder.ts says under what they may be held.
    if (from.index === to.index && 'rank' in from) return;
    const link = { from, to, task: task.name };
    if (this.#isOutside || !this.#known.takes(from.index, to.index)) {
      this.#isOutside = true;
      const back = this.#path(to, from);
      if (back !== null) reportCircle(link, back);
    }
    this.#linked[key] = 1;
    this.#links.push(link);
  }

  /** The shortest way from one class to another, or null. */
  #path(from: LockMap, to: LockMap): Link[] | null {
    const paths = new Map<number, Link[]>([[from.index, []]]);
    for (const [index, path] of paths) {
      if (index === to.index) return path;
      for (const link of this.#links) {
        if (link.from.index === index && !paths.has(link.to.index)) paths.set(link.to.index, [...path, link]);
      }
    }
    return null;
  }
}

/** "A -> B (by whom) -> C (by whom)". */
const chain = (links: readonly Link[]): string =>
  links[0]!.from.name + links.map(({ to, task }) => ` -> ${to.name} (${task})`).join('');

function reportCircle(link: Link, back: readonly Link[]): never {
  if (back.length === 0) bug(`possible recursive locking: ${chain([link])}`);
  bug(`possible circular locking dependency: ${chain([link])}, and ${chain(back)}`);
}

/** fs_reclaim_acquire(GFP_KERNEL): from now on the running task reclaims. */
export function fsReclaimAcquire({ lockdep, current }: Scheduler): void {
  lockdep.acquireMap(current, LOCK_MAPS.fs_reclaim);
  lockdep.link(current, LOCK_MAPS.fs_reclaim, LOCK_MAPS.mmu_notifier_invalidate_range_start);
}

/** fs_reclaim_release(GFP_KERNEL). */
export const fsReclaimRelease = ({ lockdep, current }: Scheduler): void =>
  lockdep.releaseMap(current, LOCK_MAPS.fs_reclaim);

/** might_alloc(GFP_KERNEL): the running task may sleep, and reclaim. */
export function mightAlloc(sched: Scheduler): void {
  fsReclaimAcquire(sched);
  fsReclaimRelease(sched);
  mightSleep(sched.current, 'might_alloc');
}

/** might_fault(): the running task touches memory of a process, and may have to fault it in. */
export function mightFault({ lockdep, current }: Scheduler): void {
  lockdep.acquire(current, LOCKS.mmap_lock);
  mightSleep(current, 'might_fault');
}
