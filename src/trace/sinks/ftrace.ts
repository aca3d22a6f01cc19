// ftrace text: what `cat /sys/kernel/tracing/trace` prints, line for line, and what awk scripts and parsers expect.
//
// The lines of the header start with #. How many entries there are is not known before the end, so the header leaves the
// count out.

import { printEvent } from '../format.ts';
import type { TraceRecord } from '../ring.ts';
import type { TaskNames } from '../tasks.ts';
import { decodeAll, placeOf, type Sink, type SinkOptions } from './sink.ts';

const HEADER = `# tracer: nop
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
`;

export function ftraceSink({ write, tasks }: SinkOptions): Sink {
  const encoder = new TextEncoder();
  write(encoder.encode(HEADER));
  return {
    add(records) {
      let text = '';
      for (const record of decodeAll(records)) text += `${ftraceLine(record, tasks)}\n`;
      write(encoder.encode(text));
    },
    end() {},
  };
}

/** One line, without the newline. */
export function ftraceLine(record: TraceRecord, tasks: TaskNames): string {
  const { task, cpu } = placeOf(record, tasks);
  const who = `${tasks.titleOf(task).padStart(16)}-${`${task}`.padEnd(7)}`;
  return `${who} [${`${cpu}`.padStart(3, '0')}] ..... ${seconds(record.time).padStart(12)}: ${record.event}: ${printEvent(record, tasks)}`;
}

/** Microseconds after the point; what is below is cut off, as the kernel does it. */
export function seconds(time: number): string {
  const micros = Math.floor(time / 1000);
  return `${Math.floor(micros / 1e6)}.${`${micros % 1e6}`.padStart(6, '0')}`;
}
