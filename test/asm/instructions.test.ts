// Instructions and pseudo-instructions, word by word. Expected words are from GNU as 2.40 (no compression, no relaxation,
// linked at 0x80000000).

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { disassemble } from '../../src/hw/isa/index.ts';
import { WORDS } from '../hw/isa/words.ts';
import { words } from './elf.ts';

const BASE = 0x80000000;

/** `; ` separates statements. */
const FORMS: readonly (readonly [text: string, words: readonly number[]])[] = [
  ['nop', [0x00000013]],
  ['unimp', [0xc0001073]],
  ['ret', [0x00008067]],
  ['pause', [0x0100000f]],
  ['fence', [0x0ff0000f]],
  ['mv a0,a1', [0x00058513]],
  ['move s0,s1', [0x00048413]],
  ['not a0,a1', [0xfff5c513]],
  ['neg a0,a1', [0x40b00533]],
  ['negw a0,a1', [0x40b0053b]],
  ['sext.b a0,a1', [0x03859513, 0x43855513]],
  ['sext.h a0,a1', [0x03059513, 0x43055513]],
  ['sext.w a0,a1', [0x0005851b]],
  ['zext.b a0,a1', [0x0ff5f513]],
  ['zext.h a0,a1', [0x03059513, 0x03055513]],
  ['zext.w a0,a1', [0x02059513, 0x02055513]],
  ['seqz a0,a1', [0x0015b513]],
  ['snez a0,a1', [0x00b03533]],
  ['sltz a0,a1', [0x0005a533]],
  ['sgtz a0,a1', [0x00b02533]],
  ['sgt a0,a1,a2', [0x00b62533]],
  ['sgtu a0,a1,a2', [0x00b63533]],
  ['rdcycle a0', [0xc0002573]],
  ['rdtime a1', [0xc01025f3]],
  ['rdinstret a2', [0xc0202673]],
  ['beqz a0,. + 8', [0x00050463]],
  ['bnez a0,. - 8', [0xfe051ce3]],
  ['bltz a0,.', [0x00054063]],
  ['bgez a0,.', [0x00055063]],
  ['blez a0,.', [0x00a05063]],
  ['bgtz a0,.', [0x00a04063]],
  ['bgt a0,a1,.', [0x00a5c063]],
  ['ble a0,a1,.', [0x00a5d063]],
  ['bgtu a0,a1,.', [0x00a5e063]],
  ['bleu a0,a1,.', [0x00a5f063]],
  ['j . + 8', [0x0080006f]],
  ['jal . + 8', [0x008000ef]],
  ['jr a0', [0x00050067]],
  ['jr 8(a0)', [0x00850067]],
  ['jr a0, 8', [0x00850067]],
  ['jalr a0', [0x000500e7]],
  ['jalr a0,a1', [0x00058567]],
  ['jalr a0,a1,4', [0x00458567]],
  ['jalr 4(a1)', [0x004580e7]],
  ['jalr a1, 8', [0x008580e7]],
  ['call _start', [0x00000097, 0x000080e7]],
  ['call t0,_start', [0x00000317, 0x000302e7]],
  ['tail _start', [0x00000317, 0x00030067]],
  ['jump _start,t2', [0x00000397, 0x00038067]],
  ['la a0,_start + 4', [0x00000517, 0x00450513]],
  ['lla a0,_start', [0x00000517, 0x00050513]],
  ['la a0, 0x12345678', [0x12345537, 0x6785051b]],
  ['lw a0,_start', [0x00000517, 0x00052503]],
  ['ld a1,_start + 8', [0x00000597, 0x0085b583]],
  ['sb a0,_start,t0', [0x00000297, 0x00a28023]],
  ['sd a0,_start - 16,t1', [0x00000317, 0xfea33823]],
  ['li a0,0', [0x00000513]],
  ['li a0,-2048', [0x80000513]],
  ['li a0,2048', [0x00001537, 0x8005051b]],
  ['li a0,0x1000', [0x00001537]],
  ['li a0,0x7fffffff', [0x80000537, 0xfff5051b]],
  ['li a0,0x80000000', [0x0010051b, 0x01f51513]],
  ['li a0,-0x80000000', [0x80000537]],
  ['li a0,0xffffffffffffffff', [0xfff00513]],
  ['li a0,0x8000000000000000', [0xfff0051b, 0x03f51513]],
  [
    'li a0,0x123456789abcdef0',
    [0x00247537, 0x8ad5051b, 0x00e51513, 0xc4d50513, 0x00c51513, 0x5e750513, 0x00d51513, 0xef050513],
  ],
  ['li a0,0x0000ffff0000ffff', [0x00010537, 0xfff5051b, 0x01051513, 0x00150513, 0x01051513, 0xfff50513]],
  ['li a0,0xfffff7ff80000000', [0xfffff537, 0xfff5051b, 0x01f51513]],
  ['li a0,1 << 40', [0x0010051b, 0x02851513]],
  ["li a0,'A'", [0x04100513]],
  ['csrr a0,mcause', [0x34202573]],
  ['csrw mtvec,a0', [0x30551073]],
  ['csrw mtvec,3', [0x3051d073]],
  ['csrs mie,a0', [0x30452073]],
  ['csrs mie,3', [0x3041e073]],
  ['csrc mip,a0', [0x34453073]],
  ['csrc mip,3', [0x3441f073]],
  ['csrwi sscratch,31', [0x140fd073]],
  ['csrsi sstatus,2', [0x10016073]],
  ['csrci sstatus,2', [0x10017073]],
  ['csrrw a0,sepc,3', [0x1411d573]],
  ['csrr a0,0xfff', [0xfff02573]],
  ['sfence.vma', [0x12000073]],
  ['sfence.vma a0', [0x12050073]],
  ['fence i,o', [0x0840000f]],
  ['fence iorw,w', [0x0f10000f]],
  ['lr.w a0,0(a1)', [0x1005a52f]],
  ['amoadd.w a0,a1,0(a2)', [0x00b6252f]],
  ['add a0,a1,5', [0x00558513]],
  ['and a0,a1,-1', [0xfff5f513]],
  ['or a0,a1,1', [0x0015e513]],
  ['xor a0,a1,1', [0x0015c513]],
  ['slt a0,a1,1', [0x0015a513]],
  ['sltu a0,a1,1', [0x0015b513]],
  ['sll a0,a1,1', [0x00159513]],
  ['srl a0,a1,1', [0x0015d513]],
  ['sra a0,a1,63', [0x43f5d513]],
  ['addw a0,a1,1', [0x0015851b]],
  ['sllw a0,a1,1', [0x0015951b]],
  ['srlw a0,a1,1', [0x0015d51b]],
  ['sraw a0,a1,1', [0x4015d51b]],
  ['lui a0,%hi(0x12345fff)', [0x12346537]],
  ['addi a0,a0,%lo(0x12345fff)', [0xfff50513]],
  ['lw a0,%lo(0x12345fff)(a0)', [0xfff52503]],
  ['sw a0,%lo(0x12345fff)(a0)', [0xfea52fa3]],
  ['1: auipc a0,%pcrel_hi(_start + 0x1800); addi a0,a0,%pcrel_lo(1b)', [0x00002517, 0x80050513]],
  ['1: auipc a0,%pcrel_hi(_start - 4); sw a1,%pcrel_lo(1b)(a0)', [0x00000517, 0xfeb52e23]],
  ['lw a0,(a1)', [0x0005a503]],
  ['lb x5,-1(fp)', [0xfff40283]],
];

describe('instructions', () => {
  it.each(WORDS)('%s is one word', (text, word) => {
    expect(words(text)).toEqual([word]);
  });

  it.each(FORMS)('%s', (text, expected) => {
    expect(words(`_start: ${text}`)).toEqual(expected);
  });

  it('assembles the text that the disassembler writes back to the same word', () => {
    fc.assert(
      fc.property(fc.integer(), fc.boolean(), (bits, pseudos) => {
        const word = (bits | 3) >>> 0;
        const text = disassemble(word, BASE, { pseudos });
        expect(`${text} ${words(text).map(String)}`).toBe(`${text} ${word}`);
      }),
      { numRuns: 3000 },
    );
  });

  it('assembles what the disassembler writes for every row of the table', () => {
    for (const [, word] of WORDS) {
      expect(words(disassemble(word, BASE))).toEqual([word]);
      expect(words(disassemble(word, BASE, { pseudos: false }))).toEqual([word]);
    }
  });
});

describe('li', () => {
  /** What a sequence of lui, addi, addiw and slli on one register leaves in it. */
  function run(code: readonly number[]): bigint {
    let register = 0n;
    for (const word of code) {
      const imm = BigInt(word | 0) >> 20n;
      const source = (word >>> 15) & 31;
      const value = source === 0 ? 0n : register;
      if ((word & 0x7f) === 0x37) register = BigInt((word & 0xfffff000) | 0);
      else if ((word & 0x707f) === 0x13) register = BigInt.asIntN(64, value + imm);
      else if ((word & 0x707f) === 0x1b) register = BigInt.asIntN(32, value + imm);
      else if ((word & 0x707f) === 0x1013) register = BigInt.asIntN(64, value << (imm & 63n));
      else throw new Error(`unexpected ${word.toString(16)}`);
      expect((word >>> 7) & 31).toBe(10);
    }
    return register;
  }

  it('loads any 64-bit constant in at most eight instructions', () => {
    const sparse = fc
      .array(fc.bigInt({ min: 0n, max: 63n }), { maxLength: 4 })
      .map((bits) => bits.reduce((sum, bit) => sum ^ (1n << bit), 0n));
    const any = fc.oneof(
      fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n }),
      sparse,
      fc.bigInt(-5000n, 5000n),
    );
    fc.assert(
      fc.property(any, (value) => {
        const code = words(`li a0, ${value}`);
        expect(code.length).toBeLessThanOrEqual(8);
        expect(run(code)).toBe(BigInt.asIntN(64, value));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('branches out of reach', () => {
  const nops = (count: number): string => `.rept ${count}\nnop\n.endr\n`;

  it('reach 4094 bytes forward and 4096 back as they are', () => {
    expect(words(`beq a0,a1,1f\n${nops(1022)}1: nop`)[0]).toBe(0x7eb50ee3);
    expect(words(`1: ${nops(1024)}bne a0,a1,1b`)[1024]).toBe(0x80b51063);
  });

  it('become the opposite branch over a jump beyond that', () => {
    expect(words(`beq a0,a1,1f\n${nops(1023)}1: nop`).slice(0, 2)).toEqual([0x00b51463, 0x0000106f]);
    expect(words(`1: ${nops(1025)}bltz a0,1b`).slice(1025, 1027)).toEqual([0x00055463, 0xff9fe06f]);
  });

  it('are found again when lengthening one puts another out of reach', () => {
    const code = words(`beq a0,a1,1f\nbne a0,a1,2f\n${nops(1022)}1: nop\n2: nop`);
    expect(code.slice(0, 3)).toEqual([0x00b51463, 0x0040106f, 0x00b50463]);
    expect(code).toHaveLength(1022 + 2 + 4);
  });
});
