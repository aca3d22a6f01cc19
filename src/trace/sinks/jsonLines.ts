// JSON: one object a line, with time (virtual ns), task, event and the fields by name.

import { toJsonLine } from '../format.ts';
import { decodeAll, type Sink, type SinkOptions } from './sink.ts';

export function jsonSink({ write, tasks }: SinkOptions): Sink {
  const encoder = new TextEncoder();
  return {
    add(records) {
      const lines = Array.from(decodeAll(records), (record) => `${toJsonLine(record, tasks)}\n`);
      write(encoder.encode(lines.join('')));
    },
    end() {},
  };
}
