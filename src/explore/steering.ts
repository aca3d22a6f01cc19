// The policy that the explorer gives a world's scheduler: it stops at points and asks a strategy who goes on.
//
// It keeps what every strategy needs: which task ran last, whether that one could go on, who has merely yielded, how
// many points each has passed; and it writes down the schedule as it happens. Points at which no switch can matter
// (sharing.ts) are passed without a stop; they count as steps all the same.
//
// A task that gave the CPU away goes last, and waits where it tries again in vain (retries.ts). That, and the limit on
// steps, is all that retry loops need.

import { filter, undo } from '../journal/index.ts';
import { type Point, type PointKind, type Policy, points, type Task } from '../sched/index.ts';
import { bug } from '../units.ts';
import { type Access, hasYielded, isAtPoint, isTranslation } from './dependency.ts';
import type { Hardware } from './hardware.ts';
import type { HardwareAction } from './hardwareAction.ts';
import { History } from './history.ts';
import type { Races } from './races.ts';
import { Retries } from './retries.ts';
import type { Deviation } from './schedule.ts';
import { Sharing } from './sharing.ts';

/** Points of a run that may be passed without a stop; whoever comes to more of them is seen to be in a loop (explorer.ts). */
const MAX_PASSED = 1_000_000;

/** What a strategy chooses from. */
export interface Choice {
  /** Those that may go on: the default first, the rest in the order in which they became runnable. */
  readonly tasks: readonly Task[];
  /** The first is the task that ran last, stopped at a point: to choose another pre-empts it. */
  readonly preempts: boolean;
  /** The state that the choice is made in (history.ts). */
  readonly state: () => number;
}

/** What hardware may do before a step. */
export interface HardwareChoice {
  readonly actions: readonly HardwareAction[];
  /** Who takes the step. */
  readonly task: Task;
  readonly state: () => number;
}

/** For who writes a run down. */
export interface Watcher {
  /** `task` is about to take a step. */
  step(task: Task): void;
  /** Hardware has acted, before a step. */
  acted(action: HardwareAction): void;
}

export interface Strategy {
  /** It asks for the state: the past is written down. */
  readonly remembers?: boolean;
  /** Index into choice.tasks, or -1: the run need not go on. */
  choose(choice: Choice): number;
  /** It knows what it wants, and waits for it to be offered. */
  readonly repeats?: boolean;
  /** Hardware may act (again) in this run. */
  readonly wantsHardware?: boolean;
  /** Number of the action that hardware takes, from 1; 0: none, or no more before this step; -1: the run need not go on. */
  hardware?(choice: HardwareChoice): number;
  /** The step is over before which hardware() was asked last: nothing that it could have chosen makes a difference. */
  hardwareWasVain?(): void;
  /** Told of each access that a step makes beside the one that it stood before. */
  passing?(kind: PointKind, object: number): void;
  /** Told of each access when it is over. */
  accessed?(access: Access): void;
  /** The step that is taken looks at the time, or at everything, or changes what is due: it depends on all others. */
  timed?(): void;
  /** Told that `task` became runnable: spawned or woken by a task that runs, or by an event between steps (null). */
  woken?(task: Task, by: Task | null): void;
  /** Told of each step; `state` is what it is taken in. True: the run need not go on. */
  stepping?(task: Task, state: () => number): boolean | undefined;
}

const STOPS = (): boolean => true;

/** The schedule without deviations. */
export const STRAIGHT: Strategy = { choose: () => 0 };

export class Steering implements Policy {
  stopsAtPoints = false;
  strategy: Strategy = STRAIGHT;
  /** Between begin() and end(): the strategy is asked. */
  #isExploring = false;
  /** Virtual time and what is due in it. */
  clock: () => number = () => 0;
  /** What an access changes is seen in the undo log when it is over: it is not where a store may be seen late. */
  knowsReads = true;
  /** What was chosen against the default, in this run. */
  deviations: Deviation[] = [];
  preemptions = 0;
  /** Steps of all tasks in this run, stop or not. */
  passed = 0;
  /** The strategy has seen enough of this run: what comes now it knows. */
  isPruned = false;
  /** Choices made in this run, and times that hardware could have acted. */
  choices = 0;
  chances = 0;
  hardware: Hardware | null = null;
  watcher: Watcher | null = null;
  /** Null: nobody looks for data races. */
  races: Races | null = null;
  readonly sharing = new Sharing();
  readonly history = new History();
  /** The scheduler's goesOn(). */
  goesOn: (point: Point) => boolean = () => false;
  /** For traces: every point is a stop, also where no switch can matter. */
  stopsEverywhere = false;
  /** The step that was taken last can have changed a page table, an rmap or a TLB. */
  changedTranslation = false;
  /** Entries of the undo log before the step that was taken last. */
  #loggedBefore = 0;
  /** Hardware could have acted before the step that is taken. */
  #wasOffered = false;
  #last: Task | null = null;
  /** The access that is under way: whose; null: none. What it names, and what the undo log and the clock were. */
  #accessor: Task | null = null;
  #kind: PointKind = 'lock';
  #object = 0;
  #logged = 0;
  #began = 0;
  #hasWalked = false;
  /** It has woken or spawned somebody, or asked for an event. */
  #hasWoken = false;
  #isTimed = false;
  /** Who takes the next step, for #state: an id; its negative, if a choice may say otherwise; or nobody. */
  #next = 0;
  readonly #retries = new Retries();
  /** How the last step ended is noted. */
  #isStopNoted = true;

  begin(strategy: Strategy): void {
    this.strategy = strategy;
    this.stopsAtPoints = this.#isExploring = true;
    filter.stops = this.stopsAt;
    this.deviations = [];
    this.preemptions = 0;
    this.choices = 0;
    this.chances = 0;
    this.passed = 0;
    this.#last = null;
    this.#accessor = null;
    this.#retries.begin();
    this.#isStopNoted = true;
    if (strategy.remembers === true) this.history.begin();
    this.isPruned = false;
    this.#wasOffered = false;
  }

  end(): void {
    this.stopsAtPoints = this.#isExploring = false;
    filter.stops = STOPS;
    this.strategy = STRAIGHT;
  }

  /** `run` runs tasks while nobody has a choice: points are only counted, and stop them when there were too many for an end. */
  alone<T>(run: () => T): T {
    const { check } = points;
    let passed = 0;
    filter.stops = () => ++passed > MAX_PASSED;
    points.check = () => {};
    this.stopsAtPoints = true;
    try {
      return run();
    } finally {
      this.stopsAtPoints = false;
      points.check = check;
      filter.stops = STOPS;
    }
  }

  pick(runnable: readonly Task[]): number {
    if (!this.#isExploring) return 0;
    this.#close();
    this.#noteStop();
    const last = this.#last;
    const goesOn = last !== null && runnable[0] === last && isAtPoint(last);
    const tasks = this.#retries.choose(runnable);
    if (tasks.length === 1) return runnable.indexOf(tasks[0]!);
    this.choices++;
    const index = this.#choose(tasks, goesOn);
    const chosen = tasks[index] ?? bug('a strategy chose no task', { index, count: tasks.length });
    if (index !== 0) {
      if (goesOn) this.preemptions++;
      this.deviations.push({
        after: last?.name ?? '',
        steps: last?.steps ?? 0,
        to: chosen.name,
        hardware: false,
      });
    }
    return runnable.indexOf(chosen);
  }

  #choose(tasks: readonly Task[], goesOn: boolean): number {
    this.#next = goesOn ? -(this.#last?.id ?? 0) : 0;
    const index = this.strategy.choose({ tasks, preempts: goesOn, state: this.#state });
    if (index >= 0) return index;
    this.isPruned = true;
    return 0;
  }

  /** What decides what can come: the past, who takes the next step, who must wait, and the clock. */
  readonly #state = (): number => {
    return this.history.state(this.#next, this.#retries.state, this.clock());
  };

  stepping(task: Task): void {
    if (!this.#isExploring) return;
    this.#close();
    this.#loggedBefore = undo.length;
    this.#noteStop();
    this.#retries.step(task);
    this.#last = task;
    this.#isStopNoted = false;
    this.changedTranslation = !isAtPoint(task) || isTranslation(task.pointKind);
    this.#next = task.id;
    if (this.strategy.stepping?.(task, this.#state) === true) this.isPruned = true;
    else this.#letHardwareAct(task);
    this.#count(task);
    this.races?.step(task);
    this.watcher?.step(task);
    if (isAtPoint(task)) this.#open(task, task.pointKind, task.pointObject);
    else if (this.strategy.remembers === true) this.history.resume(task);
  }

  #open(task: Task, kind: PointKind, object: number): void {
    this.#accessor = task;
    this.#kind = kind;
    this.#object = object;
    this.#logged = undo.length;
    this.#hasWalked = false;
    this.#hasWoken = this.#isTimed = false;
    this.#began = this.clock();
  }

  /** The access that was under way is over, if there was one. */
  #close(): void {
    const task = this.#accessor;
    if (task === null) return;
    this.#accessor = null;
    const isTimed = this.#isTimed || this.clock() !== this.#began;
    const isRead =
      this.knowsReads &&
      undo.on &&
      undo.length === this.#logged &&
      !(this.#hasWoken || isTimed || task.state === 'blocked');
    if (!isRead) this.sharing.write(this.#kind, this.#object);
    const { strategy } = this;
    if (strategy.remembers === true || strategy.accessed !== undefined) {
      const access = { kind: this.#kind, object: this.#object, isRead, isQuiet: this.#isQuiet(task) };
      if (strategy.remembers === true) this.history.access(task, access);
      strategy.accessed?.(access);
    }
    if (isTimed) strategy.timed?.();
  }

  /** What hardware may do on its own follows from where a vCPU is, too. */
  #isQuiet(task: Task): boolean {
    if (this.strategy.wantsHardware === true) return false;
    return this.#kind === 'vcpu' ? !this.#hasWalked : this.#kind === 'tlb' && handlesIpis(task);
  }

  /** A hart runs in the step that is taken. */
  walked(): void {
    this.#hasWalked = true;
  }

  /** The step that is taken looks at whatever it likes, to see whether it is right. */
  looked(): void {
    this.strategy.timed?.();
  }

  scheduled(event: number): void {
    this.#isTimed = true;
    this.races?.scheduled(event);
  }

  delivering(event: number): void {
    this.races?.delivering(event);
  }

  woken(task: Task, by: Task | null): void {
    this.#hasWoken = true;
    this.races?.woken(task, by);
    this.strategy.woken?.(task, by);
  }

  /** The step that is taken makes an access beside the one that its task stood before. */
  accessed(kind: PointKind, object: number): void {
    const task = this.#last;
    if (task === null || !this.#isExploring) return;
    if (isTranslation(kind)) this.changedTranslation = true;
    if (this.strategy.remembers === true) this.history.access(task, { kind, object });
    this.strategy.passing?.(kind, object);
    this.strategy.accessed?.({ kind, object });
  }

  /** The step that was taken last, or what hardware did before it, has changed something. */
  get hasWritten(): boolean {
    return undo.length > this.#loggedBefore;
  }

  /** After each step of a run. */
  stepped(): void {
    this.#close();
    if (this.#wasOffered && !this.hardware!.mattered) this.strategy.hardwareWasVain?.();
    this.#wasOffered = false;
  }

  /** Whatever the strategy wants to come before the step. */
  #letHardwareAct(task: Task): void {
    if (this.hardware === null || this.strategy.wantsHardware !== true) return;
    while (this.strategy.wantsHardware) {
      this.#wasOffered = false;
      const actions = this.hardware.before(task, this.strategy.repeats === true);
      if (actions.length === 0) return;
      this.#wasOffered = true;
      this.chances++;
      const chosen = this.strategy.hardware!({ actions, task, state: this.#state });
      if (chosen < 0) this.isPruned = true;
      if (chosen <= 0) return;
      const action = actions[chosen - 1] ?? bug('a strategy chose no action', { chosen });
      this.deviations.push({ after: task.name, steps: task.steps, to: action.name, hardware: true });
      action.perform();
      if (this.strategy.remembers === true) this.history.act(action);
      this.changedTranslation = true;
      this.#retries.act();
      this.watcher?.acted(action);
    }
  }

  #noteStop(): void {
    const task = this.#last;
    if (this.#isStopNoted || task === null) return;
    this.#isStopNoted = true;
    if (!hasYielded(task)) return;
    if (task.isGettingOn) this.#retries.gotOn(task);
    else this.#retries.gaveAway(task);
  }

  #count(task: Task): void {
    this.passed++;
    task.steps++;
  }

  /** The running task has come to `point`: whether it stops there. It does not where others are asked in vain or not at all. */
  readonly stopsAt = (point: Point): boolean => {
    const task = this.#last;
    if (task === null) return true;
    this.#close();
    const matters = this.sharing.touch(task, point);
    if (isTranslation(point.kind)) this.changedTranslation = true;
    if (this.passed > MAX_PASSED) return true;
    if (matters || this.stopsEverywhere) return !this.goesOn(point);
    this.#open(task, point.kind, point.object);
    this.strategy.passing?.(point.kind, point.object);
    // Goes through: the accessor must find the point announced all the same.
    points.kind = point.kind;
    points.object = point.object;
    this.#count(task);
    return false;
  };
}

/**
 * What hardware was offered before a step made no difference to it: from now on `branch` is no choice, though it stays on
 * the path of the search, since it is met each time. Whether it was one.
 */
export function closeVain(branch: { count: number; readonly taken: number }): boolean {
  if (branch.taken > 0 || branch.count === 1) return false;
  branch.count = 1;
  return true;
}

/** What they do is to flush their CPU's TLB. */
const handlesIpis = ({ name }: Task): boolean => name.startsWith('ipi/');
