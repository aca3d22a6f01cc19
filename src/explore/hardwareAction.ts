// What hardware may do on its own, as plain data: who acts, and what it does. hardware.ts says when.

import type { PointKind } from '../sched/index.ts';

/** Who acts: a vCPU, a host CPU or the clock. Its number is below those of all tasks. */
export interface Actor {
  readonly id: number;
  readonly name: string;
  /** What it touches beside the tables that it walks; null: nothing that a point names. */
  readonly kind: PointKind | null;
  readonly object: number;
}

export interface HardwareAction {
  readonly actor: Actor;
  /** For schedules: "vcpu0/fill/80002". */
  readonly name: string;
  /** For people. */
  readonly text: string;
  /** Unique to the actor. */
  readonly number: number;
  readonly perform: () => void;
}

/** Has `count` called whenever one of the methods is. */
export function countCalls<K extends string>(
  object: Record<K, (...args: never[]) => void>,
  names: readonly K[],
  count: () => void,
): void {
  for (const name of names) {
    const method: (...args: never[]) => void = object[name].bind(object);
    object[name] = (...args) => {
      count();
      method(...args);
    };
  }
}
