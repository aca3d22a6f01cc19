// The deadlock report.

import { describe, expect, it } from 'vitest';
import {
  LOCKS,
  Mutex,
  RESCHED,
  RwLock,
  type Scheduler,
  Srcu,
  type Steps,
  WaitQueue,
} from '../../src/sched/index.ts';
import { enumerate, type Program } from '../support/enumerate.ts';
import { runTasks } from '../support/tasks.ts';

describe('the deadlock report', () => {
  it('says which task waits for which lock, held by whom, and what it holds itself', () => {
    let mmapLock: RwLock | undefined;
    let folioLock: Mutex | undefined;
    const sched = runTasks({
      *fault(own) {
        mmapLock = new RwLock(own, LOCKS.mmap_lock);
        folioLock = new Mutex(own, LOCKS.folio_lock);
        yield* mmapLock.lockRead();
        yield RESCHED;
        yield* folioLock.lock();
      },
      *reclaim(own) {
        yield* folioLock!.lock();
        yield* new WaitQueue(own, 'writeback').until(() => false);
      },
      *reader() {
        yield* mmapLock!.lockRead();
        yield RESCHED;
        yield RESCHED;
        yield* folioLock!.lock();
      },
      *munmap() {
        yield* mmapLock!.lockWrite();
      },
    });
    expect(sched.describeBlocked()).toEqual([
      'fault waits for folio lock (PG_locked) #2, held by reclaim; holds mm->mmap_lock #1',
      'reclaim waits for writeback; holds folio lock (PG_locked) #2',
      'reader waits for folio lock (PG_locked) #2, held by reclaim; holds mm->mmap_lock #1',
      'munmap waits for mm->mmap_lock #1, held by fault, reader',
    ]);
  });

  it('names the readers that a grace period waits for, each once', () => {
    const sched = runTasks({
      *reader(own) {
        const srcu = new Srcu(own, 'mmu_notifier srcu');
        yield* srcu.readLock();
        yield* srcu.readLock();
        own.spawn('unregister', srcu.synchronize());
        yield RESCHED;
        own.spawn('another', srcu.synchronize());
        yield* new WaitQueue(own, 'godot').until(() => false);
      },
    });
    expect(sched.describeBlocked()).toEqual([
      'reader waits for godot',
      'unregister waits for mmu_notifier srcu: readers #1, held by reader',
      'another waits for mmu_notifier srcu: grace period #1, held by reader',
    ]);
  });

  it('is empty when nothing is blocked', () => {
    const sched: Scheduler = runTasks({
      *a() {
        yield RESCHED;
      },
    });
    expect(sched.describeBlocked()).toEqual([]);
  });

  it('goes with the outcome that the enumerator calls a deadlock: unregister under a lock that a callback takes', () => {
    const program: Program = (sched) => {
      const srcu = new Srcu(sched, 'srcu');
      const lock = new Mutex(sched, LOCKS.mm_all_locks_mutex);
      const callback = function* (): Steps {
        const index = yield* srcu.readLock();
        yield* lock.lock();
        yield* lock.unlock();
        yield* srcu.readUnlock(index);
      };
      const unregister = function* (): Steps {
        yield* lock.lock();
        yield* srcu.synchronize();
        yield* lock.unlock();
      };
      sched.spawn('callback', callback());
      sched.spawn('unregister', unregister());
      return () => 'done';
    };
    expect(Object.keys(enumerate(program).outcomes).sort()).toEqual(['deadlock', 'done']);
  });
});
