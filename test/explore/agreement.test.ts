// Searches that know nothing of each other agree on random programs: each finds the very outcomes that running every
// interleaving gives (of at most so many pre-emptions, where the search has a bound), and sleep sets and DPOR run each
// order of what does not commute exactly once.
//
// Each change of a program is in the undo log, so that the bounded search knows which accesses are reads.

import { expect, it } from 'vitest';
import { BoundedSearch, MAX_BOUND } from '../../src/explore/bounded.ts';
import { SourceDpor } from '../../src/explore/dpor.ts';
import { SleepSets } from '../../src/explore/sleepSets.ts';
import { type Choice, Steering, type Strategy } from '../../src/explore/steering.ts';
import { mark, record, unmark } from '../../src/journal/index.ts';
import {
  at,
  LOCKS,
  Mutex,
  points,
  Random,
  RESCHED,
  Scheduler,
  type Steps,
  WaitQueue,
} from '../../src/sched/index.ts';

type What = 'read' | 'write' | 'lock' | 'unlock' | 'trylock' | 'await' | 'yield';
type Operation = readonly [what: What, cell: number];
/** By task. */
type Program = readonly (readonly Operation[])[];

interface Tree extends Strategy {
  next(): boolean;
}

/** All interleavings, of at most so many pre-emptions, one after the other. */
class Naive implements Tree {
  readonly #bound: number;
  readonly #path: { readonly count: number; taken: number }[] = [];
  #depth = 0;
  #preemptions = 0;
  #isFirst = true;

  constructor(bound = Number.POSITIVE_INFINITY) {
    this.#bound = bound;
  }

  next(): boolean {
    this.#depth = 0;
    this.#preemptions = 0;
    if (this.#isFirst) {
      this.#isFirst = false;
      return true;
    }
    while (this.#path.length > 0 && ++this.#path.at(-1)!.taken === this.#path.at(-1)!.count) this.#path.pop();
    return this.#path.length > 0;
  }

  choose({ tasks, preempts }: Choice): number {
    if (preempts && this.#preemptions === this.#bound) return 0;
    this.#path[this.#depth] ??= { count: tasks.length, taken: 0 };
    const { taken } = this.#path[this.#depth++]!;
    if (preempts && taken > 0) this.#preemptions++;
    return taken;
  }
}

const CELLS = 2;

function randomProgram(random: Random): Program {
  const tasks = 2 + random.below(2);
  return Array.from({ length: tasks }, () => {
    const operations: Operation[] = Array.from({ length: 1 + random.below(tasks === 2 ? 3 : 1) }, () => [
      random.below(2) === 0 ? 'read' : 'write',
      random.below(CELLS),
    ]);
    if (tasks === 2 && random.below(3) === 0) {
      operations.splice(random.below(operations.length), 0, ['lock', 0]);
      operations.push(['unlock', 0]);
    }
    return operations;
  });
}

/** Two or three tasks that wait for each other in all the ways there are, some for ever. */
function blockingProgram(random: Random): Program {
  const tasks = 2 + random.below(2);
  return Array.from({ length: tasks }, () => {
    const operation = (): Operation => [
      (['read', 'write', 'write', 'await', 'yield'] as const)[random.below(5)]!,
      random.below(CELLS),
    ];
    const inside = Array.from({ length: random.below(2) }, operation);
    const locked = (): Operation[] => [
      [random.below(3) === 0 ? 'trylock' : 'lock', 0],
      ...inside.filter(([what]) => what !== 'await'),
      ['unlock', 0],
    ];
    if (tasks === 3) return random.below(2) === 0 ? [operation()] : locked();
    const outside = [operation(), operation()];
    return random.below(2) === 0 ? [...outside, ...locked()] : [...locked(), ...outside];
  });
}

/** Three tasks, mostly of reads, and locks. */
function longProgram(random: Random): Program {
  return Array.from({ length: 3 }, () => {
    const operations: Operation[] = Array.from({ length: 1 + random.below(3) }, () => [
      random.below(3) === 0 ? 'write' : 'read',
      random.below(CELLS),
    ]);
    if (random.below(3) > 0) return operations;
    return [['lock', 0], ...operations, ['unlock', 0]];
  });
}

interface Explored {
  /** What the cells hold in the end, what each task has seen, and how it ended. */
  readonly outcomes: Set<string>;
  /** For each object, who accessed it in which order. */
  readonly orders: Set<string>;
  /** Runs that were not cut short, and those that were. */
  runs: number;
  cut: number;
}

function explore(program: Program, tree: Tree): Explored {
  const explored: Explored = { outcomes: new Set(), orders: new Set(), runs: 0, cut: 0 };
  mark();
  exploreWith(new Steering(), program, tree, false, explored);
  unmark();
  return explored;
}

/** As explore(), where points at which no switch can matter are passed, as far as that is known. */
function exploreShared(program: Program, newTree: () => Tree): Explored {
  const steering = new Steering();
  mark();
  for (;;) {
    const explored: Explored = { outcomes: new Set(), orders: new Set(), runs: 0, cut: 0 };
    const { version } = steering.sharing;
    exploreWith(steering, program, newTree(), true, explored);
    if (steering.sharing.version !== version) continue;
    unmark();
    return explored;
  }
}

/** What is changed, is changed by the step that is under way. */
const noteWrite = (): void => record(null, 0, 0, 0);

function exploreWith(
  steering: Steering,
  program: Program,
  tree: Tree,
  passes: boolean,
  explored: Explored,
): void {
  while (tree.next()) {
    const sched = new Scheduler(steering);
    steering.goesOn = (point) => sched.goesOn(point);
    const lock = new Mutex(sched, LOCKS.mmap_lock);
    const cells = new Array<number>(CELLS).fill(0);
    const queues = cells.map((_, cell) => new WaitQueue(sched, `cell ${cell}`));
    const seen = program.map((): number[] => []);
    const orders = new Map<string, string>();
    const note = (object: string, task: number): void => {
      orders.set(object, `${orders.get(object) ?? ''}${task}`);
    };
    const body = function* (task: number): Steps {
      let value = task + 1;
      for (const [what, cell] of program[task]!) {
        if (what === 'lock') {
          yield* lock.lock();
          noteWrite();
          note('held', task);
        } else if (what === 'trylock') {
          if (!(yield* lock.tryLock())) {
            seen[task]!.push(-1);
            return;
          }
          noteWrite();
          note('held', task);
        } else if (what === 'unlock') {
          yield* lock.unlock();
          noteWrite();
        } else if (what === 'await') yield* queues[cell]!.until(() => cells[cell] !== 0);
        else if (what === 'yield') yield RESCHED;
        else {
          const point = at.lock(queues[cell]!);
          if (points.on && (!passes || steering.stopsAt(point))) yield point;
          note(String(cell), task);
          if (what === 'read') {
            value = cells[cell]! * 4 + task + 1;
            seen[task]!.push(cells[cell]!);
          } else {
            noteWrite();
            cells[cell] = value;
            queues[cell]!.wakeAll();
          }
        }
      }
    };
    steering.begin(tree);
    for (const task of program.keys()) sched.spawn(`t${task}`, body(task));
    sched.run(() => steering.isPruned);
    const { isPruned } = steering;
    steering.end();
    if (isPruned) {
      explored.cut++;
      continue;
    }
    explored.runs++;
    const stuck = sched.tasks.map(({ name }) => name);
    explored.outcomes.add(JSON.stringify([cells, seen, stuck]));
    explored.orders.add(JSON.stringify([...orders].sort()));
  }
}

it('is the same for naive search, sleep sets, DPOR, the cache and a bound that is never reached, on 500 random programs', () => {
  const random = new Random(7);
  let naiveRuns = 0;
  let sleepRuns = 0;
  let cut = 0;
  for (let number = 0; number < 500; number++) {
    const program = randomProgram(random);
    const what = JSON.stringify(program);
    const naive = explore(program, new Naive());
    const sleep = explore(program, new SleepSets());
    expect(sleep.outcomes, what).toEqual(naive.outcomes);
    expect(sleep.orders, what).toEqual(naive.orders);
    if (program.flat().every(([kind]) => kind !== 'lock')) expect(sleep.runs, what).toBe(naive.orders.size);
    const dpor = explore(program, new SourceDpor());
    expect(dpor.outcomes, what).toEqual(naive.outcomes);
    expect(dpor.orders, what).toEqual(naive.orders);
    expect(dpor.runs, what).toBe(sleep.runs);
    const cached = explore(program, new BoundedSearch(0, undefined, 0, 'nothing'));
    expect(cached.outcomes, what).toEqual(naive.outcomes);
    const bounded = explore(program, new BoundedSearch(MAX_BOUND));
    expect(bounded.outcomes, what).toEqual(naive.outcomes);
    naiveRuns += naive.runs;
    sleepRuns += sleep.runs;
    cut += dpor.cut;
  }
  expect(sleepRuns).toBeLessThan(naiveRuns / 2);
  // Sleep sets alone cut most of their runs short; source sets hardly begin any in vain.
  expect(cut).toBeLessThan(sleepRuns / 50);
}, 60_000);

it('is the same where tasks block, wake each other, try locks and yield, some of them for ever', () => {
  const random = new Random(11);
  let stuck = 0;
  for (let number = 0; number < 100; number++) {
    const program = blockingProgram(random);
    const what = JSON.stringify(program);
    const naive = explore(program, new Naive());
    const dpor = explore(program, new SourceDpor());
    const sleep = explore(program, new SleepSets());
    const cached = explore(program, new BoundedSearch(0, undefined, 0, 'nothing'));
    expect(sleep.outcomes, what).toEqual(naive.outcomes);
    expect(dpor.outcomes, what).toEqual(naive.outcomes);
    expect(dpor.orders, what).toEqual(naive.orders);
    expect(dpor.runs, what).toBe(sleep.runs);
    expect(cached.outcomes, what).toEqual(naive.outcomes);
    if ([...naive.outcomes].some((outcome) => /"t\d"/.test(outcome))) stuck++;
  }
  expect(stuck).toBeGreaterThan(20);
}, 60_000);

it.each([0, 1, 2])(
  'is the same up to a bound of %i',
  (bound) => {
    const random = new Random(13 + bound);
    let naiveRuns = 0;
    let runs = 0;
    for (let number = 0; number < 60; number++) {
      const program = number % 2 === 0 ? longProgram(random) : blockingProgram(random);
      const what = JSON.stringify(program);
      const naive = explore(program, new Naive(bound));
      const bounded = explore(program, new BoundedSearch(bound));
      expect(bounded.outcomes, what).toEqual(naive.outcomes);
      const shared = exploreShared(program, () => new BoundedSearch(bound));
      expect(shared.outcomes, what).toEqual(naive.outcomes);
      naiveRuns += naive.runs;
      runs += bounded.runs;
    }
    if (bound > 0) expect(runs).toBeLessThan(naiveRuns / 2);
  },
  60_000,
);

const write = (...cells: readonly number[]): Operation[] => cells.map((cell) => ['write', cell]);
const held: Operation[] = [
  ['lock', 0],
  ['unlock', 0],
];

it.each<readonly [string, Program, number]>([
  ['tasks with a cell of their own', [write(0, 0), write(1, 1)], 1],
  ['n tasks that write a cell once: n!', [write(0), write(0), write(0), write(0)], 24],
  ['two tasks with 3 and 2 accesses of a cell: 5 over 2', [write(0, 0, 0), write(0, 0)], 10],
  ['crosswise: of 2 x 2 orders one is a cycle', [write(0, 1), write(1, 0)], 3],
  ['one task of two cells, each of them another task’s as well', [write(0, 1), write(0), write(1)], 4],
  ['a lock: each of the two comes first, and the other finds it held or free', [held, held], 4],
])('is made of as many runs as there are orders: %s', (_, program, orders) => {
  const { runs, cut } = explore(program, new SourceDpor());
  expect([runs, cut]).toEqual([orders, 0]);
  expect(explore(program, new SleepSets()).runs).toBe(orders);
});
