// A search on several processes (`umbra explore --jobs`).
//
// Exhaustive policies: a level after the other, each cut in PARTS shards that the workers take in turn. Each shard ends at
// its first event, and the event whose path comes first in the level's tree is the level's: a failure ends the search; a
// point that turns out to matter begins it again, since the trees were too small: so it comes to what it would come to
// on one process. Policies that draw: BLOCK seeds after the other, each block without what others have learned, and the
// failure of the first block that has one.
//
// Invariant: verdict, failure and counts follow from the scenario and the options alone, not from the number of workers
// nor from who was faster; unless time is up or somebody stops it.

import {
  comesBefore,
  isExhaustive,
  type PartRequest,
  type PartResult,
  Progress,
  type SearchOptions,
  type SearchState,
  type Sharing,
} from '../explore/index.ts';
import { Workers } from '../platform/index.ts';
import { LONG_MS } from './breakingOff.ts';
import type { Answer, Order, Workplace } from './exploreWorker.ts';

/** Shards of a level: the more the better balanced, and the more is run twice. */
const PARTS = 16;
/** Seeds that follow one another; a multiple of the four in which random strategies give hardware its share. */
const BLOCK = 500;

/** What a worker that was told to stop is given, until it is broken off, ms. */
const PATIENCE_MS = 1000;

/** A part that a worker is to run. */
interface Task {
  readonly request: PartRequest;
  /** Told which worker has it, and how it ended. */
  readonly begun?: (worker: number) => void;
  readonly ended: (result: PartResult) => void;
}

export class ParallelSearch {
  readonly #progress: Progress;
  readonly #policy: SearchOptions['policy'];
  readonly #sharing: Sharing;
  readonly #crew: Workers<Order, Answer>;
  /** What is done of the parts that are under way and of those that have ended, until they count. */
  readonly #running = new Map<number, { readonly schedules: number; readonly states: number }>();
  /** By worker: who waits for the end of its part, and the number of the part. */
  readonly #ends: ((result: PartResult) => void)[] = [];
  readonly #parts: number[] = [];
  /** By worker: when it was heard of last while it was at work, ms; null: it is not. */
  readonly #heard: (number | null)[] = [];
  #isStopped = false;
  #stoppedAt = Number.POSITIVE_INFINITY;
  /** Where a run stood that had to be broken off; '': none had. */
  stood = '';
  #fail: (error: Error) => void = () => {};
  /** Called now and then while it runs. */
  progress: (state: SearchState) => void = () => {};
  /** Called when a worker is silent for long, once. */
  silent: () => void = () => {};

  /** `known`: what is known beforehand of the points that matter; it learns what is found out. */
  constructor(jobs: number, workplace: Workplace, options: SearchOptions, known: Sharing) {
    this.#progress = new Progress(options);
    this.#policy = options.policy;
    this.#sharing = known;
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
    return this.#progress.stateWith(...this.#running.values());
  }

  /** Ends before its end, as soon as the workers listen, or are made to. */
  stop(): void {
    this.#isStopped = true;
    this.#stoppedAt = performance.now();
    for (let worker = 0; worker < this.#crew.count; worker++) this.#crew.send(worker, { type: 'stop' });
  }

  /** Runs to the end, or until it is stopped. Once. */
  async run(): Promise<SearchState> {
    const watch = setInterval(() => this.#watch(), PATIENCE_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        this.#runAll().then(resolve, reject);
      });
    } finally {
      clearInterval(watch);
      await this.#crew.close();
    }
    return this.state;
  }

  #watch(): void {
    const now = performance.now();
    for (const [worker, heard] of this.#heard.entries()) {
      if (heard === null) continue;
      if (now - this.#stoppedAt >= PATIENCE_MS) this.#crew.interrupt(worker);
      else if (now - heard >= LONG_MS) {
        this.silent();
        this.silent = () => {};
      }
    }
  }

  async #runAll(): Promise<void> {
    while (!this.#isStopped && !this.state.isOver) {
      const request = this.#progress.next(this.#sharing.known);
      const result = await (isExhaustive(this.#policy) ? this.#runLevel(request) : this.#runSeeds(request));
      this.#running.clear();
      this.#progress.ended(result);
    }
  }

  /** The level in shards, as if one had run it. */
  async #runLevel(level: PartRequest): Promise<Omit<PartResult, 'path' | 'known'>> {
    const { shard, schedules } = level;
    const broken: { first: PartResult | null } = { first: null };
    const results = await this.#runParts(PARTS, (index) => ({
      request: {
        ...level,
        shard: { index: shard.index + shard.count * index, count: shard.count * PARTS },
        schedules: Math.floor((schedules + index) / PARTS),
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
    if (broken.first === null) return { ...sumOf(results), end: this.#endOf(results), failure: null };
    this.#sharing.learn(broken.first.known);
    return broken.first;
  }

  /** How a level ends in no part of which anything was found. */
  #endOf(results: readonly PartResult[]): PartResult['end'] {
    if (this.#isStopped) return 'stopped';
    if (results.some(({ end }) => end === 'limit')) return 'limit';
    // Each part has seen to it that nothing new matters in it; together they may know better.
    const { version } = this.#sharing;
    for (const { known } of results) this.#sharing.learn(known);
    return this.#sharing.version > version ? 'learned' : 'done';
  }

  /** The seeds in blocks. */
  async #runSeeds(all: PartRequest): Promise<Omit<PartResult, 'path' | 'known'>> {
    const { seed, schedules, shard } = all;
    let failed = Number.POSITIVE_INFINITY;
    const results = await this.#runParts(Math.ceil(schedules / BLOCK), (index) =>
      index > failed
        ? null
        : {
            request: {
              ...all,
              known: [],
              seed: seed + index * BLOCK * shard.count,
              schedules: Math.min(BLOCK, schedules - index * BLOCK),
            },
            ended: ({ end }) => {
              if (end === 'failed') failed = Math.min(failed, index);
            },
          },
    );
    const failure = results[failed]?.failure ?? null;
    const end = failure !== null ? 'failed' : this.#isStopped ? 'stopped' : 'done';
    return { ...sumOf(results.slice(0, failed + 1)), end, failure };
  }

  /** Runs `count` parts, each by whoever is free; their results by number, without those that are not begun any more. */
  async #runParts(count: number, taskOf: (index: number) => Task | null): Promise<PartResult[]> {
    const results: PartResult[] = [];
    let next = 0;
    const takeParts = async (worker: number): Promise<void> => {
      while (next < count && !this.#isStopped) {
        const index = next++;
        const task = taskOf(index);
        if (task === null) return;
        const end = new Promise<PartResult>((resolve) => {
          this.#ends[worker] = resolve;
          this.#parts[worker] = index;
        });
        this.#crew.send(worker, { type: 'part', request: task.request });
        task.begun?.(worker);
        const result = await end;
        results[index] = result;
        task.ended(result);
      }
    };
    await Promise.all(Array.from({ length: this.#crew.count }, (_, worker) => takeParts(worker)));
    return results;
  }

  #tellAll(order: Order): void {
    for (let worker = 0; worker < this.#crew.count; worker++) this.#crew.send(worker, order);
  }

  #received(worker: number, answer: Answer): void {
    if (answer.type === 'thrown') {
      this.#fail(Object.assign(new Error(), answer.error));
      return;
    }
    const { schedules, states } = answer.type === 'end' ? answer.result : answer;
    this.#heard[worker] = answer.type === 'end' ? null : performance.now();
    this.#running.set(this.#parts[worker]!, { schedules, states });
    if (answer.type === 'end') {
      this.stood ||= answer.stood;
      this.#ends[worker]!(answer.result);
    } else this.progress(this.state);
  }
}

/** Of those parts that there are. */
function sumOf(results: readonly PartResult[]): { readonly schedules: number; readonly states: number } {
  const sum = { schedules: 0, states: 0 };
  for (const result of results) {
    if (result === undefined) continue;
    sum.schedules += result.schedules;
    sum.states += result.states;
  }
  return sum;
}
