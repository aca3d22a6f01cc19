// Source-DPOR with sleep sets (Abdulla, Aronis, Jonsson, Sagonas 2014): each order of what does not commute once, found by
// turning races round. It remembers no states and has no bound on pre-emptions, and so checks the searches that do.
//
// A run is ordered (stepOrder.ts) as it goes. Of each race between two of its steps the earlier one's choice has to have
// somebody tried who can be first when the later step comes first: one of the race's initials, and only if none of them is
// tried or asleep there already. A task that was gone on from sleeps in the branches after it until a step comes that its
// next one does not commute with. A blocked task has no next step: it comes after the step that woke it.
//
// Hardware's actions are tried wherever they are offered, up to a bound, and are steps of their own in races. While
// hardware may act, a task does not sleep before a step that hardware looks at: what it could do there depends on
// what came before.
//
// Invariants: the path holds the choices of the run, and `order` its steps, that the next run shares with the last; two
// searches make the same runs in the same order.

import type { PointKind, Task } from '../sched/index.ts';
import { bug } from '../units.ts';
import {
  type Access,
  hasYielded,
  isAtPoint,
  isHardware,
  isSeenByHardware,
  wake,
  YIELD,
} from './dependency.ts';
import { type Choice, closeVain, type HardwareChoice, type Strategy } from './steering.ts';
import { type Race, StepOrder } from './stepOrder.ts';

/** Who sleeps, and what the next step of each does. */
type Sleepers = ReadonlyMap<number, readonly Access[]>;

/** A choice between tasks. */
interface Choosing {
  readonly type: 'tasks';
  /** Steps that came before. */
  readonly steps: number;
  readonly tasks: readonly number[];
  readonly asleep: Sleepers;
  taken: number;
  /** Those that must be gone on from here, or were. */
  readonly tried: Set<number>;
  /** Those that were, and what the step did that they took. */
  readonly done: Map<number, readonly Access[]>;
}

/** A choice between what hardware may do before a step. */
interface Acting {
  readonly type: 'hardware';
  readonly steps: number;
  count: number;
  taken: number;
}

export class SourceDpor implements Strategy {
  /** Choices met so far. */
  states = 0;
  readonly #hardwareBound: number;
  readonly #path: (Choosing | Acting)[] = [];
  readonly #order = new StepOrder();
  /** By step of `order`: the choice that led to it; null: nobody else could be chosen. */
  readonly #choices: (Choosing | null)[] = [];
  #depth = 0;
  /** Steps of this run; those below `order.steps.length` were ordered in an earlier run. */
  #steps = 0;
  #acted = 0;
  #isFirst = true;
  #isPruned = false;
  #asleep = new Map<number, readonly Access[]>();
  /** The step that is being taken: whose, what it does, and the choice that led to it. */
  #task: Task | null = null;
  #accesses: Access[] = [];
  #choice: Choosing | null = null;
  /** What hardware was asked last. */
  #asked: Acting | null = null;
  /** The action that lets an event come early, just now; -1: none. */
  #early = -1;
  /** By task: the steps that woke it since it took its last. */
  readonly #wakers = new Map<number, number[]>();

  /** `hardwareBound`: most actions of hardware in a run. */
  constructor(hardwareBound = 0) {
    this.#hardwareBound = hardwareBound;
  }

  /** Prepares the next run; false: there is none left. */
  next(): boolean {
    if (this.#isFirst) {
      this.#isFirst = false;
      return true;
    }
    this.#close();
    const goesOn = this.#turn();
    this.#begin();
    return goesOn;
  }

  /** To the last choice at which something is left to try. */
  #turn(): boolean {
    for (;;) {
      const branch = this.#path.at(-1);
      if (branch === undefined) return false;
      if (isTurned(branch)) {
        this.#order.cut(branch.steps);
        return true;
      }
      this.#path.pop();
    }
  }

  #begin(): void {
    this.#depth = 0;
    this.#steps = 0;
    this.#acted = 0;
    this.#isPruned = false;
    this.#asleep = new Map();
    this.#choice = null;
    this.#wakers.clear();
    this.#early = -1;
  }

  choose({ tasks }: Choice): number {
    this.#close();
    const choice = this.#choiceOf(tasks);
    if (choice === null) {
      this.#isPruned = true;
      return -1;
    }
    this.#depth++;
    this.#choice = choice;
    this.#asleep = new Map(choice.asleep);
    for (const [task, accesses] of choice.done)
      if (this.#maySleep(accesses)) this.#asleep.set(task, accesses);
    this.#asleep.delete(choice.taken);
    const index = tasks.findIndex(({ id }) => id === choice.taken);
    return index < 0 ? bug('a run did not go as the one before it', { task: choice.taken }) : index;
  }

  /** What the path says, or a new choice; null: all sleep. */
  #choiceOf(tasks: readonly Task[]): Choosing | null {
    const known = this.#path[this.#depth];
    if (known !== undefined)
      return known.type === 'tasks' ? known : bug('a run did not go as the one before it');
    const first = tasks.find(({ id }) => !this.#asleep.has(id));
    if (first === undefined) return null;
    const choice: Choosing = {
      type: 'tasks',
      steps: this.#steps,
      tasks: tasks.map(({ id }) => id),
      asleep: this.#asleep,
      taken: first.id,
      tried: new Set([first.id]),
      done: new Map(),
    };
    this.#path.push(choice);
    this.states++;
    return choice;
  }

  #maySleep(accesses: readonly Access[]): boolean {
    if (!this.wantsHardware) return true;
    return !accesses.some(({ kind }) => isHardware(kind) || isSeenByHardware(kind));
  }

  stepping(task: Task): boolean {
    this.#close();
    if (this.#isPruned || this.#asleep.has(task.id)) {
      this.#isPruned = true;
      return true;
    }
    this.#task = task;
    this.#early = -1;
    if (isAtPoint(task)) this.#accesses.push({ kind: task.pointKind, object: task.pointObject });
    return false;
  }

  passing(kind: PointKind, object: number): void {
    if (this.#task !== null) this.#accesses.push({ kind, object });
  }

  woken(task: Task, by: Task | null): void {
    let wakers = this.#wakers.get(task.id);
    if (wakers === undefined) {
      wakers = [];
      this.#wakers.set(task.id, wakers);
    }
    // The waker's step is under way, and is the next that will be ordered.
    if (by !== null) wakers.push(this.#steps);
    else if (this.#early >= 0) wakers.push(this.#early);
    else for (let step = 0; step < this.#stepsTaken; step++) wakers.push(step);
  }

  /** With the one that is over and not ordered yet. */
  get #stepsTaken(): number {
    return this.#steps + (this.#task === null ? 0 : 1);
  }

  get wantsHardware(): boolean {
    return this.#acted < this.#hardwareBound;
  }

  hardware({ actions }: HardwareChoice): number {
    let asked = this.#path[this.#depth];
    if (asked === undefined) {
      asked = { type: 'hardware', steps: this.#steps, count: actions.length + 1, taken: 0 };
      this.#path.push(asked);
      this.states++;
    }
    if (asked.type !== 'hardware') bug('a run did not go as the one before it');
    this.#depth++;
    this.#asked = asked;
    const action = actions[asked.taken - 1];
    if (action === undefined) return 0;
    this.#acted++;
    const { id, kind, object } = action.actor;
    const accesses = kind === null ? [] : [{ kind, object }];
    if (kind === null) this.#asleep.clear();
    wake(this.#asleep, accesses);
    // An event comes of the step that was taken last.
    const cause = kind === null && this.#steps > 0 ? [this.#steps - 1] : [];
    if (kind === null) this.#early = this.#steps;
    this.#add(id, accesses, cause);
    return asked.taken;
  }

  hardwareWasVain(): void {
    if (this.#asked !== null && closeVain(this.#asked)) this.states--;
  }

  /** The step that was being taken is over. */
  #close(): void {
    const task = this.#task;
    if (task === null) return;
    this.#task = null;
    if (hasYielded(task)) this.#accesses.push(YIELD);
    wake(this.#asleep, this.#accesses);
    const wakers = this.#wakers.get(task.id) ?? [];
    this.#wakers.delete(task.id);
    this.#add(task.id, this.#accesses, wakers);
    const choice = this.#choice;
    if (choice !== null && !choice.done.has(task.id)) choice.done.set(task.id, this.#accesses);
    this.#accesses = [];
    this.#choice = null;
  }

  #add(actor: number, accesses: readonly Access[], wakers: readonly number[]): void {
    const step = this.#steps++;
    if (step < this.#order.steps.length) return;
    this.#choices[step] = this.#choice;
    for (const race of this.#order.add(actor, accesses, wakers)) this.#reverse(race);
  }

  /** Sees to it that the later step of the race comes first in some run. */
  #reverse(race: Race): void {
    const choice = this.#choices[race.earlier] ?? null;
    if (choice === null) return;
    const initials = this.#order.initials(race);
    if (initials.some((actor) => choice.tried.has(actor) || choice.asleep.has(actor))) return;
    const possible = initials.find((actor) => choice.tasks.includes(actor));
    if (possible !== undefined) choice.tried.add(possible);
    // Who waits because it yielded twice can be chosen when another has taken a step: any.
    else for (const task of choice.tasks) choice.tried.add(task);
  }
}

/** Takes the next of what is left to try; false: nothing is. */
function isTurned(branch: Choosing | Acting): boolean {
  if (branch.type === 'hardware') return ++branch.taken < branch.count;
  for (const task of branch.tried) {
    if (branch.done.has(task) || branch.asleep.has(task)) continue;
    branch.taken = task;
    return true;
  }
  return false;
}
