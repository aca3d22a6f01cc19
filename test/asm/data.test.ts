// Data directives and expressions, byte by byte. Expected bytes are those of GNU as 2.40.

import { describe, expect, it } from 'vitest';
import { build, dataBytes, words } from './elf.ts';

/** Little-endian bytes. */
const integer = (value: bigint, width: number): number[] =>
  Array.from({ length: width }, (_, i) => Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 0xffn));

describe('data directives', () => {
  it.each([
    ['.byte 1, -1, 255, -128', [1, 255, 255, 128]],
    [".byte 'a', '\\n', '\\\\', ' ', '#', ';', '\\''", [97, 10, 92, 32, 35, 59, 39]],
    [".byte 'b", [98]],
    ['.half 0x1234, -1', [0x34, 0x12, 255, 255]],
    ['.2byte 1; .short 2; .hword 3', [1, 0, 2, 0, 3, 0]],
    ['.word 0xdeadbeef', [0xef, 0xbe, 0xad, 0xde]],
    ['.4byte 1; .long 2; .int 3', [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]],
    ['.dword -1', [255, 255, 255, 255, 255, 255, 255, 255]],
    ['.8byte 0x0102030405060708', [8, 7, 6, 5, 4, 3, 2, 1]],
    ['.quad 1 << 63', [0, 0, 0, 0, 0, 0, 0, 128]],
    ['.ascii "ab", "c"', [97, 98, 99]],
    ['.asciz "a", ""', [97, 0, 0]],
    ['.string "\\t\\"\\\\\\101\\x41\\0"', [9, 34, 92, 65, 65, 0, 0]],
    ['.string "a;b#c//d/*e*/"', [...new TextEncoder().encode('a;b#c//d/*e*/'), 0]],
    ['.ascii "\u00e9\u20ac"', [0xc3, 0xa9, 0xe2, 0x82, 0xac]],
    ['.zero 3; .byte 1', [0, 0, 0, 1]],
    ['.skip 1; .space 2, 7', [0, 7, 7]],
    ['.fill 3', [0, 0, 0]],
    ['.fill 2, 2, 0x1234', [0x34, 0x12, 0x34, 0x12]],
    ['.fill 1, 8, 0x123456789abcdef0', [0xf0, 0xde, 0xbc, 0x9a, 0, 0, 0, 0]],
    ['.fill 100000000000, 0, 1; .byte 1', [1]],
    ['.byte 1; .align 2; .byte 2', [1, 0, 0, 0, 2]],
    ['.byte 1; .balign 4, 9; .byte 2', [1, 9, 9, 9, 2]],
    ['.byte 1; .p2align 3,,6; .byte 2', [1, 2]],
    ['.byte 1; .p2align 3,,7; .byte 2', [1, 0, 0, 0, 0, 0, 0, 0, 2]],
    ['.byte 1; .org 3; .byte 2; . = . + 1; .byte 3', [1, 0, 0, 2, 0, 3]],
    ['x: .byte 1; .org x + 3, 5; .byte 2', [1, 5, 5, 2]],
    ['.uleb128 0, 127, 128, 624485', [0, 127, 128, 1, 0xe5, 0x8e, 0x26]],
    ['.sleb128 -1, 63, 64, -123456', [127, 63, 192, 0, 0xc0, 0xbb, 0x78]],
    ['.word 1f - 2f, .; 1: .byte 1; 2:', [255, 255, 255, 255, 4, 0, 0, 0x80, 1]],
  ])('%s', (source, bytes) => {
    expect(dataBytes(source)).toEqual(bytes);
  });

  it('pads code with nops, and odd addresses with zeros before them', () => {
    expect(words('nop\n.align 4\nret')).toEqual([0x13, 0x13, 0x13, 0x13, 0x8067]);
    expect(words('.byte 1\n.align 3')).toEqual([0x00010001, 0x13]);
  });

  it('takes an instruction that has no name', () => {
    expect(words('.insn 0x0000000b\n.insn 4, 0x0000002b\n.4byte 0xffffffff')).toEqual([
      0x0b, 0x2b, 0xffffffff,
    ]);
  });

  it('gives zeros in .bss no room in the file', () => {
    const { segments } = build('.bss\nx: .zero 0x1000000000\n.byte 0\n.text\nnop');
    expect(segments.map((s) => [s.flags, s.fileSize, s.memorySize])).toEqual([
      ['RX', 4, 4],
      ['RW', 0, 0x1000000001],
    ]);
  });

  it('allocates .comm and .lcomm objects in .bss, aligned', () => {
    const { symbols } = build(
      'nop\n.bss\n.byte 0\n.lcomm a, 3\n.comm b, 100, 64\n.local c\n.comm c, 8, 8\n.comm b, 120, 8',
    );
    const at = (name: string) => Number(symbols.get(name)!.value - 0x80001000n);
    expect([at('a'), at('c'), at('b')]).toEqual([2, 8, 64]);
    expect(symbols.get('b')!.binding).toBe(1);
    expect(symbols.get('c')!.binding).toBe(0);
  });
});

describe('expressions', () => {
  it.each<[string, bigint]>([
    ['7 - 2 * 3', 1n],
    ['1 + 2 << 3', 17n],
    ['7 | 8 + 1', 16n],
    ['6 & 3 ^ 1', 3n],
    ['-5 / 2', -2n],
    ['-5 % 3', -2n],
    ['-1 >> 60', 15n],
    ['1 << 64', 0n],
    ['!0', 1n],
    ['!5', 0n],
    ['~0 & 0xff', 255n],
    ['- - 3', 3n],
    ['+3', 3n],
    ['1 == 1', -1n],
    ['1 != 1', 0n],
    ['5 <> 4', -1n],
    ['2 < 1', 0n],
    ['3 >= 3', -1n],
    ['1 && 0', 0n],
    ['1 || 0', 1n],
    ['(2 > 1) + 5', 4n],
    ['0b101 + 017 + 0xF + 10', 45n],
    ['0x7fffffffffffffff + 1', -(1n << 63n)],
    ['0xffffffffffffffff', -1n],
    ['0x100000000 * 0x100000000 + 3', 3n],
    ['later * 2', 84n],
    ['(end - start) / 4', 2n],
    ['end > start', -1n],
    ['text - start', -0x1000n],
    ['5 - 3 - 1', 1n],
    ['100 / 5 / 2', 10n],
  ])('%s is %s', (text, value) => {
    const source = `start: .dword ${text}\nend:\n.set later, 42\n.text\ntext: nop`;
    expect(dataBytes(source)).toEqual(integer(value, 8));
  });

  it('keeps the value that a redefined name had where it was written', () => {
    expect(dataBytes('.set x, 1\n.byte x\n.set x, x + 1\n.byte x\nx = x * 5\n.byte x, y\n.equ y, 7')).toEqual(
      [1, 2, 10, 7],
    );
  });

  it('resolves numeric labels to the nearest definition before or after', () => {
    const source = '1: .byte 1b - start, 1f - start\nstart:\n1: .byte 1b - start, 1f - start, 0\n1:';
    expect(dataBytes(source)).toEqual([254, 0, 0, 3, 0]);
  });

  it('tells hex digits and binary prefixes from numeric labels', () => {
    expect(dataBytes('0: .byte 0x1f, 0b1, . - 0b, 0x0b, 0f - 0b\n0:')).toEqual([31, 1, 2, 11, 5]);
  });
});
