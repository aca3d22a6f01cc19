// The enumerator of test/support counts what combinatorics says; all exhaustive tests stand on it.

import { describe, expect, it } from 'vitest';
import { replayPolicy, type Scheduler, type Steps } from '../../src/sched/index.ts';
import { enumerate, outcomeUnder, type Program } from '../support/enumerate.ts';
import { step } from '../support/tasks.ts';

function* points(count: number, mark: () => void): Steps {
  for (let i = 0; i < count; i++) {
    yield* step();
    mark();
  }
}

/** Tasks a, b, c ... of so many points each; the outcome is who passed a point when. */
const tasksOf =
  (...counts: number[]): Program =>
  (sched) => {
    let order = '';
    counts.forEach((count, i) => {
      const name = 'abc'[i]!;
      sched.spawn(
        name,
        points(count, () => (order += name)),
      );
    });
    return () => order;
  };

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
/** A task of n points takes n + 1 steps. */
const interleavings = (...counts: number[]): number =>
  counts.reduce((ways, n) => ways / factorial(n + 1), factorial(counts.reduce((sum, n) => sum + n + 1, 0)));

/** Reads, stops, writes back one more. */
function* increment(counter: { value: number }): Steps {
  yield* step();
  const { value } = counter;
  yield* step();
  counter.value = value + 1;
}

function twoIncrements(sched: Scheduler): () => unknown {
  const counter = { value: 0 };
  sched.spawn('a', increment(counter));
  sched.spawn('b', increment(counter));
  return () => counter.value;
}

describe('the exhaustive enumerator', () => {
  it('finds one schedule of one task', () => {
    expect(enumerate(tasksOf(5)).schedules).toBe(1);
  });

  it.each([
    [[1, 1], 6],
    [[2, 1], 10],
    [[2, 2], 20],
    [[3, 4], 126],
    [[1, 1, 1], 90],
    [[2, 2, 2], 1680],
  ])('finds all interleavings of tasks with %j points', (counts, expected) => {
    expect(interleavings(...counts)).toBe(expected);
    expect(enumerate(tasksOf(...counts)).schedules).toBe(expected);
  });

  it('never runs the same schedule twice', () => {
    // Two steps each, of which the second is seen: aabb and so on, by binomial(4, 2) picks that show as ab or ba.
    const { outcomes } = enumerate(tasksOf(1, 1));
    expect(outcomes).toEqual({ ab: 3, ba: 3 });
  });

  it.each([
    [0, 2],
    [1, 4],
    [2, 6],
    [9, 6],
  ])('with at most %i pre-emptions finds %i schedules of two tasks of one point', (preemptions, expected) => {
    expect(enumerate(tasksOf(1, 1), preemptions).schedules).toBe(expected);
  });

  it('finds the lost update of two increments in exactly 12 of 20 schedules', () => {
    // One increment is whole before the other reads: the other's first step has 4 places, and either may be first.
    expect(enumerate(twoIncrements).outcomes).toEqual({ 1: 12, 2: 8 });
  });

  it('finds the lost update with one pre-emption and not without', () => {
    expect(enumerate(twoIncrements, 0).outcomes).toEqual({ 2: 2 });
    expect(enumerate(twoIncrements, 1).outcomes).toHaveProperty('1');
  });

  it('gives a witness of each outcome that replays to it', () => {
    const { witnesses } = enumerate(twoIncrements);
    for (const [outcome, picks] of Object.entries(witnesses))
      expect(outcomeUnder(twoIncrements, replayPolicy(picks))).toBe(outcome);
  });
});
