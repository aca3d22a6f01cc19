// From an event of a trace.dat back to a record of the ring.

import type { DatEvent } from './datReader.ts';
import { EVENTS, type EventName, fieldNames, shapeOf } from './events.ts';
import type { TraceRecord } from './ring.ts';
import { isText } from './shape.ts';

/** Null for an event that Umbra does not have, or has with other fields. */
export function toRecord({ format, pid, time, fields }: DatEvent): TraceRecord | null {
  if (!Object.hasOwn(EVENTS, format.name)) return null;
  const event = format.name as EventName;
  const shape = shapeOf(event);
  if (shape.system !== format.system) return null;
  const values: Record<string, number> = {};
  for (const name of fieldNames(event)) {
    const [value, type] = [fields[name], shape.fields[name]!];
    const isWord = typeof value === 'string';
    if (value === undefined || isWord !== isText(type)) return null;
    if (isText(type)) values[name] = type.texts.find(([, text]) => text === value)?.[0] ?? -1;
    else values[name] = type === 'cause' ? causeOf(value as number | bigint) : Number(value);
  }
  return { event, time, task: pid, fields: values };
}

/** An interrupt's cause has its top bit set: bigints below -2^53. */
const causeOf = (value: number | bigint): number =>
  typeof value === 'bigint' ? -Number(value + 2n ** 63n) : value;
