// SRCU: readers nest and sleep, synchronize waits for those that came before it, and for no others.

import { describe, expect, it } from 'vitest';
import { RESCHED, type Scheduler, Srcu, type Steps, WaitQueue } from '../../src/sched/index.ts';
import { enumerate, type Program } from '../support/enumerate.ts';
import { HastySrcu } from '../support/hastySrcu.ts';
import { bugOf, runTasks, step } from '../support/tasks.ts';

/** A grace period that waits until nobody at all is inside, as a plain count would. */
class StarvingSrcu extends Srcu {
  readonly #left: WaitQueue;

  constructor(sched: Scheduler, name: string) {
    super(sched, name);
    this.#left = new WaitQueue(sched, 'no reader');
  }

  override *readUnlock(index: 0 | 1): Steps {
    yield* super.readUnlock(index);
    this.#left.wakeAll();
  }

  override *synchronize(): Steps {
    yield* this.#left.until(() => this.readers === 0);
  }
}

type Make = (sched: Scheduler) => Srcu;
const makeSrcu: Make = (sched) => new Srcu(sched, 'srcu');

/** Readers of one section each and tasks that synchronize once; who was inside at the call must be out at the return. */
const readersAndSynchronizers =
  (make: Make, readers: number, synchronizers: number): Program =>
  (sched) => {
    const srcu = make(sched);
    const inside = new Set<number>();
    let early = false;
    const read = function* (reader: number): Steps {
      const index = yield* srcu.readLock();
      inside.add(reader);
      yield* step();
      inside.delete(reader);
      yield* srcu.readUnlock(index);
    };
    const synchronize = function* (): Steps {
      const before = [...inside];
      yield* srcu.synchronize();
      if (before.some((reader) => inside.has(reader))) early = true;
    };
    for (let i = 0; i < readers; i++) sched.spawn(`reader ${i}`, read(i));
    for (let i = 0; i < synchronizers; i++) sched.spawn(`synchronizer ${i}`, synchronize());
    return () => (early ? 'too early' : `${srcu.readers} readers left`);
  };

describe('synchronize_srcu()', () => {
  it('waits for every reader that was inside, in every schedule', () => {
    for (const [readers, synchronizers] of [
      [1, 1],
      [2, 1],
      [1, 2],
    ] as const) {
      const { outcomes } = enumerate(readersAndSynchronizers(makeSrcu, readers, synchronizers), 4);
      expect(Object.keys(outcomes)).toEqual(['0 readers left']);
    }
  });

  it('is what it takes: a grace period that does not wait is caught', () => {
    const hasty: Make = (sched) => new HastySrcu(sched, 'hasty');
    expect(enumerate(readersAndSynchronizers(hasty, 1, 1)).outcomes).toHaveProperty('too early');
  });

  /** Readers overlap without end until the grace period is over; the last one leaves after `limit` sections. */
  function sectionsUntilSynchronized(make: Make, limit: number): number {
    let sections = 0;
    let synchronized = false;
    runTasks({
      *a(sched) {
        const srcu = make(sched);
        let previous = yield* srcu.readLock();
        sched.spawn(
          'synchronizer',
          (function* (): Steps {
            yield* srcu.synchronize();
            synchronized = true;
          })(),
        );
        while (!synchronized && sections < limit) {
          yield RESCHED;
          const next = yield* srcu.readLock();
          yield* srcu.readUnlock(previous);
          previous = next;
          sections++;
        }
        yield* srcu.readUnlock(previous);
      },
    });
    return sections;
  }

  it('does not wait for readers that came later: overlapping ones cannot starve it', () => {
    expect(sectionsUntilSynchronized(makeSrcu, 100)).toBeLessThan(3);
    expect(sectionsUntilSynchronized((sched) => new StarvingSrcu(sched, 'starving'), 100)).toBe(100);
  });

  it('returns at once when nobody is inside', () => {
    const sched = runTasks({ a: (own) => makeSrcu(own).synchronize() });
    expect([sched.tasks.length, sched.steps]).toEqual([0, 1]);
  });

  it('lets concurrent callers through one after another, each after its own readers', () => {
    const log: string[] = [];
    runTasks({
      *a(sched) {
        const srcu = makeSrcu(sched);
        const first = yield* srcu.readLock();
        const synchronize = function* (name: string): Steps {
          yield* srcu.synchronize();
          log.push(name);
        };
        sched.spawn('s1', synchronize('s1'));
        yield RESCHED;
        // Inside after the grace period of s1 began, before that of s2.
        const second = yield* srcu.readLock();
        sched.spawn('s2', synchronize('s2'));
        yield RESCHED;
        expect(log).toEqual([]);
        yield* srcu.readUnlock(first);
        while (log.length === 0) yield RESCHED;
        for (let i = 0; i < 5; i++) yield RESCHED;
        expect(log).toEqual(['s1']);
        yield* srcu.readUnlock(second);
      },
    });
    expect(log).toEqual(['s1', 's2']);
  });

  it('waits for readers that sleep', () => {
    const log: string[] = [];
    runTasks({
      *reader(sched) {
        const srcu = makeSrcu(sched);
        const index = yield* srcu.readLock();
        sched.spawn(
          'synchronizer',
          (function* (): Steps {
            yield* srcu.synchronize();
            log.push(`synchronized at ${sched.now}`);
          })(),
        );
        const timer = new WaitQueue(sched, 'timer');
        let rang = false;
        sched.after(500, () => {
          rang = true;
          timer.wakeAll();
        });
        yield* timer.until(() => rang);
        log.push('reader leaves');
        yield* srcu.readUnlock(index);
      },
    });
    expect(log).toEqual(['reader leaves', 'synchronized at 500']);
  });

  it('inside a read section of its own domain is a bug, inside one of another is not', () => {
    const error = bugOf(() =>
      runTasks({
        *a(sched) {
          const srcu = makeSrcu(sched);
          yield* srcu.readLock();
          yield* srcu.synchronize();
        },
      }),
    );
    expect(error.message).toBe('srcu: synchronize inside a read section');
    runTasks({
      *a(sched) {
        const outer = new Srcu(sched, 'outer');
        const index = yield* outer.readLock();
        yield* makeSrcu(sched).synchronize();
        yield* outer.readUnlock(index);
      },
    });
  });
});

describe('a read section', () => {
  it('nests, and both halves count', () => {
    runTasks({
      *a(sched) {
        const srcu = makeSrcu(sched);
        const outer = yield* srcu.readLock();
        const inner = yield* srcu.readLock();
        expect([srcu.readers, sched.current.srcuDepth]).toEqual([2, 2]);
        yield* srcu.readUnlock(inner);
        expect(srcu.readers).toBe(1);
        yield* srcu.readUnlock(outer);
        expect([srcu.readers, sched.current.srcuDepth]).toEqual([0, 0]);
      },
    });
  });

  it('that is left without being entered, or under the other index, is a bug', () => {
    const without = bugOf(() => runTasks({ a: (sched) => makeSrcu(sched).readUnlock(0) }));
    expect(without.message).toBe('srcu: unlock without lock');
    const wrong = bugOf(() =>
      runTasks({
        *a(sched) {
          const srcu = makeSrcu(sched);
          const index = yield* srcu.readLock();
          yield* srcu.readUnlock(index === 0 ? 1 : 0);
        },
      }),
    );
    expect(wrong.message).toBe('srcu: unlock without lock');
  });

  it.each([true, false])('that a task ends in is a bug (readers may sleep: %s)', (readersMaySleep) => {
    const error = bugOf(() =>
      runTasks({
        *a(sched) {
          yield* new Srcu(sched, 'domain', readersMaySleep).readLock();
        },
      }),
    );
    expect(error.message).toBe('task ended inside a read or non-blockable section');
  });

  it('of RCU is seen by might_sleep, one of SRCU is not', () => {
    runTasks({
      *a(sched) {
        const rcu = new Srcu(sched, 'rcu', false);
        const index = yield* rcu.readLock();
        expect([sched.current.rcuDepth, sched.current.srcuDepth]).toEqual([1, 0]);
        yield* rcu.readUnlock(index);
        expect(sched.current.rcuDepth).toBe(0);
      },
    });
  });
});
