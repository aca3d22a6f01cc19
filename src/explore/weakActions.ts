// What the memory system can do to the step that a task is about to take, where weak memory is asked for: make its first
// store to a marked variable visible late, or have it read what was there before (sched/weakMemory.ts).
//
// hardware.ts asks before each step. It counts as an action of hardware, whose actor is the CPU of the task.

import type { Task } from '../sched/index.ts';
import type { HardwareAction } from './hardwareAction.ts';
import type { Schedule } from './schedule.ts';
import type { World } from './world.ts';

const DELAYS = 'delays';
const STALE = 'stale';

export class WeakActions {
  readonly #world: World;
  /** Number of the first CPU's actor; the others go on downwards. */
  readonly #firstId: number;
  readonly #actions = new Map<string, HardwareAction>();

  constructor(world: World, firstId: number) {
    this.#world = world;
    this.#firstId = firstId;
  }

  /** Whether anything was added. */
  add(actions: HardwareAction[], task: Task): boolean {
    const { weak } = this.#world.sched;
    if (!weak.on || weak.isArmed) return false;
    const before = actions.length;
    const words = weak.wordsAt(task.pointKind, task.pointObject);
    if (words.length > 0 && !weak.hasDelayed(task.id)) actions.push(this.#delay(task));
    if (words.some((word) => word.isOlderFor(task.id))) actions.push(this.#stale(task));
    return actions.length > before;
  }

  /** The step is over: it stored or loaded something to which it could have happened. */
  get mattered(): boolean {
    const { weak } = this.#world.sched;
    return weak.couldDelay || weak.couldBeStale;
  }

  #delay(task: Task): HardwareAction {
    const { weak } = this.#world.sched;
    return this.#action(task, DELAYS, 1, 'the store that comes next is seen late', () => weak.arm('delay'));
  }

  #stale(task: Task): HardwareAction {
    const { weak } = this.#world.sched;
    return this.#action(task, STALE, 2, 'the load that comes next sees what was there before', () =>
      weak.arm('stale'),
    );
  }

  #action(
    { cpu, pointKind: kind, pointObject: object }: Task,
    what: string,
    number: number,
    text: string,
    perform: () => void,
  ): HardwareAction {
    const key = `${cpu} ${kind} ${object} ${what}`;
    let action = this.#actions.get(key);
    if (action === undefined) {
      const actor = { id: this.#firstId - cpu, name: `cpu${cpu}`, kind, object };
      action = { actor, name: `cpu${cpu}/${what}`, text, number, perform };
      this.#actions.set(key, action);
    }
    return action;
  }
}

/** Whether the schedule is one of weak memory. */
export const isWeak = (schedule: Schedule): boolean =>
  schedule.some(({ hardware, to }) => hardware && (to.endsWith(`/${DELAYS}`) || to.endsWith(`/${STALE}`)));
