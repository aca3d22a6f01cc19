// A search: which runs of a scenario are made, and what came of them all.
//
// Exhaustive: the levels of the policy in turn (policies.ts), so that the first failure has the fewest pre-emptions that
// there are, and all of them again when a point turns out to matter. The others draw schedules from seeds that follow one
// another. Progress says what is to be done and what was; who does it is one process (Search: step() until it is over,
// looking in between as one likes) or many (cli/parallelSearch.ts).
//
// Invariant: a search is a function of the scenario and its options; how step() was called never matters.

import type { Explorer, RunResult } from './explorer.ts';
import { LevelPart, type Part, type PartRequest, type PartResult, SeedsPart, type Shard } from './part.ts';
import { isExhaustive, type Level, levelsOf, type PolicyName } from './policies.ts';
import type { KnownObject } from './sharing.ts';

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
  readonly shard?: Shard;
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

/** What is counted of a part, ended or under way. */
type Counted = Pick<SearchState, 'schedules' | 'states'>;

/** Where a search stands. */
export class Progress {
  readonly #options: SearchOptions;
  readonly #levels: readonly Level[];
  #at = 0;
  #schedules = 0;
  #states = 0;
  #failure: RunResult | null = null;
  #complete = false;
  #isOver = false;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#levels = levelsOf(options.policy, options.bound, options.hardware);
  }

  /** With what was done so far of the parts under way. */
  stateWith(...running: readonly Counted[]): SearchState {
    const sum = (key: keyof Counted, ended: number): number =>
      running.reduce((total, part) => total + part[key], ended);
    return {
      ...this.#levels[this.#at]!,
      schedules: sum('schedules', this.#schedules),
      states: sum('states', this.#states),
      complete: this.#complete,
      failure: this.#failure,
      isOver: this.#isOver,
    };
  }

  /** What is to be done next; `known`: of the points that matter. */
  next(known: readonly KnownObject[]): PartRequest {
    const { policy, seed, schedules, shard = { index: 0, count: 1 } } = this.#options;
    const left = schedules - this.#schedules;
    return { policy, ...this.#levels[this.#at]!, shard, known, seed, schedules: left };
  }

  /** What was to be done next has come to its end. */
  ended({ end, schedules, states, failure }: Omit<PartResult, 'path' | 'known'>): void {
    this.#schedules += schedules;
    this.#states += states;
    this.#failure = failure;
    if (end === 'learned') this.#at = 0;
    else if (end === 'done' && this.#at < this.#levels.length - 1) this.#at++;
    else if (end !== 'stopped') {
      this.#isOver = true;
      this.#complete = end === 'done' && isExhaustive(this.#options.policy);
    }
  }
}

/** Begins a part of a search. */
export const partOf = (explorer: Explorer, request: PartRequest): Part =>
  isExhaustive(request.policy) ? new LevelPart(explorer, request) : new SeedsPart(explorer, request);

export class Search {
  readonly explorer: Explorer;
  readonly options: SearchOptions;
  readonly #progress: Progress;
  #part: Part;

  constructor(explorer: Explorer, options: SearchOptions) {
    this.explorer = explorer;
    this.options = options;
    this.#progress = new Progress(options);
    this.#part = this.#begin();
  }

  get state(): SearchState {
    return this.#part.result === null ? this.#progress.stateWith(this.#part) : this.#progress.stateWith();
  }

  /** Runs schedules until the search is over or `pause()` says so, which it is asked after each. */
  step(pause: () => boolean): void {
    let isPaused = false;
    const asked = (): boolean => {
      isPaused = pause();
      return isPaused;
    };
    while (this.#part.result === null && !isPaused) {
      this.#part.step(asked);
      const { result } = this.#part;
      if (result === null) return;
      this.#progress.ended(result);
      if (!this.#progress.stateWith().isOver) this.#part = this.#begin();
    }
  }

  #begin(): Part {
    return partOf(this.explorer, this.#progress.next(this.explorer.steering.sharing.known));
  }
}
