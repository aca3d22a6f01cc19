// Addresses and frame numbers: conversions, ranges, and what is rejected.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bug,
  fromWords,
  type Gpa,
  gfn,
  gfnToGpa,
  gpa,
  gpaToGfn,
  gva,
  type Hpa,
  hex,
  hiWord,
  hpaToPfn,
  hva,
  isCanonical,
  LEVEL_BYTES,
  loWord,
  PAGE_SIZE,
  PTES_PER_PAGE,
  pageAlignDown,
  pageAlignUp,
  pageOffset,
  pfn,
  pfnToHpa,
  UmbraBug,
} from '../src/units.ts';
import { bugOf } from './support/tasks.ts';

const VA_LIMIT = 2 ** 38;
const virtualAddress = fc.integer({ min: -VA_LIMIT, max: VA_LIMIT - 1 });
const physicalAddress = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }).map(Number);
const anyInteger = fc.bigInt({ min: -(2n ** 53n) + 1n, max: 2n ** 53n - 1n }).map(Number);

describe('addresses', () => {
  it('are canonical from -2^38 up to 2^38, and nothing else is', () => {
    for (const address of [-VA_LIMIT, -1, 0, VA_LIMIT - 1]) {
      expect(isCanonical(address)).toBe(true);
      expect([gva(address), hva(address)]).toEqual([address, address]);
    }
    for (const address of [-VA_LIMIT - 1, VA_LIMIT, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(isCanonical(address)).toBe(false);
      expect(() => gva(address)).toThrow(RangeError);
      expect(() => hva(address)).toThrow(RangeError);
    }
  });

  it('of guest memory lie below 2^56', () => {
    expect([gpa(0), gpa(2 ** 56 - 8)]).toEqual([0, 2 ** 56 - 8]);
    for (const address of [-1, 2 ** 56, Number.NaN]) expect(() => gpa(address)).toThrow(RangeError);
  });

  it('and frame numbers convert into each other', () => {
    fc.assert(
      fc.property(physicalAddress, (address) => {
        const frame = gpaToGfn(address as Gpa);
        expect(gfnToGpa(frame)).toBe(address - pageOffset(address));
      }),
    );
    expect(gpaToGfn(gfnToGpa(gfn(2 ** 44 - 1)))).toBe(2 ** 44 - 1);
    // Above 2^31, where an int32 would be negative.
    for (const frame of [0, 1, 2 ** 19, 2 ** 20 - 1]) expect(hpaToPfn(pfnToHpa(pfn(frame)))).toBe(frame);
    expect(hpaToPfn(0xffff_ffff as Hpa)).toBe(2 ** 20 - 1);
  });

  it('lie in a page that starts at or below them, also negative ones', () => {
    fc.assert(
      fc.property(virtualAddress, (address) => {
        const offset = pageOffset(address);
        expect(Object.is(offset, -0) || offset < 0 || offset >= PAGE_SIZE).toBe(false);
        expect(Math.abs(pageAlignDown(address) % PAGE_SIZE)).toBe(0);
        expect(pageAlignDown(address) + offset).toBe(address);
        expect(pageAlignUp(address)).toBe(offset === 0 ? address : pageAlignDown(address) + PAGE_SIZE);
      }),
    );
    expect([pageOffset(-1), pageAlignDown(-1), pageAlignUp(-1)]).toEqual([4095, -4096, 0]);
  });

  it('of one level of a table are 512 of the level below', () => {
    expect(LEVEL_BYTES).toEqual([PAGE_SIZE, PAGE_SIZE * PTES_PER_PAGE, PAGE_SIZE * PTES_PER_PAGE ** 2]);
  });
});

describe('64-bit words', () => {
  it('are the two halves of the two’s complement', () => {
    fc.assert(
      fc.property(anyInteger, (value) => {
        const bits = BigInt.asUintN(64, BigInt(value));
        expect(loWord(value)).toBe(Number(BigInt.asIntN(32, bits)));
        expect(hiWord(value)).toBe(Number(BigInt.asIntN(32, bits >> 32n)));
        expect(fromWords(loWord(value), hiWord(value))).toBe(value);
      }),
    );
  });

  it('are written as people write addresses', () => {
    expect([hex(0), hex(0x80000000), hex(-1), hex(-(2 ** 38)), hex(2 ** 52)]).toEqual([
      '0x0',
      '0x80000000',
      '0xffffffffffffffff',
      '0xffffffc000000000',
      '0x10000000000000',
    ]);
  });
});

describe('a bug', () => {
  it('carries its details and takes more without losing what it said', () => {
    const details = { pfn: 3 };
    const error = bugOf(() => bug('page lost', details));
    expect([error.name, error.message, error instanceof Error]).toEqual(['UmbraBug', 'page lost', true]);
    error.addDetails({ pfn: 4, step: 9 });
    expect(error.details).toEqual({ pfn: 3, step: 9 });
    expect(details).toEqual({ pfn: 3 });
    expect(new UmbraBug('x').details).toEqual({});
  });
});
