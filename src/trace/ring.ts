// The binary trace ring: fixed records of doubles in typed memory, written by tracepoints, read by sinks.
//
// A record is [event, time, task, fields...]. Recording allocates nothing. When a full ring is to take one more record,
// it is handed to `onFull` (a digest, a file) and starts again; without one it overwrites the oldest, as ftrace does.
//
// Invariant: records lie in the order in which they were written; `recorded` counts all of them, ever.

import { bug } from '../units.ts';
import { EVENT_NAMES, type EVENTS, type EventName, fieldNames, MAX_FIELDS } from './events.ts';
import type { Comm } from './shape.ts';

/** Words of a record. */
export const EVENT = 0;
export const TIME = 1;
export const TASK = 2;
export const FIELDS = 3;
/** Doubles in a record. */
export const RECORD_WORDS = FIELDS + MAX_FIELDS;

export interface TraceRecord {
  readonly event: EventName;
  /** Virtual time, ns. */
  readonly time: number;
  /** Id of the running task; 0: an event, between steps. */
  readonly task: number;
  readonly fields: Readonly<Record<string, number>>;
}

type FieldsOf<Name extends EventName> = (typeof EVENTS)[Name]['fields'];

/** A record of event `Name`: each of its fields is there. Those of comms are left out. */
export interface RecordOf<Name extends EventName> extends TraceRecord {
  readonly event: Name;
  readonly fields: {
    readonly [Field in keyof FieldsOf<Name> as FieldsOf<Name>[Field] extends Comm ? never : Field]: number;
  };
}

export class TraceRing {
  readonly #words: Float64Array;
  readonly #capacity: number;
  readonly #onFull: ((records: Float64Array) => void) | null;
  #used = 0;
  #oldest = 0;
  recorded = 0;

  /**
   * `capacity` in records, at least 1. `onFull` gets whole records, oldest first, in memory that is reused when it
   * returns; it must not trace.
   */
  constructor(capacity: number, onFull: ((records: Float64Array) => void) | null = null) {
    if (!Number.isInteger(capacity) || capacity < 1) bug('trace ring without room', { capacity });
    this.#capacity = capacity;
    this.#words = new Float64Array(capacity * RECORD_WORDS);
    this.#onFull = onFull;
  }

  /** The fields in order; what is left out is 0. */
  record(
    event: number,
    time: number,
    task: number,
    a = 0,
    b = 0,
    c = 0,
    d = 0,
    e = 0,
    f = 0,
    g = 0,
    h = 0,
    i = 0,
    j = 0,
    k = 0,
    l = 0,
    m = 0,
  ): void {
    const base = this.#claim() * RECORD_WORDS;
    const words = this.#words;
    words[base + EVENT] = event;
    words[base + TIME] = time;
    words[base + TASK] = task;
    words[base + FIELDS] = a;
    words[base + FIELDS + 1] = b;
    words[base + FIELDS + 2] = c;
    words[base + FIELDS + 3] = d;
    words[base + FIELDS + 4] = e;
    words[base + FIELDS + 5] = f;
    words[base + FIELDS + 6] = g;
    words[base + FIELDS + 7] = h;
    words[base + FIELDS + 8] = i;
    words[base + FIELDS + 9] = j;
    words[base + FIELDS + 10] = k;
    words[base + FIELDS + 11] = l;
    words[base + FIELDS + 12] = m;
  }

  /** Hands what is in the ring to `onFull` and empties it; without `onFull` or records, nothing happens. */
  flush(): void {
    if (this.#onFull === null || this.#used === 0) return;
    this.#onFull(this.#words.subarray(0, this.#used * RECORD_WORDS));
    this.#used = 0;
  }

  /** The records in the ring, oldest first. */
  *records(): Iterable<TraceRecord> {
    for (let i = 0; i < this.#used; i++) {
      yield decodeRecord(this.#words, ((this.#oldest + i) % this.#capacity) * RECORD_WORDS);
    }
  }

  #claim(): number {
    this.recorded++;
    if (this.#used === this.#capacity) {
      if (this.#onFull === null) return this.#overwriteOldest();
      this.flush();
    }
    return this.#used++;
  }

  #overwriteOldest(): number {
    const index = this.#oldest;
    this.#oldest = (index + 1) % this.#capacity;
    return index;
  }
}

/** Reads the record that starts at word `base`. */
export function decodeRecord(words: Float64Array, base: number): TraceRecord {
  const event = EVENT_NAMES[words[base + EVENT] ?? 0]!;
  const fields: Record<string, number> = {};
  let at = base + FIELDS;
  for (const name of fieldNames(event)) fields[name] = words[at++] ?? 0;
  return { event, time: words[base + TIME] ?? 0, task: words[base + TASK] ?? 0, fields };
}
