// A part of a search: what one process runs alone, be it all of it or one piece of many.
//
// Of an exhaustive search it is (a shard of) a level (policies.ts), and ends at its first event: a failure, or a point that
// turns out to matter, with which all levels must begin again. Of the events of several shards the one whose path comes
// first in the tree counts, which is what a search that goes through the whole tree would have come to; so such a part may
// also be told to stop behind a path. Of a search that draws it is a row of seeds.
//
// Invariant: how a part ends, and where, is a function of the scenario and the request; that it was told to stop only says
// that nobody asks any more.

import { BoundedSearch } from './bounded.ts';
import { SourceDpor } from './dpor.ts';
import type { Explorer, RunResult } from './explorer.ts';
import type { PolicyName } from './policies.ts';
import type { KnownObject } from './sharing.ts';
import { SleepSets } from './sleepSets.ts';
import type { Strategy } from './steering.ts';
import { type HardwareShare, pctStrategy, posStrategy, randomStrategy } from './strategies.ts';

export interface Shard {
  /** From 0. */
  readonly index: number;
  readonly count: number;
}

export interface PartRequest {
  readonly policy: PolicyName;
  readonly bound: number;
  readonly hardware: number;
  readonly shard: Shard;
  /** What is known of the points that matter. */
  readonly known: readonly KnownObject[];
  /** Where schedules are drawn, the seed from which they are. */
  readonly seed: number;
  /** Runs after which the part is given up, or where schedules are drawn is done. */
  readonly schedules: number;
}

/**
 * Done: the whole part was run. Limit: given up. Stopped: somebody said so. Behind: what is left comes after the path that
 * it was told of.
 */
export type PartEnd = 'done' | 'failed' | 'learned' | 'limit' | 'stopped' | 'behind';

export interface PartResult {
  readonly end: PartEnd;
  readonly schedules: number;
  readonly states: number;
  /** Where it ended in the tree. */
  readonly path: readonly number[];
  readonly known: readonly KnownObject[];
  readonly failure: RunResult | null;
}

/** Runs the schedules of a request, as many at a time as its driver likes. */
export abstract class Part {
  protected readonly explorer: Explorer;
  protected readonly request: PartRequest;
  #schedules = 0;
  #end: PartEnd | null = null;
  #failure: RunResult | null = null;

  constructor(explorer: Explorer, request: PartRequest) {
    this.explorer = explorer;
    this.request = request;
    const { sharing } = explorer.steering;
    sharing.forget();
    sharing.learn(request.known);
  }

  /** What was done so far. */
  get schedules(): number {
    return this.#schedules;
  }

  abstract get states(): number;
  protected abstract get path(): readonly number[];

  /** Null: it goes on. */
  get result(): PartResult | null {
    if (this.#end === null) return null;
    return {
      end: this.#end,
      schedules: this.#schedules,
      states: this.states,
      path: this.path,
      known: this.explorer.steering.sharing.known,
      failure: this.#failure,
    };
  }

  /** Ends where it is. */
  stop(): void {
    this.#end ??= 'stopped';
  }

  /** Nobody asks for what comes after `path` in the tree. */
  stopBehind(_path: readonly number[]): void {}

  /** Runs schedules until the part has ended or `pause()` says so, which it is asked after each. */
  step(pause: () => boolean): void {
    while (this.#end === null) {
      const next = this.next();
      if (typeof next === 'string') this.#end = next;
      else {
        this.#run(next);
        if (pause()) return;
      }
    }
  }

  #run(strategy: Strategy): void {
    const result = this.explorer.run(strategy);
    this.#schedules++;
    if (result.found === null) this.#end = this.ran();
    else {
      this.#failure = result;
      this.#end = 'failed';
    }
  }

  /** The next run, or why there is none. */
  protected abstract next(): Strategy | PartEnd;
  /** A run has found nothing: whether the part ends with it. */
  protected abstract ran(): PartEnd | null;
}

/** What an exhaustive part goes through. */
interface Tree extends Strategy {
  readonly states: number;
  /** What was chosen on the way, of trees that are cut in shards. */
  readonly path?: readonly number[];
  /** Prepares the next run; false: there is none left. */
  next(): boolean;
}

function treeOf({ policy, bound, hardware, shard }: PartRequest): Tree {
  if (policy === 'sleep') return new SleepSets();
  if (policy === 'dpor') return new SourceDpor(hardware);
  if (policy === 'dfs') return new BoundedSearch(bound, shard, hardware, 'nothing');
  return new BoundedSearch(bound, shard, hardware, policy === 'delay' ? 'delays' : 'preemptions');
}

export class LevelPart extends Part {
  readonly #tree: Tree;
  readonly #version: number;
  #stopBehind: readonly number[] | null = null;

  constructor(explorer: Explorer, request: PartRequest) {
    super(explorer, request);
    this.#tree = treeOf(request);
    this.#version = explorer.steering.sharing.version;
  }

  override get states(): number {
    return this.#tree.states;
  }

  protected override get path(): readonly number[] {
    return this.#tree.path ?? [];
  }

  override stopBehind(path: readonly number[]): void {
    if (this.#stopBehind === null || comesBefore(path, this.#stopBehind)) this.#stopBehind = path;
  }

  protected override next(): Strategy | PartEnd {
    if (!this.#tree.next()) return 'done';
    if (this.#stopBehind !== null && comesBefore(this.#stopBehind, this.path)) return 'behind';
    return this.schedules < this.request.schedules ? this.#tree : 'limit';
  }

  protected override ran(): PartEnd | null {
    // What was left out as private is not.
    return this.explorer.steering.sharing.version === this.#version ? null : 'learned';
  }
}

/** The change points of PCT lie among so many choices, until a run has shown how many there are. */
const FIRST_LENGTH = 100;

export class SeedsPart extends Part {
  /** Most choices of a run so far, and times that hardware could have acted in the last that had any. */
  #longest = FIRST_LENGTH;
  #chances = FIRST_LENGTH;

  override get states(): number {
    return 0;
  }

  protected override get path(): readonly number[] {
    return [];
  }

  protected override next(): Strategy | PartEnd {
    const { policy, seed, shard, hardware, schedules } = this.request;
    const drawn = this.schedules;
    if (drawn >= schedules) return 'done';
    const own = seed + drawn * shard.count + shard.index;
    // Three of four schedules are left to the tasks: what hardware does on its own also puts things right.
    const share: HardwareShare = { bound: drawn % 4 === 3 ? hardware : 0, chances: this.#chances };
    if (policy === 'pos') return posStrategy(own, share);
    if (policy === 'random') return randomStrategy(own, share);
    // Depths 2 to 5 in turn: bugs of all of them are found, and 3 first.
    return pctStrategy(own, 2 + ((own + 1) % 4), this.#longest, share);
  }

  protected override ran(): null {
    const { choices, chances } = this.explorer.steering;
    this.#longest = Math.max(this.#longest, choices);
    if (chances > 0) this.#chances = chances;
    return null;
  }
}

/** The order in which a tree is gone through. */
export function comesBefore(a: readonly number[], b: readonly number[]): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return a.length < b.length;
}
