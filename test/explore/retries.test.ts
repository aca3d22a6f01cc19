// Loops that give the CPU away: who tries again waits for who is in the way, be there ever so many of them; who gets on with
// his work need not.

import { expect, it } from 'vitest';
import { BoundedSearch } from '../../src/explore/bounded.ts';
import { Steering } from '../../src/explore/steering.ts';
import { at, COND_RESCHED, points, RESCHED, Scheduler, type Steps } from '../../src/sched/index.ts';

type Program = (sched: Scheduler) => Record<string, () => Steps>;

/** How many runs with at most `bound` pre-emptions there are. Fails where one has no end. */
function runAll(program: Program, bound: number, ended: () => void = () => {}): number {
  const steering = new Steering();
  const search = new BoundedSearch(bound);
  let runs = 0;
  while (search.next()) {
    const sched = new Scheduler(steering);
    for (const [name, body] of Object.entries(program(sched))) sched.spawn(name, body());
    steering.begin(search);
    sched.run(() => {
      steering.stepped();
      expect(sched.steps).toBeLessThan(500);
      return steering.isPruned;
    });
    steering.end();
    if (!steering.isPruned) ended();
    runs++;
    expect(runs).toBeLessThan(5000);
  }
  return runs;
}

/** `count` tasks try until a door is open, which another shuts and opens. */
const doors =
  (count: number): Program =>
  (sched) => {
    const door = sched.lockId();
    let isShut = false;
    const passes = Array.from({ length: count }, (_, i) => [
      `try${i}`,
      function* (): Steps {
        for (;;) {
          if (points.on) yield at.vcpu(door);
          if (!isShut) return;
          yield RESCHED;
        }
      },
    ]);
    return {
      ...Object.fromEntries(passes),
      *keeper() {
        for (let i = 0; i < 1; i++) {
          if (points.on) yield at.vcpu(door);
          isShut = !isShut;
        }
        if (points.on) yield at.vcpu(door);
        isShut = false;
      },
    };
  };

it.each([1, 2, 3])('%i tasks that try again wait for the one that is in their way', (count) => {
  for (let bound = 0; bound + count <= 3; bound++) {
    expect(runAll(doors(count), bound)).toBeGreaterThan(count);
  }
});

it('two that can but try again take turns until somebody else is due', () => {
  let tries = 0;
  const program: Program = (sched) => {
    tries = 0;
    sched.after(50, () => {});
    const attempt = function* (): Steps {
      while (sched.now < 50) {
        tries++;
        sched.spend(10);
        yield RESCHED;
      }
    };
    return { a: attempt, b: attempt };
  };
  const counts = new Set<number>();
  runAll(program, 2, () => counts.add(tries));
  expect([...counts]).toEqual([5]);
});

/** A counter that one task drives to 5 by `stop`s, and what another sees of it. */
function seen(stop: typeof RESCHED): Set<number> {
  const values = new Set<number>();
  let value = 0;
  const program: Program = (sched) => {
    const counter = sched.lockId();
    value = 0;
    return {
      *count() {
        for (let i = 1; i <= 5; i++) {
          if (points.on) yield at.vcpu(counter);
          value = i;
          yield stop;
        }
      },
      *look() {
        for (let i = 0; i < 2; i++) {
          if (points.on) yield at.vcpu(counter);
          values.add(value);
        }
      },
    };
  };
  runAll(program, 0);
  return values;
}

it('whoever gets on with his work is held up by nobody', () => {
  expect([...seen(COND_RESCHED)].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  expect(seen(RESCHED).has(4)).toBe(false);
});
