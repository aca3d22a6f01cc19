// A search on several processes (`umbra explore --jobs`).
//
// Exhaustive policies: a level after the other, each cut in PARTS shards that the workers take in turn. Each shard ends at
// its first event, and the event whose path comes first in the level's tree is the level's: a failure ends the search; a
// point that turns out to matter begins it again, since the trees were too small: so it comes to what it would come to on one
// process. Policies that draw: BLOCK seeds after the other, each block without what others have learned, and the failure of
// the first block that has one.
//
// Invariant: verdict, failure and counts follow from the scenario and the options alone, not from the number of workers nor
// from who was faster; unless time is up or somebody stops it.

import {
  comesBefore,
  isExhaustive,
  levelsOf,
  type PartResult,
  type SearchOptions,
  type SearchState,
  type Sharing,
} from '../explore/index.ts';
import { Workers } from '../platform/index.ts';
import type { Answer, Order, Work, Workplace } from './exploreWorker.ts';

/** Shards of a level: the more the better balanced, and the more is run twice. */
const PARTS = 16;
/** Seeds that follow one another; a multiple of the four in which random strategies give hardware its share. */
const BLOCK = 500;

const NOTHING: SearchState = {
  schedules: 0,
  states: 0,
  bound: 0,
  hardware: 0,
  complete: false,
  failure: null,
  isOver: false,
};

export class ParallelSearch {
  readonly #options: SearchOptions;
  readonly #sharing: Sharing;
  readonly #crew: Workers<Order, Answer>;
  /** By worker: what it has done of its part, and who waits for the end of it. */
  readonly #progress: { schedules: number; states: number }[];
  readonly #ends: ((result: PartResult) => void)[] = [];
  #state: SearchState = NOTHING;
  #isStopped = false;
  #fail: (error: Error) => void = () => {};
  /** Called now and then while it runs. */
  progress: (state: SearchState) => void = () => {};

  /** `known`: what is known beforehand of the points that matter. */
  constructor(jobs: number, workplace: Workplace, options: SearchOptions, known: Sharing) {
    this.#options = options;
    this.#sharing = known;
    this.#progress = Array.from({ length: jobs }, () => ({ schedules: 0, states: 0 }));
    this.#crew = new Workers(
      jobs,
      new URL('./worker.js', import.meta.url),
      workplace,
      (worker, answer: Answer) => this.#received(worker, answer),
      (error) => this.#fail(error),
    );
  }

  /** What was done so far, the parts under way included. */
  get state(): SearchState {
    const sum = (key: 'schedules' | 'states'): number =>
      this.#progress.reduce((total, each) => total + each[key], this.#state[key]);
    return { ...this.#state, schedules: sum('schedules'), states: sum('states') };
  }

  /** All that is known of the points that matter. */
  get sharing(): Sharing {
    return this.#sharing;
  }

  /** Ends before its end, as soon as the workers listen. */
  stop(): void {
    this.#isStopped = true;
    for (let worker = 0; worker < this.#crew.count; worker++) this.#crew.send(worker, { type: 'stop' });
  }

  /** Runs to the end, or until it is stopped. Once. */
  async run(): Promise<SearchState> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        (isExhaustive(this.#options.policy) ? this.#runLevels() : this.#runSeeds()).then(resolve, reject);
      });
    } finally {
      await this.#crew.close();
    }
    return this.state;
  }

  async #runLevels(): Promise<void> {
    const { policy, bound, hardware } = this.#options;
    const levels = levelsOf(policy, bound, hardware);
    for (let at = 0; at < levels.length; ) {
      this.#state = { ...this.#state, ...levels[at]! };
      const isLearned = await this.#runLevel(levels[at]!);
      if (this.#isStopped || this.#state.isOver) return;
      at = isLearned ? 0 : at + 1;
    }
    this.#state = { ...this.#state, complete: true, isOver: true };
  }

  /** True: all levels must be run again. */
  async #runLevel(level: { readonly bound: number; readonly hardware: number }): Promise<boolean> {
    const { policy, schedules, shard = { index: 0, count: 1 } } = this.#options;
    const { known } = this.#sharing;
    const left = schedules - this.#state.schedules;
    const broken: { first: PartResult | null } = { first: null };
    const results = await this.#runParts(PARTS, (index) => ({
      work: {
        type: 'part',
        request: {
          policy,
          ...level,
          shard: { index: shard.index + shard.count * index, count: shard.count * PARTS },
          known,
          schedules: Math.floor((left + index) / PARTS),
        },
      },
      ended: (result) => {
        if (result.end !== 'failed' && result.end !== 'learned') return;
        if (broken.first !== null && !comesBefore(result.path, broken.first.path)) return;
        broken.first = result;
        this.#tellAll({ type: 'behind', path: result.path });
      },
      begun: (worker) => {
        if (broken.first !== null) this.#crew.send(worker, { type: 'behind', path: broken.first.path });
      },
    }));
    return broken.first === null ? this.#levelPassed(results) : this.#levelBroken(broken.first);
  }

  #levelPassed(results: readonly PartResult[]): boolean {
    for (const result of results) this.#add(result);
    if (this.#isStopped) return false;
    if (results.some(({ end }) => end === 'limit')) {
      this.#state = { ...this.#state, isOver: true };
      return false;
    }
    // Each part has seen to it that nothing new matters in it; together they may know better.
    const { version } = this.#sharing;
    for (const { known } of results) this.#sharing.learn(known);
    return this.#sharing.version > version;
  }

  #levelBroken(first: PartResult): boolean {
    this.#add(first);
    this.#sharing.learn(first.known);
    const { failure } = first;
    if (failure !== null) this.#state = { ...this.#state, failure, isOver: true };
    return failure === null;
  }

  async #runSeeds(): Promise<void> {
    const { seed, schedules, shard = { index: 0, count: 1 } } = this.#options;
    const blocks = Math.ceil(schedules / BLOCK);
    let failed = Number.POSITIVE_INFINITY;
    const results = await this.#runParts(blocks, (index) =>
      index > failed
        ? null
        : {
            work: {
              type: 'seeds',
              options: {
                ...this.#options,
                seed: seed + index * BLOCK * shard.count,
                schedules: Math.min(BLOCK, schedules - index * BLOCK),
              },
            },
            ended: ({ end }) => {
              if (end === 'failed') failed = Math.min(failed, index);
            },
            begun: () => {},
          },
    );
    for (const result of results.slice(0, failed + 1)) if (result !== undefined) this.#add(result);
    const failure = results[failed]?.failure ?? null;
    this.#state = { ...this.#state, failure, isOver: !this.#isStopped };
  }

  #add({ schedules, states }: PartResult): void {
    const { state } = this;
    this.#state = {
      ...this.#state,
      schedules: this.#state.schedules + schedules,
      states: this.#state.states + states,
    };
    this.progress(state);
  }

  /** Runs `count` parts, each by whoever is free; their results by number, without those that are not begun any more. */
  async #runParts(
    count: number,
    partOf: (index: number) => {
      readonly work: Work;
      readonly begun: (worker: number) => void;
      readonly ended: (result: PartResult) => void;
    } | null,
  ): Promise<PartResult[]> {
    const results: PartResult[] = [];
    let next = 0;
    const takeParts = async (worker: number): Promise<void> => {
      while (next < count && !this.#isStopped) {
        const index = next++;
        const part = partOf(index);
        if (part === null) return;
        const end = new Promise<PartResult>((resolve) => {
          this.#ends[worker] = resolve;
        });
        this.#crew.send(worker, part.work);
        part.begun(worker);
        const result = await end;
        results[index] = result;
        part.ended(result);
      }
    };
    await Promise.all(this.#progress.map((_, worker) => takeParts(worker)));
    for (const each of this.#progress) each.schedules = each.states = 0;
    return results;
  }

  #tellAll(order: Order): void {
    for (let worker = 0; worker < this.#crew.count; worker++) this.#crew.send(worker, order);
  }

  #received(worker: number, answer: Answer): void {
    if (answer.type === 'end') this.#ends[worker]!(answer.result);
    else {
      const done = this.#progress[worker]!;
      done.schedules = answer.schedules;
      done.states = answer.states;
      this.progress(this.state);
    }
  }
}
