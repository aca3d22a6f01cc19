// Tracepoints: all of them, by name. The tables of events/ have a row each; systems, names, fields and printed forms
// are Linux 6.18's, and Umbra adds the systems mmu_notifier and swap, for which Linux has no tracepoints.
//
// Invariants (test/trace/events.test.ts): no name stands in two systems; no field is called time, task or event, since a
// line of JSON has these next to them; a record has room for the fields of each.

import { COMPACTION_EVENTS } from './events/compaction.ts';
import { HUGE_MEMORY_EVENTS } from './events/hugeMemory.ts';
import { KSM_EVENTS } from './events/ksm.ts';
import { KVM_EVENTS, KVMMMU_EVENTS } from './events/kvm.ts';
import { MIGRATE_EVENTS } from './events/migrate.ts';
import { EXCEPTION_EVENTS, OOM_EVENTS, SWAP_EVENTS, TLB_EVENTS, VMSCAN_EVENTS } from './events/mm.ts';
import { MMU_NOTIFIER_EVENTS } from './events/mmuNotifier.ts';
import { SCHED_EVENTS } from './events/sched.ts';
import { type EventShape, passedFields } from './shape.ts';

export const EVENTS = {
  ...KVM_EVENTS,
  ...KVMMMU_EVENTS,
  ...MMU_NOTIFIER_EVENTS,
  ...EXCEPTION_EVENTS,
  ...VMSCAN_EVENTS,
  ...HUGE_MEMORY_EVENTS,
  ...MIGRATE_EVENTS,
  ...COMPACTION_EVENTS,
  ...SWAP_EVENTS,
  ...TLB_EVENTS,
  ...KSM_EVENTS,
  ...OOM_EVENTS,
  ...SCHED_EVENTS,
};

export type EventName = keyof typeof EVENTS;
export const EVENT_NAMES = Object.keys(EVENTS) as EventName[];
export const MAX_FIELDS = 13;

export const shapeOf = (name: EventName): EventShape => EVENTS[name];

const FIELD_NAMES = new Map(EVENT_NAMES.map((name) => [name, passedFields(EVENTS[name])]));

/** The fields that a record has, in order: those of comms left out. */
export const fieldNames = (name: EventName): readonly string[] => FIELD_NAMES.get(name)!;
