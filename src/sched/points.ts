// Points: the places where a task announces, before it happens, an access to shared state.
//
// Kernel code writes `if (points.on) yield at.pte(address)` directly before the access. Run mode leaves `points.on`
// false, so a point costs one load and branch; exploration and the random policy set it, and then every accessor of
// shared state asserts through `points.check` that the running task's last stop was a point of that kind and object.
// A point covers all accesses to its object up to the next stop; sleeping ends it. test/rules/points.test.ts reads
// all code for it.
//
// Invariants: the Point that `at` hands out is one reused object; whoever keeps it must copy it (the scheduler does).
// `points` speaks of the running task: between steps it is off, so that who inspects a stopped machine needs no point.

import { bug } from '../units.ts';
import { type AccessMode, accesses, type CheckedKind } from './accesses.ts';

/** What the announced object is; the accessor of that state checks it. */
export const POINT_KINDS = [
  'lock',
  'pte',
  'spte',
  'tlb',
  'sequence',
  'page',
  'lru',
  'list',
  'slot',
  'vcpu',
] as const;
export type PointKind = (typeof POINT_KINDS)[number];

export interface Point {
  readonly type: 'point';
  kind: PointKind;
  /** Identity within the kind: a lock id, an Hpa of an entry, a Pfn, a slot, a vCPU index. */
  object: number;
}

const announced: Point = { type: 'point', kind: 'lock', object: 0 };

function point(kind: PointKind, object: number): Point {
  announced.kind = kind;
  announced.object = object;
  return announced;
}

export const at = {
  lock: (lock: { readonly id: number }): Point => point('lock', lock.id),
  pte: (address: number): Point => point('pte', address),
  spte: (address: number): Point => point('spte', address),
  tlb: (cpu: number): Point => point('tlb', cpu),
  sequence: (owner: number): Point => point('sequence', owner),
  page: (frame: number): Point => point('page', frame),
  lru: (list: number): Point => point('lru', list),
  list: (head: number): Point => point('list', head),
  slot: (slot: number): Point => point('slot', slot),
  vcpu: (index: number): Point => point('vcpu', index),
} as const;

interface Check {
  /** The modes of kinds whose accesses are not all marked (accesses.ts). */
  (kind: CheckedKind, object: number, mode: AccessMode): void;
  (kind: Exclude<PointKind, CheckedKind>, object: number): void;
}

/** Process-wide: whether the running task stops at plain points, and the point that it was resumed from. */
export const points = {
  on: false,
  kind: 'lock' as PointKind,
  object: -1,

  /** Called by accessors of shared state under `if (points.on)`. A bug unless the object was announced. */
  check: ((kind: PointKind, object: number, mode?: AccessMode) => {
    if (points.kind !== kind || points.object !== object) {
      bug('access to shared state without its point', {
        access: `${kind} ${object}`,
        point: `${points.kind} ${points.object}`,
      });
    }
    if (mode !== undefined) accesses.observer?.access(kind, object, mode);
  }) as Check,
};
