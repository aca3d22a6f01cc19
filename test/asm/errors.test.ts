// What authors are told: the exact text of errors, and that hostile sources get one, soon.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssemblerError, assemble } from '../../src/asm/index.ts';

function failure(source: string): AssemblerError {
  try {
    assemble(source, { file: 'a.s' });
  } catch (error) {
    if (error instanceof AssemblerError) return error;
    throw error;
  }
  throw new Error('it assembled');
}

/** line:column: text of each error. */
const summary = (source: string): string[] =>
  failure(source).diagnostics.map((d) => `${d.line}:${d.column}: ${d.text}`);

describe('an error', () => {
  it('names file, line and column and points into the line', () => {
    expect(failure('nop\n  addi a0, a0, 5000 # much\nnop').message).toBe(
      [
        'a.s:2:16: error: immediate 5000 is not in -2048..2047',
        '  addi a0, a0, 5000 # much',
        '               ^',
      ].join('\n'),
    );
  });

  it('keeps tabs, so that the caret stands right', () => {
    expect(failure('x:\tadd\ta0,a1,\ta99').message).toBe(
      ["a.s:1:15: error: undefined symbol 'a99'", 'x:\tadd\ta0,a1,\ta99', '  \t   \t      \t^'].join('\n'),
    );
  });

  it('in a macro points at the call and shows the text that the macro made', () => {
    expect(failure('.macro m r\n  addi \\r, \\r, 5000\n.endm\n  nop; m a0').message).toBe(
      [
        'a.s:4:8: error: immediate 5000 is not in -2048..2047',
        '  nop; m a0',
        '       ^',
        "  in macro 'm', line 2: addi a0, a0, 5000",
      ].join('\n'),
    );
  });

  it('does not hide the others, up to twenty', () => {
    expect(summary('foo\nnop\n.bar\nadd a0\n')).toEqual([
      "1:1: unknown instruction 'foo'",
      "3:1: unknown directive '.bar'",
      "4:7: expected ',', found the end of the statement",
    ]);
    expect(failure('foo\n'.repeat(50)).diagnostics).toHaveLength(20);
  });

  it('shows no control characters and no endless lines', () => {
    const { message } = failure(`\u001b[31m${' '.repeat(5000)}nop`);
    expect(message).not.toContain('\u001b');
    expect(failure(`${'x'.repeat(100_000)} 1`).message.length).toBeLessThan(600);
    expect(failure(`${' '.repeat(100_000)}foo`).message).toMatch(/foo\n {80}\^$/);
  });

  it.each([
    ['add a0, a1, 99999', '1:13: immediate 99999 is not in -2048..2047'],
    ['add a0, q1, a2', "1:9: expected a register, found 'q1'"],
    ['add a0, a1, a2, a3', "1:15: unexpected ',' after the operands"],
    ['slli a0, a0, 64', '1:14: immediate 64 is not in 0..63'],
    ['slliw a0, a0, 32', '1:15: immediate 32 is not in 0..31'],
    ['lui a0, -1', '1:9: immediate -1 is not in 0..1048575'],
    ['lw a0, 4(99)', "1:9: unexpected '(' after the operands"],
    ['sw a0, x', "1:9: expected ',', found the end of the statement"],
    ['csrr a0, nothing', '1:10: a CSR number must be a constant that is known here'],
    ['csrwi satp, 32', '1:13: the immediate 32 is not in 0..31'],
    ['fence x, rw', "1:7: expected a fence set such as 'rw', found 'x'"],
    ['lr.w a0, 4(a1)', '1:10: the offset of an atomic 4 is not in 0..0'],
    ['addi a0, a0, %hi(x)', "1:14: '%hi' cannot be used here"],
    ['addi a0, a0, %got(x)', "1:14: unknown modifier '%got'"],
    ['li a0, x\nx:', '1:8: the constant must be a constant that is known here'],
    ['li a0, 0x10000000000000000', "1:8: number '0x10000000000000000' has more than 64 bits"],
    ['li a0, 09', "1:8: bad number '09'"],
    ['li a0, 1 / 0', '1:10: division by zero'],
    ['.dword 1 / x\n.set x, 0', '1:10: division by zero'],
    ['li a0, (1', "1:10: expected ')', found the end of the statement"],
    ['li a0, "s"', '1:8: expected an expression, found a string'],
    ['li a0, \u20ac', '1:8: unexpected character "\u20ac"'],
    ['j nowhere', "1:3: undefined symbol 'nowhere'"],
    ['j 1f', "1:3: undefined symbol '1'"],
    ['j 1b', '1:3: no label 1: before this'],
    ['x: nop\nx: nop', "2:1: 'x' is already defined in line 1"],
    ['x: nop\n.set x, 1', "2:1: 'x' is already defined in line 1"],
    ['.equiv x, 1\n.equiv x, 2', "2:1: 'x' is already defined in line 1"],
    ['.set a, b\n.set b, a\n.word a', "3:7: the definition of 'a' is a loop"],
    ['j 0x80000001', '1:3: the target is at an odd address'],
    ['j 0', '1:3: the target is -2147483648 bytes away and jal reaches 1 MiB: use call or tail'],
    ['call 0x200000000', '1:6: the target is more than 2 GiB away'],
    ['lui a0, %hi(x)\nx:', '1:9: %hi cannot express 0x80000004: use la, or compile with -mcmodel=medany'],
    ['addi a0, a0, %pcrel_lo(x)\nx: nop', '1:14: %pcrel_lo needs the label of an instruction with %pcrel_hi'],
    ['.byte 256', '1:7: value 256 does not fit in 1 byte'],
    ['.half x\nx:', '1:7: value 2147483650 does not fit in 2 bytes'],
    ['.string "abc', '1:9: unterminated string'],
    ['.string "a\\q"', "1:11: unknown escape '\\q'"],
    ['.string abc', "1:9: expected a string, found 'abc'"],
    ['nop /* x', '1:5: the comment is never closed'],
    ['.align 32', '1:8: the alignment 32 is not in 0..31'],
    ['.balign 3', '1:9: alignment 3 is not a power of two'],
    ['.bss\nnop', "2:1: section '.bss' can only hold zeros"],
    ['.bss\n.word 1', "2:7: section '.bss' can only hold zeros"],
    ['.bss\n.string "x"', "2:9: section '.bss' can only hold zeros"],
    ['.section foo', '1:9: section \'foo\' needs flags, such as "aw"'],
    ['.section .text,"aw"', "1:9: section '.text' was text before and cannot become data"],
    ['.section .tbss,"awT",@nobits', '1:9: thread-local sections are not supported'],
    [
      '.section .comment\nx:\n.data\n.dword x',
      '4:8: the value is in a section that is not part of the program',
    ],
    ['.popsection', '1:1: .popsection without .pushsection'],
    ['.if x\n.endif', '1:5: the condition must be a constant that is known here'],
    ['.if 1', '1:1: no .endif for this'],
    ['.else', '1:1: .else without .if'],
    ['.macro m', '1:1: no .endm for this'],
    ['.macro m a\n.endm\nm 1, 2', "3:6: too many arguments for macro 'm'"],
    ['.macro m a:req\n.endm\nm', "3:1: macro 'm' needs an argument for 'a'"],
    ['.endm', '1:1: .endm without its beginning'],
    ['.rept x\n.endr', '1:7: the count must be a constant that is known here'],
    ['.error "no luck"', '1:1: no luck'],
    ['.include "x.s"', '1:1: a source cannot include other files'],
    ['"x"', '1:1: expected a label, an instruction or a directive'],
    ['.type x, @magic', "1:11: unknown symbol type 'magic'"],
  ])('%j: %s', (source, expected) => {
    expect(summary(source)[0]).toBe(expected);
  });
});

describe('a hostile source', () => {
  const nested = (count: number, open: string, close: string): string =>
    open.repeat(count) + close.repeat(count);

  it.each([
    [
      'endless repetition',
      nested(2, '.rept 1000000\n', '.endr\n').replace('.endr', 'nop\n.endr'),
      'more than 1000000 statements',
    ],
    ['repetition of nothing', nested(90, '.rept 1000000\n', '.endr\n'), 'more than 1000000 statements'],
    ['a count beyond measure', '.rept 99999999999999999999999\n.endr', 'more than 64 bits'],
    ['a macro that calls itself', '.macro m\nm\nm\n.endm\nm', 'nested more than 100 deep'],
    ['a macro that grows', '.macro m x\nm \\x\\x\n.endm\nm ab', 'macros expand to more than 16 MiB'],
    ['a huge gap', '.space 0x7fffffff', 'larger than 64 MiB'],
    ['a huge fill', '.fill 0x3fffffffff, 8, 1', 'larger than 64 MiB'],
    ['a huge alignment', '.byte 1\n.p2align 31', 'larger than 64 MiB'],
    ['a huge .bss', '.bss\n.zero 0x4000000000\n.zero 1', 'too large'],
    ['deep parentheses', `.word ${'('.repeat(100_000)}`, 'nested too deeply'],
    ['many signs', `.word ${'-'.repeat(100_000)}1`, 'nested too deeply'],
    ['a long sum', `.word ${'x+'.repeat(100_000)}1`, 'nested too deeply'],
    [
      'a long chain of names',
      `${Array.from({ length: 5000 }, (_, i) => `.set a${i}, a${i + 1}`).join('\n')}\n.word a0`,
      'nested too deeply',
    ],
    ['deep conditionals', '.if 1\n'.repeat(1000), 'conditionals are nested more than 100 deep'],
    ['deep sections', '.pushsection .data\n'.repeat(1000), 'sections are nested more than 100 deep'],
    ['many arguments', `.macro m a\n.endm\nm ${','.repeat(100_000)}`, 'more than 10000 arguments'],
    ['too much source', 'x'.repeat(16 * 2 ** 20 + 1), 'longer than 16 MiB'],
  ])('gets an error for %s', (_, source, text) => {
    expect(failure(source).message).toContain(text);
  });

  it('may double names without doubling the work', () => {
    const chain = (first: string) =>
      Array.from({ length: 60 }, (_, i) => `.set a${i + 1}, ${first}`.replaceAll('$', `a${i}`));
    expect(() =>
      assemble(`${chain('$+$').join('\n')}\n.dword a60\n.set a0, 1`, { file: 'a.s' }),
    ).not.toThrow();
    expect(() =>
      assemble(`${chain('$-$+$').join('\n')}\n.set a0, .\n.dword a60`, { file: 'a.s' }),
    ).not.toThrow();
  });

  const fragment = fc.constantFrom(
    ...[
      'add',
      'li',
      'la',
      'beq',
      'lw',
      'sw',
      'jalr',
      'csrrw',
      'fence',
      'amoadd.w',
      'a0',
      'sp',
      'x',
      'y',
      '1b',
      '1f',
      '1:',
      'x:',
    ],
    ...[
      ',',
      '(',
      ')',
      '+',
      '-',
      '*',
      '/',
      '%',
      '%lo',
      '%pcrel_hi(',
      '<<',
      '==',
      '=',
      '!',
      '~',
      '@',
      ':',
      '.',
      '#',
      '//',
      '/*',
      '*/',
    ],
    ...[
      '\n',
      '\n',
      '\n',
      ';',
      ' ',
      '\t',
      '"',
      "'",
      '\\',
      '\\x',
      '0',
      '1',
      '-1',
      '0x',
      '0xffffffffffffffff',
      '99999',
      '1e5',
      '08',
    ],
    ...[
      '.set',
      '.word',
      '.byte',
      '.string',
      '.align',
      '.fill',
      '.space',
      '.org',
      '.macro',
      '.endm',
      '.rept 3',
      '.endr',
      '.irp',
    ],
    ...[
      '.if',
      '.else',
      '.elseif',
      '.endif',
      '.section',
      '.data',
      '.bss',
      '.text',
      '.comm',
      '.size',
      '.type',
      '.equ',
      '.exitm',
    ],
    ...[
      '.pushsection',
      '.popsection',
      '.previous',
      '.uleb128',
      '.insn',
      '.irpc',
      '.ifdef',
      '.ifc',
      '.weak',
      '.globl',
      '.local',
    ],
  );
  const soup = fc.array(fc.oneof({ weight: 4, arbitrary: fragment }, fc.string({ maxLength: 5 })), {
    maxLength: 60,
  });

  it('of any kind assembles or gets AssemblerErrors, each with a place', () => {
    fc.assert(
      fc.property(soup, fc.constantFrom('', ' '), (parts, glue) => {
        try {
          assemble(parts.join(glue), { file: 'a.s' });
        } catch (error) {
          expect(error).toBeInstanceOf(AssemblerError);
          for (const d of (error as AssemblerError).diagnostics) {
            expect(d.line).toBeGreaterThan(0);
            expect(d.column).toBeGreaterThan(0);
            expect(d.column).toBeLessThanOrEqual(d.sourceLine.length + 1);
          }
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('of random characters assembles or gets an AssemblerError', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (source) => {
        try {
          assemble(source, { file: 'a.s' });
        } catch (error) {
          expect(error).toBeInstanceOf(AssemblerError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
