// Macros, repetitions and conditionals.

import { describe, expect, it } from 'vitest';
import { dataBytes } from './elf.ts';

describe('macros', () => {
  it.each([
    [
      'positional, default and keyword arguments',
      '.macro m a, b=2, c=3\n.byte \\a, \\b, \\c\n.endm\nm 1\nm 1, 5\nm c=9, a=7',
      [1, 2, 3, 1, 5, 3, 7, 2, 9],
    ],
    ['blanks between arguments', '.macro m a b\n.byte \\a, \\b\n.endm\nm 1 2\nm 3 + 4 5', [1, 2, 7, 5]],
    [
      'commas in parentheses and strings',
      '.macro m s, n\n.ascii "\\s"\n.byte \\n\n.endm\nm "a, b", (1 + 2)',
      [97, 44, 32, 98, 3],
    ],
    [
      'names that are glued together',
      '.macro m p, q\nx\\p\\()y\\q: .byte x\\p\\()y\\q - .\n.endm\nm 1, 2',
      [0],
    ],
    ['a counter of calls', '.macro m\nl\\@: .byte \\@\n.endm\nm\nm\nm', [0, 1, 2]],
    [
      'a vararg, and recursion over it',
      '.macro m a, rest:vararg\n.byte \\a\n.ifnb \\rest\nm \\rest\n.endif\n.endm\nm 1, 2, 3',
      [1, 2, 3],
    ],
    [
      'leaving a macro early',
      '.macro m a\n.if \\a\n.byte 1\n.exitm\n.endif\n.byte 2\n.endm\nm 1\nm 0\n.byte 3',
      [1, 2, 3],
    ],
    [
      'macros that define macros',
      '.macro outer n\n.macro inner\\n\n.byte \\n\n.endm\n.endm\nouter 4\ninner4',
      [4],
    ],
    ['a macro in place of an instruction', '.macro nop\n.byte 9\n.endm\nnop\n.purgem nop\n.text\nnop', [9]],
    ['a label before the call', '.macro m\n.byte x - .\n.endm\nx: m', [0]],
    [
      '.rept, nested',
      '.rept 2\n.byte 1\n.rept 2\n.byte 2\n.endr\n.endr\n.rept 0\n.byte 3\n.endr',
      [1, 2, 2, 1, 2, 2],
    ],
    ['.irp', '.irp x, 1, 2, 1+2\n.byte \\x\n.endr', [1, 2, 3]],
    ['.irpc', '.irpc d, 123\n.byte 0x\\d\\d\n.endr', [0x11, 0x22, 0x33]],
    ['a sequence that counts', '.set i, 0\n.rept 4\n.byte i * i\n.set i, i + 1\n.endr', [0, 1, 4, 9]],
  ])('have %s', (_, source, bytes) => {
    expect(dataBytes(source)).toEqual(bytes);
  });
});

describe('conditionals', () => {
  it.each([
    ['.if 1\n.byte 1\n.else\n.byte 2\n.endif', [1]],
    ['.if 0\n.byte 1\n.elseif 1\n.byte 2\n.elseif 1\n.byte 3\n.else\n.byte 4\n.endif', [2]],
    ['.if 0\n.if 1\n.byte 1\n.else\n.byte 2\n.endif\n.else\n.byte 3\n.endif', [3]],
    ['.set x, 1\n.ifdef x\n.byte 1\n.endif\n.ifndef x\n.byte 2\n.endif\n.ifdef y\n.byte 3\n.endif', [1]],
    [
      '.ifeq 0\n.byte 1\n.endif\n.ifne 0\n.byte 2\n.endif\n.iflt -1\n.byte 3\n.endif\n.ifge 0\n.byte 4\n.endif',
      [1, 3, 4],
    ],
    [
      '.ifc a, a\n.byte 1\n.endif\n.ifnc "a", b\n.byte 2\n.endif\n.ifb\n.byte 3\n.endif\n.ifnb x\n.byte 4\n.endif',
      [1, 2, 3, 4],
    ],
    ['.if 0\n.bogus\nwhat is this?\n1bad"\n.endif\n.byte 1', [1]],
    ['a: .byte 0\nb:\n.if b - a == 1\n.byte 7\n.endif', [0, 7]],
    ['.byte 1\n.end\n.byte 2', [1]],
  ])('%j', (source, bytes) => {
    expect(dataBytes(source)).toEqual(bytes);
  });
});
