// Unmapping the pages of a range (mm/memory.c: unmap_vmas, zap_pte_range).
//
// munmap, MADV_DONTNEED, exit and the OOM reaper come here between the notifier's start and end. Pages go to the
// mmu_gather, swap entries give their slot back at once.
//
// Invariant: under the page table lock, a present entry is cleared, then its rmap removed; its reference moves to the
// gather. Lock: mmap_lock (any mode) or the VMA's lock.

import { PTE_BYTES } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../units.ts';
import type { MmuGather } from './mmuGather.ts';
import { walkPageRange } from './pagewalk.ts';
import { isPresentPte, normalPfn, ptepGetAndClear, ptlOf, readPte, setPte, swapPteSlot } from './pte.ts';
import { removeAnonRmap } from './rmap.ts';
import { freeSwapAndCache } from './swapCache.ts';
import { flushTlbBatchedPending } from './tlbFlush.ts';
import type { Vma } from './vma.ts';

/** unmap_page_range(): [start, end) lies within `vma`. */
export function* zapPageRange(gather: MmuGather, vma: Vma, start: Hva, end: Hva): Steps {
  yield* walkPageRange(vma.mm, start, end, function* (ptep, address, tableEnd) {
    let next = address;
    while (next < tableEnd) {
      const entry = (ptep + ((next - address) / PAGE_SIZE) * PTE_BYTES) as Hpa;
      next = yield* zapPteRange(gather, vma, entry, next, tableEnd);
    }
  });
}

/** zap_pte_range(): until `end` or until the gather is full. Returns where it stopped. */
function* zapPteRange(gather: MmuGather, vma: Vma, first: Hpa, start: Hva, end: Hva): Steps<Hva> {
  const ptl = ptlOf(vma.mm.host, first);
  let address = start;
  let ptep = first;
  let full = false;
  yield* ptl.lock();
  yield* flushTlbBatchedPending(vma.mm);
  while (address < end && !full) {
    full = yield* zapPte(gather, vma, ptep, address);
    address = (address + PAGE_SIZE) as Hva;
    ptep = (ptep + PTE_BYTES) as Hpa;
  }
  if (full) yield* gather.flushTlb();
  yield* ptl.unlock();
  if (full) yield* gather.flush();
  return address;
}

/** One entry; true when the gather is full. */
function* zapPte(gather: MmuGather, vma: Vma, ptep: Hpa, address: Hva): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  if (pte === 0) return false;
  if (!isPresentPte(pte)) {
    mm.swapEntries--;
    yield* freeSwapAndCache(host, swapPteSlot(pte));
    if (points.on) yield at.pte(ptep);
    setPte(host, ptep, 0);
    return false;
  }
  const pfn = normalPfn(ptepGetAndClear(host, ptep));
  gather.noteEntry(address);
  if (pfn === 0) return false;
  mm.anonPages--;
  yield* removeAnonRmap(vma, pfn as Pfn);
  return gather.addPage(pfn as Pfn);
}
