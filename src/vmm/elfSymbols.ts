// The ELF symbol table: the names by which a guest program tells the VMM where its HTIF words and its buffer are.
//
// Called by elf.ts only. A program without section headers (a stripped one) has no symbols; headers that are there but
// make no sense are an InputError, since a lost `tohost` would show as a guest that hangs.

import { InputError } from './inputError.ts';

export interface ElfSymbol {
  /** Guest physical address. */
  readonly address: number;
  readonly bytes: number;
}

/** From st_value to the physical address: programs may be linked elsewhere than they are loaded. */
export type ToPhysical = (value: number) => number;

const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const MAX_SYMBOLS = 2 ** 20;
/** Longer names (of templates, say) are none that the VMM asks for. */
const MAX_NAME_BYTES = 255;
const SHT_SYMTAB = 2;
const SHN_UNDEF = 0;
const STB_LOCAL = 0;
/** Types that name memory: STT_NOTYPE, STT_OBJECT, STT_FUNC. */
const LAST_MEMORY_TYPE = 2;

interface Table {
  readonly offset: number;
  readonly bytes: number;
}

/** By name; a global symbol hides a local one of the same name. */
export function readSymbols(
  view: DataView,
  toPhysical: ToPhysical,
  name: string,
): ReadonlyMap<string, ElfSymbol> {
  const symbols = new Map<string, ElfSymbol>();
  const tables = findTables(view, name);
  if (tables === null) return symbols;
  const { symtab, strtab } = tables;
  const count = Math.floor(symtab.bytes / SYMBOL_BYTES);
  if (count > MAX_SYMBOLS) throw new InputError(`${name}: too many symbols (${count})`);
  for (let i = 1; i < count; i++) {
    readSymbol(view, symtab.offset + i * SYMBOL_BYTES, strtab, toPhysical, symbols);
  }
  return symbols;
}

function readSymbol(
  view: DataView,
  at: number,
  strtab: Table,
  toPhysical: ToPhysical,
  symbols: Map<string, ElfSymbol>,
): void {
  const info = view.getUint8(at + 4);
  if ((info & 15) > LAST_MEMORY_TYPE || view.getUint16(at + 6, true) === SHN_UNDEF) return;
  const name = readString(view, strtab, view.getUint32(at, true));
  const isLocal = info >> 4 === STB_LOCAL;
  if (name === '' || (isLocal && symbols.has(name))) return;
  const value = Number(BigInt.asIntN(64, view.getBigUint64(at + 8, true)));
  const bytes = Number(view.getBigUint64(at + 16, true));
  symbols.set(name, { address: toPhysical(value), bytes });
}

/** Empty when the name is too long or does not end within the table. */
function readString(view: DataView, strtab: Table, at: number): string {
  let text = '';
  const end = Math.min(at + MAX_NAME_BYTES + 1, strtab.bytes);
  for (let i = at; i < end; i++) {
    const code = view.getUint8(strtab.offset + i);
    if (code === 0) return text;
    text += String.fromCharCode(code);
  }
  return '';
}

function findTables(view: DataView, name: string): { symtab: Table; strtab: Table } | null {
  const offset = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  if (offset === 0 || count === 0) return null;
  if (view.getUint16(58, true) !== SECTION_HEADER_BYTES) {
    throw new InputError(`${name}: section headers of ${view.getUint16(58, true)} bytes, not 64`);
  }
  if (offset + count * SECTION_HEADER_BYTES > view.byteLength) {
    throw new InputError(`${name}: the section headers lie beyond the end of the file`);
  }
  for (let i = 0; i < count; i++) {
    const at = offset + i * SECTION_HEADER_BYTES;
    if (view.getUint32(at + 4, true) !== SHT_SYMTAB) continue;
    const link = view.getUint32(at + 40, true);
    if (link >= count) throw new InputError(`${name}: the symbol table has no string table`);
    return {
      symtab: readTable(view, at, `${name}: the symbol table`),
      strtab: readTable(view, offset + link * SECTION_HEADER_BYTES, `${name}: the string table`),
    };
  }
  return null;
}

function readTable(view: DataView, header: number, name: string): Table {
  const offset = Number(view.getBigUint64(header + 24, true));
  const bytes = Number(view.getBigUint64(header + 32, true));
  if (offset + bytes > view.byteLength) throw new InputError(`${name} lies beyond the end of the file`);
  return { offset, bytes };
}
