// The number that a search knows a state by (history.ts), put to the test: where two runs have come to the same number on
// different ways, everything that can be reached is the same, and whatever comes next does the same.
//
// What a task keeps in the variables of its generators cannot be looked at; the tails that are run from both moments show
// it. That the check can fail shows a history that forgets something.

import { expect, it } from 'vitest';
import type { Choice, Strategy } from '../../src/explore/steering.ts';
import type { SourceEdit } from '../../src/loader/index.ts';
import { Random, type Task } from '../../src/sched/index.ts';
import { graphLines } from '../support/graph.ts';
import { loadScenarios, type Variant } from './support.ts';

type Explorer = InstanceType<Variant['Explorer']>;

/** Where a run was: that of a seed, at its choice number `at`. */
interface Moment {
  readonly seed: number;
  readonly at: number;
  /** Hash of who took the steps before. */
  readonly way: number;
}

const PREFIXES = 60;
const PAIRS = 10;
const TAILS = 2;

/** The random run of `seed`; `atChoice` may say otherwise. */
function prefix(
  seed: number,
  atChoice: (choice: Choice, at: number, way: number) => number | null,
  stepping: (task: Task) => void = () => {},
): Strategy {
  const random = new Random(seed);
  let at = 0;
  let way = 0;
  return {
    remembers: true,
    choose(choice) {
      const drawn = random.below(choice.tasks.length);
      return atChoice(choice, at++, way) ?? drawn;
    },
    stepping(task) {
      way = (Math.imul(way, 31) + task.id) | 0;
      stepping(task);
      return false;
    },
  };
}

/** Moments of equal numbers that were come to on different ways, two by two. */
function pairs(explorer: Explorer): [Moment, Moment][] {
  const moments = new Map<number, Moment>();
  const found = new Map<number, [Moment, Moment]>();
  // Which points matter is learned first: the same seeds make the same runs from then on.
  for (let seed = 1; seed <= 2 * PREFIXES; seed++) {
    const isLearning = seed <= PREFIXES;
    const note = ({ state }: Choice, at: number, way: number): null => {
      const number = state();
      const moment = { seed: seed - PREFIXES, at, way };
      const known = moments.get(number);
      if (isLearning) return null;
      if (known === undefined) moments.set(number, moment);
      else if (known.way !== way && known.seed !== moment.seed) found.set(number, [known, moment]);
      return null;
    };
    explorer.run(prefix(isLearning ? seed : seed - PREFIXES, note));
  }
  return [...found.values()];
}

/** Everything that can be reached at the moment, object numbers aside; the tasks in the order of their ids. */
function seenAt(explorer: Explorer, { seed, at }: Moment): Set<string> {
  let lines: string[] = [];
  const look = ({ tasks }: Choice, choice: number): number | null => {
    if (choice !== at) return null;
    const { host, kvm, mm, harts } = explorer.world;
    lines = graphLines({ host, kvm, mm, harts, tasks: [...tasks].sort((a, b) => a.id - b.id) });
    return -1;
  };
  explorer.run(prefix(seed, look));
  return new Set(lines.map((line) => line.replace(/ = #\d+$/, ' = object')));
}

/** What the run does from the moment on, if chance has it as `tail` says: a line for each step, and what is found. */
function done(explorer: Explorer, { seed, at }: Moment, tail: number): string[] {
  const random = new Random(tail);
  const steps: string[] = [];
  let isOn = false;
  const go = ({ tasks }: Choice, choice: number): number | null => {
    isOn ||= choice === at;
    if (!isOn) return null;
    const names = tasks.map(({ name }) => name);
    return names.indexOf([...names].sort()[random.below(names.length)]!);
  };
  const note = ({ name, pointKind, pointObject }: Task): void => {
    if (isOn) steps.push(`${name} ${pointKind} ${pointObject}`);
  };
  const { found } = explorer.run(prefix(seed, go, note));
  return [...steps, JSON.stringify(found)];
}

/** The first difference between two moments and what follows on them; null: none. */
function difference(explorer: Explorer, [a, b]: [Moment, Moment]): string | null {
  const [seenA, seenB] = [seenAt(explorer, a), seenAt(explorer, b)];
  for (const line of seenB) if (!seenA.has(line)) return line;
  for (let tail = 1; tail <= TAILS; tail++) {
    const [doneA, doneB] = [done(explorer, a, tail), done(explorer, b, tail)];
    const differs = doneA.findIndex((line, index) => line !== doneB[index]);
    if (differs >= 0) return `${doneA[differs]} | ${doneB[differs]}`;
  }
  return null;
}

it.each(['pageout', 'dontneed', 'copyOnWrite', 'intervalRemove'] as const)(
  '%s: equal numbers are equal states',
  async (scenario) => {
    const { Explorer, scenarios } = await loadScenarios();
    const explorer = new Explorer(scenarios[scenario]);
    const all = pairs(explorer);
    expect(all.length).toBeGreaterThan(PAIRS);
    const some = all.filter((_, index) => index % Math.floor(all.length / PAIRS) === 0);
    expect(some.map((pair) => difference(explorer, pair)).filter((each) => each !== null)).toEqual([]);
  },
);

/** A number that leaves out what others did to an object. */
const FORGETFUL: SourceEdit = {
  file: 'explore/history.ts',
  find: '    mix(past, words[seen]!, words[seen + 1]!);\n',
  replace: '',
};

it('a number that forgets something is found out', async () => {
  const { Explorer, scenarios } = await loadScenarios([FORGETFUL]);
  const explorer = new Explorer(scenarios.pageout);
  expect(pairs(explorer).some((pair) => difference(explorer, pair) !== null)).toBe(true);
});
