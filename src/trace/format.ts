// Text of one trace record: a JSON object with the field names, as `umbra run --trace` writes a line per event.

import { hex } from '../units.ts';
import { type FieldFormat, shapeOf } from './events.ts';
import type { TraceRecord } from './ring.ts';

function formatField(value: number, format: FieldFormat): string | number | boolean {
  if (format === 'hex') return hex(value);
  if (format === 'bool') return value !== 0;
  if (format === 'dec') return value;
  return format[value] ?? value;
}

/** One line of JSON without the newline; time is virtual, in ns. */
export function toJsonLine(record: TraceRecord): string {
  const shape = shapeOf(record.event);
  const line: Record<string, unknown> = {
    time: record.time,
    task: record.task,
    event: `${shape.system}:${record.event}`,
  };
  for (const [name, format] of Object.entries(shape.fields))
    line[name] = formatField(record.fields[name] ?? 0, format);
  return JSON.stringify(line);
}
