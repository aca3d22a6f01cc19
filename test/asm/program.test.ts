// The program as a whole: sections, layout, symbols, the ELF file, and compiler output.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import { build, words } from './elf.ts';

const ALL = `
	.bss
buffer_start: .zero 5000
buffer_end:
	.data
value:	.dword 1
	.section .rodata.str1.8,"aMS",@progbits,1
text:	.string "hi"
	.text
main:	nop
	.globl _start
	.type _start, @function
_start:	nop
	nop
	.size _start, . - _start
	.section .tohost,"aw",@progbits
	.align 6
tohost:	.dword 0
fromhost: .dword 0
	.section .comment
	.string "dropped"
`;

describe('the program', () => {
  it('has a segment for each part, on pages of its own, with its rights', () => {
    const { segments } = build(ALL);
    expect(segments.map((s) => [s.flags, s.address, s.fileSize, s.memorySize])).toEqual([
      ['RX', 0x80000000, 12, 12],
      ['R', 0x80001000, 3, 3],
      ['RW', 0x80002000, 80, 80],
      ['RW', 0x80003000, 0, 5000],
    ]);
  });

  it('lists every label with its address', () => {
    const { symbols } = assemble(ALL, { file: 'a.s' });
    expect(Object.fromEntries(symbols)).toEqual({
      buffer_start: 0x80003000,
      buffer_end: 0x80003000 + 5000,
      value: 0x80002000,
      text: 0x80001000,
      main: 0x80000000,
      _start: 0x80000004,
      tohost: 0x80002040,
      fromhost: 0x80002048,
    });
    expect([...build(ALL).symbols.keys()].sort()).toEqual([...symbols.keys()].sort());
  });

  it('writes what directives say of a symbol', () => {
    const { symbols } = build(`${ALL}\n.weak w\n.type value, %object\n.set K, -3\n.data\n.dword w`);
    expect(symbols.get('_start')).toMatchObject({ size: 8, type: 2, binding: 1, section: 1 });
    expect(symbols.get('value')).toMatchObject({ type: 1, binding: 0, section: 3 });
    expect(symbols.get('K')).toMatchObject({ value: (1n << 64n) - 3n, section: 0xfff1 });
    expect(symbols.get('w')).toMatchObject({ value: 0n, binding: 2, section: 0xfff1 });
  });

  it('begins at _start, or else with the code', () => {
    expect(build(ALL).entry).toBe(0x80000004);
    expect(build('.data\n.byte 1\n.text\nmain: nop').entry).toBe(0x80000000);
  });

  it('names its sections', () => {
    expect(build(ALL).sections.map((s) => s.name)).toEqual([
      '',
      '.text',
      '.rodata',
      '.data',
      '.bss',
      '.symtab',
      '.strtab',
      '.shstrtab',
    ]);
  });

  it('can be placed elsewhere', () => {
    const { segments, entry } = build('_start: nop\n.data\n.dword _start', { base: 0x1000 });
    expect([entry, ...segments.map((s) => s.address)]).toEqual([0x1000, 0x1000, 0x2000]);
    expect([...segments[1]!.bytes.subarray(0, 4)]).toEqual([0, 0x10, 0, 0]);
    expect(words('lui a0, %hi(x)\naddi a0, a0, %lo(x)\n.data\nx: .word 1', 0x1000)).toEqual([
      0x2537, 0x00050513,
    ]);
  });

  it.each([-4096, 1, 2 ** 47, Number.NaN])('cannot be placed at %s', (base) => {
    expect(() => assemble('nop', { file: 'a.s', base })).toThrow(RangeError);
  });

  it('may be empty', () => {
    const elf = build('# nothing');
    expect([elf.entry, elf.segments.length, elf.symbols.size]).toEqual([0x80000000, 0, 0]);
  });

  it('puts .text.init first and keeps the order of the source otherwise', () => {
    const code = words(
      '.text\nli a0, 1\n.section .text.b,"ax"\nli a0, 2\n.section .text.init\nli a0, 0\n.text\nli a0, 3',
    );
    expect(code.map((word) => word >>> 20)).toEqual([0, 1, 3, 2]);
  });

  it('goes back to earlier sections', () => {
    const source =
      '.text\nli a0,1\n.data\n.previous\nli a0,2\n.pushsection .data\n.pushsection .bss\n.popsection\n.popsection\nli a0,3';
    expect(words(source).map((word) => word >>> 20)).toEqual([1, 2, 3]);
  });

  it('drops debug information unread', () => {
    const source =
      '.file "a.c"\n.section .debug_info,"",@progbits\n.L1: .4byte 0x99, .L9 - .L7\n.sleb128 .L7 - .L8\n.bogus\n.text\nnop';
    expect(words(source)).toEqual([0x13]);
  });

  it('has the names that linkers provide, where they are used', () => {
    const source =
      'la a0, _end\n.data\n.dword _etext, _edata, __bss_start, _end, __global_pointer$\n.bss\n.zero 16';
    const { segments, symbols } = build(source);
    const view = new DataView(segments[1]!.bytes.slice().buffer);
    expect(Array.from({ length: 5 }, (_, i) => Number(view.getBigUint64(8 * i, true)) - 0x80000000)).toEqual([
      8, 0x1028, 0x2000, 0x2010, 0x1800,
    ]);
    expect(symbols.has('_end')).toBe(true);
    expect(build('nop').symbols.size).toBe(0);
  });

  it('is the same for the same source', () => {
    expect(assemble(ALL, { file: 'a.s' }).elf).toEqual(assemble(ALL, { file: 'b.s' }).elf);
  });
});

const COMPILED_SIZES = [
  ['RX', 964, 964],
  ['R', 102, 102],
  ['RW', 136, 136],
  ['RW', 0, 516],
];
const NOTHING = createHash('sha256').digest('hex').slice(0, 16);
const COMPILED_DIGESTS = ['3df2a1f78525405e', 'fdb95d1c66983ea5', '86bbd027ec6c026c', NOTHING];

describe('compiler output', () => {
  // compiled.s is gcc 12.2 -S -g -O2 -march=rv64ima_zicsr -mabi=lp64 -mcmodel=medany -ffreestanding -fno-merge-constants;
  // the digests are of what GNU as and ld 2.40 make of it at the same addresses.
  it('gives the bytes of GNU as and ld', () => {
    const source = readFileSync(new URL('./compiled.s', import.meta.url), 'utf8');
    const { segments } = build(source);
    const digests = segments.map((s) => createHash('sha256').update(s.bytes).digest('hex').slice(0, 16));
    expect(segments.map((s) => [s.flags, s.fileSize, s.memorySize])).toEqual(COMPILED_SIZES);
    expect(digests).toEqual(COMPILED_DIGESTS);
  });
});
