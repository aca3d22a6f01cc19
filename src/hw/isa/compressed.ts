// Compressed: expands a 16-bit instruction of the C extension to the 32-bit instruction that it stands for.
//
// Called by decode.ts for words whose low two bits are not 11. There is no other knowledge of the C extension in Umbra:
// an expanded instruction only keeps its length of two bytes.
//
// Source: RISC-V Unprivileged ISA, "C" Extension for Compressed Instructions, tables "Instruction listing for RVC,
// Quadrant 0..2" for RV64. The D forms, Zcb and what is marked RES are illegal; what is marked HINT expands.

import { encode } from './encode.ts';
import { Op } from './encoding.ts';

const ILLEGAL = 0;
const ZERO = 0;
const RA = 1;
const SP = 2;

/** The three-bit register fields: x8 to x15. */
const low3 = (half: number): number => 8 + ((half >>> 2) & 7);
const high3 = (half: number): number => 8 + ((half >>> 7) & 7);
const full5 = (half: number): number => (half >>> 7) & 31;
const second5 = (half: number): number => (half >>> 2) & 31;

const signExtend = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);
/** imm[5] at bit 12, imm[4:0] at bits 6..2. */
const uimm6 = (half: number): number => ((half >>> 7) & 0x20) | ((half >>> 2) & 0x1f);
const imm6 = (half: number): number => signExtend(uimm6(half), 6);
/** imm[5:3] at bits 12..10, imm[2|6] at bits 6..5. */
const wordOffset = (half: number): number =>
  ((half >>> 7) & 0x38) | ((half >>> 4) & 0x4) | ((half << 1) & 0x40);
/** imm[5:3] at bits 12..10, imm[7:6] at bits 6..5. */
const doubleOffset = (half: number): number => ((half >>> 7) & 0x38) | ((half << 1) & 0xc0);

/** The 32-bit word of a 16-bit instruction (0..0xffff, low two bits not 11), or 0 if it is illegal. */
export function expandCompressed(half: number): number {
  switch (((half & 3) << 3) | (half >>> 13)) {
    case 0o00:
      return addi4spn(half);
    case 0o02:
      return encode(Op.lw, low3(half), high3(half), 0, wordOffset(half));
    case 0o03:
      return encode(Op.ld, low3(half), high3(half), 0, doubleOffset(half));
    case 0o06:
      return encode(Op.sw, 0, high3(half), low3(half), wordOffset(half));
    case 0o07:
      return encode(Op.sd, 0, high3(half), low3(half), doubleOffset(half));
    case 0o10:
      return encode(Op.addi, full5(half), full5(half), 0, imm6(half));
    case 0o11:
      return full5(half) === 0 ? ILLEGAL : encode(Op.addiw, full5(half), full5(half), 0, imm6(half));
    case 0o12:
      return encode(Op.addi, full5(half), ZERO, 0, imm6(half));
    case 0o13:
      return full5(half) === SP ? addi16sp(half) : lui(half);
    case 0o14:
      return arithmetic(half);
    case 0o15:
      return encode(Op.jal, ZERO, 0, 0, jumpOffset(half));
    case 0o16:
      return encode(Op.beq, 0, high3(half), ZERO, branchOffset(half));
    case 0o17:
      return encode(Op.bne, 0, high3(half), ZERO, branchOffset(half));
    case 0o20:
      return encode(Op.slli, full5(half), full5(half), 0, uimm6(half));
    case 0o22:
      return full5(half) === 0 ? ILLEGAL : encode(Op.lw, full5(half), SP, 0, wordFromSp(half));
    case 0o23:
      return full5(half) === 0 ? ILLEGAL : encode(Op.ld, full5(half), SP, 0, doubleFromSp(half));
    case 0o24:
      return (half & 0x1000) === 0 ? moveOrJump(half) : addOrJump(half);
    case 0o26:
      return encode(Op.sw, 0, SP, second5(half), ((half >>> 7) & 0x3c) | ((half >>> 1) & 0xc0));
    case 0o27:
      return encode(Op.sd, 0, SP, second5(half), ((half >>> 7) & 0x38) | ((half >>> 1) & 0x1c0));
    default:
      return ILLEGAL;
  }
}

function addi4spn(half: number): number {
  const imm = ((half >>> 7) & 0x30) | ((half >>> 1) & 0x3c0) | ((half >>> 4) & 0x4) | ((half >>> 2) & 0x8);
  return imm === 0 ? ILLEGAL : encode(Op.addi, low3(half), SP, 0, imm);
}

function addi16sp(half: number): number {
  const imm =
    ((half >>> 3) & 0x200) |
    ((half >>> 2) & 0x10) |
    ((half << 1) & 0x40) |
    ((half << 4) & 0x180) |
    ((half << 3) & 0x20);
  return imm === 0 ? ILLEGAL : encode(Op.addi, SP, SP, 0, signExtend(imm, 10));
}

function lui(half: number): number {
  const imm = imm6(half);
  return imm === 0 ? ILLEGAL : encode(Op.lui, full5(half), 0, 0, imm << 12);
}

const REGISTER_OPS = [Op.sub, Op.xor, Op.or, Op.and, Op.subw, Op.addw, Op.illegal, Op.illegal] as const;

function arithmetic(half: number): number {
  const rd = high3(half);
  switch ((half >>> 10) & 3) {
    case 0:
      return encode(Op.srli, rd, rd, 0, uimm6(half));
    case 1:
      return encode(Op.srai, rd, rd, 0, uimm6(half));
    case 2:
      return encode(Op.andi, rd, rd, 0, imm6(half));
    default: {
      const op = REGISTER_OPS[((half >>> 10) & 4) | ((half >>> 5) & 3)]!;
      return op === Op.illegal ? ILLEGAL : encode(op, rd, rd, low3(half), 0);
    }
  }
}

function moveOrJump(half: number): number {
  if (second5(half) !== 0) return encode(Op.add, full5(half), ZERO, second5(half), 0);
  return full5(half) === 0 ? ILLEGAL : encode(Op.jalr, ZERO, full5(half), 0, 0);
}

function addOrJump(half: number): number {
  if (second5(half) !== 0) return encode(Op.add, full5(half), full5(half), second5(half), 0);
  return full5(half) === 0 ? encode(Op.ebreak, 0, 0, 0, 0) : encode(Op.jalr, RA, full5(half), 0, 0);
}

function jumpOffset(half: number): number {
  const imm =
    ((half >>> 1) & 0x800) |
    ((half >>> 7) & 0x10) |
    ((half >>> 1) & 0x300) |
    ((half << 2) & 0x400) |
    ((half >>> 1) & 0x40) |
    ((half << 1) & 0x80) |
    ((half >>> 2) & 0xe) |
    ((half << 3) & 0x20);
  return signExtend(imm, 12);
}

function branchOffset(half: number): number {
  const imm =
    ((half >>> 4) & 0x100) |
    ((half >>> 7) & 0x18) |
    ((half << 1) & 0xc0) |
    ((half >>> 2) & 0x6) |
    ((half << 3) & 0x20);
  return signExtend(imm, 9);
}

const wordFromSp = (half: number): number =>
  ((half >>> 7) & 0x20) | ((half >>> 2) & 0x1c) | ((half << 4) & 0xc0);
const doubleFromSp = (half: number): number =>
  ((half >>> 7) & 0x20) | ((half >>> 2) & 0x18) | ((half << 4) & 0x1c0);
