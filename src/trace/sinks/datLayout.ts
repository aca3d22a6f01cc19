// How an event lies in a trace.dat: offsets of the fields as in a C struct, the format file that says so, and the bytes.
//
// dat.ts writes records by it; trace-cmd and KernelShark read the format file from the head of the trace, and evaluate
// its print line themselves.

import { C_TYPES, COMM_BYTES, type CType } from '../ctypes.ts';
import { EVENT_NAMES, type EventName, fieldNames, shapeOf } from '../events.ts';
import { FIELDS } from '../ring.ts';
import { type EventShape, type FieldType, isComm, isText, type Term, type Text, textOf } from '../shape.ts';
import type { TaskNames } from '../tasks.ts';

/** The common fields: type, flags, preempt count, pid. */
const COMMON_BYTES = 8;
const PID = 4;
/** Of a __data_loc word. */
const DATA_LOC_BYTES = 4;
/** Numbers below this are the kernel's own entries. */
const FIRST_ID = 500;

interface FieldLayout {
  readonly name: string;
  readonly type: FieldType;
  readonly offset: number;
  readonly size: number;
  /** Where a record of the ring has it; of a comm, the task's id. */
  readonly word: number;
  /** Of a text: where its bytes are, behind all fields; else 0. */
  readonly data: number;
}

export interface EventLayout {
  readonly id: number;
  readonly shape: EventShape;
  readonly fields: readonly FieldLayout[];
  /** Bytes of a record, the common fields included. */
  readonly size: number;
  readonly format: string;
}

const scalarOf = (type: FieldType): CType => (type === 'cause' ? 'unsigned long' : (type as CType));
const alignUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

function layOut(name: EventName, index: number): EventLayout {
  const shape = shapeOf(name);
  const passed = fieldNames(name);
  const fields: FieldLayout[] = [];
  let end = COMMON_BYTES;
  let alignment = PID;
  for (const [field, type] of Object.entries(shape.fields)) {
    const size = sizeOf(type);
    const unit = isComm(type) ? 1 : size;
    const offset = alignUp(end, unit);
    const word = FIELDS + passed.indexOf(isComm(type) ? type.commOf : field);
    fields.push({ name: field, type, offset, size, word, data: 0 });
    end = offset + size;
    alignment = Math.max(alignment, unit);
  }
  for (const [i, field] of fields.entries()) {
    if (!isText(field.type)) continue;
    fields[i] = { ...field, data: end };
    end += Math.max(...field.type.texts.map(([, text]) => text.length)) + 1;
  }
  const id = FIRST_ID + index;
  return { id, shape, fields, size: alignUp(end, alignment), format: formatFile(name, id, shape, fields) };
}

function sizeOf(type: FieldType): number {
  if (isComm(type)) return COMM_BYTES;
  return isText(type) ? DATA_LOC_BYTES : C_TYPES[scalarOf(type)].size;
}

const COMMON = `	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;
`;

/** events/SYSTEM/NAME/format. */
function formatFile(name: string, id: number, shape: EventShape, fields: readonly FieldLayout[]): string {
  const lines = fields.map(({ name: field, type, offset, size }) => {
    const declaration = declarationOf(field, type);
    const signed = !isComm(type) && !isText(type) && C_TYPES[scalarOf(type)].signed;
    return `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:${Number(signed)};\n`;
  });
  const args = shape.args.map((arg) => `, ${cText(arg)}`).join('');
  return `name: ${name}\nID: ${id}\nformat:\n${COMMON}\n${lines.join('')}\nprint fmt: "${shape.format}"${args}\n`;
}

function declarationOf(field: string, type: FieldType): string {
  if (isComm(type)) return `char ${field}[${COMM_BYTES}]`;
  return isText(type) ? `__data_loc char[] ${field}` : `${scalarOf(type)} ${field}`;
}

const cText = (arg: string | Term): string => (typeof arg === 'string' ? `REC->${arg}` : arg.c);

let known: readonly EventLayout[] | null = null;

/** By event, in the order of EVENT_NAMES: laid out when first asked for, as few processes write such a file. */
export function layouts(): readonly EventLayout[] {
  if (known === null) known = EVENT_NAMES.map(layOut);
  return known;
}

/** Writes the record that starts at word `base`, to `at` in a page of zeros. */
export function writeRecord(
  page: DataView,
  at: number,
  layout: EventLayout,
  words: Float64Array,
  base: number,
  pid: number,
  tasks: TaskNames,
): void {
  page.setUint16(at, layout.id, true);
  page.setInt32(at + PID, pid, true);
  for (const { type, offset, size, word, data } of layout.fields) {
    const value = words[base + word]!;
    if (isText(type)) writeText(page, at, offset, data, type, value);
    else if (isComm(type)) writeComm(page, at + offset, tasks.commOf(value));
    else if (type === 'cause') writeCause(page, at + offset, value);
    else writeNumber(page, at + offset, size, value);
  }
}

function writeComm(page: DataView, at: number, comm: string): void {
  const bytes = new Uint8Array(page.buffer, page.byteOffset + at, COMM_BYTES - 1);
  new TextEncoder().encodeInto(comm, bytes);
}

/** Offset in the record and length with the NUL, and the bytes there. */
function writeText(
  page: DataView,
  at: number,
  offset: number,
  data: number,
  type: Text,
  value: number,
): void {
  const text = textOf(type, value);
  page.setUint32(at + offset, ((text.length + 1) << 16) | data, true);
  new TextEncoder().encodeInto(text, new Uint8Array(page.buffer, page.byteOffset + at + data, text.length));
}

function writeCause(view: DataView, at: number, cause: number): void {
  view.setUint32(at, Math.abs(cause), true);
  view.setUint32(at + 4, cause < 0 ? 2 ** 31 : 0, true);
}

function writeNumber(view: DataView, at: number, size: number, value: number): void {
  if (size === 1) view.setUint8(at, value);
  else if (size === 4) view.setUint32(at, value, true);
  else {
    view.setUint32(at, value, true);
    view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
  }
}
