// Reads trace.dat, version 6: what the dat sink writes, and what trace-cmd record does.
//
// `umbra report` prints from it, and a test reads 200,000 events back with it. The formats of the file say where the
// fields lie. Throws TraceError for a file that is none, or is cut off.

import { TraceError } from './traceError.ts';

export interface FieldFormat {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
  readonly isText: boolean;
  /** The word says where in the record the text is. */
  readonly isDynamic: boolean;
}

export interface EventFormat {
  readonly system: string;
  readonly name: string;
  readonly id: number;
  readonly fields: readonly FieldFormat[];
}

export interface DatEvent {
  readonly format: EventFormat;
  readonly cpu: number;
  readonly pid: number;
  /** ns. */
  readonly time: number;
  /** Signed 64-bit values where no number has room for an unsigned one; text without its NULs. */
  readonly fields: Readonly<Record<string, number | bigint | string>>;
}

export interface TraceDat {
  readonly cpus: number;
  readonly comms: ReadonlyMap<number, string>;
  readonly formats: readonly EventFormat[];
  /** In order of time. */
  events(): Iterable<DatEvent>;
}

export function readTraceDat(bytes: Uint8Array): TraceDat {
  const cursor = new Cursor(bytes);
  const pageBytes = readStart(cursor);
  cursor.skipString('header_page').skipSized();
  cursor.skipString('header_event').skipSized();
  const count = cursor.u32();
  for (let i = 0; i < count; i++) cursor.skipSized();
  const formats = readSystems(cursor);
  cursor.skip(cursor.u32());
  cursor.skip(cursor.u32());
  const comms = parseComms(cursor.text(cursor.u64()));
  const cpus = cursor.u32();
  skipOptions(cursor);
  const byId = new Map(formats.map((format) => [format.id, format]));
  const buffers = Array.from({ length: cpus }, () => ({ offset: cursor.u64(), size: cursor.u64() }));
  const readers = buffers.map(({ offset, size }, cpu) => eventsOf(bytes, offset, size, pageBytes, cpu, byId));
  return { cpus, comms, formats, events: () => mergeByTime(readers) };
}

/** The bytes of a page. */
function readStart(cursor: Cursor): number {
  const magic = String.fromCharCode(...cursor.take(10));
  if (magic !== '\x17\x08Dtracing') throw new TraceError('it is no trace.dat');
  const version = cursor.string();
  if (version !== '6') throw new TraceError(`it is a trace.dat of version ${version}, not 6`);
  if (cursor.take(1)[0] !== 0) throw new TraceError('it is a trace.dat of a big-endian machine');
  cursor.skip(1);
  const pageBytes = cursor.u32();
  if (pageBytes === 0 || pageBytes % 4096 !== 0) throw new TraceError(`its pages are of ${pageBytes} bytes`);
  return pageBytes;
}

function readSystems(cursor: Cursor): EventFormat[] {
  const formats: EventFormat[] = [];
  const systems = cursor.u32();
  for (let i = 0; i < systems; i++) {
    const system = cursor.string();
    const events = cursor.u32();
    for (let j = 0; j < events; j++) formats.push(parseFormat(system, cursor.text(cursor.u64())));
  }
  return formats;
}

function parseFormat(system: string, text: string): EventFormat {
  const name = /^name: (.*)$/m.exec(text)?.[1];
  const id = /^ID: (\d+)$/m.exec(text)?.[1];
  if (name === undefined || id === undefined) throw new TraceError('an event has no name or no ID');
  const line = /\tfield:(.*?);\s*offset:(\d+);\s*size:(\d+);\s*signed:(\d);/g;
  const fields = [...text.matchAll(line)].map(([, declaration, offset, size, signed]) => ({
    name: /(\w+)(\[\d*\])?$/.exec(declaration!)?.[1] ?? declaration!,
    offset: Number(offset),
    size: Number(size),
    signed: signed === '1',
    isText: declaration!.startsWith('char ') && declaration!.endsWith(']'),
    isDynamic: declaration!.startsWith('__data_loc char[] '),
  }));
  return {
    system,
    name,
    id: Number(id),
    fields: fields.filter((field) => !field.name.startsWith('common_')),
  };
}

const parseComms = (text: string): Map<number, string> =>
  new Map([...text.matchAll(/^(\d+) (.*)$/gm)].map(([, pid, comm]) => [Number(pid), comm!]));

function skipOptions(cursor: Cursor): void {
  let kind = cursor.take(10);
  if (String.fromCharCode(...kind).startsWith('options')) {
    for (let option = cursor.u16(); option !== 0; option = cursor.u16()) cursor.skip(cursor.u32());
    kind = cursor.take(10);
  }
  const name = String.fromCharCode(...kind);
  if (!name.startsWith('flyrecord')) throw new TraceError(`its events are kept as '${name.trim()}'`);
}

function* mergeByTime(readers: readonly Iterator<DatEvent>[]): Iterable<DatEvent> {
  const heads = readers.map((reader) => reader.next());
  for (;;) {
    let first = -1;
    heads.forEach((head, i) => {
      if (!head.done && (first < 0 || head.value.time < heads[first]!.value.time)) first = i;
    });
    if (first < 0) return;
    yield heads[first]!.value;
    heads[first] = readers[first]!.next();
  }
}

const PADDING = 29;
const TIME_EXTEND = 30;
const TIME_STAMP = 31;
const PAGE_HEAD = 16;
/** Of the commit word of a page: the rest are flags. */
const COMMIT_MASK = 0xfffff;

function* eventsOf(
  bytes: Uint8Array,
  start: number,
  size: number,
  pageBytes: number,
  cpu: number,
  formats: ReadonlyMap<number, EventFormat>,
): Generator<DatEvent, undefined> {
  if (start + size > bytes.length) throw new TraceError('it is cut off');
  for (let page = start; page < start + size; page += pageBytes) {
    const length = Math.min(pageBytes, start + size - page);
    const view = new DataView(bytes.buffer, bytes.byteOffset + page, length);
    try {
      yield* eventsOfPage(view, cpu, formats);
    } catch (error) {
      // Something in the page says that it goes on behind its end.
      if (error instanceof RangeError) throw new TraceError(`its page at ${page} is broken`);
      throw error;
    }
  }
}

function* eventsOfPage(
  view: DataView,
  cpu: number,
  formats: ReadonlyMap<number, EventFormat>,
): Generator<DatEvent, undefined> {
  const end = PAGE_HEAD + (view.getUint32(8, true) & COMMIT_MASK);
  let time = Number(view.getBigUint64(0, true));
  for (let at = PAGE_HEAD; at < end; ) {
    const head = view.getUint32(at, true);
    const [kind, delta] = [head & 31, head >>> 5];
    at += 4;
    if (kind === TIME_EXTEND) time += delta + view.getUint32(at, true) * 2 ** 27;
    else if (kind === TIME_STAMP) time = delta + view.getUint32(at, true) * 2 ** 27;
    else time += delta;
    if (kind === TIME_EXTEND || kind === TIME_STAMP) at += 4;
    else if (kind === PADDING) at += view.getUint32(at, true);
    else {
      const length = kind === 0 ? view.getUint32(at, true) - 4 : kind * 4;
      if (kind === 0) at += 4;
      const event = eventAt(view, at, formats, cpu, time);
      at += length;
      if (event !== null) yield event;
    }
  }
}

function eventAt(
  view: DataView,
  at: number,
  formats: ReadonlyMap<number, EventFormat>,
  cpu: number,
  time: number,
): DatEvent | null {
  const format = formats.get(view.getUint16(at, true));
  if (format === undefined) return null;
  const fields = Object.fromEntries(format.fields.map((field) => [field.name, readField(view, at, field)]));
  return { format, cpu, pid: view.getInt32(at + 4, true), time, fields };
}

function readField(view: DataView, base: number, field: FieldFormat): number | bigint | string {
  const at = base + field.offset;
  if (field.isText) return textAt(view, at, field.size);
  if (field.isDynamic) {
    const location = view.getUint32(at, true);
    return textAt(view, base + (location & 0xffff), location >>> 16);
  }
  switch (field.size) {
    case 1:
      return field.signed ? view.getInt8(at) : view.getUint8(at);
    case 2:
      return field.signed ? view.getInt16(at, true) : view.getUint16(at, true);
    case 4:
      return field.signed ? view.getInt32(at, true) : view.getUint32(at, true);
    default:
      return wordOf(view.getBigInt64(at, true));
  }
}

function textAt(view: DataView, at: number, length: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
  return new TextDecoder().decode(bytes.subarray(0, Math.max(0, bytes.indexOf(0))));
}

/** Two's complement: -1 is also what an unsigned field has in all its bits. */
const wordOf = (value: bigint): number | bigint =>
  value >= -(2n ** 53n) && value <= 2n ** 53n ? Number(value) : value;

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new TraceError('it is cut off');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  skip(length: number): void {
    this.take(length);
  }

  u16(): number {
    const [a, b] = this.take(2) as unknown as [number, number];
    return a + b * 256;
  }

  u32(): number {
    const low = this.u16();
    return low + this.u16() * 2 ** 16;
  }

  u64(): number {
    const low = this.u32();
    return low + this.u32() * 2 ** 32;
  }

  text(length: number): string {
    return new TextDecoder().decode(this.take(length));
  }

  /** Up to a NUL. */
  string(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new TraceError('it is cut off');
    const text = this.text(end - this.#at);
    this.#at++;
    return text;
  }

  skipString(expected: string): this {
    const found = this.string();
    if (found !== expected) throw new TraceError(`expected ${expected}, found ${found}`);
    return this;
  }

  skipSized(): this {
    this.skip(this.u64());
    return this;
  }
}
