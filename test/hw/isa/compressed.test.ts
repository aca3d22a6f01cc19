// Compressed instructions: the whole 16-bit space, by what it expands to, and the places where encodings are scattered.

import { describe, expect, it } from 'vitest';
import { decode, disassemble, encodingOf, lengthOf, opOf } from '../../../src/hw/isa/index.ts';

const text = (half: number, pc = 0): string => disassemble(half, pc, { pseudos: false }).replace('\t', ' ');

/** How many of the 49152 halfwords expand to each instruction; sums of what GNU objdump 2.40 lists for rv64imac. */
const CENSUS: Readonly<Record<string, number>> = {
  // c.addi 2048, c.addi16sp 63, c.addi4spn 2040, c.li 2048
  addi: 6199,
  addiw: 1984,
  lui: 1953,
  // c.mv 992, c.add 992
  add: 1984,
  addw: 64,
  sub: 64,
  subw: 64,
  and: 64,
  or: 64,
  xor: 64,
  andi: 512,
  slli: 2048,
  srli: 512,
  srai: 512,
  // c.lw 2048, c.lwsp 1984
  lw: 4032,
  ld: 4032,
  sw: 4096,
  sd: 4096,
  beq: 2048,
  bne: 2048,
  jal: 2048,
  jalr: 62,
  ebreak: 1,
  // c.fld, c.fsd, c.fldsp, c.fsdsp 8192; reserved 2407; c.addi16sp 0 and the all-zero halfword
  unimp: 10601,
};

describe('compressed instructions', () => {
  it('fill the 16-bit space exactly as the C extension says', () => {
    const counts: Record<string, number> = {};
    const out = new Int32Array(2);
    for (let half = 0; half < 0x10000; half++) {
      if ((half & 3) === 3) continue;
      decode(half, out, 0);
      expect(lengthOf(out[0]!)).toBe(2);
      const { mnemonic } = encodingOf(opOf(out[0]!));
      counts[mnemonic] = (counts[mnemonic] ?? 0) + 1;
    }
    expect(counts).toEqual(CENSUS);
  });

  it.each([
    [0x0808, 'addi a0,sp,16'],
    [0x1ffc, 'addi a5,sp,1020'],
    [0x4188, 'lw a0,0(a1)'],
    [0x5dfc, 'lw a5,124(a1)'],
    [0x7dfc, 'ld a5,248(a1)'],
    [0xdd9c, 'sw a5,56(a1)'],
    [0xe188, 'sd a0,0(a1)'],
    [0x0001, 'addi zero,zero,0'],
    [0x1101, 'addi sp,sp,-32'],
    [0x3579, 'addiw a0,a0,-2'],
    [0x557d, 'addi a0,zero,-1'],
    [0x7139, 'addi sp,sp,-64'],
    [0x617d, 'addi sp,sp,496'],
    [0x6505, 'lui a0,0x1'],
    [0x757d, 'lui a0,0xfffff'],
    [0x91fd, 'srli a1,a1,0x3f'],
    [0x8585, 'srai a1,a1,0x1'],
    [0x99fd, 'andi a1,a1,-1'],
    [0x8d8d, 'sub a1,a1,a1'],
    [0x9dad, 'addw a1,a1,a1'],
    [0x157e, 'slli a0,a0,0x3f'],
    [0x4502, 'lw a0,0(sp)'],
    [0x50fe, 'lw ra,252(sp)'],
    [0x70fe, 'ld ra,504(sp)'],
    [0x8082, 'jalr zero,0(ra)'],
    [0x9502, 'jalr ra,0(a0)'],
    [0x852e, 'add a0,zero,a1'],
    [0x952e, 'add a0,a0,a1'],
    [0x9002, 'ebreak'],
    [0xdfaa, 'sw a0,252(sp)'],
    [0xffaa, 'sd a0,504(sp)'],
  ])('%i is %s', (half, expected) => {
    expect(text(half)).toBe(expected);
  });

  it.each([
    [0xa001, 'jal zero,0x1000'],
    [0xb001, 'jal zero,0x800'],
    [0xaffd, 'jal zero,0x17fe'],
    [0xc501, 'beq a0,zero,0x1008'],
    [0xf17d, 'bne a0,zero,0xfe6'],
  ])('%i at 0x1000 is %s', (half, expected) => {
    expect(text(half, 0x1000)).toBe(expected);
  });

  it.each([
    ['the all-zero halfword', 0x0000],
    ['c.addi4spn 0', 0x0004],
    ['c.fld', 0x2000],
    ['reserved quadrant 0', 0x8000],
    ['c.fsd', 0xa000],
    ['c.addiw x0', 0x2001],
    ['c.addi16sp 0', 0x6101],
    ['c.lui 0', 0x6501],
    ['reserved arithmetic', 0x9dc1],
    ['c.fldsp', 0x2002],
    ['c.lwsp x0', 0x4002],
    ['c.ldsp x0', 0x6002],
    ['c.jr x0', 0x8002],
  ])('%s is illegal', (_, half) => {
    const out = new Int32Array(2);
    decode(half, out, 0);
    expect([opOf(out[0]!), lengthOf(out[0]!), out[1]]).toEqual([0, 2, half]);
  });

  it('do not depend on the 16 bits that follow', () => {
    expect(text(0xffff8082)).toBe('jalr zero,0(ra)');
    expect(text(0x12340000)).toBe('.2byte 0x0');
  });
});
