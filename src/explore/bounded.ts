// The exhaustive strategy: all that schedules with at most so many pre-emptions and hardware actions can do.
//
// A depth-first search whose run is one call of next(). A run is cut short where it comes to a state (history.ts) that
// the search has gone on from with as much left. What is shared is learned (sharing.ts): whoever drives the search
// begins again when more turns out to be.
//
// A task is pre-empted for somebody's sake: who waits before a step that all that was done meanwhile commutes with need
// not go on, since to take that step first, and to be pre-empted after it, comes to the same and costs no more. All that
// comes of the step was searched by then, because where a task can go on that is tried first; and no path leads back to a
// state. Hardware may have something to do before the step that it had not before: then it is taken.
//
// Invariant: two searches with equal bounds make the same runs in the same order.

import type { Task } from '../sched/index.ts';
import { bug } from '../units.ts';
import { type Access, hasYielded, wake, YIELD } from './dependency.ts';
import { NumberTable } from './numberTable.ts';
import { type Choice, closeVain, type HardwareChoice, type Strategy } from './steering.ts';

/** Most hardware actions of a search: what is left of them fits in LEFT_BITS. */
export const MAX_HARDWARE = 6;
/** Most pre-emptions or delays that the command lets anybody ask for; nobody would live to see the end of more. */
export const MAX_BOUND = 8;

/** What a choice other than the first costs. */
type Cost = 'nothing' | 'preemption' | 'delay' | 'action';

/** A choice on the path of the run that is under way. */
interface Branch {
  count: number;
  taken: number;
  readonly cost: Cost;
  /** Of a choice that decides whose its subtrees are, its number; else -1. */
  readonly place: number;
  /** By index: it is in vain to choose the task. Null: nobody is. */
  readonly vain: readonly boolean[] | null;
  /** What the step does that the default takes, where another pre-empts it; null: not known. */
  step: readonly Access[] | null;
}

const LEFT_BITS = 3;
const LEVELS_A_WORD = 10;
const levelAt = (word: number, place: number): number =>
  (word >>> (place * LEFT_BITS)) & (2 ** LEFT_BITS - 1);

/** With how much left each state was gone on from: for each number of pre-emptions, the most actions. */
class Frontier {
  readonly #known: NumberTable;

  /** `bound`: the most pre-emptions that can be left. */
  constructor(bound: number) {
    this.#known = new NumberTable(Math.floor(bound / LEVELS_A_WORD) + 1);
  }

  /** Whether the state was gone on from with as many pre-emptions and actions left; notes it if not. */
  covers(state: number, preemptions: number, actions: number): boolean {
    const first = this.#known.placeOf(state);
    const { words } = this.#known;
    // Who had more pre-emptions left had also fewer.
    for (let left = preemptions; left >= 0; left--) {
      const word = first + Math.floor(left / LEVELS_A_WORD);
      const place = left % LEVELS_A_WORD;
      if (levelAt(words[word]!, place) > actions) return left === preemptions;
      words[word] =
        (words[word]! & ~((2 ** LEFT_BITS - 1) << (place * LEFT_BITS))) |
        ((actions + 1) << (place * LEFT_BITS));
    }
    return false;
  }
}

/** What a bound counts: pre-emptions; how far down the queue those stand who are chosen (delay bounding); or nothing. */
export type BoundedCost = 'preemptions' | 'delays' | 'nothing';

export class BoundedSearch implements Strategy {
  readonly remembers = true;
  readonly bound: number;
  /** Most actions of hardware. */
  readonly hardwareBound: number;
  /** Choices met so far: nodes of the tree of schedules. */
  states = 0;
  readonly #counts: BoundedCost;
  readonly #shard: { readonly index: number; readonly count: number };
  readonly #path: Branch[] = [];
  readonly #frontier: Frontier;
  #depth = 0;
  /** Those who were pre-empted, and the step of each that nothing has happened to since. */
  readonly #waiting = new Map<Task, readonly Access[]>();
  /** The step that is taken: whose, what it does so far, and the choice whose default it is. */
  #task: Task | null = null;
  #accesses: Access[] = [];
  #defaultOf: Branch | null = null;
  /** It is in vain, unless hardware can act before it. */
  #isVain = false;
  /** What hardware was asked last. */
  #asked: Branch | null = null;
  #spent = 0;
  #acted = 0;
  #isFirst = true;
  /** The choice was made that decides whose the run is. */
  #isDealt = false;

  /**
   * `hardwareBound` up to MAX_HARDWARE. `shard`: only the subtrees below the first choice with a cost
   * whose number is one of every `count`; what costs nothing is everybody's (where nothing costs, the default is).
   */
  constructor(
    bound: number,
    shard = { index: 0, count: 1 },
    hardwareBound = 0,
    counts: BoundedCost = 'preemptions',
  ) {
    if (hardwareBound > MAX_HARDWARE) bug('more actions than a search can count', { hardwareBound });
    this.#frontier = new Frontier(bound);
    this.#counts = counts;
    this.bound = bound;
    this.hardwareBound = hardwareBound;
    this.#shard = shard;
  }

  /** Prepares the next run; false: there is none left. */
  next(): boolean {
    this.#close();
    this.#waiting.clear();
    this.#isVain = false;
    this.#depth = 0;
    this.#spent = 0;
    this.#acted = 0;
    this.#isDealt = false;
    if (this.#isFirst) {
      this.#isFirst = false;
      return true;
    }
    for (;;) {
      const branch = this.#path.at(-1);
      if (branch === undefined) return false;
      if (++branch.taken < branch.count) {
        if (branch.vain?.[branch.taken]) continue;
        if (this.#isOurs(branch)) return true;
        continue;
      }
      this.#path.pop();
    }
  }

  /**
   * Whose a subtree is follows from the state that it begins in, which is the same however much is known of which points
   * matter.
   */
  #isOurs({ place, taken }: Branch): boolean {
    const { index, count } = this.#shard;
    return place < 0 || (place + taken) % count === index;
  }

  /** What was chosen on the way: of two runs of one tree the one whose path is less, number by number, comes first. */
  get path(): number[] {
    return this.#path.map(({ taken }) => taken);
  }

  #isKnown(state: number): boolean {
    return this.#frontier.covers(state, this.bound - this.#spent, this.hardwareBound - this.#acted);
  }

  stepping(task: Task, state: () => number): boolean {
    this.#close();
    if (this.#isVain) return true;
    this.#isVain = this.#waiting.delete(task);
    if (this.#isVain && !this.wantsHardware) return true;
    this.#task = task;
    // Behind the path is where the search has been; the step that the last choice of the path leads to is new.
    return this.#depth >= this.#path.length && this.#isKnown(state());
  }

  accessed(access: Access): void {
    this.#accesses.push(access);
    wake(this.#waiting, [access]);
  }

  timed(): void {
    this.#accesses.push(YIELD);
    this.#waiting.clear();
  }

  /** The step that was taken is over. */
  #close(): void {
    if (this.#task === null) return;
    if (hasYielded(this.#task)) this.timed();
    if (this.#defaultOf !== null) this.#defaultOf.step ??= this.#accesses;
    this.#task = null;
    this.#accesses = [];
    this.#defaultOf = null;
  }

  choose({ tasks, preempts, state }: Choice): number {
    this.#close();
    if (this.#isVain) return -1;
    if (this.#counts === 'delays') return this.#delay(tasks.length, state);
    const costs = preempts && this.#counts === 'preemptions';
    if (costs && this.#spent >= this.bound) return 0;
    const vain = tasks.some((task) => this.#waiting.has(task))
      ? tasks.map((task) => this.#waiting.has(task))
      : null;
    const taken = this.#branch(tasks.length, costs ? 'preemption' : 'nothing', state, vain);
    if (costs && taken >= 0) this.#notePreemption(tasks[0]!, taken > 0);
    return taken;
  }

  #notePreemption(task: Task, isPreempted: boolean): void {
    const branch = this.#path[this.#depth - 1]!;
    if (!isPreempted) this.#defaultOf = branch;
    else {
      this.#spent++;
      if (branch.step !== null) this.#waiting.set(task, branch.step);
    }
  }

  /** The scheduler is round robin, but for so many turns that somebody is passed over. */
  #delay(tasks: number, state: () => number): number {
    const count = Math.min(tasks, this.bound - this.#spent + 1);
    if (count === 1) return 0;
    const taken = this.#branch(count, 'delay', state);
    if (taken > 0) this.#spent += taken;
    return taken;
  }

  get wantsHardware(): boolean {
    return this.#acted < this.hardwareBound;
  }

  hardware({ actions, state }: HardwareChoice): number {
    this.#isVain = false;
    const taken = this.#branch(actions.length + 1, 'action', state);
    this.#asked = this.#path[this.#depth - 1]!;
    if (taken > 0) {
      this.#acted++;
      this.#waiting.clear();
      this.#accesses.push(YIELD);
    }
    return taken;
  }

  hardwareWasVain(): void {
    if (this.#asked !== null && closeVain(this.#asked)) this.states--;
  }

  /** What the path says of the choice that the run has come to; -1: the search has gone on from here. */
  #branch(count: number, cost: Cost, state: () => number, vain: readonly boolean[] | null = null): number {
    let branch = this.#path[this.#depth];
    if (branch === undefined) {
      // Before hardware acts the state was looked at already, and is not another for what may come before the step.
      if (cost !== 'action' && this.#isKnown(state())) return -1;
      const taken = vain === null ? 0 : vain.indexOf(false);
      if (taken < 0) return -1;
      branch = { count, taken, cost, place: this.#deals(cost) ? state() : -1, vain, step: null };
      this.#path.push(branch);
      this.states++;
    }
    this.#depth++;
    if (branch.taken > 0 && this.#deals(cost)) this.#isDealt = true;
    return branch.taken;
  }

  /** A choice of the cost decides now whose a subtree is. */
  #deals(cost: Cost): boolean {
    return this.#shard.count > 1 && !this.#isDealt && (cost !== 'nothing' || this.#counts === 'nothing');
  }
}
