// What the hooks say: npx tsx examples/hooks.ts
//
// A guest stores to a page; its host swaps that page out, and the guest stores again. Prints each call of the notifier
// and what KVM made of it, as ftrace would.

import { Lab } from 'umbra';

const GUEST = `
_start: la   a0, page
again:  addi t0, t0, 1
        sd   t0, 0(a0)
        j    again
        .balign 4096
page:`;

const lab = new Lab({ guest: GUEST });
const page = 0x80001000;
lab.run({ instructions: 100 });

const records = lab.trace(['mmu_notifier', 'kvm_unmap_hva_range', 'kvm_page_fault', 'swap'], () => {
  lab.pageOut(page, 4096);
  lab.run({ instructions: 100 });
});
for (const record of records) console.log(lab.print(record));

const stored = new DataView(lab.read(page, 8).buffer).getBigUint64(0, true);
console.log(`the guest has stored ${stored} times; left behind: ${lab.close().length}`);
