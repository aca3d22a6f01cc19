// The text of one trace record: the kernel's printed form, and a line of JSON with the field names.
//
// The sinks print the one or the other; what a format means is worked out when its event is first printed.

import { EVENT_NAMES, type EventName, shapeOf } from './events.ts';
import { compileFormat, conversionsOf, hexDigits, type Printable } from './printf.ts';
import type { TraceRecord } from './ring.ts';
import { type EventShape, type FieldType, isComm, type Term, type Values } from './shape.ts';
import { NO_TASKS, type TaskNames } from './tasks.ts';

/** The fields of a record, with the comms. */
function valuesOf({ event, fields }: TraceRecord, tasks: TaskNames): Values {
  const comms = commsOf(event);
  if (comms.length === 0) return fields;
  const values: Record<string, Printable> = { ...fields };
  for (const [name, of] of comms) values[name] = tasks.commOf(fields[of]!);
  return values;
}

type Read = Term['of'];

/** Reads a field; of a cause that is an interrupt's, which no number has room for, the hexadecimal digits. */
function reader(name: string, type: FieldType): Read {
  if (type !== 'cause') return (values) => values[name] ?? 0;
  return (values) => {
    const cause = (values[name] ?? 0) as number;
    return cause >= 0 ? cause : (2n ** 63n - BigInt(cause)).toString(16);
  };
}

function lazily<T>(make: (shape: EventShape) => T): (event: EventName) => T {
  const made = new Map<EventName, T>();
  return (event) => {
    const known = made.get(event);
    if (known !== undefined) return known;
    const fresh = make(shapeOf(event));
    made.set(event, fresh);
    return fresh;
  };
}

/** The names of fields that are comms, and whose. */
const commsOf = lazily(({ fields }) =>
  Object.entries(fields).flatMap(([name, type]) => (isComm(type) ? [[name, type.commOf] as const] : [])),
);

const printerOf = lazily(({ format, args, fields }) => {
  const text = compileFormat(format);
  const terms = args.map((arg) => (typeof arg === 'string' ? reader(arg, fields[arg]!) : arg.of));
  return (values: Values) => text(terms.map((term) => term(values)));
});

/** What TP_printk of the event prints. */
export const printEvent = (record: TraceRecord, tasks: TaskNames): string =>
  printerOf(record.event)(valuesOf(record, tasks));

type Json = string | number | boolean;

/** How a field looks in JSON: true or false, in words, in hexadecimal, or a number, as the printed form has it. */
function jsonReader({ format, args }: EventShape, name: string, type: FieldType): (values: Values) => Json {
  if (type === 'bool') return (values) => (values[name] ?? 0) !== 0;
  const term = args.find((arg) => typeof arg === 'object' && arg.field === name);
  if (typeof term === 'object') return term.of;
  const read = reader(name, type);
  const printed = conversionsOf(format)[args.indexOf(name)];
  if (printed === undefined || 'dus'.includes(printed)) return read;
  return (values) => `0x${hexDigits(read(values))}`;
}

const jsonOf = lazily((shape) => ({
  title: `${shape.system}:`,
  fields: Object.entries(shape.fields).map(([name, type]) => [name, jsonReader(shape, name, type)] as const),
}));

/** The fields by name, as JSON shows them. */
export function jsonFields(record: TraceRecord, tasks: TaskNames): Record<string, Json> {
  const values = valuesOf(record, tasks);
  return Object.fromEntries(jsonOf(record.event).fields.map(([name, read]) => [name, read(values)]));
}

/** One line of JSON without the newline; time is virtual, in ns. */
export function toJsonLine(record: TraceRecord, tasks: TaskNames = NO_TASKS): string {
  const { time, task, event } = record;
  const fields = jsonFields(record, tasks);
  return JSON.stringify({ time, task, event: `${jsonOf(event).title}${event}`, ...fields });
}

/** "SYSTEM:NAME" of every event. */
export const EVENT_TITLES: readonly string[] = EVENT_NAMES.map((name) => `${shapeOf(name).system}:${name}`);
