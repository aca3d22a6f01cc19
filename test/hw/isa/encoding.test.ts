// The encoding table as a whole: ids, names, and that no word means two things.

import { describe, expect, it } from 'vitest';
import { ENCODINGS, encodingOf, OP_COUNT, Op } from '../../../src/hw/isa/index.ts';

const OPS = ENCODINGS.map((row, op) => ({ ...row, op })).slice(1);

describe('the encoding table', () => {
  it('has dense ids from 0, which is illegal, below 256', () => {
    expect(Object.values(Op)).toEqual(Array.from({ length: OP_COUNT }, (_, op) => op));
    expect(Op.illegal).toBe(0);
    expect(OP_COUNT).toBeLessThanOrEqual(256);
    expect(ENCODINGS).toHaveLength(OP_COUNT);
  });

  it('names each row after its id', () => {
    expect(encodingOf(Op.amoadd_w).mnemonic).toBe('amoadd.w');
    expect(encodingOf(Op.fence_i).mnemonic).toBe('fence.i');
    expect(encodingOf(Op.sfence_vma).mnemonic).toBe('sfence.vma');
    expect(new Set(OPS.map((row) => row.mnemonic)).size).toBe(OPS.length);
  });

  it('fixes only bits that the mask covers, and always the low two', () => {
    for (const { match, mask } of OPS) {
      expect(match & ~mask).toBe(0);
      expect(match & mask & 3).toBe(3);
    }
  });

  it('gives no word two meanings', () => {
    for (const a of OPS) {
      for (const b of OPS) {
        const overlap = ((a.match ^ b.match) & a.mask & b.mask) === 0;
        expect(`${a.mnemonic} ${b.mnemonic} ${overlap}`).toBe(`${a.mnemonic} ${b.mnemonic} ${a.op === b.op}`);
      }
    }
  });
});
