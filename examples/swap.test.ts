// Does swap lose anything? A guest fills a megabyte and verifies it, on a host with half of that, which takes everything
// away from it again and again: npx vitest run examples

import { Lab } from 'umbra';
import { expect, it } from 'vitest';
import 'umbra/vitest';

const GUEST = `
_start: la   s0, buffer         # each word is its own address
        li   s1, 1 << 20
        add  s1, s0, s1
        mv   a0, s0
fill:   sd   a0, 0(a0)
        addi a0, a0, 256
        bltu a0, s1, fill
verify: ld   a1, 0(s0)
        bne  a1, s0, end
        addi s0, s0, 256
        bltu s0, s1, verify
        li   a2, 0x5555         # well
end:    li   a3, 0x100000       # the finisher
        sw   a2, 0(a3)
        j    end
        .balign 4096
buffer:`;

it.each(['shadow', 'tdp'] as const)('loses nothing under %s paging', (mmu) => {
  const lab = new Lab({ guest: GUEST, hostRam: '512K', mmu });
  while (lab.run({ instructions: 2000 }) === null) {
    lab.pageOut();
    expect(lab).toHaveNoStaleTranslation();
  }
  expect(lab.stop).toMatchObject({ via: 'finisher', code: 0 });
  expect(lab).toHaveSwappedAllPages();
  expect(lab).toHaveNoLeak();
});
