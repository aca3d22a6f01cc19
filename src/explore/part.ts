// One part of a level of an exhaustive search: what a worker does, of many that do a level together.
//
// A level is all schedules with at most so many pre-emptions (or delays) and hardware actions; its parts are the shards of
// its tree (bounded.ts). A part ends at its first event: a failure, or a point that turns out to matter, with which all
// parts must begin again. Of the events of all parts the one whose path comes first in the tree counts, which is what
// a search that goes through the whole tree would have come to; so a part may also be told to stop behind a path.
//
// Invariant: how a part ends, and where, is a function of the scenario and the request; that it was told to stop only says
// that nobody asks any more.

import { BoundedSearch } from './bounded.ts';
import type { Explorer, RunResult } from './explorer.ts';
import { DEFAULT_HARDWARE, type PolicyName } from './search.ts';
import type { KnownObject } from './sharing.ts';

export interface PartRequest {
  readonly policy: PolicyName;
  readonly bound: number;
  readonly hardware: number;
  readonly shard: { readonly index: number; readonly count: number };
  /** What is known of the points that matter. */
  readonly known: readonly KnownObject[];
  /** Runs after which the part is given up. */
  readonly schedules: number;
}

/** Done: the whole part was run. Limit: given up. Behind: what is left comes after the path that it was told of. */
export type PartEnd = 'done' | 'failed' | 'learned' | 'limit' | 'behind';

export interface PartResult {
  readonly end: PartEnd;
  readonly schedules: number;
  readonly states: number;
  /** Where it ended. */
  readonly path: readonly number[];
  readonly known: readonly KnownObject[];
  readonly failure: RunResult | null;
}

export class Part {
  readonly #explorer: Explorer;
  readonly #request: PartRequest;
  readonly #tree: BoundedSearch;
  readonly #version: number;
  #schedules = 0;
  #end: PartEnd | null = null;
  #failure: RunResult | null = null;
  #stopBehind: readonly number[] | null = null;

  constructor(explorer: Explorer, request: PartRequest) {
    this.#explorer = explorer;
    this.#request = request;
    this.#tree = treeOf(request);
    const { sharing } = explorer.steering;
    sharing.forget();
    sharing.learn(request.known);
    this.#version = sharing.version;
  }

  /** What was done so far, and how it ended. */
  get schedules(): number {
    return this.#schedules;
  }

  get states(): number {
    return this.#tree.states;
  }

  /** Null: it goes on. */
  get result(): PartResult | null {
    if (this.#end === null) return null;
    return {
      end: this.#end,
      schedules: this.#schedules,
      states: this.#tree.states,
      path: this.#tree.path,
      known: this.#explorer.steering.sharing.known,
      failure: this.#failure,
    };
  }

  /** Gives up where it is. */
  stop(): void {
    this.#end ??= 'limit';
  }

  /** Nobody asks for what comes after `path` in the tree. */
  stopBehind(path: readonly number[]): void {
    if (this.#stopBehind === null || comesBefore(path, this.#stopBehind)) this.#stopBehind = path;
  }

  /** Runs schedules until the part has ended or `pause()` says so, which it is asked after each. */
  step(pause: () => boolean): void {
    while (this.#end === null) {
      this.#end = this.#next();
      if (pause()) return;
    }
  }

  #next(): PartEnd | null {
    if (!this.#tree.next()) return 'done';
    if (this.#stopBehind !== null && comesBefore(this.#stopBehind, this.#tree.path)) return 'behind';
    if (this.#schedules >= this.#request.schedules) return 'limit';
    const result = this.#explorer.run(this.#tree);
    this.#schedules++;
    if (result.found !== null) {
      this.#failure = result;
      return 'failed';
    }
    return this.#explorer.steering.sharing.version === this.#version ? null : 'learned';
  }
}

function treeOf({ policy, bound, hardware, shard }: PartRequest): BoundedSearch {
  if (policy === 'dfs') return new BoundedSearch(0, shard, hardware, 'nothing');
  return new BoundedSearch(bound, shard, hardware, policy === 'delay' ? 'delays' : 'preemptions');
}

/** The order in which a tree is gone through. */
export function comesBefore(a: readonly number[], b: readonly number[]): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return a.length < b.length;
}

/** The levels of a search, in the order in which they are gone through. */
export function levelsOf(
  policy: PolicyName,
  bound: number,
  hardware = DEFAULT_HARDWARE,
): { readonly bound: number; readonly hardware: number }[] {
  if (policy === 'dfs') return [{ bound: 0, hardware }];
  const actions = hardware === 0 ? [0] : [0, hardware];
  return Array.from({ length: bound + 1 }, (_, each) =>
    actions.map((most) => ({ bound: each, hardware: most })),
  ).flat();
}
