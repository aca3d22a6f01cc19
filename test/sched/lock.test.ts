import { describe, expect, it } from 'vitest';
import {
  LOCKS,
  type LockClass,
  Mutex,
  RESCHED,
  RwLock,
  type Scheduler,
  type Steps,
} from '../../src/sched/index.ts';
import { enumerate, type Program } from '../support/enumerate.ts';
import { bugOf, runTasks, step } from '../support/tasks.ts';

const MUTEX = LOCKS.mm_all_locks_mutex;
const SPINLOCK = LOCKS.zone_lock;
const RWSEM = LOCKS.mmap_lock;

/** Who is inside, and whether anybody met company that it must not have. */
class Room {
  writers = 0;
  readers = 0;
  mostReaders = 0;
  broken = false;

  *visit(exclusive: boolean, object = 0): Steps {
    if (this.writers > 0 || (exclusive && this.readers > 0)) this.broken = true;
    if (exclusive) this.writers++;
    else this.mostReaders = Math.max(this.mostReaders, ++this.readers);
    yield* step(object);
    if (exclusive) this.writers--;
    else this.readers--;
  }

  get verdict(): string {
    return this.broken ? 'broken' : `at most ${this.mostReaders} readers`;
  }
}

const twoLockers =
  (lockClass: LockClass): Program =>
  (sched) => {
    const lock = new Mutex(sched, lockClass);
    const body = function* (): Steps {
      yield* lock.lock();
      yield* lock.unlock();
    };
    sched.spawn('a', body());
    sched.spawn('b', body());
    return () => (lock.isLocked ? 'still locked' : 'done');
  };

describe('a mutex', () => {
  it.each([MUTEX, SPINLOCK])('has 14 schedules of two tasks that lock and unlock: $name', (lockClass) => {
    // Steps of a task: up to the lock point, lock, unlock; one more when it has to wait. Say a locks first (twice that):
    // b locks after a's unlock and its first step has 4 places, or b queues between a's lock and unlock and it has 3.
    expect(enumerate(twoLockers(lockClass)).outcomes).toEqual({ done: 14 });
  });

  it('lets one task in at a time, in every schedule', () => {
    const program =
      (locked: boolean): Program =>
      (sched) => {
        const lock = new Mutex(sched, MUTEX);
        const room = new Room();
        const body = function* (): Steps {
          if (locked) yield* lock.lock();
          yield* room.visit(true);
          if (locked) yield* lock.unlock();
        };
        sched.spawn('a', body());
        sched.spawn('b', body());
        return () => room.verdict;
      };
    expect(Object.keys(enumerate(program(true)).outcomes)).toEqual(['at most 0 readers']);
    expect(Object.keys(enumerate(program(false)).outcomes)).toContain('broken');
  });

  it('is handed over directly: who unlocks and locks again at once comes after those who wait', () => {
    const log: string[] = [];
    runTasks({
      *a(sched) {
        const lock = new Mutex(sched, MUTEX);
        for (const name of ['b', 'c']) sched.spawn(name, once(lock, name));
        yield* lock.lock();
        yield RESCHED;
        yield* lock.unlock();
        yield* once(lock, 'a again');
      },
    });
    function* once(lock: Mutex, name: string): Steps {
      yield* lock.lock();
      log.push(name);
      yield* lock.unlock();
    }
    expect(log).toEqual(['b', 'c', 'a again']);
  });

  it('cannot be stolen between the hand-over and the run of the new owner', () => {
    runTasks({
      *a(sched) {
        const lock = new Mutex(sched, MUTEX);
        yield* lock.lock();
        const b = sched.spawn(
          'b',
          (function* (): Steps {
            yield* lock.lock();
            yield* lock.unlock();
          })(),
        );
        yield RESCHED;
        yield* lock.unlock();
        expect([b.state, lock.isLocked]).toEqual(['runnable', true]);
        expect(yield* lock.tryLock()).toBe(false);
      },
    });
  });

  it('is not granted by a wake-up that has another reason', () => {
    const log: string[] = [];
    runTasks({
      *a(sched) {
        const lock = new Mutex(sched, MUTEX);
        yield* lock.lock();
        const waiter = sched.spawn(
          'waiter',
          (function* (): Steps {
            yield* lock.lock();
            log.push('got it');
            yield* lock.unlock();
          })(),
        );
        yield RESCHED;
        sched.wake(waiter);
        yield RESCHED;
        expect([waiter.state, lock.isHeldBy(waiter)]).toEqual(['blocked', false]);
        log.push('unlocks');
        yield* lock.unlock();
      },
    });
    expect(log).toEqual(['unlocks', 'got it']);
  });

  it('has a trylock that never waits, not even for its own holder', () => {
    runTasks({
      *a(sched) {
        const lock = new Mutex(sched, MUTEX);
        expect(yield* lock.tryLock()).toBe(true);
        expect(lock.isHeldBy(sched.current)).toBe(true);
        expect(yield* lock.tryLock()).toBe(false);
        yield* lock.unlock();
        expect(yield* lock.tryLock()).toBe(true);
        yield* lock.unlock();
        expect(lock.isLocked).toBe(false);
      },
    });
  });

  it('is a bug to unlock for who does not hold it, and to end with it', () => {
    const lockOf = (sched: Scheduler): Mutex => new Mutex(sched, MUTEX);
    const unlocks = bugOf(() => runTasks({ a: (sched) => lockOf(sched).unlock() }));
    expect(unlocks.message).toBe('lock released by a task that does not hold it');
    const ends = bugOf(() => runTasks({ a: (sched) => lockOf(sched).lock() }));
    expect(ends.message).toBe('task ended with locks held');
    expect(ends.details).toMatchObject({ task: 'a', held: [MUTEX.name] });
  });

  it('asserts that it is held', () => {
    runTasks({
      *a(sched) {
        const lock = new Mutex(sched, MUTEX);
        expect(bugOf(() => lock.assertHeld()).message).toBe('mm_all_locks_mutex is not held');
        yield* lock.lock();
        lock.assertHeld();
        yield* lock.unlock();
      },
    });
  });
});

describe('a reader-writer lock', () => {
  const visitors =
    (...writers: boolean[]): Program =>
    (sched) => {
      const lock = new RwLock(sched, RWSEM);
      const room = new Room();
      const body = function* (exclusive: boolean): Steps {
        yield* exclusive ? lock.lockWrite() : lock.lockRead();
        yield* room.visit(exclusive);
        yield* lock.unlock();
      };
      writers.forEach((exclusive, i) => {
        sched.spawn(`${i}`, body(exclusive));
      });
      return () => room.verdict;
    };

  it('lets readers in together, and a writer only alone, in every schedule', () => {
    expect(Object.keys(enumerate(visitors(true, true)).outcomes)).toEqual(['at most 0 readers']);
    expect(Object.keys(enumerate(visitors(false, true)).outcomes)).toEqual(['at most 1 readers']);
    expect(Object.keys(enumerate(visitors(false, false)).outcomes).sort()).toEqual([
      'at most 1 readers',
      'at most 2 readers',
    ]);
    expect(Object.keys(enumerate(visitors(false, true, false), 3).outcomes)).not.toContain('broken');
  });

  it('never deadlocks two readers with a writer, however they meet', () => {
    const { outcomes } = enumerate(visitors(false, true, false), 3);
    expect(outcomes).not.toHaveProperty('deadlock');
  });

  /** Runs `first` with the lock held, then queues the others in order; the result is the order of entry. */
  function entries(first: (lock: RwLock, log: string[]) => Steps, others: Record<string, boolean>): string[] {
    const log: string[] = [];
    runTasks({
      *first(sched) {
        const lock = new RwLock(sched, RWSEM);
        const body = function* (name: string, exclusive: boolean): Steps {
          yield* exclusive ? lock.lockWrite() : lock.lockRead();
          log.push(`+${name}`);
          yield RESCHED;
          log.push(`-${name}`);
          yield* lock.unlock();
        };
        for (const [name, exclusive] of Object.entries(others)) sched.spawn(name, body(name, exclusive));
        yield* first(lock, log);
      },
    });
    return log;
  }

  it('holds back readers that come after a waiting writer', () => {
    const log = entries(
      function* (lock) {
        yield* lock.lockRead();
        yield RESCHED;
        yield* lock.unlock();
      },
      { writer: true, reader: false },
    );
    expect(log).toEqual(['+writer', '-writer', '+reader', '-reader']);
  });

  it('answers false to a reader that only tries while a writer waits or writes', () => {
    entries(
      function* (lock) {
        yield* lock.lockRead();
        expect(yield* lock.tryLockRead()).toBe(true);
        yield* lock.unlock();
        yield RESCHED;
        expect(yield* lock.tryLockRead()).toBe(false);
        yield* lock.unlock();
        expect(lock.isWriteLocked).toBe(true);
        expect(yield* lock.tryLockRead()).toBe(false);
      },
      { writer: true },
    );
  });

  it('lets in together the readers at the head of the queue, and no further than the next writer', () => {
    const log = entries(
      function* (lock) {
        yield* lock.lockWrite();
        yield RESCHED;
        yield* lock.unlock();
      },
      { r1: false, r2: false, writer: true, r3: false },
    );
    expect(log).toEqual(['+r1', '+r2', '-r1', '-r2', '+writer', '-writer', '+r3', '-r3']);
  });

  it('lets waiting readers in at a downgrade, and keeps the writer out', () => {
    const log = entries(
      function* (lock, entered) {
        yield* lock.lockWrite();
        yield RESCHED;
        yield* lock.downgrade();
        expect(lock.isWriteLocked).toBe(false);
        yield RESCHED;
        entered.push('downgraded reader leaves');
        yield* lock.unlock();
      },
      { reader: false, writer: true },
    );
    expect(log).toEqual(['+reader', 'downgraded reader leaves', '-reader', '+writer', '-writer']);
  });

  it('knows its writer: assertions and downgrades by anybody else are bugs', () => {
    runTasks({
      *a(sched) {
        const lock = new RwLock(sched, RWSEM);
        yield* lock.lockRead();
        lock.assertHeld();
        expect(bugOf(() => lock.assertHeldWrite()).message).toBe('mm->mmap_lock is not held for write');
        expect(bugOf(() => lock.downgrade().next()).message).toBe('downgrade without the write lock');
        yield* lock.unlock();
        yield* lock.lockWrite();
        lock.assertHeld();
        lock.assertHeldWrite();
        yield* lock.unlock();
        expect(bugOf(() => lock.unlock().next()).message).toBe(
          'lock released by a task that does not hold it',
        );
      },
    });
  });

  it('cannot be upgraded, nor read twice by one task', () => {
    for (const again of ['lockRead', 'lockWrite'] as const) {
      const error = bugOf(() =>
        runTasks({
          *a(sched) {
            const lock = new RwLock(sched, RWSEM);
            yield* lock.lockRead();
            yield* lock[again]();
          },
        }),
      );
      expect(error.message).toBe('lock order violated');
      expect(error.details).toMatchObject({ same: true });
    }
  });
});
