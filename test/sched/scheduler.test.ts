import { describe, expect, it } from 'vitest';
import { BLOCKED, RESCHED, Scheduler, type Steps } from '../../src/sched/index.ts';
import { bug } from '../../src/units.ts';
import { bugOf, inTurn, pointByPoint, runTasks, step } from '../support/tasks.ts';

const newScheduler = (): Scheduler => new Scheduler(inTurn());
const noTaskLeft = (sched: Scheduler) => (): boolean => sched.tasks.length === 0;

function* logging(log: string[], name: string, rounds: number): Steps {
  for (let i = 0; i < rounds; i++) {
    log.push(`${name}${i}`);
    yield RESCHED;
  }
}

describe('the scheduler', () => {
  it('runs tasks that give the CPU away in turn, in the order in which they were spawned', () => {
    const log: string[] = [];
    runTasks({ a: () => logging(log, 'a', 3), b: () => logging(log, 'b', 2) });
    expect(log).toEqual(['a0', 'b0', 'a1', 'b1', 'a2']);
  });

  it('does not stop at plain points in run mode, but does in exploration', () => {
    const body = function* (): Steps {
      yield* step();
      yield* step();
    };
    expect(runTasks({ a: body }).steps).toBe(1);
    expect(runTasks({ a: body }, pointByPoint()).steps).toBe(3);
  });

  it('keeps apart the schedulers of one process: each stops at points as its own policy says', () => {
    const exploring = new Scheduler(pointByPoint());
    exploring.spawn('a', step());
    const running = newScheduler();
    running.spawn('b', step());
    exploring.run(noTaskLeft(exploring));
    running.run(noTaskLeft(running));
    expect([exploring.steps, running.steps]).toEqual([2, 1]);
  });

  it('checks the end condition between steps and can be continued', () => {
    const log: string[] = [];
    const sched = newScheduler();
    sched.spawn('a', logging(log, 'a', 3));
    expect(sched.run(() => log.length === 2)).toBe('idle');
    expect(log).toEqual(['a0', 'a1']);
    expect(sched.run(noTaskLeft(sched))).toBe('idle');
    expect(log).toEqual(['a0', 'a1', 'a2']);
  });

  it('knows the tasks that have not ended, and the running one only while it runs', () => {
    const sched = newScheduler();
    const body = function* (): Steps {
      expect(sched.current.name).toBe('a');
      expect(sched.currentId).toBe(sched.current.id);
      sched.spawn('child', logging([], 'child', 1));
      yield RESCHED;
    };
    const task = sched.spawn('a', body());
    expect(sched.currentId).toBe(0);
    expect(bugOf(() => sched.current).message).toBe('no task is running');
    sched.run(() => sched.steps === 1);
    expect(sched.tasks.map(({ name }) => name)).toEqual(['a', 'child']);
    sched.run(noTaskLeft(sched));
    expect(task.state).toBe('done');
  });

  it('answers deadlock when blocked tasks are left and no event can wake them', () => {
    const sched = newScheduler();
    sched.spawn(
      'a',
      (function* (): Steps {
        sched.block('godot');
        yield BLOCKED;
      })(),
    );
    expect(sched.run(() => false)).toBe('deadlock');
    expect(sched.describeBlocked()).toEqual(['a waits for godot']);
  });

  it('runs a task that was woken between block() and its stop once, not twice', () => {
    let resumed = 0;
    const sched = runTasks({
      *a(sched) {
        sched.block('itself');
        sched.wake(sched.current);
        yield BLOCKED;
        resumed++;
      },
    });
    expect([resumed, sched.steps, sched.tasks.length]).toEqual([1, 2, 0]);
  });

  it('ignores a wake-up of a task that is not blocked', () => {
    const log: string[] = [];
    const sched = newScheduler();
    const task = sched.spawn('a', logging(log, 'a', 2));
    sched.wake(task);
    sched.run(noTaskLeft(sched));
    sched.wake(task);
    expect(log).toEqual(['a0', 'a1']);
    expect(sched.run(() => false)).toBe('deadlock');
  });
});

describe('virtual time', () => {
  it('delivers events in order of time, and those of equal time in the order in which they were scheduled', () => {
    const log: string[] = [];
    const sched = newScheduler();
    for (const [delay, name] of [
      [20, 'late'],
      [10, 'first'],
      [10, 'second'],
      [0, 'now'],
    ] as const)
      sched.after(delay, () => log.push(`${name}@${sched.now}`));
    expect(sched.nextEventTime).toBe(0);
    sched.run(() => false);
    expect(log).toEqual(['now@0', 'first@10', 'second@10', 'late@20']);
    expect(sched.nextEventTime).toBe(Number.POSITIVE_INFINITY);
  });

  it('passes as tasks spend it; an event is delivered before the next step once its time has come', () => {
    const log: string[] = [];
    const sched = newScheduler();
    sched.after(15, () => log.push(`event by ${sched.currentId}`));
    sched.spawn(
      'a',
      (function* (): Steps {
        for (let i = 0; i < 3; i++) {
          log.push(`step at ${sched.now}`);
          sched.spend(10);
          yield RESCHED;
        }
      })(),
    );
    sched.run(noTaskLeft(sched));
    expect(log).toEqual(['step at 0', 'step at 10', 'event by 0', 'step at 20']);
  });

  it('skips to the next event only when no task is runnable, and an event can wake a task', () => {
    const sched = newScheduler();
    const woken: number[] = [];
    const sleeper = sched.spawn(
      'sleeper',
      (function* (): Steps {
        sched.block('timer');
        yield BLOCKED;
        woken.push(sched.now);
      })(),
    );
    sched.spawn('busy', logging([], 'busy', 5));
    sched.after(1000, () => sched.wake(sleeper));
    sched.run(() => sched.steps === 6);
    expect(sched.now).toBe(0);
    sched.run(noTaskLeft(sched));
    expect(woken).toEqual([1000]);
  });

  it('delivers what an event schedules for its own time in the same round', () => {
    const log: number[] = [];
    const sched = newScheduler();
    sched.after(5, () => {
      log.push(1);
      sched.after(0, () => log.push(2));
    });
    sched.run(() => false);
    expect([log, sched.now]).toEqual([[1, 2], 5]);
  });

  it.each([
    [true, ['event', 'after the point', 'after the stop']],
    [false, ['after the point', 'event', 'after the stop']],
  ])('lets events in at plain points or not, as the policy says: %s', (interruptsAtPoints, order) => {
    const log: string[] = [];
    const sched = new Scheduler({ ...pointByPoint(), interruptsAtPoints });
    sched.spawn(
      'a',
      (function* (): Steps {
        sched.after(5, () => log.push('event'));
        sched.spend(10);
        yield* step();
        log.push('after the point');
        yield RESCHED;
        log.push('after the stop');
      })(),
    );
    sched.run(noTaskLeft(sched));
    expect(log).toEqual(order);
  });

  it.each([-1, Number.NaN])('never runs backwards: %d is a bug', (amount) => {
    const sched = newScheduler();
    expect(bugOf(() => sched.after(amount, () => {})).message).toBe('event scheduled in the past');
    expect(bugOf(() => sched.spend(amount)).message).toBe('virtual time runs backwards');
  });
});

describe('a task that fails', () => {
  it('gives its name and step to the bug, and what the bug said itself stands', () => {
    const error = bugOf(() =>
      runTasks({
        a: () => logging([], 'a', 2),
        *reclaim() {
          yield RESCHED;
          bug('page lost', { pfn: 7, step: 'its own' });
        },
      }),
    );
    expect(error.message).toBe('page lost');
    expect(error.details).toEqual({ task: 'reclaim', step: 'its own', pfn: 7 });
    const plain = bugOf(() =>
      runTasks({
        *a() {
          yield RESCHED;
          bug('x');
        },
      }),
    );
    expect(plain.details).toEqual({ task: 'a', step: 2 });
  });

  it('passes any other error on as it is', () => {
    const failure = new RangeError('disk on fire');
    const sched = newScheduler();
    sched.spawn(
      'a',
      (function* (): Steps {
        throw failure;
      })(),
    );
    expect(() => sched.run(() => false)).toThrow(failure);
  });

  it('is gone, and the others can go on', () => {
    const log: string[] = [];
    const sched = newScheduler();
    const failing = sched.spawn(
      'a',
      (function* (): Steps {
        bug('x');
      })(),
    );
    sched.spawn('b', logging(log, 'b', 1));
    bugOf(() => sched.run(() => false));
    expect(failing.state).toBe('done');
    expect(sched.currentId).toBe(0);
    expect(sched.run(noTaskLeft(sched))).toBe('idle');
    expect(log).toEqual(['b0']);
  });

  it('must not be blocked and go on, nor stop for good without being blocked', () => {
    const goesOn = bugOf(() =>
      runTasks({
        *a(sched) {
          sched.block('nothing');
          yield RESCHED;
        },
      }),
    );
    expect(goesOn.message).toBe('block() without BLOCKED');
    const stops = bugOf(() =>
      runTasks({
        *a() {
          yield BLOCKED;
        },
      }),
    );
    expect(stops.message).toBe('BLOCKED without block()');
  });
});
