// Who is trying again and must wait: what lets loops end that wait for others without sleeping.
//
// A task that gives the CPU away (RESCHED) may be trying again what somebody else is in the way of. What it does from
// one such stop to the next is a pass in vain: it changes nothing but statistics and the clock. Whose last pass was in
// vain waits, where somebody else can go on, until another has taken a step that is no part of such a pass: what it
// looks at cannot have changed before. So two that try again in turn wait both, for who is in their way. Whether a pass
// is in vain shows at its end; till then its steps count. cond_resched() in a loop that gets on with its work
// (COND_RESCHED) ends no pass.
//
// Invariant: who waits follows from state() and from what happens next alone.

import type { Task } from '../sched/index.ts';

/** Of one task. Numbers are of steps of the run, from 1; NEVER: there was none. */
interface Passes {
  readonly id: number;
  /** The last step that was no part of a pass in vain. */
  counted: number;
  /** The last step before the pass that is under way, NEVER where none is; and what `counted` was. */
  began: number;
  countedBefore: number;
  /** It stands at the end of a pass in vain, which began after this step; NEVER: it does not. */
  vainSince: number;
}

const NEVER = -1;

export class Retries {
  /** In the order of their first steps, and by id. */
  readonly #tasks: Passes[] = [];
  readonly #byId: (Passes | undefined)[] = [];
  #now = 0;
  /** Passes under way, and tasks that stand at the end of one in vain. */
  #trying = 0;
  #vain = 0;
  /** The last step of hardware's. */
  #acted = NEVER;

  begin(): void {
    for (let last = this.#tasks.pop(); last !== undefined; last = this.#tasks.pop())
      this.#byId[last.id] = undefined;
    this.#now = this.#trying = this.#vain = 0;
    this.#acted = NEVER;
  }

  /** `task` takes a step. */
  step(task: Task): void {
    const passes = this.#of(task);
    passes.counted = ++this.#now;
    if (passes.vainSince === NEVER) return;
    passes.vainSince = NEVER;
    this.#vain--;
  }

  /** Hardware acts on its own. */
  act(): void {
    this.#acted = ++this.#now;
  }

  /** The step of `task` is over with RESCHED. */
  gaveAway(task: Task): void {
    const passes = this.#of(task);
    if (passes.began === NEVER) this.#trying++;
    else {
      passes.counted = passes.countedBefore;
      if (passes.vainSince === NEVER) this.#vain++;
      passes.vainSince = passes.began;
    }
    passes.countedBefore = passes.counted;
    passes.began = this.#now;
  }

  /** The step of `task` is over with COND_RESCHED. */
  gotOn(task: Task): void {
    const passes = this.#of(task);
    if (passes.began !== NEVER) this.#trying--;
    passes.began = NEVER;
  }

  /** Those of `runnable` that need not wait; if all would have to, the first. */
  choose(runnable: readonly Task[]): readonly Task[] {
    if (this.#vain === 0) return runnable;
    const tasks = runnable.filter((task) => !this.#mustWait(task));
    return tasks.length > 0 ? tasks : runnable.slice(0, 1);
  }

  #mustWait({ id }: Task): boolean {
    const since = this.#byId[id]?.vainSince ?? NEVER;
    if (since === NEVER || this.#acted > since) return false;
    for (const other of this.#tasks) if (other.id !== id && other.counted > since) return false;
    return true;
  }

  /** What decides who will have to wait. 32 bits. */
  get state(): number {
    if (this.#trying === 0) return 0;
    let state = this.#trying;
    for (const { id, began, vainSince } of this.#tasks) {
      if (began === NEVER) continue;
      state = Math.imul(state ^ (id * 4 + Number(vainSince !== NEVER)), 0x9e3779b1);
      for (const since of [began, vainSince])
        state = Math.imul(state ^ this.#countedAfter(since), 0x85ebca77);
    }
    return state;
  }

  /** A hash of whose steps that count came after `since`. */
  #countedAfter(since: number): number {
    let sum = Number(this.#acted > since);
    for (const { id, counted, countedBefore } of this.#tasks) {
      sum += Math.imul(id, 0xc2b2ae35) * Number(counted > since);
      sum += Math.imul(id, 0x27d4eb2f) * Number(countedBefore > since);
    }
    return sum | 0;
  }

  #of({ id }: Task): Passes {
    let passes = this.#byId[id];
    if (passes === undefined) {
      passes = { id, counted: NEVER, began: NEVER, countedBefore: NEVER, vainSince: NEVER };
      this.#byId[id] = passes;
      this.#tasks.push(passes);
    }
    return passes;
  }
}
