// Hardware on its own: what vCPUs, host CPUs and timers may do between any two steps of kernel tasks.
//
// A vCPU that is in the guest walks and fills its TLB by speculation (setting A), walks for the store that it is about to
// make (setting D), evicts, and goes on executing until its kick arrives (hartActions.ts). A host CPU that has the process
// loaded fills and evicts (cpuActions.ts). A completion or timer comes early. Where memory is weak, a store is seen late, or
// a load sees the value before (weakMemory.ts). steering.ts asks for what is possible before each step and has the strategy
// choose; what is chosen counts against a bound of its own, not as a pre-emption.
//
// An action is offered only directly before a step that it may not commute with: a walk before one that touches the
// entry that ends it, and what needs the hart in the guest before it leaves. Any earlier it would have done the same.
// Invariant: looking for actions changes nothing.

import type { Task } from '../sched/index.ts';
import { CpuActions } from './cpuActions.ts';
import type { HardwareAction } from './hardwareAction.ts';
import { HartActions } from './hartActions.ts';
import { WeakActions } from './weakActions.ts';
import type { World } from './world.ts';

export class Hardware {
  readonly #world: World;
  readonly #harts: readonly HartActions[];
  readonly #cpus: readonly CpuActions[];
  readonly #clock: HardwareAction;
  readonly #weak: WeakActions;
  /** Nothing was offered but what memory may do. */
  #isOnlyMemory = false;
  /** The last event that could have come early. */
  #lastEvent = 0;
  /** The entry that the step touches for whose sake walks were offered, and what it was; -1: offered for another reason. */
  #entry = -1;
  #old = 0;

  constructor(world: World) {
    this.#world = world;
    const { harts, host } = world;
    this.#harts = harts.map((hart) => new HartActions(world, hart, -1 - hart.id));
    this.#cpus = host.cpus.map((_, cpu) => new CpuActions(world, cpu, -1 - harts.length - cpu));
    const id = -1 - harts.length - host.cpus.length;
    this.#clock = {
      actor: { id, name: 'clock', kind: null, object: 0 },
      name: 'clock',
      text: 'the next completion or timer comes now',
      number: 1,
      perform: () => world.sched.deliverNext(),
    };
    this.#weak = new WeakActions(world, id - 1);
  }

  /** A run begins. */
  begin(): void {
    this.#lastEvent = this.#world.sched.nextEvent;
    for (const hart of this.#harts) hart.begin();
  }

  /**
   * What may happen directly before `task` takes the step that it stands before. `repeats`: also what was offered before
   * and would do the same now.
   */
  before(task: Task, repeats: boolean): readonly HardwareAction[] {
    const actions: HardwareAction[] = [];
    this.#entry = -1;
    const { nextEvent } = this.#world.sched;
    if (nextEvent > this.#lastEvent || (repeats && nextEvent > 0)) {
      // Come early it may be handled at any time; so once is enough.
      this.#lastEvent = nextEvent;
      actions.push(this.#clock);
    }
    this.#addOfPoint(actions, task);
    const isFirst = actions.length === 0;
    this.#isOnlyMemory = this.#weak.add(actions, task) && isFirst;
    return actions;
  }

  #addOfPoint(actions: HardwareAction[], task: Task): void {
    const { pointKind, pointObject } = task;
    if (pointObject < 0) return;
    if (pointKind === 'vcpu') this.#harts[pointObject]?.addAtDoor(actions, task);
    else if (pointKind === 'tlb') this.#cpus[pointObject]?.addEvictions(actions);
    else if (pointKind === 'spte' || pointKind === 'pte') {
      const walkers = pointKind === 'spte' ? this.#harts : this.#cpus;
      if (actions.length === 0) this.#entry = pointObject >>> 2;
      this.#old = this.#world.host.memory.i32[pointObject >>> 2]!;
      for (const walker of walkers) walker.addWalks(actions, pointObject);
    }
  }

  /** The step is over: whether it can make a difference that the actions came before it. */
  get mattered(): boolean {
    if (this.#isOnlyMemory) return this.#weak.mattered;
    return this.#entry < 0 || this.#world.host.memory.i32[this.#entry] !== this.#old;
  }
}
