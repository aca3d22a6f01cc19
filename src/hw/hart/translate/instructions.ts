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

/** On low words, the result sign-extended. */
const WORD: Readonly<Record<number, number>> = {
  [Op.addw]: W.i32_add,
  [Op.subw]: W.i32_sub,
  [Op.sllw]: W.i32_shl,
  [Op.srlw]: W.i32_shr_u,
  [Op.sraw]: W.i32_shr_s,
  [Op.mulw]: W.i32_mul,
};

/** The same of bitwise operations, where what they read are words. */
const BITWISE: Readonly<Record<number, number>> = {
  [Op.xor]: W.i32_xor,
  [Op.or]: W.i32_or,
  [Op.and]: W.i32_and,
};

const WORD_IMMEDIATE: Readonly<Record<number, number>> = {
  [Op.addiw]: W.i32_add,
  [Op.slliw]: W.i32_shl,
  [Op.srliw]: W.i32_shr_u,
  [Op.sraiw]: W.i32_shr_s,
};

const BITWISE_IMMEDIATE: Readonly<Record<number, number>> = {
  [Op.xori]: W.i32_xor,
  [Op.ori]: W.i32_or,
  [Op.andi]: W.i32_and,
};

/** rd = comparison ? 1 : 0, and branches; of words as of doublewords. */
const COMPARE: Readonly<Record<number, readonly [wide: number, word: number]>> = {
  [Op.slt]: [W.i64_lt_s, W.i32_lt_s],
  [Op.sltu]: [W.i64_lt_u, W.i32_lt_u],
  [Op.slti]: [W.i64_lt_s, W.i32_lt_s],
  [Op.sltiu]: [W.i64_lt_u, W.i32_lt_u],
  [Op.beq]: [W.i64_eq, W.i32_eq],
  [Op.bne]: [W.i64_ne, W.i32_ne],
  [Op.blt]: [W.i64_lt_s, W.i32_lt_s],
  [Op.bge]: [W.i64_ge_s, W.i32_ge_s],
  [Op.bltu]: [W.i64_lt_u, W.i32_lt_u],
  [Op.bgeu]: [W.i64_ge_u, W.i32_ge_u],
};

/** What is known of an instruction. */
export interface Known extends Lookup {
  /** All that it reads are words (words.ts). */
  readonly readsWords: boolean;
}

/** Emits one instruction of a block. */
export function emitInstruction(
  region: RegionCode,
  word: number,
  imm: number,
  place: Place,
  known: Known,
): void {
  const op = opOf(word);
  if (op >= Op.lb && op <= Op.sd) emitAccess(region, word, imm, place, known);
  else if (op >= Op.lr_w && op <= Op.amomaxu_d) emitAtomic(region, word, place);
  else if (op >= Op.csrrw) emitCsrAccess(region, word, imm, place);
  else if (rdOf(word) !== 0) emitComputation(region, word, imm, place.pc, known.readsWords);
}

/** An instruction whose only effect is on rd, which is not x0. Fences do nothing: harts are sequentially consistent. */
function emitComputation(
  region: RegionCode,
  word: number,
  imm: number,
  pc: number,
  readsWords: boolean,
): void {
  const op = opOf(word);
  if (op === Op.lui) region.code.i64Const(imm);
  else if (op === Op.auipc) region.code.i64Const(region.unit.pageVa + pc + imm);
  else if (readsWords && op === Op.addiw && imm === 0) region.get(rs1Of(word));
  else if (readsWords && op in BITWISE) emitWord(region, word, BITWISE[op]!);
  else if (readsWords && op in BITWISE_IMMEDIATE)
    emitWordImmediate(region, word, imm, BITWISE_IMMEDIATE[op]!);
  else if (op in WIDE_IMMEDIATE) emitWideImmediate(region, word, imm);
  else if (op in WIDE) emitPair(region, word, WIDE[op]!);
  else if (op in WORD_IMMEDIATE) emitWordImmediate(region, word, imm, WORD_IMMEDIATE[op]!);
  else if (op in WORD) emitWord(region, word, WORD[op]!);
  else if (op in COMPARE) emitSetIf(region, word, imm, readsWords);
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

function emitWordImmediate(region: RegionCode, word: number, imm: number, opcode: number): void {
  region.getLow(rs1Of(word));
  if (imm !== 0 || opcode === W.i32_and) {
    region.code.i32Const(imm);
    region.code.byte(opcode);
  }
  region.code.byte(W.i64_extend_i32_s);
}

function emitWord(region: RegionCode, word: number, opcode: number): void {
  region.getLow(rs1Of(word));
  region.getLow(rs2Of(word));
  region.code.byte(opcode);
  region.code.byte(W.i64_extend_i32_s);
}

function emitSetIf(region: RegionCode, word: number, imm: number, readsWords: boolean): void {
  const op = opOf(word);
  emitComparison(region, word, op === Op.slt || op === Op.sltu ? null : imm, readsWords);
  region.code.byte(W.i64_extend_i32_u);
}

/** Pushes, as an i32, what slt or a branch asks of rs1 and rs2, or of rs1 and an immediate. */
export function emitComparison(
  region: RegionCode,
  word: number,
  imm: number | null,
  readsWords: boolean,
): void {
  const { code } = region;
  const [wide, narrow] = COMPARE[opOf(word)]!;
  if (readsWords) {
    region.getLow(rs1Of(word));
    if (imm === null) region.getLow(rs2Of(word));
    else code.i32Const(imm);
    code.byte(narrow);
  } else {
    region.get(rs1Of(word));
    if (imm === null) region.get(rs2Of(word));
    else code.i64Const(imm);
    code.byte(wide);
  }
}
