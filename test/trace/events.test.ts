// The tables of tracepoints keep their own rules, and agree with the enums that they show in words.

import { describe, expect, it } from 'vitest';
import { EXIT_NAMES } from '../../src/hw/hart/index.ts';
import { MmuNotifyEvent } from '../../src/notifier/index.ts';
import { C_TYPES } from '../../src/trace/ctypes.ts';
import { COMPACTION_EVENTS } from '../../src/trace/events/compaction.ts';
import { HUGE_MEMORY_EVENTS } from '../../src/trace/events/hugeMemory.ts';
import { KSM_EVENTS } from '../../src/trace/events/ksm.ts';
import { KVM_EVENTS, KVMMMU_EVENTS } from '../../src/trace/events/kvm.ts';
import { MIGRATE_EVENTS } from '../../src/trace/events/migrate.ts';
import {
  EXCEPTION_EVENTS,
  OOM_EVENTS,
  SWAP_EVENTS,
  TLB_EVENTS,
  VMSCAN_EVENTS,
} from '../../src/trace/events/mm.ts';
import { MMU_NOTIFIER_EVENTS, NOTIFIER_EVENTS } from '../../src/trace/events/mmuNotifier.ts';
import { SCHED_EVENTS } from '../../src/trace/events/sched.ts';
import { EVENT_NAMES, fieldNames, shapeOf } from '../../src/trace/events.ts';
import { HART_EXITS } from '../../src/trace/index.ts';
import { conversionsOf } from '../../src/trace/printf.ts';
import { RECORD_WORDS } from '../../src/trace/ring.ts';
import { isComm, isText } from '../../src/trace/shape.ts';

describe('the tables of tracepoints', () => {
  it.each(EVENT_NAMES)('%s has fields that fit a record and names that fit a line', (name) => {
    const fields = Object.keys(shapeOf(name).fields);
    expect(fields.length).toBeGreaterThan(0);
    expect(fieldNames(name).length).toBeLessThanOrEqual(RECORD_WORDS - 3);
    expect(fields.filter((field) => ['time', 'task', 'event'].includes(field))).toEqual([]);
    expect(fields.every((field) => /^[a-z][a-z_0-9]*$/.test(field))).toBe(true);
  });

  it.each(EVENT_NAMES)('%s prints an argument for each conversion, of fields that it has', (name) => {
    const { fields, format, args } = shapeOf(name);
    expect(conversionsOf(format)).toHaveLength(args.length);
    expect(format.replace(/%%|%[#0-]*\d*(hh|h|ll|l)?(ps|[dcuxXsp])/g, '')).not.toContain('%');
    const named = args.flatMap((arg) =>
      typeof arg === 'string' ? arg : [...arg.c.matchAll(/REC->(\w+)/g)].map(([, field]) => field!),
    );
    expect(named.filter((field) => !(field in fields))).toEqual([]);
  });

  it('state types that have a size', () => {
    const types = EVENT_NAMES.flatMap((name) => Object.values(shapeOf(name).fields));
    expect(
      types.filter((type) => !isComm(type) && !isText(type) && type !== 'cause' && !(type in C_TYPES)),
    ).toEqual([]);
  });

  it('name no event twice', () => {
    const tables = [
      KVM_EVENTS,
      KVMMMU_EVENTS,
      MMU_NOTIFIER_EVENTS,
      EXCEPTION_EVENTS,
      VMSCAN_EVENTS,
      HUGE_MEMORY_EVENTS,
      MIGRATE_EVENTS,
      COMPACTION_EVENTS,
      SWAP_EVENTS,
      TLB_EVENTS,
      KSM_EVENTS,
      OOM_EVENTS,
      SCHED_EVENTS,
    ];
    const names = tables.flatMap((table) => Object.keys(table));
    expect(names.toSorted()).toEqual([...EVENT_NAMES].toSorted());
  });

  it('names the notifier events in order of their values', () => {
    const byValue = Object.entries(MmuNotifyEvent).sort(([, a], [, b]) => a - b);
    expect(byValue.map(([name]) => `MMU_NOTIFY_${name}`)).toEqual(NOTIFIER_EVENTS);
    expect(byValue.map(([, value]) => value)).toEqual(NOTIFIER_EVENTS.map((_, i) => i));
  });

  it('names the exits of a hart in order of their values', () => {
    expect(HART_EXITS).toEqual(EXIT_NAMES);
  });
});
