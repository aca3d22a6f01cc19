// Page-table entries as the kernels of Umbra make them.

import { describe, expect, it } from 'vitest';
import * as pte from '../../../src/hw/sv39/index.ts';
import type { Pfn } from '../../../src/units.ts';

describe('page-table entries of host frames', () => {
  it('keep frame and flags apart, up to the last frame', () => {
    const last = (2 ** 20 - 1) as Pfn;
    const entry = pte.makePte(last, pte.PTE_V | pte.PTE_R | pte.PTE_SOFT1);
    expect(pte.ptePfn(entry)).toBe(last);
    expect(pte.pteFlags(entry)).toBe(pte.PTE_V | pte.PTE_R | pte.PTE_SOFT1);
    expect(entry).toBeGreaterThan(0);
  });

  it('are leaves, tables or neither', () => {
    const kinds = [0, pte.PTE_R, pte.PTE_V, pte.PTE_V | pte.PTE_R, pte.PTE_V | pte.PTE_X].map((flags) => [
      pte.isPresent(flags),
      pte.isLeaf(flags),
      pte.isTable(flags),
    ]);
    expect(kinds).toEqual([
      [false, false, false],
      [false, false, false],
      [true, false, true],
      [true, true, false],
      [true, true, false],
    ]);
  });

  it('are found at the index that the address names', () => {
    expect([2, 1, 0].map((level) => pte.pteIndex(0x80201000, level))).toEqual([2, 1, 1]);
    expect([2, 1, 0].map((level) => pte.pteIndex(-4096, level))).toEqual([511, 511, 511]);
    expect([2, 1, 0].map((level) => pte.pteIndexX4(2 ** 41 - 4096, level))).toEqual([2047, 511, 511]);
  });
});
