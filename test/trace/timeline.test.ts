// Chrome's JSON and Perfetto's protobuf of a guest that swaps: valid by the rules of those who read them, and equal.

import { describe, expect, it } from 'vitest';
import { SINKS } from '../../src/trace/index.ts';
import { decodeTrace } from '../support/perfetto.ts';
import { guestRecords } from '../support/traceRecords.ts';

interface ChromeEvent {
  ph: string;
  pid: number;
  tid?: number;
  ts?: number;
  name?: string;
  cat?: string;
  id?: number;
  args?: Record<string, unknown>;
}

const batches: Float64Array[] = [];
const { tasks } = guestRecords((batch) => batches.push(batch.slice()));

function written(format: 'chrome' | 'pftrace'): Uint8Array {
  const chunks: Uint8Array[] = [];
  const sink = SINKS[format]({ write: (bytes) => chunks.push(bytes.slice()), tasks, cpus: 2 });
  for (const batch of batches) sink.add(batch);
  sink.end();
  return Buffer.concat(chunks);
}

const { traceEvents } = JSON.parse(new TextDecoder().decode(written('chrome'))) as {
  traceEvents: ChromeEvent[];
};
const timed = traceEvents.filter(({ ph }) => ph !== 'M');

describe('Chrome JSON', () => {
  it('has times that strictly increase', () => {
    const times = timed.map(({ ts }) => ts!);
    expect(times.length).toBeGreaterThan(1000);
    expect(times.filter((time, i) => i > 0 && !(time > times[i - 1]!))).toEqual([]);
  });

  it('has slices that nest on each thread, and end', () => {
    const open = new Map<number, string[]>();
    for (const { ph, tid, name } of timed) {
      const stack = open.get(tid!) ?? [];
      if (ph === 'B') stack.push(name!);
      if (ph === 'E') expect(stack.pop()).toBeDefined();
      open.set(tid!, stack);
    }
    expect([...open.values()].flat()).toEqual([]);
    const names = new Set(timed.filter(({ ph }) => ph === 'B').map(({ name }) => name!));
    for (const name of ['guest', 'exit mmuFault', 'invalidate_range', 'balance_pgdat'])
      expect(names).toContain(name);
  });

  it('has flows with a start before their end, each within a slice', () => {
    const depth = new Map<number, number>();
    const started = new Set<number>();
    let ended = 0;
    for (const { ph, tid, id } of timed) {
      if (ph === 'B' || ph === 'E') depth.set(tid!, (depth.get(tid!) ?? 0) + (ph === 'B' ? 1 : -1));
      if (ph !== 's' && ph !== 'f') continue;
      expect(depth.get(tid!)).toBeGreaterThan(0);
      if (ph === 's') expect(started.has(id!)).toBe(false);
      if (ph === 's') started.add(id!);
      else expect(started.delete(id!)).toBe(true);
      if (ph === 'f') ended++;
    }
    expect(started.size).toBe(0);
    expect(ended).toBeGreaterThan(10);
  });

  it('names its process and every thread', () => {
    const named = traceEvents
      .filter(({ ph }) => ph === 'M')
      .map(({ name, tid, args }) => [name, tid, args!.name]);
    expect(named[0]).toEqual(['process_name', undefined, 'umbra host']);
    const tids = new Set(timed.flatMap(({ tid }) => tid ?? []));
    expect(new Set(named.slice(1).map(([, tid]) => tid))).toEqual(tids);
    expect(named.map(([, , name]) => name)).toContain('vcpu/1');
  });

  it('has 64-bit words as strings', () => {
    const range = timed.find(({ name }) => name === 'invalidate_range')!;
    expect(range.args).toMatchObject({
      start: expect.stringMatching(/^0x[0-9a-f]+$/),
      notify: 'MMU_NOTIFY_CLEAR',
    });
  });
});

describe('Perfetto protobuf', () => {
  it('decodes to the same actions as the JSON', () => {
    const actions = decodeTrace(written('pftrace'));
    const flowsOf = new Map<number, { starts: number[]; ends: number[] }>();
    const expected: unknown[] = [];
    let slice: { starts: number[]; ends: number[] } | null = null;
    for (const { ph, ts, tid, cat, name, args, id } of timed) {
      const time = Math.round(ts! * 1000);
      if (ph === 's') slice!.starts.push(id!);
      else if (ph === 'f') slice!.ends.push(id!);
      else if (ph === 'C') expected.push({ type: 'counter', time, name, value: args!.value });
      else if (ph === 'E') expected.push({ type: 'end', time, tid });
      else {
        const flows = { starts: [], ends: [] };
        if (ph === 'B') slice = flows;
        expected.push({ type: ph === 'B' ? 'begin' : 'instant', time, tid, cat, name, args, ...flows });
        flowsOf.set(expected.length - 1, flows);
      }
    }
    for (const [index, { starts, ends }] of flowsOf)
      Object.assign(expected[index] as object, { starts, ends });
    expect(actions.events).toHaveLength(expected.length);
    actions.events.forEach((event, i) => {
      if (JSON.stringify(event) !== JSON.stringify(expected[i])) expect(event).toEqual(expected[i]);
    });
  });

  it('names process, threads and counters', () => {
    const { threads, counters, process } = decodeTrace(written('pftrace'));
    expect(process).toBe('umbra host');
    expect([...threads.values()]).toEqual(expect.arrayContaining(['vcpu/0', 'vcpu/1', 'kswapd0']));
    expect([...counters.values()]).toContain('pages written to swap');
  });
});
