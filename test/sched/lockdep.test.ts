// lockdep: what was taken under what, by whom, and what goes round in a circle.

import { describe, expect, it } from 'vitest';
import {
  fsReclaimAcquire,
  fsReclaimRelease,
  LOCK_MAPS,
  LOCKS,
  type LockClass,
  Mutex,
  mightAlloc,
  type Scheduler,
  type Steps,
} from '../../src/sched/index.ts';
import { bugOf, runTasks } from '../support/tasks.ts';

const RANGE = LOCK_MAPS.mmu_notifier_invalidate_range_start;

/** Does `inside` under a lock of the class. */
const under = (lockClass: LockClass, inside: (sched: Scheduler) => void) =>
  function* (sched: Scheduler): Steps {
    const lock = new Mutex(sched, lockClass);
    yield* lock.lock();
    inside(sched);
    yield* lock.unlock();
  };

/** A callback of a client that takes its lock. */
function* invalidates(sched: Scheduler): Steps {
  sched.lockdep.acquireMap(sched.current, RANGE);
  yield* under(LOCKS.driver_lock, () => {})(sched);
  sched.lockdep.releaseMap(sched.current, RANGE);
}

/** What registering does, so that lockdep knows what reclaim does before it ever happens. */
function* registers(sched: Scheduler): Steps {
  fsReclaimAcquire(sched);
  fsReclaimRelease(sched);
}

const allocates = under(LOCKS.driver_lock, mightAlloc);

describe('an allocation under the lock of a callback', () => {
  it('is a circle, whichever comes first, and both chains are named', () => {
    expect(bugOf(() => runTasks({ fault: allocates, unmap: invalidates })).message).toBe(
      'possible circular locking dependency: mmu_notifier_invalidate_range_start -> driver lock (unmap), and ' +
        'driver lock -> fs_reclaim (fault) -> mmu_notifier_invalidate_range_start (fault)',
    );
    expect(bugOf(() => runTasks({ register: registers, unmap: invalidates, fault: allocates })).message).toBe(
      'possible circular locking dependency: driver lock -> fs_reclaim (fault), and fs_reclaim -> ' +
        'mmu_notifier_invalidate_range_start (register) -> driver lock (unmap)',
    );
  });

  it('is none where the callback only tries the lock', () => {
    runTasks({
      fault: allocates,
      *unmap(sched) {
        const lock = new Mutex(sched, LOCKS.driver_lock);
        sched.lockdep.acquireMap(sched.current, RANGE);
        if (yield* lock.tryLock()) yield* lock.unlock();
        sched.lockdep.releaseMap(sched.current, RANGE);
      },
    });
  });

  it('is none under a lock that no callback takes', () => {
    runTasks({ unmap: invalidates, fault: under(LOCKS.slots_lock, mightAlloc) });
  });
});

describe('reclaim', () => {
  it('must not allocate', () => {
    const error = bugOf(() =>
      runTasks({
        *kswapd(sched) {
          fsReclaimAcquire(sched);
          mightAlloc(sched);
        },
      }),
    );
    expect(error.message).toBe('possible recursive locking: fs_reclaim -> fs_reclaim (kswapd)');
  });

  it('must not wait for what is held where somebody allocates', () => {
    const error = bugOf(() =>
      runTasks({
        writer: under(LOCKS.inode_rwsem, mightAlloc),
        *kswapd(sched) {
          fsReclaimAcquire(sched);
          yield* under(LOCKS.inode_rwsem, () => {})(sched);
          fsReclaimRelease(sched);
        },
      }),
    );
    expect(error.message).toContain(
      'fs_reclaim -> inode->i_rwsem (kswapd), and inode->i_rwsem -> fs_reclaim (writer)',
    );
  });

  it('must end', () => {
    const error = bugOf(() =>
      runTasks({
        *kswapd(sched) {
          fsReclaimAcquire(sched);
        },
      }),
    );
    expect(error.message).toContain('task ended');
  });
});
