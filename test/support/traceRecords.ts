// Trace records for the tests of sinks and readers: made up at random, or those of a guest whose host swaps.

import { C_TYPES } from '../../src/trace/ctypes.ts';
import { EVENT_NAMES, type EventName, fieldNames, shapeOf } from '../../src/trace/events.ts';
import { RECORD_WORDS, TaskNames, type TraceRecord, TraceRing } from '../../src/trace/index.ts';
import type { Text } from '../../src/trace/shape.ts';
import { loadGuest, startGuest } from '../guests/support.ts';

export const TASKS = new TaskNames((id) => (id === 0 ? null : { name: `task${id}`, cpu: id % 2 }));

/** A generator of numbers in [0, 1) (Lehmer). */
export function lehmer(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return (state - 1) / 2147483646;
  };
}

/** `count` records of all events in turn, with values that fit their fields, for `take` in batches. */
export function randomRecords(count: number, take: (records: Float64Array) => void): TraceRecord[] {
  const random = lehmer(1);
  const all: TraceRecord[] = [];
  const ring = new TraceRing(1000, take);
  let time = 1e9;
  for (let i = 0; i < count; i++) {
    const number = i % EVENT_NAMES.length;
    const event = EVENT_NAMES[number]!;
    // Now and then a span that an entry of trace.dat has no room for.
    time += Math.floor(random() * (random() < 0.001 ? 1e9 : 2000)) + 1;
    const task = 1 + Math.floor(random() * 6);
    const values = fieldNames(event).map((field) => randomValue(event, field, random));
    ring.record(number, time, task, ...values);
    all.push({
      event,
      time,
      task,
      fields: Object.fromEntries(fieldNames(event).map((f, j) => [f, values[j]!])),
    });
  }
  ring.flush();
  return all;
}

function randomValue(event: EventName, field: string, random: () => number): number {
  const type = shapeOf(event).fields[field] as keyof typeof C_TYPES | 'cause' | Text;
  const below = (limit: number): number => Math.floor(random() * limit);
  if (typeof type === 'object') return below(type.texts.length);
  if (type === 'cause') return below(2) === 0 ? below(24) : -1 - below(15);
  if (type === 'bool' || type === 'signed char') return below(2);
  if (field.endsWith('_pid')) return below(7);
  const { size } = C_TYPES[type];
  if (size === 1) return below(256);
  if (field === 'role') return below(2 ** 17);
  if (field === 'gfp_flags') return below(2 ** 28);
  if (size === 4) return below(4096);
  return below(2) === 0 ? 1 + below(4096) : 1 + below(2 ** 48);
}

/** The records of a guest with two harts that sorts more than its host can hold, and the names of its tasks. */
export function guestRecords(take: (records: Float64Array) => void): { tasks: TaskNames; records: number } {
  let records = 0;
  const ring = new TraceRing(1000, (batch) => {
    records += batch.length / RECORD_WORDS;
    take(batch);
  });
  const started = startGuest(loadGuest('harts'), { ring, check: 'off' });
  const { sched } = started.machine;
  while (started.runSlice(() => true) === 'running');
  ring.flush();
  return { tasks: new TaskNames((id) => sched.taskOf(id)), records };
}
