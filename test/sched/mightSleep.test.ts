// might_sleep(): each function that can sleep, called in each context in which it must not, even if it would not wait.

import { describe, expect, it } from 'vitest';
import {
  LOCKS,
  Mutex,
  mightSleep,
  nonBlockEnd,
  nonBlockStart,
  RwLock,
  type Scheduler,
  Srcu,
  type Steps,
  WaitQueue,
} from '../../src/sched/index.ts';
import { bugOf, runTasks } from '../support/tasks.ts';

type Action = (sched: Scheduler) => Steps<unknown>;

const CONTEXTS: Record<string, (sched: Scheduler, action: Action) => Steps> = {
  *'under a spinlock'(sched, action) {
    // The lowest sleeping rank below it is free, so that no lock order is in the way.
    const lock = new Mutex(sched, { ...LOCKS.zone_lock, rank: 0 });
    yield* lock.lock();
    yield* action(sched);
    yield* lock.unlock();
  },
  *'under a reader-writer spinlock held for read'(sched, action) {
    const lock = new RwLock(sched, { ...LOCKS.mmu_lock, rank: 0 });
    yield* lock.lockRead();
    yield* action(sched);
    yield* lock.unlock();
  },
  *'inside an RCU read section'(sched, action) {
    const rcu = new Srcu(sched, 'rcu', false);
    const index = yield* rcu.readLock();
    yield* action(sched);
    yield* rcu.readUnlock(index);
  },
  *'inside a non-blockable section'(sched, action) {
    nonBlockStart(sched.current);
    yield* action(sched);
    nonBlockEnd(sched.current);
  },
};

const SLEEPING: Record<string, Action> = {
  'mutex_lock()': (sched) => new Mutex(sched, LOCKS.folio_lock).lock(),
  'down_read()': (sched) => new RwLock(sched, LOCKS.mmap_lock).lockRead(),
  'down_write()': (sched) => new RwLock(sched, LOCKS.mmap_lock).lockWrite(),
  'wait_event() on a true condition': (sched) => new WaitQueue(sched, 'queue').until(() => true),
  'synchronize_srcu()': (sched) => new Srcu(sched, 'srcu').synchronize(),
  'synchronize_rcu()': (sched) => new Srcu(sched, 'another rcu', false).synchronize(),
  'might_sleep()': function* (sched) {
    mightSleep(sched.current, 'here');
  },
};

const LEGAL: Record<string, Action> = {
  *'spin_lock()'(sched) {
    const lock = new Mutex(sched, { ...LOCKS.zone_lock });
    yield* lock.lock();
    yield* lock.unlock();
  },
  *'mutex_trylock()'(sched) {
    const lock = new Mutex(sched, LOCKS.folio_lock);
    yield* lock.tryLock();
    yield* lock.unlock();
  },
  *'srcu_read_lock()'(sched) {
    const srcu = new Srcu(sched, 'srcu');
    yield* srcu.readUnlock(yield* srcu.readLock());
  },
  *'wake_up_all()'(sched) {
    new WaitQueue(sched, 'queue').wakeAll();
  },
};

describe.each(Object.entries(CONTEXTS))('%s', (_, context) => {
  it.each(Object.entries(SLEEPING))('%s is a bug', (_name, action) => {
    const error = bugOf(() => runTasks({ a: (sched) => context(sched, action) }));
    expect(error.message).toContain('sleeping function called from invalid context');
    expect(error.details).toMatchObject({ task: 'a' });
  });

  it.each(Object.entries(LEGAL))('%s is legal', (_name, action) => {
    expect(runTasks({ a: (sched) => context(sched, action) }).tasks).toEqual([]);
  });
});

describe('with nothing but sleeping locks and SRCU', () => {
  it.each(Object.entries(SLEEPING))('%s is legal', (_name, action) => {
    runTasks({
      *a(sched) {
        const lock = new Mutex(sched, LOCKS.slots_lock);
        const srcu = new Srcu(sched, 'outer srcu');
        yield* lock.lock();
        const index = yield* srcu.readLock();
        yield* action(sched);
        yield* srcu.readUnlock(index);
        yield* lock.unlock();
        // What the actions took is theirs to keep.
        sched.current.held.length = 0;
      },
    });
  });
});
