// WebAssembly modules: function bodies framed with their sections.
//
// Called by unit.ts for the regions of a page, and by dispatcher.ts.
//
// Source: WebAssembly Core Specification 2.0, chapter 5, "Binary Format"; the branch-hinting extension. Invariants: one
// memory is imported, and no table except by the module that defines it.

import { Code, W } from './wasm.ts';

const Section = { custom: 0, type: 1, import: 2, function: 3, table: 4, export: 7, code: 10 } as const;
const ExternKind = { function: 0, table: 1, memory: 2 } as const;
const FUNCTION_TYPE = 0x60;
const FUNCTION_REFERENCE = 0x70;

export interface FunctionType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

export interface WasmFunction {
  /** Index into the module's types. */
  readonly type: number;
  /** Runs of locals after the parameters: count and value type. */
  readonly locals: readonly (readonly [count: number, type: number])[];
  /** Without the final `end`. */
  readonly body: Code;
  /** Name under which it is exported, if it is. */
  readonly export?: string;
}

export interface FunctionImport {
  /** It is imported as `e.NAME`. */
  readonly name: string;
  /** Index into the module's types. */
  readonly type: number;
}

export interface ModuleParts {
  readonly types: readonly FunctionType[];
  /** Import `e.m`: the least and exact size of the host's memory in 64 KiB pages. */
  readonly memoryPages: number;
  /** Imports the table `e.t`, of at least this many slots. */
  readonly tableSlots?: number;
  /** Imports these functions, which come before the module's own. */
  readonly imports?: readonly FunctionImport[];
  readonly functions: readonly WasmFunction[];
}

const MEMORY_PAGE = 65536;

/** The size of a memory as ModuleParts wants it. */
export const memoryPages = (memory: WebAssembly.Memory): number => memory.buffer.byteLength / MEMORY_PAGE;

export function encodeModule(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  const out = new Code();
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
  section(out, Section.type, parts.types.length, (s) => {
    for (const type of parts.types) functionType(s, type);
  });
  const { imports = [] } = parts;
  const others = parts.tableSlots === undefined ? 1 : 2;
  section(out, Section.import, others + imports.length, (s) => {
    importMemoryAndTable(s, parts);
    for (const { name, type } of imports) {
      s.name('e');
      s.name(name);
      s.byte(ExternKind.function);
      s.unsigned(type);
    }
  });
  section(out, Section.function, parts.functions.length, (s) => {
    for (const f of parts.functions) s.unsigned(f.type);
  });
  section(out, Section.export, parts.functions.filter(isExported).length, (s) => {
    parts.functions.forEach((f, index) => {
      if (!isExported(f)) return;
      s.name(f.export);
      s.byte(ExternKind.function);
      s.unsigned(imports.length + index);
    });
  });
  branchHints(out, parts);
  section(out, Section.code, parts.functions.length, (s) => {
    for (const f of parts.functions) functionBody(s, f);
  });
  return out.bytes.slice(0, out.length);
}

const isExported = (f: WasmFunction): f is WasmFunction & { export: string } => f.export !== undefined;

function section(out: Code, id: number, count: number, write: (s: Code) => void): void {
  const content = new Code();
  content.unsigned(count);
  write(content);
  out.byte(id);
  out.unsigned(content.length);
  out.append(content);
}

function functionType(s: Code, type: FunctionType): void {
  s.byte(FUNCTION_TYPE);
  for (const list of [type.params, type.results]) {
    s.unsigned(list.length);
    for (const value of list) s.byte(value);
  }
}

function importMemoryAndTable(s: Code, parts: ModuleParts): void {
  s.name('e');
  s.name('m');
  s.byte(ExternKind.memory);
  s.byte(1);
  s.unsigned(parts.memoryPages);
  s.unsigned(parts.memoryPages);
  if (parts.tableSlots === undefined) return;
  s.name('e');
  s.name('t');
  s.byte(ExternKind.table);
  s.byte(FUNCTION_REFERENCE);
  s.byte(0);
  s.unsigned(parts.tableSlots);
}

/** A custom section: by function, the offsets of its hints from where its locals are declared. */
function branchHints(out: Code, { functions, imports = [] }: ModuleParts): void {
  const hinted = functions.filter(({ body }) => body.hints.length > 0);
  if (hinted.length === 0) return;
  const content = new Code();
  content.name('metadata.code.branch_hint');
  content.unsigned(hinted.length);
  for (const f of hinted) {
    content.unsigned(imports.length + functions.indexOf(f));
    content.unsigned(f.body.hints.length);
    const start = localsOf(f).length;
    for (const { offset, likely } of f.body.hints) {
      content.unsigned(start + offset);
      content.unsigned(1);
      content.byte(Number(likely));
    }
  }
  out.byte(Section.custom);
  out.unsigned(content.length);
  out.append(content);
}

function localsOf(f: WasmFunction): Code {
  const locals = new Code(16);
  locals.unsigned(f.locals.length);
  for (const [count, type] of f.locals) {
    locals.unsigned(count);
    locals.byte(type);
  }
  return locals;
}

function functionBody(s: Code, f: WasmFunction): void {
  const locals = localsOf(f);
  s.unsigned(locals.length + f.body.length + 1);
  s.append(locals);
  s.append(f.body);
  s.byte(W.end);
}
