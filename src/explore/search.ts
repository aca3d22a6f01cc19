// A search: which runs of a scenario are made, and what came of them all.
//
// Bounded: pre-emption bounds 0, 1, ... in turn, each exhaustively, first with hardware that does only what it is told
// and then with what it may do by itself, so that the first failure has the fewest pre-emptions that there are. The others
// draw schedules from seeds that follow one another. Whoever drives the search calls step() until it is over, and may look
// in between.
//
// Invariant: a search is a function of the scenario and its options; how step() was called never matters.

import { BoundedSearch } from './bounded.ts';
import { SourceDpor } from './dpor.ts';
import type { Explorer, RunResult } from './explorer.ts';
import { SleepSets } from './sleepSets.ts';
import type { Strategy } from './steering.ts';
import { type HardwareShare, pctStrategy, posStrategy, randomStrategy } from './strategies.ts';

export type PolicyName = 'bounded' | 'delay' | 'dfs' | 'sleep' | 'dpor' | 'pos' | 'pct' | 'random';

interface Tree extends Strategy {
  readonly states: number;
  next(): boolean;
}

/** Those that end by themselves, when there is nothing left. */
const EXHAUSTIVE: ReadonlySet<PolicyName> = new Set(['bounded', 'delay', 'dfs', 'sleep', 'dpor']);
/** Policies that search all schedules at once, and not bound after bound. */
const UNBOUNDED: ReadonlySet<PolicyName> = new Set(['dfs', 'sleep', 'dpor']);

export interface SearchOptions {
  readonly policy: PolicyName;
  /** Most pre-emptions of a schedule (bounded), 0 at least. */
  readonly bound: number;
  /** Most actions of hardware in a schedule, 0 at least. Default 3. */
  readonly hardware?: number;
  /** Seed of the first schedule (the others). */
  readonly seed: number;
  /** Runs after which the search is given up. */
  readonly schedules: number;
  /** One part of several that together make all runs: index from 0, and how many. */
  readonly shard?: { readonly index: number; readonly count: number };
}

export interface SearchState {
  /** Runs made, those of other shards not counted. */
  readonly schedules: number;
  /** Moments at which somebody was chosen and others could have been. */
  readonly states: number;
  /** The bound that is being searched, or was last. */
  readonly bound: number;
  /** The actions of hardware that the schedules of this bound may have. */
  readonly hardware: number;
  /** Everything up to the bound (of the shard, if it is one) was run, and nothing found. */
  readonly complete: boolean;
  readonly failure: RunResult | null;
  readonly isOver: boolean;
}

/** The change points of PCT lie among so many choices, until a run has shown how many there are. */
const FIRST_LENGTH = 100;
/** Most actions of hardware in a schedule, unless somebody says otherwise. */
export const DEFAULT_HARDWARE = 3;

/** Whether a search by the policy ends by itself, when nothing is left. */
export const isExhaustive = (policy: PolicyName): boolean => EXHAUSTIVE.has(policy);

export class Search {
  readonly explorer: Explorer;
  readonly options: SearchOptions;
  #schedules = 0;
  #states = 0;
  #failure: RunResult | null = null;
  #complete = false;
  #isOver = false;
  // Bounded
  #bound = 0;
  #hardware = 0;
  #tree: Tree;
  #learned: number;
  // Random
  #drawn = 0;
  #longest = FIRST_LENGTH;
  #chances = FIRST_LENGTH;

  constructor(explorer: Explorer, options: SearchOptions) {
    this.explorer = explorer;
    this.options = options;
    this.#tree = this.#newTree(0, 0);
    this.#learned = explorer.steering.sharing.version;
  }

  get state(): SearchState {
    return {
      schedules: this.#schedules,
      states: this.#states + this.#tree.states,
      bound: this.#bound,
      hardware: this.#hardware,
      complete: this.#complete,
      failure: this.#failure,
      isOver: this.#isOver,
    };
  }

  /** Runs schedules until the search is over or `pause()` says so, which it is asked after each. */
  step(pause: () => boolean): void {
    while (!this.#isOver) {
      const strategy = EXHAUSTIVE.has(this.options.policy) ? this.#nextOfTree() : this.#nextDrawn();
      if (strategy === null) break;
      this.#run(strategy);
      if (pause()) return;
    }
  }

  #run(strategy: Strategy): void {
    const result = this.explorer.run(strategy);
    this.#schedules++;
    this.#longest = Math.max(this.#longest, this.explorer.steering.choices);
    const { chances } = this.explorer.steering;
    if (chances > 0) this.#chances = chances;
    if (result.found !== null) {
      this.#failure = result;
      this.#isOver = true;
    } else if (this.#schedules >= this.options.schedules) this.#isOver = true;
  }

  /** Null: all bounds are done. */
  #nextOfTree(): Strategy | null {
    const { version } = this.explorer.steering.sharing;
    if (version !== this.#learned) {
      // What was left out as private is not: all bounds again.
      this.#learned = version;
      this.#startTree(0, 0);
    }
    while (!this.#tree.next()) {
      if (UNBOUNDED.has(this.options.policy)) return this.#exhausted();
      if (this.#hardware < this.#hardwareBound) this.#startTree(this.#bound, this.#hardwareBound);
      else if (this.#bound < this.options.bound) this.#startTree(this.#bound + 1, 0);
      else return this.#exhausted();
    }
    return this.#tree;
  }

  #exhausted(): null {
    this.#complete = true;
    this.#isOver = true;
    return null;
  }

  #newTree(bound: number, hardware: number): Tree {
    const { policy, shard } = this.options;
    if (policy === 'sleep') return new SleepSets();
    if (policy === 'dpor') return new SourceDpor(this.#hardwareBound);
    if (policy === 'dfs') return new BoundedSearch(0, shard, this.#hardwareBound, 'nothing');
    return new BoundedSearch(bound, shard, hardware, policy === 'delay' ? 'delays' : 'preemptions');
  }

  get #hardwareBound(): number {
    return this.options.hardware ?? DEFAULT_HARDWARE;
  }

  #startTree(bound: number, hardware: number): void {
    this.#states += this.#tree.states;
    this.#bound = bound;
    this.#hardware = hardware;
    this.#tree = this.#newTree(bound, hardware);
  }

  #nextDrawn(): Strategy {
    const { policy, seed, shard = { index: 0, count: 1 } } = this.options;
    const drawn = seed + this.#drawn++ * shard.count + shard.index;
    // Three of four schedules are left to the tasks: what hardware does on its own also puts things right.
    const bound = this.#drawn % 4 === 0 ? this.#hardwareBound : 0;
    const share: HardwareShare = { bound, chances: this.#chances };
    if (policy === 'pos') return posStrategy(drawn, share);
    if (policy === 'random') return randomStrategy(drawn, share);
    // Depths 2 to 5 in turn: bugs of all of them are found, and 3 first.
    return pctStrategy(drawn, 2 + ((drawn + 1) % 4), this.#longest, share);
  }
}
