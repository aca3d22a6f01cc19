// Data directives: bytes, words, strings, fill and alignment, at the end of the current section.
//
// Looked up by directives.ts; not run in sections that are not part of the program.

import { encode, Op } from '../hw/isa/index.ts';
import type { Assembly } from './assembly.ts';
import type { Cursor } from './cursor.ts';
import { Fault } from './errors.ts';
import { evaluate, evaluateConstant } from './expression.ts';
import type { FixupKind } from './fixups.ts';
import { MAX_ALIGN_POWER, MAX_NOBITS } from './limits.ts';
import { paddingTo } from './sections.ts';

type Directive = (a: Assembly, c: Cursor) => void;

const C_NOP = 1n;
const NOP = BigInt(encode(Op.addi, 0, 0, 0, 0));

/** Comma-separated items up to the end of the statement; none is allowed. */
function items(c: Cursor, item: () => void): void {
  if (c.atEnd) return;
  do item();
  while (c.accept(','));
  c.end();
}

const integers =
  (kind: FixupKind, width: number): Directive =>
  (a, c) =>
    items(c, () => {
      const index = c.index;
      const expression = c.expression();
      const at = a.current.size;
      a.current.fill(width, 0, index);
      if (a.current.kind !== 'bss') a.fix(kind, at, expression, index);
      else if (evaluateConstant(expression) !== 0n) a.current.failNoBits(index);
    });

const strings =
  (terminator: boolean): Directive =>
  (a, c) =>
    items(c, () => {
      const index = c.index;
      a.current.append(c.string(), index);
      if (terminator) a.current.fill(1, 0, index);
    });

/** .zero, .skip, .space: count[, byte]. */
function space(a: Assembly, c: Cursor): void {
  const index = c.index;
  const count = c.knownNumber('the size', 0, MAX_NOBITS);
  const value = c.accept(',') ? c.knownNumber('the byte', -128, 255) : 0;
  c.end();
  a.current.fill(count, value & 0xff, index);
}

/** .fill count[, size[, value]]; as in GNU as, at most the low four bytes of the value count. */
function fill(a: Assembly, c: Cursor): void {
  const index = c.index;
  const count = c.knownNumber('the count', 0, MAX_NOBITS);
  const width = c.accept(',') ? c.knownNumber('the size', 0, 8) : 1;
  const value = c.accept(',') ? c.known('the value', -(1n << 63n), (1n << 64n) - 1n) & 0xffffffffn : 0n;
  c.end();
  const bits = value & ((1n << BigInt(8 * width)) - 1n);
  repeatInteger(a, count, width, bits, index);
}

function repeatInteger(a: Assembly, count: number, width: number, value: bigint, index: number): void {
  const { current } = a;
  const at = current.size;
  if (value === 0n || width === 0) {
    current.fill(count * width, 0, index);
    return;
  }
  if (current.kind === 'bss') current.failNoBits(index);
  current.fill(count * width, 0, index);
  for (let i = 0; i < count; i++) current.writeInteger(at + i * width, value, width);
}

/** .align and its kin: a power or a size, then the byte to fill with, then the most bytes to skip. */
const align =
  (isPower: boolean): Directive =>
  (a, c) => {
    const index = c.index;
    const power = isPower
      ? c.knownNumber('the alignment', 0, MAX_ALIGN_POWER)
      : powerOf(c.knownNumber('the alignment', 0, 2 ** MAX_ALIGN_POWER), index);
    let value: number | undefined;
    let most = Number.POSITIVE_INFINITY;
    if (c.accept(',') && !c.atEnd) {
      if (c.peek().text !== ',') value = c.knownNumber('the byte', -128, 255) & 0xff;
      if (c.accept(',')) most = c.knownNumber('the limit', 0, MAX_NOBITS);
    }
    c.end();
    pad(a, power, value, most, index);
  };

function powerOf(size: number, index: number): number {
  const power = size === 0 ? 0 : Math.log2(size);
  if (!Number.isInteger(power)) throw new Fault(index, `alignment ${size} is not a power of two`);
  return power;
}

/** Fills up to a multiple of 2^power: in code with nops, else with zeros. */
function pad(a: Assembly, power: number, value: number | undefined, most: number, index: number): void {
  const { current } = a;
  const missing = paddingTo(current.size, power);
  if (missing > most) return;
  current.alignTo(power, index);
  if (value !== undefined || current.kind !== 'text') {
    current.fill(missing, value ?? 0, index);
    return;
  }
  current.fill(missing % 2, 0, index);
  if (missing % 4 >= 2) current.appendInteger(C_NOP, 2, index);
  repeatInteger(a, Math.floor(missing / 4), 4, NOP, index);
}

/** .org: moves on to an offset of the section, or to a place in it. */
export function org(a: Assembly, c: Cursor): void {
  const index = c.index;
  const value = evaluate(c.expression());
  const fits = value !== undefined && (value.section === null || value.section === a.current);
  if (!fits) throw new Fault(index, 'the target must be a known place in this section');
  const skip = value.value - BigInt(a.current.size);
  if (skip < 0n || skip > BigInt(MAX_NOBITS)) throw new Fault(index, `cannot move by ${skip} bytes`);
  const byte = c.accept(',') ? c.knownNumber('the byte', -128, 255) & 0xff : 0;
  c.end();
  a.current.fill(Number(skip), byte, index);
}

const leb128 =
  (signed: boolean): Directive =>
  (a, c) =>
    items(c, () => {
      const index = c.index;
      const value = c.known('the value', signed ? -(1n << 63n) : 0n, (1n << 64n) - 1n);
      a.current.append(leb128Bytes(value, signed), index);
    });

function leb128Bytes(value: bigint, signed: boolean): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const done = signed ? (rest === 0n && low < 64) || (rest === -1n && low >= 64) : rest === 0n;
    bytes.push(done ? low : low | 0x80);
    if (done) return Uint8Array.from(bytes);
  }
}

/** .insn word, or .insn 4, word: an instruction that the assembler has no name for. */
function insn(a: Assembly, c: Cursor): void {
  const index = c.index;
  let word = c.knownNumber('the instruction', 0, 0xffffffff);
  if (c.accept(',')) {
    if (word !== 4) throw new Fault(index, 'only instructions of 4 bytes are supported');
    word = c.knownNumber('the instruction', 0, 0xffffffff);
  }
  c.end();
  if ((word & 3) !== 3 || (word & 31) === 31) throw new Fault(index, 'that is no instruction of 4 bytes');
  if (a.current.kind === 'bss') a.current.failNoBits(index);
  a.current.appendWord(word, index);
}

const WIDTHS: Readonly<Record<string, readonly [FixupKind, number]>> = {
  '.byte': ['data1', 1],
  '.2byte': ['data2', 2],
  '.half': ['data2', 2],
  '.hword': ['data2', 2],
  '.short': ['data2', 2],
  '.4byte': ['data4', 4],
  '.word': ['data4', 4],
  '.long': ['data4', 4],
  '.int': ['data4', 4],
  '.8byte': ['data8', 8],
  '.dword': ['data8', 8],
  '.quad': ['data8', 8],
};

export const DATA_DIRECTIVES: ReadonlyMap<string, Directive> = new Map([
  ...Object.entries(WIDTHS).map(([name, row]): [string, Directive] => [name, integers(...row)]),
  ['.ascii', strings(false)],
  ['.asciz', strings(true)],
  ['.string', strings(true)],
  ['.zero', space],
  ['.skip', space],
  ['.space', space],
  ['.fill', fill],
  ['.align', align(true)],
  ['.p2align', align(true)],
  ['.balign', align(false)],
  ['.org', org],
  ['.uleb128', leb128(false)],
  ['.sleb128', leb128(true)],
  ['.insn', insn],
]);
