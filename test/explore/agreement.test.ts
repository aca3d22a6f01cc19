// Searches that know nothing of each other agree on random programs: each finds the very outcomes that running every
// interleaving gives, and sleep sets run each order of what does not commute exactly once.

import { expect, it } from 'vitest';
import { BoundedSearch, MAX_BOUND } from '../../src/explore/bounded.ts';
import { SleepSets } from '../../src/explore/sleepSets.ts';
import { type Choice, Steering, type Strategy } from '../../src/explore/steering.ts';
import { at, LOCKS, Mutex, points, Random, Scheduler, type Steps } from '../../src/sched/index.ts';

type Operation = readonly ['read' | 'write' | 'lock' | 'unlock', number];
/** By task. */
type Program = readonly (readonly Operation[])[];

interface Tree extends Strategy {
  next(): boolean;
}

/** All interleavings, one after the other. */
class Naive implements Tree {
  readonly #path: { readonly count: number; taken: number }[] = [];
  #depth = 0;
  #isFirst = true;

  next(): boolean {
    this.#depth = 0;
    if (this.#isFirst) {
      this.#isFirst = false;
      return true;
    }
    while (this.#path.length > 0 && ++this.#path.at(-1)!.taken === this.#path.at(-1)!.count) this.#path.pop();
    return this.#path.length > 0;
  }

  choose({ tasks }: Choice): number {
    this.#path[this.#depth] ??= { count: tasks.length, taken: 0 };
    return this.#path[this.#depth++]!.taken;
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

interface Explored {
  /** What the cells hold in the end, and what each task has seen. */
  readonly outcomes: Set<string>;
  /** For each object, who accessed it in which order. */
  readonly orders: Set<string>;
  /** Runs that were not cut short. */
  runs: number;
}

function explore(program: Program, tree: Tree): Explored {
  const steering = new Steering();
  const explored: Explored = { outcomes: new Set(), orders: new Set(), runs: 0 };
  while (tree.next()) {
    const sched = new Scheduler(steering);
    const lock = new Mutex(sched, LOCKS.mmu_lock);
    const cells = new Array<number>(CELLS).fill(0);
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
          note('held', task);
        } else if (what === 'unlock') yield* lock.unlock();
        else {
          if (points.on) yield at.slot(cell);
          note(String(cell), task);
          if (what === 'read') {
            value = cells[cell]! * 4 + task + 1;
            seen[task]!.push(cells[cell]!);
          } else cells[cell] = value;
        }
      }
    };
    for (const task of program.keys()) sched.spawn(`t${task}`, body(task));
    steering.begin(tree);
    sched.run(() => steering.isPruned);
    const { isPruned } = steering;
    steering.end();
    if (isPruned) continue;
    explored.runs++;
    explored.outcomes.add(JSON.stringify([cells, seen]));
    explored.orders.add(JSON.stringify([...orders].sort()));
  }
  return explored;
}

it('is the same for naive search, sleep sets, the cache and a bound that is never reached, on 500 random programs', () => {
  const random = new Random(7);
  let naiveRuns = 0;
  let sleepRuns = 0;
  for (let number = 0; number < 500; number++) {
    const program = randomProgram(random);
    const what = JSON.stringify(program);
    const naive = explore(program, new Naive());
    const sleep = explore(program, new SleepSets());
    expect(sleep.outcomes, what).toEqual(naive.outcomes);
    expect(sleep.orders, what).toEqual(naive.orders);
    if (program.flat().every(([kind]) => kind !== 'lock')) expect(sleep.runs, what).toBe(naive.orders.size);
    const cached = explore(program, new BoundedSearch(0, undefined, 0, 'nothing'));
    expect(cached.outcomes, what).toEqual(naive.outcomes);
    const bounded = explore(program, new BoundedSearch(MAX_BOUND));
    expect(bounded.outcomes, what).toEqual(naive.outcomes);
    naiveRuns += naive.runs;
    sleepRuns += sleep.runs;
  }
  expect(sleepRuns).toBeLessThan(naiveRuns / 2);
}, 60_000);
