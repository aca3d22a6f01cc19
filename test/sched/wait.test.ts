import { describe, expect, it } from 'vitest';
import {
  at,
  BLOCKED,
  points,
  RESCHED,
  type Scheduler,
  type Steps,
  type Task,
  WaitQueue,
} from '../../src/sched/index.ts';
import { enumerate, type Program } from '../support/enumerate.ts';
import { runTasks, step } from '../support/tasks.ts';

/** What every sleeper must not do: look, let others run, and only then go to sleep. */
class LossyQueue {
  readonly #sched: Scheduler;
  readonly #waiters: Task[] = [];

  constructor(sched: Scheduler) {
    this.#sched = sched;
  }

  *until(condition: () => boolean): Steps {
    while (!condition()) {
      yield* step();
      this.#waiters.push(this.#sched.current);
      this.#sched.block('a wake-up that may be over');
      yield BLOCKED;
    }
  }

  wakeAll(): void {
    for (const task of this.#waiters.splice(0)) this.#sched.wake(task);
  }
}

type Queue = Pick<WaitQueue, 'until' | 'wakeAll'>;

/** One producer of two items, two consumers of one each. */
const producerAndConsumers =
  (queueOf: (sched: Scheduler) => Queue): Program =>
  (sched) => {
    const queue = queueOf(sched);
    let items = 0;
    const consume = function* (): Steps {
      yield* queue.until(() => items > 0);
      items--;
    };
    const produce = function* (): Steps {
      for (let i = 0; i < 2; i++) {
        yield* step(1);
        items++;
        queue.wakeAll();
      }
    };
    sched.spawn('consumer 1', consume());
    sched.spawn('consumer 2', consume());
    sched.spawn('producer', produce());
    return () => `${items} left`;
  };

describe('a wait queue', () => {
  it('loses no wake-up in any schedule', () => {
    const { outcomes } = enumerate(producerAndConsumers((sched) => new WaitQueue(sched, 'items')));
    expect(Object.keys(outcomes)).toEqual(['0 left']);
  });

  it('is what it takes: one that lets others run between look and sleep deadlocks', () => {
    const { outcomes } = enumerate(producerAndConsumers((sched) => new LossyQueue(sched)));
    expect(Object.keys(outcomes).sort()).toEqual(['0 left', 'deadlock']);
  });

  it('evaluates the condition again after each wake-up', () => {
    const log: string[] = [];
    runTasks({
      *a(sched) {
        const queue = new WaitQueue(sched, 'queue');
        let ready = false;
        let looks = 0;
        sched.spawn(
          'sleeper',
          (function* (): Steps {
            yield* queue.until(() => {
              looks++;
              return ready;
            });
            log.push('awake');
          })(),
        );
        yield RESCHED;
        queue.wakeAll();
        yield RESCHED;
        expect([looks, queue.hasWaiters]).toEqual([2, true]);
        ready = true;
        log.push('ready');
        queue.wakeAll();
        expect(queue.hasWaiters).toBe(false);
      },
    });
    expect(log).toEqual(['ready', 'awake']);
  });

  it('wakes all, in the order in which they went to sleep', () => {
    const log: string[] = [];
    runTasks({
      *a(sched) {
        const queue = new WaitQueue(sched, 'queue');
        let ready = false;
        for (const name of ['first', 'second', 'third'])
          sched.spawn(
            name,
            (function* (): Steps {
              yield* queue.until(() => ready);
              log.push(name);
            })(),
          );
        yield RESCHED;
        ready = true;
        queue.wakeAll();
      },
    });
    expect(log).toEqual(['first', 'second', 'third']);
  });

  it('can be woken between steps, by an event', () => {
    const sched = runTasks({
      *a(own) {
        const queue = new WaitQueue(own, 'I/O');
        let done = false;
        own.after(20_000, () => {
          done = true;
          queue.wakeAll();
        });
        yield* queue.until(() => done);
        expect(own.now).toBe(20_000);
      },
    });
    expect(sched.tasks).toEqual([]);
  });

  it('forgets a task that something else has woken, so that it is not woken out of its next sleep', () => {
    runTasks({
      *a(sched) {
        const queue = new WaitQueue(sched, 'first');
        const next = new WaitQueue(sched, 'next');
        let ready = false;
        let looks = 0;
        const sleeper = sched.spawn(
          'sleeper',
          (function* (): Steps {
            yield* queue.until(() => ready);
            yield* next.until(() => ++looks > 1);
          })(),
        );
        yield RESCHED;
        ready = true;
        sched.wake(sleeper);
        yield RESCHED;
        expect([sleeper.waitingFor, queue.hasWaiters]).toEqual(['next', false]);
        queue.wakeAll();
        yield RESCHED;
        expect(looks).toBe(1);
        next.wakeAll();
      },
    });
  });

  it('announces what its condition reads: its own point, or that of its owner', () => {
    const seen: [string, number][] = [];
    const owner = { id: 77, holders: () => [] };
    const reads = (): boolean => seen.push([points.kind, points.object]) > 0;
    let own = 0;
    runTasks(
      {
        *a(sched) {
          const queue = new WaitQueue(sched, 'queue');
          own = queue.id;
          if (points.on) yield at.page(3);
          yield* queue.until(reads);
          yield* new WaitQueue(sched, 'owned', owner).until(reads);
        },
      },
      { stopsAtPoints: true, pick: () => 0 },
    );
    expect(seen).toEqual([
      ['lock', own],
      ['lock', 77],
    ]);
  });
});
