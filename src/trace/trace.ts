// The trace of one machine: a probe per tracepoint, null until somebody listens, so that an untraced tracepoint costs
// one null check: `trace.kvm_entry?.(vcpu, pc)`.
//
// Listeners are a binary ring (every event) and subscribers of the bus (nanoevents, by name). The bus is for
// observers that come and go; the mmu_notifier chain, which needs results, order and sleeping, is notifier/.
//
// Invariants: a probe is non-null exactly while the ring or a subscriber wants its event; the times of records never
// fall.

import { createNanoEvents, type Emitter } from 'nanoevents';
import { EVENT_NAMES, type EventName, fieldNames } from './events.ts';
import type { RecordOf, TraceRecord, TraceRing } from './ring.ts';

export type Probe = (
  a?: number,
  b?: number,
  c?: number,
  d?: number,
  e?: number,
  f?: number,
  g?: number,
  h?: number,
  i?: number,
  j?: number,
  k?: number,
  l?: number,
  m?: number,
) => void;

/** The tracepoints, as kernel code sees them. */
export type Tracepoints = { [Name in EventName]: Probe | null };

type Listeners = { [Name in EventName]: (record: TraceRecord) => void };

/** Who stamps a record: virtual time in ns and the running task. */
export interface Stamp {
  /** May fall: a task that has not settled what it spent is ahead of the others. */
  readonly now: number;
  readonly currentId: number;
}

export class Trace {
  readonly points: Tracepoints;
  readonly #stamp: Stamp;
  readonly #bus: Emitter<Listeners> = createNanoEvents<Listeners>();
  #ring: TraceRing | null = null;
  #wanted: ReadonlySet<EventName> = new Set();
  #lastTime = 0;

  constructor(stamp: Stamp) {
    this.#stamp = stamp;
    this.points = Object.fromEntries(EVENT_NAMES.map((name) => [name, null])) as Tracepoints;
  }

  /** These events go to `ring` from now on; null detaches. */
  attachRing(ring: TraceRing | null, wanted: readonly EventName[] = EVENT_NAMES): void {
    this.#ring = ring;
    this.#wanted = new Set(ring === null ? [] : wanted);
    for (const name of EVENT_NAMES) this.#arm(name);
  }

  /**
   * Calls `listener` for each `name` from now on; what it throws passes through the kernel code that traced. Returns the
   * function that unsubscribes this subscription and no other, not even one of the same listener. Both may be called
   * while the event is delivered: they count from the next event.
   */
  subscribe<Name extends EventName>(name: Name, listener: (record: RecordOf<Name>) => void): () => void {
    // nanoevents removes by identity.
    const off = this.#bus.on(name as EventName, (record) => listener(record as RecordOf<Name>));
    this.#arm(name);
    return () => {
      off();
      this.#arm(name);
    };
  }

  #arm(name: EventName): void {
    const listened = (this.#bus.events[name]?.length ?? 0) > 0;
    const ring = this.#wanted.has(name) ? this.#ring : null;
    if (ring === null && !listened) this.points[name] = null;
    else this.points[name] = listened ? this.#busProbe(name, ring) : this.#ringProbe(name, ring!);
  }

  #time(): number {
    const { now } = this.#stamp;
    if (now > this.#lastTime) this.#lastTime = now;
    return this.#lastTime;
  }

  #ringProbe(name: EventName, ring: TraceRing): Probe {
    const event = EVENT_NAMES.indexOf(name);
    const stamp = this.#stamp;
    return (a, b, c, d, e, f, g, h, i, j, k, l, m) =>
      ring.record(event, this.#time(), stamp.currentId, a, b, c, d, e, f, g, h, i, j, k, l, m);
  }

  #busProbe(name: EventName, ring: TraceRing | null): Probe {
    const event = EVENT_NAMES.indexOf(name);
    const stamp = this.#stamp;
    const names = fieldNames(name);
    return (...values) => {
      const time = this.#time();
      ring?.record(event, time, stamp.currentId, ...values);
      const fields: Record<string, number> = {};
      for (let i = 0; i < names.length; i++) fields[names[i]!] = values[i] ?? 0;
      this.#bus.emit(name, { event: name, time, task: stamp.currentId, fields });
    };
  }
}
