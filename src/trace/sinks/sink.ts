// What every sink is: it takes the records of the ring and writes a trace that some other tool reads.
//
// platform/ gives it a file to write to; the ring's `onFull` hands it the records. Sinks are pure: the same records give
// the same bytes.

import { EVENT_NAMES } from '../events.ts';
import { decodeRecord, EVENT, RECORD_WORDS, TASK, type TraceRecord } from '../ring.ts';
import type { TaskNames } from '../tasks.ts';
import type { Spool } from './spool.ts';

export interface Sink {
  /** Whole records, oldest first, in memory that is reused afterwards. */
  add(records: Float64Array): void;
  /** There are no more. */
  end(): void;
}

export interface SinkOptions {
  /** Appends to the trace; copies the bytes. */
  readonly write: (bytes: Uint8Array) => void;
  readonly tasks: TaskNames;
  /** Host CPUs. */
  readonly cpus: number;
  /** Where to keep what can be written only at the end; memory, if it is left out. */
  readonly newSpool?: () => Spool;
}

/** Where a record was made: the task and its CPU. A switch is the previous task's, on the CPU that is switched. */
export interface Place {
  readonly task: number;
  readonly cpu: number;
}

export function placeOf({ event, task, fields }: TraceRecord, tasks: TaskNames): Place {
  if (event !== 'sched_switch') return { task, cpu: tasks.cpuOf(task) };
  const { prev_pid = 0, next_pid = 0 } = fields;
  return { task: prev_pid, cpu: tasks.cpuOf(prev_pid === 0 ? next_pid : prev_pid) };
}

/** placeOf() of the record that starts at word `base`. */
export function placeAt(words: Float64Array, base: number, tasks: TaskNames): Place {
  if (words[base + EVENT] !== SWITCH) {
    const task = words[base + TASK]!;
    return { task, cpu: tasks.cpuOf(task) };
  }
  return placeOf(decodeRecord(words, base), tasks);
}

const SWITCH = EVENT_NAMES.indexOf('sched_switch');

export function* decodeAll(records: Float64Array): Iterable<TraceRecord> {
  for (let at = 0; at < records.length; at += RECORD_WORDS) yield decodeRecord(records, at);
}

/**
 * Virtual time, made strictly increasing: where many things happen at one time (nothing but the guest takes any), tools
 * could not tell their order, nor nest slices.
 */
export class StrictClock {
  #last = -1;

  next(time: number): number {
    this.#last = Math.max(Math.floor(time), this.#last + 1);
    return this.#last;
  }
}
