// Decoding of 32-bit words: operands, immediates at their extremes, and what must be illegal.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decode,
  ENCODINGS,
  encode,
  encodingOf,
  Format,
  lengthOf,
  OP_COUNT,
  Op,
  opOf,
  rdOf,
  rs1Of,
  rs2Of,
} from '../../../src/hw/isa/index.ts';
import { WORDS } from './words.ts';

function decoded(word: number) {
  const out = new Int32Array(3).fill(-1);
  decode(word, out, 1);
  expect(out[0]).toBe(-1);
  const w = out[1]!;
  return { op: opOf(w), rd: rdOf(w), rs1: rs1Of(w), rs2: rs2Of(w), length: lengthOf(w), imm: out[2]! };
}

const mnemonicOf = (word: number): string => encodingOf(decoded(word).op).mnemonic;

describe('decode', () => {
  it('recognises every instruction of the table', () => {
    const seen = new Set<number>();
    for (const [text, word] of WORDS) {
      const { op, length } = decoded(word);
      const spelled = text.split(' ')[0]!.replace(/(\.[wd])\.(aq|rl|aqrl)$/, '$1');
      expect(encodingOf(op).mnemonic).toBe(spelled === 'fence.tso' ? 'fence' : spelled);
      expect(length).toBe(4);
      seen.add(op);
    }
    expect(seen.size).toBe(OP_COUNT - 1);
  });

  it('takes operands from their fields and leaves those of other formats 0', () => {
    expect(decoded(0x00c58533)).toEqual({ op: Op.add, rd: 10, rs1: 11, rs2: 12, length: 4, imm: 0 });
    expect(decoded(0xfff58513)).toEqual({ op: Op.addi, rd: 10, rs1: 11, rs2: 0, length: 4, imm: -1 });
    expect(decoded(0x00113423)).toEqual({ op: Op.sd, rd: 0, rs1: 2, rs2: 1, length: 4, imm: 8 });
    expect(decoded(0x06c5a52f)).toEqual({ op: Op.amoadd_w, rd: 10, rs1: 11, rs2: 12, length: 4, imm: 3 });
    expect(decoded(0x340fd573)).toEqual({ op: Op.csrrwi, rd: 10, rs1: 31, rs2: 0, length: 4, imm: 0x340 });
    expect(decoded(0x30200073)).toEqual({ op: Op.mret, rd: 0, rs1: 0, rs2: 0, length: 4, imm: 0 });
  });

  it.each([
    ['addi', 0x80050513, -2048],
    ['addi', 0x7ff50513, 2047],
    ['sd', 0x80113023, -2048],
    ['sd', 0x7e113fa3, 2047],
    ['beq', 0x80000063, -4096],
    ['beq', 0x7e000fe3, 4094],
    ['jal', 0x8000006f, -(2 ** 20)],
    ['jal', 0x7ffff06f, 2 ** 20 - 2],
    ['lui', 0x80000537, -(2 ** 31)],
    ['auipc', 0x7ffff517, 0x7ffff000],
    ['slli', 0x03f51513, 63],
    ['sraiw', 0x41f5551b, 31],
    ['csrrs', 0xfff02573, 0xfff],
  ])('%s %i has the immediate %i', (mnemonic, word, imm) => {
    expect(mnemonicOf(word)).toBe(mnemonic);
    expect(decoded(word).imm).toBe(imm);
  });

  it.each([
    ['all ones', 0xffffffff],
    ['slliw with shamt bit 5', (0x02051 << 12) | 0x51b],
    ['add with another funct7', 0x80c58533],
    ['branch funct3 2', 0x00002063],
    ['load funct3 7', 0x00007003],
    ['store funct3 4', 0x00004023],
    ['lr.w with rs2', 0x1015a52f],
    ['amo funct3 1', 0x00c5952f],
    ['amo funct5 5', 0x28c5a52f],
    ['sret with rd', 0x102000f3],
    ['uret', 0x00200073],
    ['sfence.vma with rd', 0x120000f3],
    ['csr funct3 4', 0x30004073],
    ['fence funct3 2', 0x0000200f],
    ['flw', 0x0005a507],
    ['fadd.s', 0x00c58553],
    ['custom-0', 0x0000000b],
    ['a 48-bit prefix', 0x0000001f],
  ])('%s is illegal, of length 4, and keeps its bits', (_, word) => {
    expect(decoded(word)).toEqual({ op: Op.illegal, rd: 0, rs1: 0, rs2: 0, length: 4, imm: word | 0 });
  });

  it('ignores the reserved fields of fence and fence.i', () => {
    expect(decoded(0xfff7878f).op).toBe(Op.fence);
    expect(decoded(0xfff7978f).op).toBe(Op.fence_i);
    expect(decoded(0xfff7878f)).toMatchObject({ rd: 0, rs1: 0 });
  });

  it('gives back the operands that were encoded', () => {
    const register = fc.integer({ min: 0, max: 31 });
    const op = fc.integer({ min: 1, max: OP_COUNT - 1 });
    fc.assert(
      fc.property(op, register, register, register, fc.integer(), (id, rd, rs1, rs2, bits) => {
        const imm = immediateFor(id, bits);
        const word = encode(id, rd, rs1, rs2, imm);
        const got = decoded(word);
        expect(got.op).toBe(id);
        expect(got.imm).toBe(imm);
        expect(encode(got.op, got.rd, got.rs1, got.rs2, got.imm)).toBe(word);
        if (encodingOf(id).format === Format.r) expect([got.rd, got.rs1, got.rs2]).toEqual([rd, rs1, rs2]);
      }),
      { numRuns: 2000 },
    );
  });

  it('finds for a random word the row that a search of the whole table finds', () => {
    fc.assert(
      fc.property(fc.integer(), (bits) => {
        const word = bits | 3;
        const row = ENCODINGS.findIndex(
          ({ match, mask }, op) => op !== Op.illegal && (word & mask) === match,
        );
        expect(decoded(word).op).toBe(row === -1 ? Op.illegal : row);
      }),
      { numRuns: 5000 },
    );
  });
});

/** Cuts random bits to an immediate that the format of `op` can hold. */
function immediateFor(op: number, bits: number): number {
  switch (encodingOf(op).format) {
    case Format.i:
    case Format.load:
    case Format.jalr:
    case Format.store:
      return bits >> 20;
    case Format.branch:
      return (bits >> 19) & ~1;
    case Format.j:
      return (bits >> 11) & ~1;
    case Format.u:
      return bits & ~0xfff;
    case Format.shift:
      return bits & 63;
    case Format.shiftw:
      return bits & 31;
    case Format.csr:
    case Format.csri:
    case Format.fence:
      return bits & 0xfff;
    case Format.amo:
    case Format.lr:
      return bits & 3;
    default:
      return 0;
  }
}
