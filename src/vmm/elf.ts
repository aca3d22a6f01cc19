// The ELF reader: bytes of a file in, what to load and where to start out. The file is hostile: every field is checked
// before it is used, and each malformation is one InputError of one line.
//
// machine.ts calls readElf before anything is built; the VMM process (process.ts) copies the segments into guest
// memory. Format: System V ABI "ELF-64 Object File Format", and the RISC-V ELF psABI for the machine number.
//
// Invariants of an ElfImage: segments are sorted by address, not empty, do not overlap and lie within the file; every
// address is below 2^53.

import { hex } from '../units.ts';
import { type ElfSymbol, readSymbols } from './elfSymbols.ts';
import { InputError } from './inputError.ts';

export interface ElfSegment {
  /** Guest physical address of the first byte: p_paddr, as QEMU and Spike load. */
  readonly address: number;
  /** p_vaddr, for translating symbols; equal to `address` in nearly every bare-metal program. */
  readonly virtualAddress: number;
  readonly fileBytes: Uint8Array;
  /** Bytes in memory; what exceeds fileBytes is zero. */
  readonly memoryBytes: number;
}

export interface ElfImage {
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  readonly symbols: ReadonlyMap<string, ElfSymbol>;
}

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const MAX_PROGRAM_HEADERS = 128;

const MAGIC = 0x7f454c46;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const PT_LOAD = 1;
const EM_RISCV = 243;

const FILE_TYPES: Readonly<Record<number, string>> = {
  0: 'of no type',
  1: 'a relocatable object: link it first',
  3: 'position-independent: link it with -static -no-pie',
  4: 'a core dump',
};
const MACHINES: Readonly<Record<number, string>> = {
  3: 'x86',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC64',
  22: 's390',
  40: 'Arm',
  62: 'x86-64',
  183: 'AArch64',
  247: 'BPF',
  258: 'LoongArch',
};

/** Throws InputError if `bytes` is not a static RV64 executable; `name` opens the message. */
export function readElf(bytes: Uint8Array, name: string): ElfImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkIdentity(view, name);
  const segments = readSegments(view, name);
  return {
    entry: readEntry(view, name),
    segments,
    symbols: readSymbols(view, (value) => toPhysical(value, segments), name),
  };
}

function checkIdentity(view: DataView, name: string): void {
  if (view.byteLength < 4 || view.getUint32(0) !== MAGIC) throw new InputError(`${name}: not an ELF file`);
  if (view.byteLength < HEADER_BYTES) throw new InputError(`${name}: the ELF header is cut off`);
  if (view.getUint8(4) !== ELFCLASS64) throw new InputError(`${name}: not a 64-bit ELF file`);
  if (view.getUint8(5) !== ELFDATA2LSB) throw new InputError(`${name}: not a little-endian ELF file`);
  const machine = view.getUint16(18, true);
  if (machine !== EM_RISCV) {
    throw new InputError(`${name}: built for ${MACHINES[machine] ?? `machine ${machine}`}, not for RISC-V`);
  }
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC) {
    throw new InputError(`${name}: not an executable but ${FILE_TYPES[type] ?? `of type ${type}`}`);
  }
}

function readEntry(view: DataView, name: string): number {
  const entry = readWord(view, 24, name, 'entry point');
  if (entry % 2 !== 0) throw new InputError(`${name}: the entry point ${hex(entry)} is odd`);
  return entry;
}

function readSegments(view: DataView, name: string): ElfSegment[] {
  const count = view.getUint16(56, true);
  if (count === 0) throw new InputError(`${name}: has no program headers, so nothing to load`);
  if (count > MAX_PROGRAM_HEADERS) throw new InputError(`${name}: too many program headers (${count})`);
  if (view.getUint16(54, true) !== PROGRAM_HEADER_BYTES) {
    throw new InputError(`${name}: program headers of ${view.getUint16(54, true)} bytes, not 56`);
  }
  const table = readWord(view, 32, name, 'program header offset');
  if (table + count * PROGRAM_HEADER_BYTES > view.byteLength) {
    throw new InputError(`${name}: the program headers lie beyond the end of the file`);
  }
  const segments: ElfSegment[] = [];
  for (let i = 0; i < count; i++) {
    const segment = readSegment(view, table + i * PROGRAM_HEADER_BYTES, `${name}: segment ${i}`);
    if (segment !== null) segments.push(segment);
  }
  if (segments.length === 0) throw new InputError(`${name}: has no segment to load`);
  return sortDisjoint(segments, name);
}

/** Null for a program header that loads nothing. */
function readSegment(view: DataView, at: number, name: string): ElfSegment | null {
  if (view.getUint32(at, true) !== PT_LOAD) return null;
  const memoryBytes = readWord(view, at + 40, name, 'size in memory');
  const fileBytes = readWord(view, at + 32, name, 'size in the file');
  const offset = readWord(view, at + 8, name, 'file offset');
  if (fileBytes > memoryBytes) throw new InputError(`${name} is larger in the file than in memory`);
  if (memoryBytes === 0) return null;
  if (offset + fileBytes > view.byteLength) {
    throw new InputError(`${name} lies beyond the end of the file`);
  }
  return {
    address: readWord(view, at + 24, name, 'physical address'),
    virtualAddress: Number(BigInt.asIntN(64, view.getBigUint64(at + 16, true))),
    fileBytes: new Uint8Array(view.buffer, view.byteOffset + offset, fileBytes),
    memoryBytes,
  };
}

function sortDisjoint(segments: ElfSegment[], name: string): ElfSegment[] {
  segments.sort((a, b) => a.address - b.address);
  for (let i = 1; i < segments.length; i++) {
    const before = segments[i - 1]!;
    const after = segments[i]!;
    if (before.address + before.memoryBytes > after.address) {
      throw new InputError(`${name}: two segments overlap at ${hex(after.address)}`);
    }
  }
  return segments;
}

/** A symbol moves by the distance between p_vaddr and p_paddr of its segment. */
function toPhysical(value: number, segments: readonly ElfSegment[]): number {
  const home = segments.find((s) => value >= s.virtualAddress && value <= s.virtualAddress + s.memoryBytes);
  return home === undefined ? value : value - home.virtualAddress + home.address;
}

/** A 64-bit field that must be a sane size or address. */
function readWord(view: DataView, at: number, name: string, what: string): number {
  const value = view.getBigUint64(at, true);
  if (value >= 1n << 53n) throw new InputError(`${name}: absurd ${what} 0x${value.toString(16)}`);
  return Number(value);
}
