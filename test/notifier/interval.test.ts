// Interval notifiers: who is called for which range, collision and retry, and what insert and remove do while a range is
// open (reference rules 31 to 35).

import { describe, expect, it } from 'vitest';
import {
  MmuIntervalNotifier,
  type MmuIntervalNotifierFinish,
  type MmuIntervalNotifierOps,
  MmuNotifier,
  type MmuNotifierRange,
  MmuNotifyEvent,
  mmuIntervalNotifierInsert,
  mmuIntervalNotifierInsertLocked,
  mmuIntervalNotifierRemove,
  mmuIntervalReadBegin,
  mmuIntervalReadRetry,
  mmuIntervalSetSeq,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierInvalidateRangeStartNonblock,
  mmuNotifierRegister,
} from '../../src/notifier/index.ts';
import { at, LOCKS, Mutex, points, RESCHED, type Scheduler, type Steps } from '../../src/sched/index.ts';
import { Errno, PAGE_SIZE } from '../../src/units.ts';
import { enumerate, type Program } from '../support/enumerate.ts';
import { FakeMm, pageAt } from '../support/notifier/fakeMm.ts';
import { bugOf, runTasks, step } from '../support/tasks.ts';

/** A driver with one page: knows a frame, or not. */
class Driver {
  readonly sub: MmuIntervalNotifier;
  readonly calls: string[] = [];
  readonly lock: Mutex;
  frame: number | null = null;

  constructor(sched: Scheduler, id: number, ops?: MmuIntervalNotifierOps) {
    this.lock = new Mutex(sched, LOCKS.driver_lock);
    this.sub = new MmuIntervalNotifier(
      id,
      ops ?? { invalidate: (_, range, seq) => this.#invalidate(range, seq) },
    );
  }

  *#invalidate(range: MmuNotifierRange, seq: number): Steps<boolean> {
    this.calls.push(`${range.event} ${range.start / PAGE_SIZE - 1}`);
    if (range.blockable) yield* this.lock.lock();
    else if (!(yield* this.lock.tryLock())) return false;
    if (points.on) yield at.sequence(this.sub.id);
    mmuIntervalSetSeq(this.sub, seq);
    this.frame = null;
    yield* this.lock.unlock();
    return true;
  }

  *retries(seq: number): Steps<boolean> {
    if (points.on) yield at.sequence(this.sub.id);
    return mmuIntervalReadRetry(this.sub, seq);
  }
}

/** Runs `body` as one task, with an mm whose mmap_lock is held for read. */
function withMm(body: (mm: FakeMm, sched: Scheduler) => Steps): void {
  runTasks({
    *a(sched) {
      const mm = new FakeMm(sched, 4);
      yield* body(mm, sched);
    },
  });
}

function* insert(mm: FakeMm, { sub }: Driver, page: number): Steps {
  expect(yield* mmuIntervalNotifierInsert(sub, mm, pageAt(page), PAGE_SIZE)).toBe(0);
}

function* open(mm: FakeMm, page: number, pages = 1): Steps<MmuNotifierRange> {
  const range = mm.range(pageAt(page), pages);
  yield* mm.mmapLock.lockRead();
  yield* mmuNotifierInvalidateRangeStart(range);
  yield* mm.mmapLock.unlock();
  return range;
}

function* close(mm: FakeMm, range: MmuNotifierRange): Steps {
  yield* mm.mmapLock.lockRead();
  yield* mmuNotifierInvalidateRangeEnd(range);
  yield* mm.mmapLock.unlock();
}

describe('a range', () => {
  it('calls those that it meets, in the order of their addresses, and no others', () => {
    withMm(function* (mm, sched) {
      const drivers = [0, 1, 2].map((page) => new Driver(sched, 10 + page));
      for (const page of [2, 0, 1]) yield* insert(mm, drivers[page]!, page);
      yield* close(mm, yield* open(mm, 1, 2));
      expect(drivers.map(({ calls }) => calls)).toEqual([[], ['1 1'], ['1 1']]);
    });
  });

  it('is a collision for who looked up before it or during it, and not for who is not met', () => {
    withMm(function* (mm, sched) {
      const met = new Driver(sched, 1);
      const other = new Driver(sched, 2);
      yield* insert(mm, met, 0);
      yield* insert(mm, other, 1);
      const [before, beforeOther] = [
        yield* mmuIntervalReadBegin(met.sub),
        yield* mmuIntervalReadBegin(other.sub),
      ];
      expect([before % 2, beforeOther % 2]).toEqual([1, 1]);
      expect(yield* met.retries(before)).toBe(false);
      yield* close(mm, yield* open(mm, 0));
      expect([yield* met.retries(before), yield* other.retries(beforeOther)]).toEqual([true, false]);
      const after = yield* mmuIntervalReadBegin(met.sub);
      expect(yield* met.retries(after)).toBe(false);
    });
  });

  it('makes read_begin wait for its end, also where ranges nest', () => {
    const order: string[] = [];
    let driver: Driver;
    let mm: FakeMm;
    runTasks({
      *a(sched) {
        mm = new FakeMm(sched, 2);
        driver = new Driver(sched, 1);
        yield* insert(mm, driver, 0);
        const outer = yield* open(mm, 0);
        const inner = yield* open(mm, 1);
        sched.spawn(
          'reader',
          (function* () {
            yield* mmuIntervalReadBegin(driver.sub);
            order.push('read');
          })(),
        );
        yield RESCHED;
        order.push('end of the one it met');
        yield* close(mm, outer);
        yield RESCHED;
        order.push('end of the other');
        yield* close(mm, inner);
      },
    });
    expect(order).toEqual(['end of the one it met', 'end of the other', 'read']);
  });

  it('release is one over everything; unmapping at exit still calls them', () => {
    withMm(function* (mm, sched) {
      const driver = new Driver(sched, 1);
      yield* insert(mm, driver, 0);
      driver.frame = 1;
      yield* mm.exit();
      expect(driver.calls[0]).toMatch(new RegExp(`^${MmuNotifyEvent.RELEASE} `));
      expect(driver.frame).toBeNull();
      yield* close(mm, yield* open(mm, 0));
      expect(driver.calls).toHaveLength(2);
      yield* mmuIntervalNotifierRemove(driver.sub);
      expect(mm.mmCount).toBe(0);
    });
  });
});

describe('insert', () => {
  it('refuses an empty range and one past the end', () => {
    withMm(function* (mm, sched) {
      const { sub } = new Driver(sched, 1);
      expect(yield* mmuIntervalNotifierInsert(sub, mm, pageAt(0), 0)).toBe(-Errno.EOVERFLOW);
      expect(yield* mmuIntervalNotifierInsert(sub, mm, pageAt(0), 2 ** 38)).toBe(-Errno.EOVERFLOW);
      expect([sub.mm, mm.mmCount]).toEqual([null, 1]);
    });
  });

  it('takes all locks once per mm, by itself or under mmap_lock', () => {
    withMm(function* (mm, sched) {
      mm.interrupted = true;
      const driver = new Driver(sched, 1);
      expect(yield* mmuIntervalNotifierInsert(driver.sub, mm, pageAt(0), PAGE_SIZE)).toBe(-Errno.EINTR);
      mm.interrupted = false;
      yield* mm.mmapLock.lockWrite();
      expect(yield* mmuIntervalNotifierInsertLocked(driver.sub, mm, pageAt(0), PAGE_SIZE)).toBe(0);
      yield* mm.mmapLock.unlock();
      mm.interrupted = true;
      yield* insert(mm, new Driver(sched, 2), 1);
    });
  });

  it('while a range is open counts as met by it: the first look-up waits for its end', () => {
    const order: string[] = [];
    runTasks({
      *a(sched) {
        const mm = new FakeMm(sched, 2);
        const first = new Driver(sched, 1);
        const late = new Driver(sched, 2);
        yield* insert(mm, first, 0);
        // Nobody is met: the tree may still be changed.
        const range = yield* open(mm, 1);
        yield* insert(mm, late, 1);
        expect(mm.notifierSubscriptions!.invalidateSeq % 2).toBe(1);
        sched.spawn(
          'reader',
          (function* () {
            yield* mmuIntervalReadBegin(late.sub);
            order.push('read');
          })(),
        );
        yield RESCHED;
        order.push('end');
        yield* close(mm, range);
      },
    });
    expect(order).toEqual(['end', 'read']);
  });

  it('is put off while the tree is frozen, and then is in it', () => {
    withMm(function* (mm, sched) {
      const first = new Driver(sched, 1);
      const late = new Driver(sched, 2);
      yield* insert(mm, first, 0);
      const range = yield* open(mm, 0);
      yield* insert(mm, late, 1);
      const inner = yield* open(mm, 1);
      expect(late.calls).toEqual([]);
      yield* close(mm, inner);
      yield* close(mm, range);
      yield* close(mm, yield* open(mm, 1));
      expect(late.calls).toEqual(['1 1']);
      yield* mmuIntervalNotifierRemove(late.sub);
    });
  });

  it('of a first pass needs a second', () => {
    const error = bugOf(() =>
      withMm(function* (mm, sched) {
        const driver = new Driver(sched, 1, {
          *invalidateStart() {
            return true;
          },
        });
        yield* insert(mm, driver, 0);
      }),
    );
    expect(error.message).toContain('a first pass without a second');
  });
});

describe('remove', () => {
  it('takes back an insert that was put off, without waiting', () => {
    withMm(function* (mm, sched) {
      const first = new Driver(sched, 1);
      const late = new Driver(sched, 2);
      yield* insert(mm, first, 0);
      const range = yield* open(mm, 0);
      yield* insert(mm, late, 1);
      yield* mmuIntervalNotifierRemove(late.sub);
      yield* close(mm, range);
      yield* close(mm, yield* open(mm, 1));
      expect([late.calls, mm.mmCount]).toEqual([[], 2]);
    });
  });

  /** One task unmaps, the other removes; afterwards the driver's memory is somebody else's. */
  const removed =
    (waitsWithLock: boolean): Program =>
    (sched) => {
      let mm: FakeMm;
      const setup = function* (): Steps {
        mm = new FakeMm(sched, 2);
        const driver = new Driver(sched, 1);
        let gone = false;
        const { invalidate } = driver.sub.ops;
        const watched = new Driver(sched, 2, {
          *invalidate(sub, range, seq) {
            if (gone) throw new Error('called after remove');
            yield* step(77);
            return yield* invalidate!(sub, range, seq);
          },
        });
        yield* insert(mm, watched, 0);
        const lock = mm.notifierSubscriptions!.lock;
        sched.spawn(
          'unmapper',
          (function* () {
            yield* close(mm, yield* open(mm, 0));
          })(),
        );
        sched.spawn(
          'remover',
          (function* () {
            if (!waitsWithLock) neverAgain(sched, lock);
            yield* mmuIntervalNotifierRemove(watched.sub);
            gone = true;
          })(),
        );
      };
      sched.spawn('setup', setup());
      return () => `${mm.mmCount} ${mm.notifierSubscriptions!.itree.size}`;
    };

  it('waits until no callback runs and none will, in every schedule (rule 34)', () => {
    const { outcomes, schedules } = enumerate(removed(true), 2);
    expect(outcomes).toEqual({ '1 0': schedules });
    expect(schedules).toBeGreaterThan(100);
  });

  it('breaks it when it looks at the sequence without the lock (99cb252f5e68)', () => {
    const { outcomes } = enumerate(removed(false), 2);
    expect(outcomes['bug: interval notifier used after its removal']).toBeGreaterThan(0);
  });
});

/** The remover's second look at the lock, which it needs only to wait for who holds it, finds it free. */
function neverAgain(sched: Scheduler, lock: Mutex): void {
  const take = lock.lock.bind(lock);
  const drop = lock.unlock.bind(lock);
  let taken = 0;
  lock.lock = function* (): Steps {
    const isRemover = sched.current.name === 'remover';
    if (!isRemover || ++taken === 1) yield* take();
  };
  lock.unlock = function* (): Steps {
    if (lock.isHeldBy(sched.current)) yield* drop();
  };
}

describe('two passes', () => {
  it('are begun by all before any is finished, in the same order', () => {
    withMm(function* (mm, sched) {
      const order: string[] = [];
      const twoPass = (name: string, last: boolean): MmuIntervalNotifierOps => ({
        *invalidateStart(notifier, _, seq): Steps<boolean | MmuIntervalNotifierFinish> {
          if (points.on) yield at.sequence(notifier.id);
          mmuIntervalSetSeq(notifier, seq);
          order.push(`start ${name}`);
          return last ? true : { notifier };
        },
        *invalidateFinish() {
          order.push(`finish ${name}`);
        },
      });
      yield* insert(mm, new Driver(sched, 1, twoPass('a', false)), 0);
      yield* insert(mm, new Driver(sched, 2, twoPass('b', true)), 1);
      yield* insert(mm, new Driver(sched, 3, twoPass('c', false)), 2);
      yield* close(mm, yield* open(mm, 0, 3));
      expect(order).toEqual(['start a', 'start b', 'start c', 'finish a', 'finish c']);
    });
  });
});

describe('a non-blockable range', () => {
  const refusing = (calls: string[]): MmuIntervalNotifierOps => ({
    *invalidate(_, { blockable }) {
      calls.push('asked');
      return blockable;
    },
  });

  it('fails when one would sleep: the next is not asked, who has begun finishes, the list is not started', () => {
    withMm(function* (mm, sched) {
      const calls: string[] = [];
      const list = new MmuNotifier(9, {
        *invalidateRangeStart() {
          calls.push('list');
          return 0;
        },
      });
      expect(yield* mmuNotifierRegister(list, mm)).toBe(0);
      const begun = new Driver(sched, 1, {
        *invalidateStart(notifier) {
          calls.push('begun');
          return { notifier };
        },
        *invalidateFinish() {
          calls.push('finished');
        },
      });
      yield* insert(mm, begun, 0);
      yield* insert(mm, new Driver(sched, 2, refusing(calls)), 1);
      yield* insert(mm, new Driver(sched, 3, refusing(calls)), 2);
      const range = mm.range(pageAt(0), 3);
      yield* mm.mmapLock.lockRead();
      expect(yield* mmuNotifierInvalidateRangeStartNonblock(range)).toBe(-Errno.EAGAIN);
      yield* mm.mmapLock.unlock();
      expect(calls).toEqual(['begun', 'asked', 'finished']);
      expect(mm.notifierSubscriptions!.activeInvalidateRanges).toBe(0);
      expect(mm.notifierSubscriptions!.invalidateSeq % 2).toBe(0);
    });
  });

  it('that only the list refuses leaves nothing open in the tree either', () => {
    withMm(function* (mm, sched) {
      const driver = new Driver(sched, 1);
      yield* insert(mm, driver, 0);
      const list = new MmuNotifier(9, {
        *invalidateRangeStart(_, { blockable }) {
          return blockable ? 0 : -Errno.EAGAIN;
        },
      });
      expect(yield* mmuNotifierRegister(list, mm)).toBe(0);
      yield* mm.mmapLock.lockRead();
      expect(yield* mmuNotifierInvalidateRangeStartNonblock(mm.range(pageAt(0)))).toBe(-Errno.EAGAIN);
      yield* mm.mmapLock.unlock();
      const seq = yield* mmuIntervalReadBegin(driver.sub);
      expect(yield* driver.retries(seq)).toBe(false);
    });
  });

  it('is a bug when a client fails in a blockable one, or sleeps in it', () => {
    const refuses = bugOf(() =>
      withMm(function* (mm, sched) {
        const driver = new Driver(sched, 1, {
          *invalidate() {
            return false;
          },
        });
        yield* insert(mm, driver, 0);
        yield* open(mm, 0);
      }),
    );
    expect(refuses.message).toBe('an interval notifier failed where it may sleep');
    const sleeps = bugOf(() =>
      withMm(function* (mm, sched) {
        const sleepy: Driver = new Driver(sched, 1, {
          *invalidate() {
            yield* sleepy.lock.lock();
            return true;
          },
        });
        yield* insert(mm, sleepy, 0);
        yield* mm.mmapLock.lockRead();
        yield* mmuNotifierInvalidateRangeStartNonblock(mm.range(pageAt(0)));
      }),
    );
    expect(sleeps.details).toMatchObject({ nonBlockable: 1 });
  });
});
