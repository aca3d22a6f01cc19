import { describe, expect, it } from 'vitest';
import {
  LOCKS,
  Mutex,
  type Policy,
  RESCHED,
  randomPolicy,
  replayPolicy,
  runPolicy,
  type Scheduler,
  type Steps,
  WaitQueue,
} from '../../src/sched/index.ts';
import { bugOf, runTasks, step, withoutPreemption } from '../support/tasks.ts';

/** Three tasks that lock, sleep, wake, give the CPU away and pass points; the result is who did what in which order. */
function orderUnder(policy: Policy): string {
  const log: string[] = [];
  let mutex: Mutex | undefined;
  let queue: WaitQueue | undefined;
  let rounds = 0;
  const worker = (name: string) =>
    function* (sched: Scheduler): Steps {
      mutex ??= new Mutex(sched, LOCKS.folio_lock);
      queue ??= new WaitQueue(sched, 'three rounds');
      for (let i = 0; i < 3; i++) {
        yield* mutex.lock();
        log.push(`${name}${i}`);
        yield* step();
        rounds++;
        yield* mutex.unlock();
        queue.wakeAll();
        if (i === 1) yield RESCHED;
      }
      yield* queue.until(() => rounds >= 6);
      log.push(`${name} ends`);
    };
  const sched = runTasks({ a: worker('a'), b: worker('b'), c: worker('c') }, policy);
  expect(sched.tasks).toEqual([]);
  return log.join(' ');
}

const SEEDS = Array.from({ length: 50 }, (_, i) => i * 7919);

describe('the random policy', () => {
  it('picks the same with the same seed, and other things with other seeds', () => {
    for (const seed of SEEDS) expect(orderUnder(randomPolicy(seed))).toBe(orderUnder(randomPolicy(seed)));
    expect(new Set(SEEDS.map((seed) => orderUnder(randomPolicy(seed)))).size).toBeGreaterThan(10);
  });

  it('records the schedule that the replay policy repeats', () => {
    for (const seed of SEEDS) {
      const policy = randomPolicy(seed);
      const order = orderUnder(policy);
      expect(orderUnder(replayPolicy(policy.picks))).toBe(order);
    }
  });

  it('finds the lost update within a few seeds', () => {
    const lost = SEEDS.filter((seed) => {
      let value = 0;
      const increment = function* (): Steps {
        yield* step();
        const before = value;
        yield* step();
        value = before + 1;
      };
      runTasks({ a: increment, b: increment }, randomPolicy(seed));
      return value === 1;
    });
    expect(lost.length).toBeGreaterThan(10);
    expect(lost.length).toBeLessThan(SEEDS.length);
  });
});

describe('the replay policy', () => {
  it('calls a schedule that is too short or does not fit a bug', () => {
    const policy = randomPolicy(3);
    orderUnder(policy);
    expect(bugOf(() => orderUnder(replayPolicy(policy.picks.slice(0, 5)))).message).toBe(
      'replay: the schedule is shorter than the run',
    );
    expect(bugOf(() => orderUnder(replayPolicy([0, 7]))).message).toBe(
      'replay: the schedule does not fit the run',
    );
  });
});

describe('run mode', () => {
  it('picks the same with the same seed, and other things with other seeds', () => {
    for (const seed of SEEDS) expect(orderUnder(runPolicy(seed))).toBe(orderUnder(runPolicy(seed)));
    expect(new Set(SEEDS.map((seed) => orderUnder(runPolicy(seed)))).size).toBeGreaterThan(3);
  });

  it('runs as exploration does when it never pre-empts', () => {
    for (const seed of SEEDS) expect(orderUnder(runPolicy(seed))).toBe(orderUnder(withoutPreemption(seed)));
  });
});
