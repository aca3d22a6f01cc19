// Tracepoints: null while nobody listens, recorded and delivered when somebody does.

import { describe, expect, it } from 'vitest';
import { EVENT_NAMES, type EventName, Trace, type TraceRecord, TraceRing } from '../../src/trace/index.ts';

const newTrace = (): { trace: Trace; stamp: { now: number; currentId: number } } => {
  const stamp = { now: 0, currentId: 0 };
  return { trace: new Trace(stamp), stamp };
};
const armed = (trace: Trace): EventName[] => EVENT_NAMES.filter((name) => trace.points[name] !== null);

/** A subscriber and the list of the pc fields that it has seen. */
function pcs(): { seen: number[]; listener: (record: TraceRecord) => void } {
  const seen: number[] = [];
  return { seen, listener: (record) => seen.push(record.fields.pc!) };
}

describe('a tracepoint', () => {
  it('is null unless the ring or a subscriber wants its event', () => {
    const { trace } = newTrace();
    expect(armed(trace)).toEqual([]);
    const off = trace.subscribe('kvm_entry', () => {});
    expect(armed(trace)).toEqual(['kvm_entry']);
    trace.attachRing(new TraceRing(1));
    expect(armed(trace)).toEqual(EVENT_NAMES);
    off();
    expect(armed(trace)).toEqual(EVENT_NAMES);
    trace.attachRing(null);
    expect(armed(trace)).toEqual([]);
  });

  it('stamps each event with the virtual time and the running task, for ring and bus alike', () => {
    const { trace, stamp } = newTrace();
    const ring = new TraceRing(4);
    const heard: TraceRecord[] = [];
    trace.attachRing(ring);
    trace.subscribe('kvm_entry', (record) => heard.push(record));
    Object.assign(stamp, { now: 700, currentId: 3 });
    trace.points.kvm_entry?.(0x80000000, 1);
    const expected = [{ event: 'kvm_entry', time: 700, task: 3, fields: { pc: 0x80000000, vcpu_id: 1 } }];
    expect(heard).toEqual(expected);
    expect([...ring.records()]).toEqual(expected);
  });

  it('is armed for the ring only if the ring wants its event', () => {
    const { trace } = newTrace();
    const ring = new TraceRing(4);
    trace.attachRing(ring, ['kvm_exit']);
    expect(armed(trace)).toEqual(['kvm_exit']);
    trace.subscribe('kvm_entry', () => {});
    trace.points.kvm_entry?.(4, 0);
    expect(ring.recorded).toBe(0);
  });

  it('has times that never fall, even where the clock of the next task is behind', () => {
    const { trace, stamp } = newTrace();
    const ring = new TraceRing(4);
    trace.attachRing(ring);
    for (const now of [5, 3, 9]) {
      stamp.now = now;
      trace.points.kvm_entry?.(4, 0);
    }
    expect([...ring.records()].map(({ time }) => time)).toEqual([5, 5, 9]);
  });

  it('goes to the ring that is attached when it fires', () => {
    const { trace } = newTrace();
    const rings = [new TraceRing(4), new TraceRing(4)];
    trace.subscribe('kvm_entry', () => {});
    for (const ring of [rings[0]!, rings[1]!, null]) {
      trace.attachRing(ring);
      trace.points.kvm_entry?.(4, 0);
      trace.points.kvm_exit?.(8);
    }
    expect(rings.map(({ recorded }) => recorded)).toEqual([2, 2]);
  });

  it('records the same in the ring whether or not somebody subscribes', () => {
    const { trace } = newTrace();
    const ring = new TraceRing(8);
    trace.attachRing(ring);
    trace.points.kvm_page_fault?.(1, 2, 3, 0, 5, 6);
    trace.subscribe('kvm_page_fault', () => {});
    trace.points.kvm_page_fault?.(1, 2, 3, 0, 5, 6);
    const [first, second] = [...ring.records()];
    expect(second).toEqual(first);
  });
});

describe('the bus', () => {
  it('tells subscribers in the order in which they came, of their event only', () => {
    const { trace } = newTrace();
    const log: string[] = [];
    trace.subscribe('kvm_entry', () => log.push('first'));
    trace.subscribe('kvm_entry', () => log.push('second'));
    trace.subscribe('kvm_exit', () => log.push('exit'));
    trace.points.kvm_entry?.(0, 0);
    expect(log).toEqual(['first', 'second']);
  });

  it('keeps two subscriptions of one listener apart', () => {
    const { trace } = newTrace();
    const { seen, listener } = pcs();
    const off = trace.subscribe('kvm_entry', listener);
    trace.subscribe('kvm_entry', listener);
    trace.points.kvm_entry?.(4, 0);
    off();
    off();
    trace.points.kvm_entry?.(8, 0);
    expect(seen).toEqual([4, 4, 8]);
  });

  it('lets a subscriber leave while the event is delivered', () => {
    const { trace } = newTrace();
    const once = pcs();
    const always = pcs();
    const off = trace.subscribe('kvm_entry', (record) => {
      once.listener(record);
      off();
    });
    trace.subscribe('kvm_entry', always.listener);
    for (const pc of [4, 8]) trace.points.kvm_entry?.(pc, 0);
    expect([once.seen, always.seen]).toEqual([[4], [4, 8]]);
  });

  it('lets the last subscriber leave while the event is delivered, and disarms the tracepoint', () => {
    const { trace } = newTrace();
    const off = trace.subscribe('kvm_entry', () => off());
    trace.points.kvm_entry?.(4, 0);
    expect(trace.points.kvm_entry).toBeNull();
  });

  it('tells who subscribes while the event is delivered from the next event on', () => {
    const { trace } = newTrace();
    const late = pcs();
    let subscribed = false;
    trace.subscribe('kvm_entry', () => {
      if (!subscribed) trace.subscribe('kvm_entry', late.listener);
      subscribed = true;
    });
    for (const pc of [4, 8]) trace.points.kvm_entry?.(pc, 0);
    expect(late.seen).toEqual([8]);
  });

  it('passes on what a subscriber throws, so that an invariant can stop the run', () => {
    const { trace } = newTrace();
    trace.subscribe('kvm_entry', () => {
      throw new RangeError('broken');
    });
    expect(() => trace.points.kvm_entry?.(4, 0)).toThrow('broken');
  });
});
