// Translation and protection in every corner: random programs that check each access against a slow, obvious reference,
// on the whole machine, with both MMUs, and with less host memory than the programs touch.

import { describe, it } from 'vitest';
import { LEAST, playSv39 } from './sv39.ts';

describe.each(['shadow', 'tdp'] as const)('%s', (mmu) => {
  describe.each(['hardware', 'svade', 'svadu'] as const)('A and D by %s', (ad) => {
    it.each([false, true])('random programs get what the manual says, PMP changes: %s', (pmp) => {
      for (const seed of [0, 1]) {
        playSv39({ seed, operations: 600, ad, pmp }, { mmu });
        playSv39({ seed, operations: 600, ad, pmp }, { mmu, hostRamBytes: LEAST });
      }
    });
  });

  it('no TLB entry is stale', () => {
    playSv39(
      { seed: 0, operations: 400, ad: 'svadu', pmp: true },
      { mmu, check: 'tlb', hostRamBytes: LEAST },
    );
  });
});
