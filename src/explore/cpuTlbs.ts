// The TLBs of the host's CPUs against its page tables: I1 when a frame is freed, I2 whenever an entry is changed, I5 when
// the call that took a permission away returns.
//
// A CPU may keep an entry whose PTE is gone until somebody flushes it; but nobody may free the frame before, nor show
// another frame at the address, and who has asked for less (munmap, mprotect, madvise) relies on it when he goes on.

import { isPresent, PTE_W, ptePfn } from '../hw/sv39/index.ts';
import type { CpuTlbEntry } from '../hw/tlb/index.ts';
import type { Host, Mm } from '../mm/index.ts';
import { inspectPte, isSwapPte } from '../mm/internals.ts';
import type { WatchedDevice } from '../oracle/index.ts';
import { type Hva, hex, type Pfn } from '../units.ts';
import type { Broken } from './verdict.ts';

/** I1: a CPU, or one of `devices`, can still reach `pfn`, which is being freed. */
export function stillReached(host: Host, devices: readonly WatchedDevice[], pfn: Pfn): Broken | null {
  for (const device of devices) {
    for (const entry of device.entries()) {
      if (entry.pfn !== pfn) continue;
      const what = `a device maps ${hex(entry.address)} to frame ${hex(pfn)}, which is freed`;
      return { invariant: 'I1', message: what };
    }
  }
  return find(host, (entry) => (entry.pfn === pfn ? { invariant: 'I1', message: ', which is freed' } : null));
}

/** I2: a CPU reaches another frame than its process's page table now shows there. */
export function brokenCpuTlb(host: Host): Broken | null {
  return find(host, (entry) => {
    const { asid, address, pfn } = entry;
    const mm = host.mms.find(({ id }) => id === asid);
    const pte = mm === undefined ? 0 : inspectPte(mm, address);
    if (!isPresent(pte) || ptePfn(pte) === pfn || isFlushDue(mm!, entry)) return null;
    return { invariant: 'I2', message: `, but ${hex(ptePfn(pte))} is mapped there already` };
  });
}

/**
 * Linux lets a CPU use an old entry until the flush that was put off. What a gather has dropped may be faulted in anew
 * before the gather has flushed: whoever gives up a page that others use gets either. Reclaim has frozen the folio and
 * flushes before it frees it; what it has written may be read until then.
 */
const isFlushDue = ({ tlbFlushPending, host }: Mm, { writable, pfn }: CpuTlbEntry): boolean =>
  tlbFlushPending > 0 || (!writable && host.frames.refcount[pfn] === 0);

/** I5: some CPU permits more in [start, end) of `mm` than the page table, and nobody is there any more to flush it. */
export function staleInCpuTlb(mm: Mm, start: Hva, end: Hva): Broken | null {
  return find(mm.host, ({ asid, address, pfn, writable }) => {
    if (asid !== mm.id || address < start || address >= end) return null;
    const pte = inspectPte(mm, address);
    // Reclaim took it meanwhile, and owes the flush.
    if (isSwapPte(pte) && !writable) return null;
    if (!isPresent(pte)) return { invariant: 'I5', message: ', where nothing is mapped any more' };
    if (ptePfn(pte) === pfn && (!writable || (pte & PTE_W) !== 0)) return null;
    return { invariant: 'I5', message: ' for writing, but the PTE forbids it' };
  });
}

/** What `check` finds wrong with an entry; it says how a sentence ends that names the entry. */
function find(host: Host, check: (entry: CpuTlbEntry) => Broken | null): Broken | null {
  for (const { index, tlb } of host.cpus) {
    for (const entry of tlb.entries()) {
      const found = check(entry);
      if (found === null) continue;
      const who = `cpu ${index}'s TLB maps ${hex(entry.address)} to frame ${hex(entry.pfn)}`;
      return { ...found, message: who + found.message };
    }
  }
  return null;
}
