// The shape of an event, and the words in which the tables of events/ write one down.
//
// A row is the system, the C fields, and the printed form: the kernel's printk format and what goes into it. An argument
// is a field's name or a Term, which knows both its C text (for the format file that trace-cmd and KernelShark
// evaluate) and its value here.
//
// Invariants: a tracepoint is called with one number for each field, in order, those of comms left out. What the kernel
// prints stands first among the fields; fields that only Umbra has stand last and are not printed.

import type { CType } from './ctypes.ts';
import type { Printable } from './printf.ts';

/** The fields of one record by name; a comm is a string. */
export type Values = Readonly<Record<string, Printable>>;

/** A value that the printed form computes. */
export interface Term {
  /** The field that it shows, if it is one, in words: the JSON line shows it alike. */
  readonly field: string | null;
  /** With REC-> before each field. */
  readonly c: string;
  readonly of: (values: Values) => Printable;
}

/** Name of the task whose id another field has: 16 bytes that no tracepoint passes. */
export interface Comm {
  readonly commOf: string;
}

/** __string(): a tracepoint passes the number of the text. */
export interface Text {
  readonly texts: SymbolTable;
}

/** 'cause': an unsigned long as scause is; -n stands for interrupt n, whose top bit no double has room for. */
export type FieldType = CType | 'cause' | Comm | Text;

export interface EventShape {
  readonly system: string;
  readonly fields: Readonly<Record<string, FieldType>>;
  readonly format: string;
  readonly args: readonly (string | Term)[];
}

/** One row of a table: fields as in TP_STRUCT__entry, then the printed form as in TP_printk. */
export type EventRow = readonly [
  fields: Readonly<Record<string, FieldType>>,
  format: string,
  ...args: readonly (string | Term)[],
];

/** A shape whose fields the compiler knows. */
type ShapeOf<Fields> = Omit<EventShape, 'fields'> & { readonly fields: Fields };

/** The events of one system, whose fields the compiler knows. */
export function system<const Rows extends Record<string, EventRow>>(
  name: string,
  rows: Rows,
): { readonly [Name in keyof Rows]: ShapeOf<Rows[Name][0]> } {
  const entries = Object.entries(rows).map(([event, [fields, format, ...args]]) => [
    event,
    { system: name, fields, format, args } satisfies EventShape,
  ]);
  return Object.fromEntries(entries) as Record<keyof Rows, never>;
}

export const isComm = (type: FieldType): type is Comm => typeof type === 'object' && 'commOf' in type;
export const isText = (type: FieldType): type is Text => typeof type === 'object' && 'texts' in type;

/** The text that has the number. */
export const textOf = ({ texts }: Text, value: number): string =>
  texts.find(([number]) => number === value)?.[1] ?? '';

/** The fields that a tracepoint is called with, in order. */
export const passedFields = ({ fields }: EventShape): string[] =>
  Object.entries(fields).flatMap(([name, type]) => (isComm(type) ? [] : name));

export type SymbolTable = readonly (readonly [value: number, name: string])[];

/** Names for 0, 1, 2, ... */
export const numbered = (names: readonly string[]): SymbolTable => names.map((name, value) => [value, name]);

const cTable = (table: SymbolTable): string =>
  table.map(([value, name]) => `{ ${value}, "${name}" }`).join(', ');

/** __print_symbolic(): the name of the value, or the value in hexadecimal. */
export function symbolic(field: string, table: SymbolTable): Term {
  const names = new Map(table);
  return {
    field,
    c: `__print_symbolic(REC->${field}, ${cTable(table)})`,
    of: (values) => names.get(values[field] as number) ?? `0x${(values[field] as number).toString(16)}`,
  };
}

/** __get_str(): what a Text field holds. */
export const string = (field: string, type: Text): Term => ({
  field,
  c: `__get_str(${field})`,
  of: (values) => textOf(type, values[field] as number),
});

/** __print_flags(): the names of the bits; `none` is what 0 prints as. Values are below 2^31. */
export function flagged(field: string, table: SymbolTable, none: string): Term {
  return {
    field,
    c: `(REC->${field}) ? __print_flags(REC->${field}, "|", ${cTable(table)}) : "${none}"`,
    of: (values) => (values[field] === 0 ? none : flagNames(values[field] as number, table)),
  };
}

function flagNames(value: number, table: SymbolTable): string {
  const names: string[] = [];
  let rest = value;
  for (const [mask, name] of table) {
    if ((rest & mask) !== mask) continue;
    names.push(name);
    rest &= ~mask;
  }
  if (rest !== 0) names.push(`0x${rest.toString(16)}`);
  return names.join('|');
}

/** REC->field ? yes : no. */
export const either = (field: string, yes: string, no: string): Term => ({
  field: null,
  c: `REC->${field} ? "${yes}" : "${no}"`,
  of: (values) => (values[field] === 0 ? no : yes),
});

/** `shift` and `mask` of a field. */
export const bits = (field: string, shift: number, mask: number): Term => ({
  field: null,
  c: `(REC->${field} >> ${shift}) & ${mask}`,
  of: (values) => ((values[field] as number) >>> shift) & mask,
});

/** A word for each value of some bits of a field; the last one also for what is above it. */
export function word(field: string, shift: number, words: readonly string[]): Term {
  const mask = words.length - 1;
  const value = `((REC->${field} >> ${shift}) & ${mask})`;
  const last = words.length - 1;
  const chain = words.slice(0, last).map((text, i) => `${value} == ${i} ? "${text}" : `);
  return {
    field: null,
    c: `${chain.map((each) => `${each}(`).join('')}"${words[last]}"${')'.repeat(last)}`,
    of: (values) => words[((values[field] as number) >>> shift) & mask]!,
  };
}
