// Chrome's trace events in JSON, which Perfetto and chrome://tracing open: one object a line.
//
// Times are microseconds with three digits after the point; B and E nest per tid; flows (s, f) bind to the slice that is
// open at their time. Source: the "Trace Event Format" document.

import type { Sink, SinkOptions } from './sink.ts';
import { type TimelineWriter, timelineSink } from './timeline.ts';

const PID = 1;
const FLOW = 'flush';

export function chromeSink(options: SinkOptions): Sink {
  const encoder = new TextEncoder();
  let text = '{"displayTimeUnit":"ns","traceEvents":[\n';
  text += JSON.stringify({ ph: 'M', pid: PID, name: 'process_name', args: { name: 'umbra host' } });
  const put = (event: Record<string, unknown>): void => {
    text += `,\n${JSON.stringify(event)}`;
  };
  const flush = (): void => {
    options.write(encoder.encode(text));
    text = '';
  };
  const sink = timelineSink(options, writer(put));
  return {
    add(records) {
      sink.add(records);
      flush();
    },
    end() {
      sink.end();
      text += '\n]}\n';
      flush();
    },
  };
}

/** ns to µs: exact in JSON, where a double has room for it. */
const micros = (time: number): number => time / 1000;

const writer = (put: (event: Record<string, unknown>) => void): TimelineWriter => ({
  task: (tid, name) => put({ ph: 'M', pid: PID, tid, name: 'thread_name', args: { name } }),
  begin: (time, tid, cat, name, args) => put({ ph: 'B', pid: PID, tid, ts: micros(time), cat, name, args }),
  end: (time, tid) => put({ ph: 'E', pid: PID, tid, ts: micros(time) }),
  instant: (time, tid, cat, name, args) =>
    put({ ph: 'i', pid: PID, tid, ts: micros(time), s: 't', cat, name, args }),
  counter: (time, name, value) => put({ ph: 'C', pid: PID, ts: micros(time), name, args: { value } }),
  flow(time, tid, id, isEnd) {
    const both = { pid: PID, tid, ts: micros(time), id, cat: FLOW, name: FLOW };
    put(isEnd ? { ph: 'f', bp: 'e', ...both } : { ph: 's', ...both });
  },
  finish() {},
});
