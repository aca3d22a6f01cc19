// The binary trace ring: order, wrap-around, and what onFull is handed.

import { describe, expect, it } from 'vitest';
import { decodeRecord, EVENT_NAMES, RECORD_WORDS, TraceRing } from '../../src/trace/index.ts';
import { bugOf } from '../support/tasks.ts';

const ENTRY = EVENT_NAMES.indexOf('kvm_entry');
const PAGE_FAULT = EVENT_NAMES.indexOf('kvm_page_fault');

/** Records kvm_entry at times first, first + 1, ... */
function recordEntries(ring: TraceRing, first: number, count: number): void {
  for (let time = first; time < first + count; time++) ring.record(ENTRY, time, 1, 0, time * 4);
}
const timesIn = (ring: TraceRing): number[] => [...ring.records()].map(({ time }) => time);

describe('the trace ring', () => {
  it('gives back what was recorded, by the names of the fields', () => {
    const ring = new TraceRing(4);
    ring.record(PAGE_FAULT, 1500, 3, 1, 0x80000000, -4096, 2 ** 40);
    expect([...ring.records()]).toEqual([
      {
        event: 'kvm_page_fault',
        time: 1500,
        task: 3,
        fields: { vcpu_id: 1, guest_rip: 0x80000000, fault_address: -4096, error_code: 2 ** 40 },
      },
    ]);
  });

  it('takes fields that were not given as 0, also where an older record lay', () => {
    const ring = new TraceRing(1);
    ring.record(ENTRY, 1, 1, 7, 7);
    ring.record(ENTRY, 2, 1);
    expect([...ring.records()][0]!.fields).toEqual({ pc: 0, vcpu_id: 0 });
  });

  it.each([0, 1, 3, 4])('keeps all of %i records within its capacity of 4', (count) => {
    const ring = new TraceRing(4);
    recordEntries(ring, 0, count);
    expect(timesIn(ring)).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it.each([5, 6, 8, 11])('keeps the last 4 of %i records, oldest first', (count) => {
    const ring = new TraceRing(4);
    recordEntries(ring, 0, count);
    expect(timesIn(ring)).toEqual([count - 4, count - 3, count - 2, count - 1]);
    expect(ring.recorded).toBe(count);
  });

  it('hands itself over when a full one is to take another record, and the rest at a flush', () => {
    const batches: number[][] = [];
    const ring = new TraceRing(3, (words) => {
      const times: number[] = [];
      for (let at = 0; at < words.length; at += RECORD_WORDS) times.push(decodeRecord(words, at).time);
      batches.push(times);
    });
    recordEntries(ring, 0, 3);
    expect(batches).toEqual([]);
    recordEntries(ring, 3, 5);
    expect(batches).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(timesIn(ring)).toEqual([6, 7]);
    ring.flush();
    ring.flush();
    expect(batches.slice(2)).toEqual([[6, 7]]);
    expect([timesIn(ring), ring.recorded]).toEqual([[], 8]);
  });

  it('keeps its records at a flush when nobody takes them', () => {
    const ring = new TraceRing(2);
    recordEntries(ring, 0, 2);
    ring.flush();
    expect(timesIn(ring)).toEqual([0, 1]);
  });

  it.each([0, -1, 1.5, Number.NaN])('cannot have room for %d records', (capacity) => {
    expect(bugOf(() => new TraceRing(capacity)).message).toBe('trace ring without room');
  });
});
