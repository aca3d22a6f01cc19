// What a run comes to where a part of it never ends, or throws: set-up, tasks and finish.

import { beforeAll, expect, it } from 'vitest';
import type * as Explore from '../../src/explore/index.ts';
import type { Scenario, SearchOptions } from '../../src/explore/index.ts';
import { loadVariant } from '../../src/loader/index.ts';

type Variant = typeof Explore & { readonly scenarios: Readonly<Record<string, Partial<Scenario>>> };

/** What a scenario may consist of. */
const SCENARIOS = `{
  setUpAtPoints: { *setUp() { for (;;) if (points.on) yield at.lru(1); } },
  setUpYields: { *setUp() { for (;;) yield RESCHED; } },
  setUpSleeps: { *setUp({ sched }) { sched.block('a letter'); yield BLOCKED; } },
  finishAtPoints: { *finish() { for (;;) if (points.on) yield at.lru(1); } },
  finishYields: { *finish() { for (;;) yield RESCHED; } },
  finishSleeps: { *finish({ sched }) { sched.block('a letter'); yield BLOCKED; } },
  inOneOrder: { tasks: () => {
    let first = null;
    const body = (name) => function* task() {
      for (const turn of [1, 2]) {
        if (points.on) yield at.lru(1);
        if (name === 'b' && turn === 2 && first === 'a') throw new Error('a was\\nbetween');
        first = name;
      }
    };
    return { a: body('a'), b: body('b') };
  } },
  finishThrows: { *finish() { throw new RangeError('too far'); } },
  throwsNoError: { tasks: () => ({ *a() { throw 'a word'; } }) },
  setUpThrows: { *setUp() { throw new Error('no luck'); } },
  tasksThrow: { tasks() { throw new Error('no tasks'); } },
}`;

let variant: Variant;

beforeAll(async () => {
  const entry = `export * from './explore/index.ts'; import { at, BLOCKED, points, RESCHED } from './sched/index.ts';
    export const scenarios = ${SCENARIOS};`;
  variant = await loadVariant<Variant>({ entry });
});

/** What is found in a scenario, and how; and that it is found again. */
function foundIn(name: string, options: Partial<SearchOptions> = {}) {
  const scenario = { name, about: '', tasks: () => ({}), ...variant.scenarios[name] };
  const explorer = new variant.Explorer(scenario);
  const wanted = { policy: 'bounded', bound: 1, hardware: 0, seed: 1, schedules: 1000, ...options } as const;
  const search = new variant.Search(explorer, wanted);
  search.step(() => false);
  const { found, schedule } = variant.minimise(explorer, search.state.failure!);
  const { missed, ...again } = explorer.replay(schedule);
  expect([again.found, missed]).toEqual([found, 0]);
  expect(variant.traceRun(explorer, schedule).found).toEqual(found);
  return { ...found!, schedule: variant.formatSchedule(schedule) };
}

it.each([
  ['setUpAtPoints', 'livelock in set-up: no end after 100000 stops'],
  ['setUpYields', 'livelock in set-up: no end after 100000 stops'],
  ['setUpSleeps', 'set-up waits for a letter'],
  ['finishAtPoints', 'livelock in finish: no end after 100000 stops'],
  ['finishYields', 'livelock in finish: no end after 100000 stops'],
  ['finishSleeps', 'finish waits for a letter'],
])('%s breaks I9: %s', (name, message) => {
  expect(foundIn(name)).toEqual({
    invariant: 'I9',
    message: expect.stringContaining(message),
    schedule: '-',
  });
});

it.each(['bounded', 'dfs', 'sleep', 'dpor', 'pos'] as const)(
  'what is thrown in one order alone is a failure with a schedule: %s',
  (policy) => {
    const { invariant, message, schedule } = foundIn('inOneOrder', { policy });
    expect([invariant, message]).toEqual(['error', 'Error: a was between, in task']);
    expect(schedule).toMatch(/b:\d>a/);
  },
);

it.each([
  ['finishThrows', /^RangeError: too far, in /],
  ['throwsNoError', /^a word$/],
])('%s is a failure in all orders', (name, message) => {
  expect(foundIn(name)).toEqual({
    invariant: 'error',
    message: expect.stringMatching(message),
    schedule: '-',
  });
});

it('what is thrown before there is an order is the caller’s', () => {
  expect(() => foundIn('setUpThrows')).toThrow('no luck');
  expect(() => foundIn('tasksThrow')).toThrow('no tasks');
});
