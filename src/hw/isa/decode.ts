// Decode: one instruction word to the two-word form that the interpreter and the translator execute.
//
// Called by hw/hart when it fills a page of decoded instructions, and by the disassembler. Reads the table of
// encoding.ts; 16-bit forms go through compressed.ts first and differ from then on only in their length.
//
// Invariants: exactly the legal RV64IMAC + Zicsr + Zifencei + M/S encodings decode; operand fields that the format does
// not have are 0; HINTs are their base instruction with rd = x0 and so do nothing.

import { expandCompressed } from './compressed.ts';
import { ENCODINGS, Format, OP_COUNT, Op } from './encoding.ts';

/** Int32 words that one decoded instruction takes. */
export const DECODED_WORDS = 2;

export const opOf = (w: number): number => w & 0xff;
export const rdOf = (w: number): number => (w >>> 8) & 31;
export const rs1Of = (w: number): number => (w >>> 13) & 31;
export const rs2Of = (w: number): number => (w >>> 18) & 31;
/** Bytes of the instruction: 2 or 4. */
export const lengthOf = (w: number): number => (w >>> 23) & 7;

const RD = 0xf80;
const MATCH = Int32Array.from(ENCODINGS, (e) => e.match);
const MASK = Int32Array.from(ENCODINGS, (e) => e.mask);
const FORMAT = Uint8Array.from(ENCODINGS, (e) => e.format);

/** Major opcode (bits 6..2) and funct3 of a 32-bit word. */
const bucketOf = (word: number): number => ((word >>> 2) & 31) | (((word >>> 12) & 7) << 5);

/** The ids that a word can be, by bucket. */
const CANDIDATES: readonly (readonly number[])[] = Array.from({ length: 256 }, (_, bucket) => {
  const word = 3 | ((bucket & 31) << 2) | ((bucket >>> 5) << 12);
  const ids: number[] = [];
  for (let op = 1; op < OP_COUNT; op++) {
    if (((word ^ MATCH[op]!) & MASK[op]! & 0x707f) === 0) ids.push(op);
  }
  return ids;
});

function identify(word: number): number {
  for (const op of CANDIDATES[bucketOf(word)]!) {
    if ((word & MASK[op]!) === MATCH[op]) return op;
  }
  return Op.illegal;
}

/**
 * Decodes `word` into out[at], out[at + 1]:
 *
 *     out[at]     op | rd << 8 | rs1 << 13 | rs2 << 18 | length << 23; length 2 or 4 bytes
 *     out[at + 1] the immediate, int32: sign-extended; lui and auipc already shifted; branch and jal a byte offset;
 *                 shifts the shamt; csr* the CSR number (csr*i have their zimm in rs1); lr, sc, amo aq << 1 | rl;
 *                 fence fm << 8 | pred << 4 | succ; an illegal word its own bits
 *
 * Of a word whose low two bits are not 11, only the low 16 bits count.
 */
export function decode(word: number, out: Int32Array, at: number): void {
  if ((word & 3) === 3) {
    decodeFull(word, 4, out, at);
    return;
  }
  const half = word & 0xffff;
  const full = expandCompressed(half);
  if (full !== 0) {
    decodeFull(full, 2, out, at);
    return;
  }
  out[at] = Op.illegal | (2 << 23);
  out[at + 1] = half;
}

function decodeFull(word: number, length: number, out: Int32Array, at: number): void {
  const op = identify(word);
  out[at] = op | (length << 23) | registersOf(word, op);
  out[at + 1] = op === Op.illegal ? word : immediateOf(word, FORMAT[op]!);
}

/** rd, rs1 and rs2 at their places in the decoded word, as far as the format has them. */
function registersOf(word: number, op: number): number {
  const rd = (word & RD) << 1;
  const rs1 = ((word >>> 15) & 31) << 13;
  const rs2 = ((word >>> 20) & 31) << 18;
  switch (op === Op.illegal ? Format.none : FORMAT[op]) {
    case Format.r:
    case Format.amo:
      return rd | rs1 | rs2;
    case Format.i:
    case Format.shift:
    case Format.shiftw:
    case Format.load:
    case Format.jalr:
    case Format.lr:
    case Format.csr:
    case Format.csri:
      return rd | rs1;
    case Format.store:
    case Format.branch:
    case Format.sfence:
      return rs1 | rs2;
    case Format.u:
    case Format.j:
      return rd;
    default:
      return 0;
  }
}

function immediateOf(word: number, format: number): number {
  switch (format) {
    case Format.i:
    case Format.load:
    case Format.jalr:
      return word >> 20;
    case Format.shift:
      return (word >>> 20) & 63;
    case Format.shiftw:
      return (word >>> 20) & 31;
    case Format.store:
      return ((word >> 25) << 5) | ((word >>> 7) & 31);
    case Format.branch:
      return ((word >> 31) << 12) | ((word << 4) & 0x800) | ((word >>> 20) & 0x7e0) | ((word >>> 7) & 0x1e);
    case Format.u:
      return word & ~0xfff;
    case Format.j:
      return ((word >> 31) << 20) | (word & 0xff000) | ((word >>> 9) & 0x800) | ((word >>> 20) & 0x7fe);
    case Format.amo:
    case Format.lr:
      return (word >>> 25) & 3;
    case Format.csr:
    case Format.csri:
    case Format.fence:
      return word >>> 20;
    default:
      return 0;
  }
}
