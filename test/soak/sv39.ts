// The soak `sv39`: random programs get what the manual says of every access (test/hw/hart/sv39.ts), under both MMUs, with
// every scheme of A and D, with and without PMP, with plenty of host memory and with the least, some with every TLB hit
// walked again.

import { LEAST, playSv39 } from '../hw/hart/sv39.ts';
import type { Soak } from './soak.ts';

const pick = <T>(values: readonly T[], seed: number): T => values[seed % values.length]!;

export const sv39 = (): Soak => ({
  caseSize: 1,
  play: (seed) => {
    const ad = pick(['hardware', 'svade', 'svadu'] as const, seed);
    const mmu = pick(['shadow', 'tdp'] as const, Math.floor(seed / 3));
    const hostRamBytes = pick([2 ** 20, LEAST], Math.floor(seed / 6));
    const check = pick(['on', 'on', 'on', 'tlb'] as const, Math.floor(seed / 12));
    playSv39({ seed, operations: 600, ad, pmp: seed % 5 > 1 }, { mmu, hostRamBytes, check });
  },
});
