// Multiply and divide: the instructions of M for which WebAssembly has no single opcode.
//
// Called by instructions.ts; each function pushes the value of rd. High products are put together from 32-bit halves,
// inline, since a call in a hot function makes the engine spill what lives across it. Divisions guard the two cases
// where WebAssembly traps.
//
// Source: RISC-V Unprivileged ISA, "M" Extension: x / 0 is all ones, x % 0 is x, the overflowing quotient is the dividend
// and its remainder 0.

import { Op } from '../../isa/index.ts';
import type { RegionCode } from './regionCode.ts';
import { type Code, Type, W } from './wasm.ts';

const LOW = 0xffffffff;

/** mulh, mulhsu, mulhu. mulh(a, b) = mulhu(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0). */
export function emitHighProduct(region: RegionCode, op: number, rs1: number, rs2: number): void {
  const { code } = region;
  emitUnsignedHighProduct(region, rs1, rs2);
  if (op !== Op.mulhu) {
    emitIfNegative(region, rs1, rs2);
    code.byte(W.i64_sub);
  }
  if (op === Op.mulh) {
    emitIfNegative(region, rs2, rs1);
    code.byte(W.i64_sub);
  }
}

/** Pushes `value` if `sign` is negative, else 0. */
function emitIfNegative(region: RegionCode, sign: number, value: number): void {
  region.get(sign);
  region.code.i64Const(63);
  region.code.byte(W.i64_shr_s);
  region.get(value);
  region.code.byte(W.i64_and);
}

/**
 * With a = ah:al and b = bh:bl: t = ah*bl + (al*bl >> 32), w = al*bh + low(t), and the high half is
 * ah*bh + (t >> 32) + (w >> 32). No sum overflows 64 bits.
 */
function emitUnsignedHighProduct(region: RegionCode, rs1: number, rs2: number): void {
  const { code, scratch, address } = region;
  const high = (r: number): void => {
    region.get(r);
    emitShiftDown(code);
  };
  const low = (r: number): void => {
    region.get(r);
    emitLow(code);
  };
  high(rs1);
  low(rs2);
  code.byte(W.i64_mul);
  low(rs1);
  low(rs2);
  code.byte(W.i64_mul);
  emitShiftDown(code);
  code.byte(W.i64_add);
  code.set(scratch);
  low(rs1);
  high(rs2);
  code.byte(W.i64_mul);
  code.get(scratch);
  emitLow(code);
  code.byte(W.i64_add);
  code.set(address);
  high(rs1);
  high(rs2);
  code.byte(W.i64_mul);
  for (const part of [scratch, address]) {
    code.get(part);
    emitShiftDown(code);
    code.byte(W.i64_add);
  }
}

function emitShiftDown(code: Code): void {
  code.i64Const(32);
  code.byte(W.i64_shr_u);
}

function emitLow(code: Code): void {
  code.i64Const(LOW);
  code.byte(W.i64_and);
}

interface Division {
  readonly word: boolean;
  readonly signed: boolean;
  readonly remainder: boolean;
}

const DIVISIONS: Readonly<Record<number, Division>> = {
  [Op.div]: { word: false, signed: true, remainder: false },
  [Op.divu]: { word: false, signed: false, remainder: false },
  [Op.rem]: { word: false, signed: true, remainder: true },
  [Op.remu]: { word: false, signed: false, remainder: true },
  [Op.divw]: { word: true, signed: true, remainder: false },
  [Op.divuw]: { word: true, signed: false, remainder: false },
  [Op.remw]: { word: true, signed: true, remainder: true },
  [Op.remuw]: { word: true, signed: false, remainder: true },
};

/** The eight divisions, with WebAssembly's trapping cases (divisor 0, and the quotient of least / -1) kept away. */
export function emitDivision(region: RegionCode, op: number, rs1: number, rs2: number): void {
  const { code } = region;
  const division = DIVISIONS[op]!;
  const { word, remainder } = division;
  const type = word ? Type.i32 : Type.i64;
  pushOperand(region, word, rs2);
  code.byte(word ? W.i32_eqz : W.i64_eqz);
  code.open(W.if, type);
  if (remainder) pushOperand(region, word, rs1);
  else pushConstant(code, word, -1);
  code.byte(W.else);
  if (division.signed && !remainder) emitSignedQuotient(region, word, type, rs1, rs2);
  else emitPlainDivision(region, division, rs1, rs2);
  code.byte(W.end);
  if (word) code.byte(W.i64_extend_i32_s);
}

/** x / -1 is -x, also where the quotient overflows. */
function emitSignedQuotient(region: RegionCode, word: boolean, type: number, rs1: number, rs2: number): void {
  const { code } = region;
  pushOperand(region, word, rs2);
  pushConstant(code, word, -1);
  code.byte(word ? W.i32_eq : W.i64_eq);
  code.open(W.if, type);
  pushConstant(code, word, 0);
  pushOperand(region, word, rs1);
  code.byte(word ? W.i32_sub : W.i64_sub);
  code.byte(W.else);
  emitPlainDivision(region, { word, signed: true, remainder: false }, rs1, rs2);
  code.byte(W.end);
}

/** The four opcodes of a width follow each other: div_s, div_u, rem_s, rem_u. */
function emitPlainDivision(region: RegionCode, division: Division, rs1: number, rs2: number): void {
  const { word, signed, remainder } = division;
  pushOperand(region, word, rs1);
  pushOperand(region, word, rs2);
  region.code.byte((word ? W.i32_div_s : W.i64_div_s) + (remainder ? 2 : 0) + (signed ? 0 : 1));
}

const pushOperand = (region: RegionCode, word: boolean, r: number): void =>
  word ? region.getLow(r) : region.get(r);
const pushConstant = (code: Code, word: boolean, value: number): void =>
  word ? code.i32Const(value) : code.i64Const(value);
