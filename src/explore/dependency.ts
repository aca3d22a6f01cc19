// Which steps depend on each other: the one definition that the cache, sleep sets and DPOR share.
//
// Two accesses commute unless they are to the same object, or one is hardware's own (a vCPU's or CPU's walk, which looks
// at page tables and frames without a point) and the other to what hardware looks at. Not all that is done at a TLB or vCPU
// is a walk: to ask for a flush, to do it, or to change a vCPU's mode commutes with what other hardware does; what the
// oracle sees of page tables and frames depends on it all the same. A step before no point touches
// nothing that is shared. Giving the CPU away depends on all that others do: who does so twice while nobody else takes
// a step has to wait (steering.ts). Two accesses that changed nothing commute as well: that is known once they are over,
// and only of what has an undo log.

import type { PointKind, Task } from '../sched/index.ts';

export interface Access {
  readonly kind: PointKind | 'cpu';
  readonly object: number;
  /** Nothing was changed between it and the task's next point. */
  readonly isRead?: boolean;
  /** Of a TLB or vCPU: no hart ran, and no table was walked. */
  readonly isQuiet?: boolean;
}

/** The CPU was given away. */
export const YIELD: Access = { kind: 'cpu', object: 0 };

/** Stopped before an access, not by blocking or yielding. */
export const isAtPoint = (task: Task): boolean => task.pointObject !== -1;

/** Whether the step that `task` took last ended so. Asked before the next step of anybody. */
export const hasYielded = ({ state, pointObject }: Task): boolean =>
  state === 'runnable' && pointObject === -1;

/** What is done there may be a walk of page tables. */
export const isHardware = (kind: Access['kind']): boolean => kind === 'vcpu' || kind === 'tlb';

/** Memory that hardware looks at without a point. */
export const isSeenByHardware = (kind: Access['kind']): boolean =>
  kind === 'pte' || kind === 'spte' || kind === 'page';

/** What a translation is made of, or who may be using one. */
export const isTranslation = (kind: PointKind): boolean =>
  kind === 'pte' || kind === 'spte' || kind === 'tlb' || kind === 'vcpu';

/** Whether it makes a difference which of two steps comes first, by what they access. */
export function dependent(a: readonly Access[], b: readonly Access[]): boolean {
  return a.includes(YIELD) || b.includes(YIELD) || a.some((one) => b.some((other) => conflicts(one, other)));
}

function conflicts(a: Access, b: Access): boolean {
  if (a.isRead && b.isRead) return false;
  if (isHardware(a.kind) && isHardware(b.kind) && !a.isQuiet && !b.isQuiet) return true;
  if (isHardware(a.kind) && isSeenByHardware(b.kind)) return !a.isQuiet || b.isRead !== true;
  if (isHardware(b.kind) && isSeenByHardware(a.kind)) return !b.isQuiet || a.isRead !== true;
  return isSame(a.kind, a.object, b.kind, b.object);
}

const isSame = (kind: Access['kind'], object: number, otherKind: Access['kind'], other: number): boolean =>
  object === other && kind === otherKind;

/** Whether two tasks are about to access one object; more than that may not commute, if one of them is hardware's. */
export const meet = (a: Task, b: Task): boolean =>
  isAtPoint(a) && isSame(a.pointKind, a.pointObject, b.pointKind, b.pointObject);

/** A step with `accesses` is over: whoever of the sleepers stands before one that it does not commute with wakes. */
export function wake<T>(asleep: Map<T, readonly Access[]>, accesses: readonly Access[]): void {
  for (const [sleeper, next] of asleep) if (dependent(next, accesses)) asleep.delete(sleeper);
}
