// Disassembly: the plain form of every instruction, the pseudo-instructions, and words that have no text.

import { describe, expect, it } from 'vitest';
import { disassemble } from '../../../src/hw/isa/index.ts';
import { hex } from '../../../src/units.ts';
import { WORDS } from './words.ts';

const PC = 0x80000000;
const plain = (word: number, pc = PC): string => disassemble(word, pc, { pseudos: false }).replace('\t', ' ');
const short = (word: number, pc = PC): string => disassemble(word, pc).replace('\t', ' ');

/** "beq a0,a1,. + 0x8" with the target's address in place of the sum. */
const absolute = (text: string): string =>
  text.replace(/\. ([+-]) (\w+)/, (_, sign, offset) => hex(PC + (sign === '-' ? -1 : 1) * Number(offset)));

describe('disassemble', () => {
  it.each(WORDS)('writes %s without pseudo-instructions', (text, word) => {
    expect(plain(word)).toBe(absolute(text));
  });

  it.each([
    [0x00000013, 'nop'],
    [0x00500513, 'li a0,5'],
    [0xfff00513, 'li a0,-1'],
    [0x00058513, 'mv a0,a1'],
    [0xfff5c513, 'not a0,a1'],
    [0x0ff5f513, 'zext.b a0,a1'],
    [0x40b00533, 'neg a0,a1'],
    [0x40b0053b, 'negw a0,a1'],
    [0x0005851b, 'sext.w a0,a1'],
    [0x0015b513, 'seqz a0,a1'],
    [0x00b03533, 'snez a0,a1'],
    [0x0005a533, 'sltz a0,a1'],
    [0x00b02533, 'sgtz a0,a1'],
    [0x00050463, 'beqz a0,0x80000008'],
    [0x00051463, 'bnez a0,0x80000008'],
    [0x00054463, 'bltz a0,0x80000008'],
    [0x00a04463, 'bgtz a0,0x80000008'],
    [0x00055463, 'bgez a0,0x80000008'],
    [0x00a05463, 'blez a0,0x80000008'],
    [0xffdff06f, 'j 0x7ffffffc'],
    [0x008000ef, 'jal 0x80000008'],
    [0x00050067, 'jr a0'],
    [0x00850067, 'jr 8(a0)'],
    [0x000500e7, 'jalr a0'],
    [0x00058567, 'jalr a0,a1'],
    [0x00008067, 'ret'],
    [0x0ff0000f, 'fence'],
    [0x8330000f, 'fence.tso'],
    [0x0100000f, 'pause'],
    [0x0000000f, 'fence 0,0'],
    [0x12000073, 'sfence.vma'],
    [0x12050073, 'sfence.vma a0'],
    [0xc0102573, 'rdtime a0'],
    [0xf1402573, 'csrr a0,mhartid'],
    [0x18051073, 'csrw satp,a0'],
    [0x10052073, 'csrs sstatus,a0'],
    [0x10053073, 'csrc sstatus,a0'],
    [0x1001d073, 'csrwi sstatus,3'],
    [0x1001e073, 'csrsi sstatus,3'],
    [0x1001f073, 'csrci sstatus,3'],
    [0xc0001073, 'unimp'],
    [0x3e5be073, 'csrsi pmpaddr53,23'],
    [0x00c58533, 'add a0,a1,a2'],
    [0x8082, 'ret'],
  ])('writes %i as %s', (word, text) => {
    expect(short(word)).toBe(text);
  });

  it('writes targets below address 0 as 64-bit addresses', () => {
    expect(short(0xffdff06f, 0)).toBe('j 0xfffffffffffffffc');
    expect(short(0xffdff06f, -(2 ** 38))).toBe('j 0xffffffbffffffffc');
  });

  it.each([
    ['an illegal word', 0xffffffff, '.4byte 0xffffffff'],
    ['an illegal halfword', 0x00000000, '.2byte 0x0'],
    ['a fence with ignored bits', 0x1ba95a0f & ~0x7000, '.4byte 0x1ba90a0f'],
    ['a fence of an unknown mode', 0x4330000f, '.4byte 0x4330000f'],
    ['a fence.i with ignored bits', 0x0010100f, '.4byte 0x10100f'],
  ])('writes %s as data', (_, word, text) => {
    expect(short(word)).toBe(text);
  });
});
