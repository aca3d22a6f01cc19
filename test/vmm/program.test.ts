// Whether a program fits the board, and where its device tree goes.

import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/vmm/inputError.ts';
import { Layout } from '../../src/vmm/layout.ts';
import { placeDeviceTree, readProgram } from '../../src/vmm/program.ts';
import { buildElf, type ElfSpec } from './elfBuilder.ts';

const RAM = Layout.ram;
const PAGE = 4096;
const RAM_BYTES = 16 * PAGE;
const code = new Uint8Array(8);

const read = (spec: ElfSpec) => readProgram(buildElf(spec), 'prog', RAM_BYTES);
const segment = (address: number, memoryBytes = 8) => ({ address, bytes: code, memoryBytes });

describe('a program', () => {
  it('may fill RAM to the last byte', () => {
    expect(read({ segments: [segment(RAM, RAM_BYTES)] }).segments).toHaveLength(1);
  });

  it.each([
    ['below RAM', { segments: [segment(RAM - 8)] }, /segment 0x7ffffff8..0x80000000 lies outside RAM/],
    [
      'across the end of RAM',
      { segments: [segment(RAM, RAM_BYTES + 1)] },
      /lies outside RAM 0x80000000..0x80010000/,
    ],
    ['far away', { segments: [segment(2 ** 50)] }, /segment 0x4000000000000/],
    [
      'with its entry outside RAM',
      { entry: RAM + RAM_BYTES, segments: [segment(RAM)] },
      /entry point 0x80010000 lies outside/,
    ],
    [
      'with a misaligned tohost',
      { segments: [segment(RAM)], symbols: [{ name: 'tohost', value: RAM + 4 }] },
      /symbol tohost at 0x80000004 is not an aligned doubleword in RAM/,
    ],
    [
      'with fromhost outside RAM',
      { segments: [segment(RAM)], symbols: [{ name: 'fromhost', value: 64 }] },
      /symbol fromhost at 0x40 is not/,
    ],
  ] as [string, ElfSpec, RegExp][])('%s is refused', (_, spec, message) => {
    expect(() => read(spec)).toThrow(InputError);
    expect(() => read(spec)).toThrow(message);
  });
});

describe('the device tree', () => {
  const place = (bytes: number, ...segments: ReturnType<typeof segment>[]) =>
    placeDeviceTree(read({ entry: segments[0]!.address, segments }), RAM_BYTES, bytes);

  it('stands on the last page of RAM that has room', () => {
    expect(place(100, segment(RAM))).toBe(RAM + 15 * PAGE);
    expect(place(PAGE + 1, segment(RAM))).toBe(RAM + 14 * PAGE);
  });

  it('goes below a segment at the end of RAM, or into a gap', () => {
    expect(place(100, segment(RAM), segment(RAM + RAM_BYTES - PAGE, PAGE))).toBe(RAM + 14 * PAGE);
    expect(place(100, segment(RAM, 5 * PAGE), segment(RAM + 6 * PAGE, 10 * PAGE))).toBe(RAM + 5 * PAGE);
    expect(place(100, segment(RAM + PAGE, 15 * PAGE))).toBe(RAM);
  });

  it('never overlaps the program', () => {
    expect(place(100, segment(RAM, 15 * PAGE + 8))).toBeNull();
    expect(place(2 * PAGE, segment(RAM + PAGE, 14 * PAGE))).toBeNull();
    expect(place(100, segment(RAM, RAM_BYTES))).toBeNull();
  });
});
