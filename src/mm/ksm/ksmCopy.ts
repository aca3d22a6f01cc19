// Swap-in of what was merged when it was swapped out (mm/ksm.c: ksm_might_need_to_copy).
//
// Whoever comes first makes the folio his; the others cannot map it, since reverse mapping would not find them, and get
// copies. Lock: the folio lock, from the question to the copy.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Hva, Pfn } from '../../units.ts';
import { PG_dirty, PG_ksm, PG_uptodate } from '../page/frames.ts';
import { allocAnonPage } from '../page/pageAlloc.ts';
import type { Vma } from '../vma/vma.ts';
import { folioStableNode } from './ksmTree.ts';

/**
 * ksm_might_need_to_copy(): whether a folio from the swap cache is one that `vma` must not map at `address`.
 */
export function* needsCopyOfMerged(vma: Vma, pfn: Pfn, address: Hva): Steps<boolean> {
  const { host } = vma.mm;
  const { frames } = host;
  if (frames.order[pfn] !== 0) return false;
  if (points.on) yield at.page(pfn);
  if (frames.test(pfn, PG_ksm)) return folioStableNode(host, pfn) === null;
  const anonVma = host.anonVmas.byId.get(frames.mapping[pfn]!);
  if (frames.mapping[pfn] === 0 || !frames.test(pfn, PG_uptodate)) return false;
  return anonVma?.root !== vma.anonVma?.root || frames.index[pfn] !== vma.indexOf(address);
}

/** The copy: a folio that nobody else knows; null when out of memory. */
export function* copyOfMerged(vma: Vma, pfn: Pfn): Steps<Pfn | null> {
  const { host } = vma.mm;
  const copy = yield* allocAnonPage(host, vma.mm);
  if (copy === null) return null;
  if (points.on) yield at.page(pfn);
  host.memory.copyFrame(copy, pfn);
  host.vmstat.ksm_swpin_copy++;
  if (points.on) yield at.page(copy);
  host.frames.set(copy, PG_uptodate | PG_dirty);
  return copy;
}
