// Weak memory by its litmus tests: what two tasks may see with a store delayed or a load stale, and what no barrier lets
// them see.

import { describe, expect, it } from 'vitest';
import {
  at,
  LOCKS,
  Marked,
  Mutex,
  points,
  Scheduler,
  type Steps,
  smpMb,
  smpRmb,
  smpWmb,
} from '../../src/sched/index.ts';

interface Machine {
  readonly sched: Scheduler;
  readonly lock: Mutex;
}
type Body = (x: Marked<number>, y: Marked<number>, machine: Machine, saw: number[]) => Steps;

const X = 1;
const Y = 2;

/**
 * Runs task 0 and task 1, a step for each letter: "0" and "1" are steps, "d" and "s" before one arm it to delay its
 * store or to see an old value. A task's first step comes to its first access. What each read, in the order of the
 * reads.
 */
function run(order: string, ...bodies: Body[]): number[] {
  const steps = [...order.matchAll(/([ds]?)([01])/g)];
  let taken = 0;
  const sched: Scheduler = new Scheduler({
    stopsAtPoints: true,
    stepping() {
      const what = steps[taken++]?.[1];
      if (what === 'd') sched.weak.arm('delay');
      if (what === 's') sched.weak.arm('stale');
    },
    pick: (runnable) => {
      const wanted = runnable.findIndex(({ name }) => name === steps[taken]?.[2]);
      return Math.max(0, wanted);
    },
  });
  const [x, y] = [new Marked(sched, 'vcpu', X, 0), new Marked(sched, 'vcpu', Y, 0)];
  sched.weak.begin(true);
  const saw: number[] = [];
  const machine = { sched, lock: new Mutex(sched, LOCKS.zone_lock) };
  for (const [index, body] of bodies.entries()) sched.spawn(`${index}`, body(x, y, machine, saw));
  sched.run(() => sched.tasks.length === 0);
  expect(x.read() + y.read()).toBeGreaterThan(0);
  return saw;
}

type Barrier = (sched: Scheduler) => void;
const none: Barrier = () => {};

const storeThenLoad = (barrier: Barrier, mine: 'x' | 'y'): Body =>
  function* (x, y, { sched }, saw) {
    const [own, other] = mine === 'x' ? [x, y] : [y, x];
    if (points.on) yield at.vcpu(own.object);
    own.write(1);
    barrier(sched);
    if (points.on) yield at.vcpu(other.object);
    saw.push(other.read());
    // Stays: the end of a task is a barrier.
    if (points.on) yield at.vcpu(other.object);
  };

const writer = (barrier: Barrier): Body =>
  function* (x, y, { sched }) {
    if (points.on) yield at.vcpu(X);
    x.write(1);
    barrier(sched);
    if (points.on) yield at.vcpu(Y);
    y.write(1);
    if (points.on) yield at.vcpu(Y);
  };

const reader = (barrier: Barrier): Body =>
  function* (x, y, { sched }, saw) {
    if (points.on) yield at.vcpu(Y);
    saw.push(y.read());
    barrier(sched);
    if (points.on) yield at.vcpu(X);
    saw.push(x.read());
  };

describe('store buffering', () => {
  const sb = (barrier: Barrier) => [storeThenLoad(barrier, 'x'), storeThenLoad(barrier, 'y')];

  it('shows neither store with one of them delayed', () => {
    expect(run('0d00111', ...sb(none))).toEqual([0, 0]);
    expect(run('0d00111', ...sb(smpWmb))).not.toEqual([0, 0]);
    expect(run('0d00111', ...sb(smpMb))).not.toEqual([0, 0]);
  });

  it('shows one of them in every order of steps otherwise', () => {
    for (const order of ['000111', '010101', '011001', '111000', '101010'])
      expect(run(order, ...sb(none))).not.toEqual([0, 0]);
  });
});

describe('message passing', () => {
  it('loses the message by a delayed store, unless there is smp_wmb()', () => {
    expect(run('0d00111', writer(none), reader(none))).toEqual([1, 0]);
    expect(run('0d00111', writer(none), reader(smpRmb))).toEqual([1, 0]);
    expect(run('0d00111', writer(smpWmb), reader(none))).toEqual([1, 1]);
  });

  it('loses the message by a stale load, unless there is smp_rmb()', () => {
    expect(run('00011s1', writer(smpWmb), reader(none))).toEqual([1, 0]);
    expect(run('00011s1', writer(smpWmb), reader(smpRmb))).toEqual([1, 1]);
    expect(run('00011s1', writer(smpWmb), reader(smpMb))).toEqual([1, 1]);
  });

  it('loses nothing through a lock', () => {
    const locked = (inner: (x: Marked<number>, saw: number[]) => void): Body =>
      function* (x, _y, { lock }, saw) {
        yield* lock.lock();
        if (points.on) yield at.vcpu(X);
        inner(x, saw);
        yield* lock.unlock();
      };
    const bodies = [locked((x) => x.write(1)), locked((x, saw) => saw.push(x.read()))];
    expect(run('00d001111', ...bodies)).toEqual([1]);
    expect(run('00001s1s1s1s1', ...bodies)).toEqual([1]);
  });
});

describe('one variable', () => {
  it('is what its own task has written, and never goes back', () => {
    const twice: Body = function* (x, _y, _machine, saw) {
      for (let i = 0; i < 2; i++) {
        if (points.on) yield at.vcpu(X);
        saw.push(x.read());
      }
    };
    const own: Body = function* (x, _y, _machine, saw) {
      if (points.on) yield at.vcpu(X);
      x.write(1);
      if (points.on) yield at.vcpu(X);
      saw.push(x.read());
    };
    expect(run('0d00', own)).toEqual([1]);
    // Old once, and then new; once new, never old.
    expect(run('00011s1', writer(none), twice)).toEqual([1, 1]);
    expect(run('0001s11', writer(none), twice)).toEqual([0, 1]);
  });

  it('is ordered by an atomic operation that answers, and not by one that does not', () => {
    const atomic = (operation: (y: Marked<number>) => void): Body =>
      function* (x, y) {
        if (points.on) yield at.vcpu(X);
        x.write(1);
        if (points.on) yield at.vcpu(Y);
        operation(y);
        if (points.on) yield at.vcpu(Y);
      };
    const cases: [(y: Marked<number>) => void, number[]][] = [
      [(y) => y.update((value) => value | 1), [1, 0]],
      [(y) => y.exchange(1), [1, 1]],
      [(y) => y.compareExchange(0, 1), [1, 1]],
    ];
    for (const [operation, saw] of cases)
      expect(run('0d00111', atomic(operation), reader(none))).toEqual(saw);
  });
});
