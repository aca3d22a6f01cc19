// The ELF reader: what it takes, and one clear line for everything that it does not.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readElf } from '../../src/vmm/elf.ts';
import { InputError } from '../../src/vmm/inputError.ts';
import { buildElf, type ElfSpec } from './elfBuilder.ts';

const code = Uint8Array.of(0x13, 0, 0, 0);
const simple: ElfSpec = { segments: [{ address: 0x80000000, bytes: code, memoryBytes: 0x100 }] };

/** The good file with `bytes` at `at`. */
function spoil(at: number, ...bytes: number[]): Uint8Array {
  const file = buildElf(simple);
  file.set(bytes, at);
  return file;
}

describe('a good file', () => {
  it('gives its entry and its segments, sorted by address', () => {
    const image = readElf(
      buildElf({
        entry: 0x80000100,
        segments: [
          { address: 0x80001000, bytes: code },
          { address: 0x80000000, bytes: code, memoryBytes: 0x1000 },
        ],
      }),
      'a',
    );
    expect(image.entry).toBe(0x80000100);
    expect(image.segments.map((s) => [s.address, s.memoryBytes])).toEqual([
      [0x80000000, 0x1000],
      [0x80001000, 4],
    ]);
    expect(image.segments[0]!.fileBytes).toEqual(code);
  });

  it('gives its symbols, moved to where their segment is loaded', () => {
    const image = readElf(
      buildElf({
        segments: [{ address: 0x80000000, virtualAddress: -0x4000_0000n, bytes: code, memoryBytes: 0x100 }],
        symbols: [
          { name: 'tohost', value: -0x4000_0000 + 0x40, bytes: 8 },
          { name: 'elsewhere', value: 0x1234 },
        ],
      }),
      'a',
    );
    expect(image.symbols.get('tohost')).toEqual({ address: 0x80000040, bytes: 8 });
    expect(image.symbols.get('elsewhere')?.address).toBe(0x1234);
  });

  it('prefers a global symbol to a local one of the same name', () => {
    const symbols = [
      { name: 'x', value: 1, info: 0x00 },
      { name: 'x', value: 2, info: 0x10 },
      { name: 'x', value: 3, info: 0x00 },
    ];
    expect(readElf(buildElf({ ...simple, symbols }), 'a').symbols.get('x')?.address).toBe(2);
  });

  it('may have no section headers', () => {
    const file = buildElf({ ...simple, symbols: [{ name: 'x', value: 1 }] });
    file.fill(0, 40, 48);
    file.fill(0, 60, 62);
    expect(readElf(file, 'a').symbols.size).toBe(0);
  });

  it('may have segments that load nothing', () => {
    const segments = [
      ...simple.segments,
      { address: 0, bytes: new Uint8Array(0) },
      { address: 5, bytes: code, type: 4 },
    ];
    expect(readElf(buildElf({ segments }), 'a').segments).toHaveLength(1);
  });
});

describe('a bad file', () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(0), /not an ELF file/],
    [
      'text',
      new TextEncoder().encode('#!/bin/sh\necho hello, this is not a program at all; sorry for that\n'),
      /not an ELF/,
    ],
    ['cut in the header', buildElf(simple).subarray(0, 40), /header is cut off/],
    ['32-bit', spoil(4, 1), /not a 64-bit/],
    ['big-endian', spoil(5, 2), /not a little-endian/],
    ['for x86-64', spoil(18, 62), /built for x86-64, not for RISC-V/],
    ['for an unknown machine', spoil(18, 9, 3), /built for machine 777/],
    ['an object', spoil(16, 1), /relocatable object: link it first/],
    ['position-independent', spoil(16, 3), /link it with -static -no-pie/],
    ['without program headers', spoil(56, 0), /nothing to load/],
    ['with too many program headers', spoil(56, 0xff, 0xff), /too many program headers \(65535\)/],
    ['with odd program headers', spoil(54, 32), /program headers of 32 bytes/],
    ['with its program headers outside', spoil(32, 0, 0, 1), /program headers lie beyond/],
    ['with an absurd program header offset', spoil(39, 0xff), /absurd program header offset 0xff/],
    ['without a segment', spoil(64, 4), /no segment to load/],
    ['with an odd entry', buildElf({ ...simple, entry: 0x80000001 }), /entry point 0x80000001 is odd/],
    ['with an absurd entry', buildElf({ ...simple, entry: -2n }), /absurd entry point 0xfffffffffffffffe/],
    [
      'with a segment outside the file',
      buildElf({ segments: [{ address: 0, bytes: code, offset: 0x10000 }] }),
      /segment 0 lies beyond the end of the file/,
    ],
    [
      'with a segment larger in the file',
      buildElf({ segments: [{ address: 0, bytes: code, memoryBytes: 1 }] }),
      /segment 0 is larger in the file than in memory/,
    ],
    [
      'with an absurd segment',
      buildElf({ segments: [{ address: 0, bytes: code, memoryBytes: -1n }] }),
      /absurd size in memory/,
    ],
    [
      'with overlapping segments',
      buildElf({ segments: [simple.segments[0]!, { address: 0x800000ff, bytes: code }] }),
      /two segments overlap at 0x800000ff/,
    ],
    ['with its section headers outside', spoil(42, 0xff), /section headers lie beyond/],
    ['with odd section headers', spoil(58, 40), /section headers of 40 bytes/],
  ];

  it.each(cases)('that is %s is refused with one clear line', (_, file, message) => {
    expect(() => readElf(file, 'prog')).toThrow(message);
    expect(() => readElf(file, 'prog')).toThrow(InputError);
    expect(() => readElf(file, 'prog')).toThrow(/^prog: [^\n]+$/);
  });

  it('whose symbol table lies outside is refused', () => {
    const file = buildElf({ ...simple, symbols: [{ name: 'x', value: 1 }] });
    const sections = Number(new DataView(file.buffer).getBigUint64(40, true));
    file[sections + 64 + 26] = 0xff;
    expect(() => readElf(file, 'prog')).toThrow(/symbol table lies beyond the end/);
  });

  it('never makes the reader fail otherwise, whatever its bytes', () => {
    const good = buildElf({ ...simple, symbols: [{ name: 'tohost', value: 0x80000040 }] });
    const spots = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(spots, fc.nat(good.length), (changes, cut) => {
        const file = good.slice(0, cut % 4 === 0 ? cut : good.length);
        for (const [at, value] of changes) if (at < file.length) file[at] = value;
        try {
          readElf(file, 'prog');
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { seed: 1, numRuns: 20_000 },
    );
  });
});
