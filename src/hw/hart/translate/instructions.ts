// Instructions: the WebAssembly of each RV64IM instruction that computes, from the ids of the one encoding table.
//
// Called by emitter.ts for what stands inside a block; loads, stores and atomics go to access.ts, divisions and high
// products to multiply.ts. Control transfers end blocks and are the emitter's.
//
// Source: RISC-V Unprivileged ISA, "RV64I Base Integer Instruction Set". Invariants: each emission leaves the operand
// stack as it found it; a W form reads low words and writes a sign-extended word; x0 is never written.

import { Op, opOf, rdOf, rs1Of, rs2Of } from '../../isa/index.ts';
import { emitAccess, emitAtomic, type Lookup } from './access.ts';
import { emitCsrAccess } from './csrAccess.ts';
import { emitDivision, emitHighProduct } from './multiply.ts';
import type { Place, RegionCode } from './regionCode.ts';
import { W } from './wasm.ts';

/** rd = rs1 op rs2, and rd = rs1 op imm. */
const WIDE: Readonly<Record<number, number>> = {
  [Op.add]: W.i64_add,
  [Op.sub]: W.i64_sub,
  [Op.sll]: W.i64_shl,
  [Op.xor]: W.i64_xor,
  [Op.srl]: W.i64_shr_u,
  [Op.sra]: W.i64_shr_s,
  [Op.or]: W.i64_or,
  [Op.and]: W.i64_and,
  [Op.mul]: W.i64_mul,
};

const WIDE_IMMEDIATE: Readonly<Record<number, number>> = {
  [Op.addi]: W.i64_add,
  [Op.xori]: W.i64_xor,
  [Op.ori]: W.i64_or,
  [Op.andi]: W.i64_and,
  [Op.slli]: W.i64_shl,
  [Op.srli]: W.i64_shr_u,
  [Op.srai]: W.i64_shr_s,
};

/** The same on low words, the result sign-extended. */
const WORD: Readonly<Record<number, number>> = {
  [Op.addw]: W.i32_add,
  [Op.subw]: W.i32_sub,
  [Op.sllw]: W.i32_shl,
  [Op.srlw]: W.i32_shr_u,
  [Op.sraw]: W.i32_shr_s,
  [Op.mulw]: W.i32_mul,
};

const WORD_IMMEDIATE: Readonly<Record<number, number>> = {
  [Op.addiw]: W.i32_add,
  [Op.slliw]: W.i32_shl,
  [Op.srliw]: W.i32_shr_u,
  [Op.sraiw]: W.i32_shr_s,
};

/** rd = comparison ? 1 : 0. */
const COMPARE: Readonly<Record<number, number>> = {
  [Op.slt]: W.i64_lt_s,
  [Op.sltu]: W.i64_lt_u,
  [Op.slti]: W.i64_lt_s,
  [Op.sltiu]: W.i64_lt_u,
};

/** Emits one instruction of a block; `lookup` is for a load or store. */
export function emitInstruction(
  region: RegionCode,
  word: number,
  imm: number,
  place: Place,
  lookup: Lookup,
): void {
  const op = opOf(word);
  if (op >= Op.lb && op <= Op.sd) emitAccess(region, word, imm, place, lookup);
  else if (op >= Op.lr_w && op <= Op.amomaxu_d) emitAtomic(region, word, place);
  else if (op >= Op.csrrw) emitCsrAccess(region, word, imm, place);
  else if (rdOf(word) !== 0) emitComputation(region, word, imm, place.pc);
}

/** An instruction whose only effect is on rd, which is not x0. Fences do nothing: harts are sequentially consistent. */
function emitComputation(region: RegionCode, word: number, imm: number, pc: number): void {
  const op = opOf(word);
  if (op === Op.lui) region.code.i64Const(imm);
  else if (op === Op.auipc) region.code.i64Const(region.unit.pageVa + pc + imm);
  else if (op in WIDE_IMMEDIATE) emitWideImmediate(region, word, imm);
  else if (op in WIDE) emitPair(region, word, WIDE[op]!);
  else if (op in WORD_IMMEDIATE) emitWordImmediate(region, word, imm);
  else if (op in WORD) emitWord(region, word);
  else if (op in COMPARE) emitCompare(region, word, imm);
  else if (op >= Op.mulh && op <= Op.mulhu) emitHighProduct(region, op, rs1Of(word), rs2Of(word));
  else emitDivision(region, op, rs1Of(word), rs2Of(word));
  region.set(rdOf(word));
}

function emitPair(region: RegionCode, word: number, opcode: number): void {
  region.get(rs1Of(word));
  region.get(rs2Of(word));
  region.code.byte(opcode);
}

function emitWideImmediate(region: RegionCode, word: number, imm: number): void {
  const op = opOf(word);
  if (op === Op.addi && rs1Of(word) === 0) {
    region.code.i64Const(imm);
    return;
  }
  region.get(rs1Of(word));
  if (op === Op.addi && imm === 0) return;
  region.code.i64Const(imm);
  region.code.byte(WIDE_IMMEDIATE[op]!);
}

function emitWordImmediate(region: RegionCode, word: number, imm: number): void {
  if (imm === 0) {
    region.get(rs1Of(word));
    region.code.byte(W.i64_extend32_s);
    return;
  }
  region.getLow(rs1Of(word));
  region.code.i32Const(imm);
  region.code.byte(WORD_IMMEDIATE[opOf(word)]!);
  region.code.byte(W.i64_extend_i32_s);
}

function emitWord(region: RegionCode, word: number): void {
  region.getLow(rs1Of(word));
  region.getLow(rs2Of(word));
  region.code.byte(WORD[opOf(word)]!);
  region.code.byte(W.i64_extend_i32_s);
}

function emitCompare(region: RegionCode, word: number, imm: number): void {
  const op = opOf(word);
  region.get(rs1Of(word));
  if (op === Op.slt || op === Op.sltu) region.get(rs2Of(word));
  else region.code.i64Const(imm);
  region.code.byte(COMPARE[op]!);
  region.code.byte(W.i64_extend_i32_u);
}
