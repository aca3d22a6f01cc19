// Sections: the growing pieces of the program, and which part of memory each belongs to.
//
// Filled by the directives and instructions of one pass, placed by layout.ts, written by elf.ts. As nothing is ever
// relaxed, the offset of a label within its section is final as soon as it is defined.

import { Fault } from './errors.ts';
import { MAX_ALIGN_POWER, MAX_NOBITS, MAX_OUTPUT } from './limits.ts';

/** Where a section goes; `dropped` sections (comments, debug information) are not part of a program in memory. */
export type SectionKind = 'text' | 'rodata' | 'data' | 'bss' | 'dropped';

/** Bytes of all sections together, shared by the sections of one pass. */
export interface Budget {
  left: number;
}

export class Section {
  readonly name: string;
  readonly kind: SectionKind;
  size = 0;
  /** A power of two; everything in the section may rely on it. */
  align = 1;
  /** Known once the layout is done. */
  address: number | undefined = undefined;
  private buffer = new Uint8Array(64);
  private readonly budget: Budget;

  constructor(name: string, kind: SectionKind, budget: Budget) {
    this.name = name;
    this.kind = kind;
    this.budget = budget;
  }

  /** The contents; empty for bss. */
  get bytes(): Uint8Array {
    return this.kind === 'bss' ? new Uint8Array(0) : this.buffer.subarray(0, this.size);
  }

  /** Something other than zeros was to go into a section that has none in the file. Throws Fault. */
  failNoBits(index: number): never {
    throw new Fault(index, `section '${this.name}' can only hold zeros`);
  }

  /** Appends `count` bytes of `value`. Throws Fault. */
  fill(count: number, value: number, index: number): void {
    if (this.kind === 'bss') {
      if (value !== 0) this.failNoBits(index);
      if (this.size + count > MAX_NOBITS) throw new Fault(index, `section '${this.name}' is too large`);
      this.size += count;
      return;
    }
    const at = this.grow(count, index);
    if (value !== 0) this.buffer.fill(value, at, at + count);
  }

  /** Appends bytes. Throws Fault. */
  append(bytes: Uint8Array, index: number): void {
    if (this.kind === 'bss') {
      if (bytes.some((byte) => byte !== 0)) this.failNoBits(index);
      this.fill(bytes.length, 0, index);
      return;
    }
    const at = this.grow(bytes.length, index);
    this.buffer.set(bytes, at);
  }

  /** Appends the low `width` bytes (1, 2, 4 or 8) of a value, little-endian. Throws Fault. */
  appendInteger(value: bigint, width: number, index: number): void {
    if (this.kind === 'bss' && value !== 0n) this.failNoBits(index);
    const at = this.size;
    this.fill(width, 0, index);
    if (this.kind !== 'bss') this.writeInteger(at, value, width);
  }

  /** Overwrites `width` bytes at an offset that the section has. */
  writeInteger(at: number, value: bigint, width: number): void {
    let rest = value;
    for (let i = 0; i < width; i++) {
      this.buffer[at + i] = Number(rest & 0xffn);
      rest >>= 8n;
    }
  }

  readWord(at: number): number {
    const b = this.buffer;
    return b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
  }

  writeWord(at: number, word: number): void {
    for (let i = 0; i < 4; i++) this.buffer[at + i] = word >>> (8 * i);
  }

  appendWord(word: number, index: number): void {
    this.writeWord(this.grow(4, index), word);
  }

  /** Raises the section's alignment to 2^power. */
  alignTo(power: number, index: number): void {
    if (power > MAX_ALIGN_POWER) throw new Fault(index, `alignment 2^${power} is above 2^${MAX_ALIGN_POWER}`);
    this.align = Math.max(this.align, 2 ** power);
  }

  /** Makes room for `count` zero bytes at the end; returns where. */
  private grow(count: number, index: number): number {
    if (count > this.budget.left)
      throw new Fault(index, `the program is larger than ${MAX_OUTPUT / 2 ** 20} MiB`);
    this.budget.left -= count;
    const at = this.size;
    this.size += count;
    if (this.size > this.buffer.length) {
      const larger = new Uint8Array(Math.max(this.size, this.buffer.length * 2));
      larger.set(this.buffer.subarray(0, at));
      this.buffer = larger;
    }
    return at;
  }
}

/** Bytes from an offset to the next multiple of 2^power. */
export function paddingTo(offset: number, power: number): number {
  const size = 2 ** power;
  return (size - (offset % size)) % size;
}
