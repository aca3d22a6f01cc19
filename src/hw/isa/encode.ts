// Encode: operands to an instruction word, the inverse of decode.ts.
//
// Called by the assembler, by the expansion of compressed instructions and by tests that build programs. Places fields
// only: the caller has checked their ranges, a field that is too wide is cut.

import { ENCODINGS, Format } from './encoding.ts';

/**
 * The word of `op` (signed 32-bit). `imm` is as decode() gives it; operands that the format does not have are ignored.
 */
export function encode(op: number, rd: number, rs1: number, rs2: number, imm: number): number {
  const { format, match } = ENCODINGS[op]!;
  const d = (rd & 31) << 7;
  const s = (rs1 & 31) << 15;
  const t = (rs2 & 31) << 20;
  switch (format) {
    case Format.r:
      return match | d | s | t;
    case Format.i:
    case Format.load:
    case Format.jalr:
    case Format.csr:
    case Format.csri:
      return match | d | s | (imm << 20);
    case Format.shift:
      return match | d | s | ((imm & 63) << 20);
    case Format.shiftw:
      return match | d | s | ((imm & 31) << 20);
    case Format.store:
      return match | s | t | ((imm >> 5) << 25) | ((imm & 31) << 7);
    case Format.branch:
      return match | s | t | branchBits(imm);
    case Format.u:
      return match | d | (imm & ~0xfff);
    case Format.j:
      return match | d | jumpBits(imm);
    case Format.amo:
      return match | d | s | t | ((imm & 3) << 25);
    case Format.lr:
      return match | d | s | ((imm & 3) << 25);
    case Format.fence:
      return match | (imm << 20);
    case Format.sfence:
      return match | s | t;
    default:
      return match;
  }
}

const branchBits = (imm: number): number =>
  ((imm & 0x1000) << 19) | ((imm & 0x7e0) << 20) | ((imm & 0x1e) << 7) | ((imm & 0x800) >>> 4);

const jumpBits = (imm: number): number =>
  ((imm & 0x100000) << 11) | ((imm & 0x7fe) << 20) | ((imm & 0x800) << 9) | (imm & 0xff000);
