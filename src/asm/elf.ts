// ELF: writes the finished program as a static ELF64 executable for RISC-V.
//
// Last station of the assembler. One PT_LOAD segment and one section per part that is not empty, at file offsets
// congruent to their addresses, then the symbol table, then names.
//
// Source: System V gABI, chapters 4 and 5; RISC-V ELF psABI, "File Header".

import type { Part } from './layout.ts';

/** One entry of the symbol table. */
export interface ElfSymbol {
  readonly name: string;
  readonly value: bigint;
  readonly size: bigint;
  readonly binding: 'local' | 'global' | 'weak';
  readonly type: 'none' | 'function' | 'object';
  /** The part that it lies in, or null for a plain number. */
  readonly part: Part | null;
}

export interface Program {
  readonly entry: number;
  readonly parts: readonly Part[];
  readonly symbols: readonly ElfSymbol[];
}

const EHDR = 64;
const PHDR = 56;
const SHDR = 64;
const SYM = 24;
const PAGE = 4096;

const ET_EXEC = 2;
const EM_RISCV = 243;
const PT_LOAD = 1;
const SHT_PROGBITS = 1;
const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const SHT_NOBITS = 8;
const SHN_ABS = 0xfff1;

const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
const SEGMENT_FLAGS = { text: PF_R | PF_X, rodata: PF_R, data: PF_R | PF_W, bss: PF_R | PF_W } as const;

const SHF_WRITE = 1;
const SHF_ALLOC = 2;
const SHF_EXECINSTR = 4;
const SECTION_FLAGS = {
  text: SHF_ALLOC | SHF_EXECINSTR,
  rodata: SHF_ALLOC,
  data: SHF_ALLOC | SHF_WRITE,
  bss: SHF_ALLOC | SHF_WRITE,
} as const;

const BINDINGS = { local: 0, global: 1, weak: 2 } as const;
const TYPES = { none: 0, object: 1, function: 2 } as const;

interface SectionHeader {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly size: number;
  /** The section of the names, for a symbol table. */
  readonly link: number;
  /** Number of local symbols, for a symbol table. */
  readonly info: number;
  readonly align: number;
  readonly entrySize: number;
}

const PLAIN: SectionHeader = {
  name: '',
  type: 0,
  flags: 0,
  address: 0,
  size: 0,
  link: 0,
  info: 0,
  align: 1,
  entrySize: 0,
};

/** The bytes of the file. */
export function writeElf({ entry, parts, symbols }: Program): Uint8Array {
  const loaded = parts.filter((part) => part.size > 0);
  const file = new ElfFile(EHDR + PHDR * loaded.length);
  for (const part of loaded) file.addPart(part);
  const isLocal = (symbol: ElfSymbol): boolean => symbol.binding === 'local';
  const ordered = [...symbols.filter(isLocal), ...symbols.filter((symbol) => !isLocal(symbol))];
  const names = new NameTable();
  const table = symbolTable(ordered, loaded, names);
  file.add(
    {
      ...PLAIN,
      name: '.symtab',
      type: SHT_SYMTAB,
      size: table.length,
      link: loaded.length + 2,
      info: symbols.filter(isLocal).length + 1,
      align: 8,
      entrySize: SYM,
    },
    [[0, table]],
  );
  file.addNames('.strtab', names);
  return file.finish(entry, loaded);
}

/** Bytes at an offset of the section that holds them. */
type Piece = readonly [offset: number, bytes: Uint8Array];

/** Collects sections with their contents, then writes everything. */
class ElfFile {
  private readonly sections: { header: SectionHeader; offset: number }[] = [
    { header: { ...PLAIN, align: 0 }, offset: 0 },
  ];
  private readonly pieces: Piece[] = [];
  private end: number;

  constructor(start: number) {
    this.end = start;
  }

  addPart(part: Part): void {
    const inMemory = part.kind === 'bss';
    const header: SectionHeader = {
      ...PLAIN,
      name: `.${part.kind}`,
      type: inMemory ? SHT_NOBITS : SHT_PROGBITS,
      flags: SECTION_FLAGS[part.kind],
      address: part.address,
      size: part.size,
      align: part.align,
    };
    this.end = roundUp(this.end, PAGE);
    this.add(
      header,
      inMemory ? [] : part.sections.map((section) => [section.address! - part.address, section.bytes]),
    );
  }

  /** Appends a section; one of zeros takes no room. */
  add(header: SectionHeader, pieces: readonly Piece[]): void {
    const offset = header.address === 0 ? roundUp(this.end, header.align) : this.end;
    this.sections.push({ header, offset });
    for (const [at, bytes] of pieces) this.pieces.push([offset + at, bytes]);
    this.end = header.type === SHT_NOBITS ? offset : offset + header.size;
  }

  addNames(name: string, names: NameTable): void {
    const bytes = names.bytes();
    this.add({ ...PLAIN, name, type: SHT_STRTAB, size: bytes.length }, [[0, bytes]]);
  }

  finish(entry: number, loaded: readonly Part[]): Uint8Array {
    const names = new NameTable();
    const nameOffsets = this.sections.map(({ header }) => names.add(header.name));
    nameOffsets.push(names.add('.shstrtab'));
    this.addNames('.shstrtab', names);
    const table = roundUp(this.end, 8);
    const file = new Uint8Array(table + SHDR * this.sections.length);
    const view = new DataView(file.buffer);
    writeFileHeader(view, entry, loaded.length, table, this.sections.length);
    for (const [i, part] of loaded.entries()) {
      writeSegment(view, EHDR + PHDR * i, part, this.sections[i + 1]!.offset);
    }
    for (const [offset, bytes] of this.pieces) file.set(bytes, offset);
    for (const [i, { header, offset }] of this.sections.entries()) {
      writeSectionHeader(view, table + SHDR * i, header, nameOffsets[i]!, offset);
    }
    return file;
  }
}

/** Names, each ended by a zero byte; the first is empty. */
class NameTable {
  private readonly names: string[] = [''];
  private size = 1;

  /** Offset of the name in the table. Names are ASCII. */
  add(name: string): number {
    const offset = this.size;
    this.names.push(name);
    this.size += name.length + 1;
    return offset;
  }

  bytes(): Uint8Array {
    return new TextEncoder().encode(`${this.names.join('\0')}\0`);
  }
}

function symbolTable(symbols: readonly ElfSymbol[], loaded: readonly Part[], names: NameTable): Uint8Array {
  const bytes = new Uint8Array(SYM * (symbols.length + 1));
  const view = new DataView(bytes.buffer);
  for (const [i, symbol] of symbols.entries()) {
    const at = SYM * (i + 1);
    const section = symbol.part === null ? -1 : loaded.indexOf(symbol.part);
    view.setUint32(at, names.add(symbol.name), true);
    view.setUint8(at + 4, (BINDINGS[symbol.binding] << 4) | TYPES[symbol.type]);
    view.setUint16(at + 6, section === -1 ? SHN_ABS : section + 1, true);
    view.setBigUint64(at + 8, BigInt.asUintN(64, symbol.value), true);
    view.setBigUint64(at + 16, BigInt.asUintN(64, symbol.size), true);
  }
  return bytes;
}

function writeFileHeader(
  view: DataView,
  entry: number,
  segments: number,
  table: number,
  sections: number,
): void {
  const ident = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1];
  for (const [i, byte] of ident.entries()) view.setUint8(i, byte);
  view.setUint16(16, ET_EXEC, true);
  view.setUint16(18, EM_RISCV, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, BigInt(EHDR), true);
  view.setBigUint64(40, BigInt(table), true);
  view.setUint16(52, EHDR, true);
  view.setUint16(54, PHDR, true);
  view.setUint16(56, segments, true);
  view.setUint16(58, SHDR, true);
  view.setUint16(60, sections, true);
  view.setUint16(62, sections - 1, true);
}

function writeSegment(view: DataView, at: number, part: Part, offset: number): void {
  view.setUint32(at, PT_LOAD, true);
  view.setUint32(at + 4, SEGMENT_FLAGS[part.kind], true);
  view.setBigUint64(at + 8, BigInt(offset), true);
  view.setBigUint64(at + 16, BigInt(part.address), true);
  view.setBigUint64(at + 24, BigInt(part.address), true);
  view.setBigUint64(at + 32, BigInt(part.kind === 'bss' ? 0 : part.size), true);
  view.setBigUint64(at + 40, BigInt(part.size), true);
  view.setBigUint64(at + 48, BigInt(PAGE), true);
}

function writeSectionHeader(
  view: DataView,
  at: number,
  header: SectionHeader,
  name: number,
  offset: number,
): void {
  view.setUint32(at, name, true);
  view.setUint32(at + 4, header.type, true);
  view.setBigUint64(at + 8, BigInt(header.flags), true);
  view.setBigUint64(at + 16, BigInt(header.address), true);
  view.setBigUint64(at + 24, BigInt(offset), true);
  view.setBigUint64(at + 32, BigInt(header.size), true);
  view.setUint32(at + 40, header.link, true);
  view.setUint32(at + 44, header.info, true);
  view.setBigUint64(at + 48, BigInt(header.align), true);
  view.setBigUint64(at + 56, BigInt(header.entrySize), true);
}

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;
