// From records to what a timeline shows: slices that nest, instants, counters, and flows from a notifier call to the
// flushes that it causes. chrome.ts and perfetto.ts write these down, each in its own language.
//
// A vCPU's thread alternates between "guest" and "exit REASON"; reclaim, a notifier range and the like are slices too;
// every other event is an instant.
//
// Invariants: the times of all actions are strictly increasing; slices of one task nest, and an end without a begin is
// dropped; every flow has both ends, and stands within a slice at each; one flow id per (notifier range, vCPU).

import { HART_EXITS } from '../events/kvm.ts';
import type { EventName } from '../events.ts';
import { shapeOf } from '../events.ts';
import { jsonFields } from '../format.ts';
import type { TraceRecord } from '../ring.ts';
import { decodeAll, placeOf, type Sink, type SinkOptions, StrictClock } from './sink.ts';

export type Args = Readonly<Record<string, string | number | boolean>>;

/** Writes actions down. Times are ns; `task` is a task's id. */
export interface TimelineWriter {
  /** Before the first action of a task. */
  task(task: number, name: string): void;
  begin(time: number, task: number, category: string, name: string, args: Args): void;
  end(time: number, task: number): void;
  instant(time: number, task: number, category: string, name: string, args: Args): void;
  counter(time: number, name: string, value: number): void;
  /** Within the slice that is open on `task`. */
  flow(time: number, task: number, id: number, isEnd: boolean): void;
  finish(): void;
}

/** Events between which a slice lies on the task that makes them. */
const SLICES: Partial<Record<EventName, { readonly opens?: string; readonly closes?: string }>> = {
  invalidate_range_start: { opens: 'invalidate_range' },
  invalidate_range_start_failed: { closes: 'invalidate_range' },
  invalidate_range_end: { closes: 'invalidate_range' },
  mm_vmscan_direct_reclaim_begin: { opens: 'direct_reclaim' },
  mm_vmscan_direct_reclaim_end: { closes: 'direct_reclaim' },
  mm_vmscan_memcg_reclaim_begin: { opens: 'memcg_reclaim' },
  mm_vmscan_memcg_reclaim_end: { closes: 'memcg_reclaim' },
  mm_vmscan_kswapd_wake: { opens: 'balance_pgdat' },
  mm_vmscan_kswapd_sleep: { closes: 'balance_pgdat' },
  kvm_entry: { opens: 'guest', closes: 'exit' },
  kvm_exit: { opens: 'exit', closes: 'guest' },
};

export function timelineSink({ tasks }: SinkOptions, writer: TimelineWriter): Sink {
  const timeline = new Timeline(writer);
  return {
    add(records) {
      for (const record of decodeAll(records)) {
        const { task } = placeOf(record, tasks);
        timeline.add(record, task, tasks.titleOf(task), jsonFields(record, tasks));
      }
    },
    end: () => timeline.end(),
  };
}

class Timeline {
  readonly #writer: TimelineWriter;
  readonly #clock = new StrictClock();
  /** Names of the open slices, by task. */
  readonly #open = new Map<number, string[]>();
  /** Flows that a vCPU has not flushed for yet. */
  readonly #flows = new Map<number, number[]>();
  /** The thread of each vCPU, as far as it has been seen. */
  readonly #threads = new Map<number, number>();
  readonly #totals = new Map<string, number>();
  #nextFlow = 1;
  #now = 0;

  constructor(writer: TimelineWriter) {
    this.#writer = writer;
  }

  add(record: TraceRecord, task: number, title: string, args: Args): void {
    const { event, fields } = record;
    this.#now = record.time;
    if (!this.#open.has(task)) {
      this.#open.set(task, []);
      this.#writer.task(task, title);
    }
    if (event === 'kvm_entry') this.#threads.set(fields.vcpu_id ?? 0, task);
    if (event === 'vcpu_flush_request') this.#request(task, fields.vcpu_id ?? 0, args);
    else if (event === 'vcpu_tlb_flush') this.#flush(task, fields.vcpu_id ?? 0, args);
    else this.#slice(record, task, args);
    this.#count(record);
  }

  /** Ends what is open. */
  end(): void {
    for (const [vcpu, { length }] of this.#flows) {
      if (length > 0) this.#flush(this.#threads.get(vcpu) ?? this.#anyTask(), vcpu, { vcpu_id: vcpu });
    }
    for (const [task, open] of this.#open) {
      for (const _ of open) this.#writer.end(this.#tick(), task);
    }
    this.#writer.finish();
  }

  #anyTask(): number {
    return this.#open.keys().next().value ?? 0;
  }

  #tick(): number {
    return this.#clock.next(this.#now);
  }

  #slice({ event, fields }: TraceRecord, task: number, args: Args): void {
    const { opens, closes } = SLICES[event] ?? {};
    const { system } = shapeOf(event);
    if (closes !== undefined) this.#close(task, closes);
    if (opens !== undefined) {
      this.#open.get(task)!.push(opens);
      const name = opens === 'exit' ? `exit ${HART_EXITS[fields.reason ?? 0] ?? ''}` : opens;
      this.#writer.begin(this.#tick(), task, system, name, args);
    } else if (closes === undefined) {
      this.#writer.instant(this.#tick(), task, system, event, args);
    }
  }

  /** Ends the innermost slice of that name, and what was forgotten inside it. */
  #close(task: number, name: string): void {
    const open = this.#open.get(task)!;
    const depth = open.lastIndexOf(name);
    if (depth < 0) return;
    for (let i = open.length; i > depth; i--) this.#writer.end(this.#tick(), task);
    open.length = depth;
  }

  #request(task: number, vcpu: number, args: Args): void {
    const id = this.#nextFlow++;
    this.#flows.set(vcpu, [...(this.#flows.get(vcpu) ?? []), id]);
    this.#writer.begin(this.#tick(), task, 'mmu_notifier', 'vcpu_flush_request', args);
    this.#writer.flow(this.#tick(), task, id, false);
    this.#writer.end(this.#tick(), task);
  }

  #flush(task: number, vcpu: number, args: Args): void {
    this.#writer.begin(this.#tick(), task, 'mmu_notifier', 'vcpu_tlb_flush', args);
    for (const id of this.#flows.get(vcpu) ?? []) this.#writer.flow(this.#tick(), task, id, true);
    this.#writer.end(this.#tick(), task);
    this.#flows.set(vcpu, []);
  }

  #count({ event, fields }: TraceRecord): void {
    if (fields.in_progress !== undefined && event.startsWith('invalidate_range'))
      this.#writer.counter(this.#tick(), 'notifier ranges in progress', fields.in_progress);
    if (event === 'mm_vmscan_write_folio') this.#add('pages written to swap', 1);
    if (event === 'swap_read_folio') this.#add('pages read from swap', 1);
    if (event === 'mm_vmscan_lru_shrink_inactive') this.#add('pages reclaimed', fields.nr_reclaimed ?? 0);
  }

  #add(name: string, amount: number): void {
    if (amount === 0) return;
    const total = (this.#totals.get(name) ?? 0) + amount;
    this.#totals.set(name, total);
    this.#writer.counter(this.#tick(), name, total);
  }
}
