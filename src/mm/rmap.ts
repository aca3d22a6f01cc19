// Reverse mapping: from an anonymous folio to the PTEs that map it (mm/rmap.c).

import { isPresent } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Hpa, type Hva, type Pfn } from '../units.ts';
import { PG_anon_exclusive, PG_swapbacked } from './frames.ts';
import type { Mm } from './mmStruct.ts';
import { ptepGetAndClear } from './pte.ts';
import { flushTlbPage } from './tlbFlush.ts';
import type { Vma } from './vma.ts';

/**
 * folio_add_new_anon_rmap(): the first mapping of a folio that nobody else can see. Under the page table lock, before
 * the PTE is set.
 */
export function* addNewAnonRmap(vma: Vma, pfn: Pfn, address: Hva, exclusive: boolean): Steps {
  const { host } = vma.mm;
  const { frames } = host;
  const anonVma = vma.anonVma ?? bug('anonymous folio mapped without an anon_vma', { pfn });
  if (points.on) yield at.page(pfn);
  frames.mapping[pfn] = anonVma.id;
  frames.index[pfn] = vma.indexOf(address);
  frames.set(pfn, PG_swapbacked | (exclusive ? PG_anon_exclusive : 0));
  frames.mapcount[pfn]!++;
  host.vmstat.nr_anon_pages++;
}

/** folio_remove_rmap_pte(): the PTE was cleared, under its lock; the caller drops its reference. */
export function* removeAnonRmap(vma: Vma, pfn: Pfn): Steps {
  const { host } = vma.mm;
  if (points.on) yield at.page(pfn);
  if (host.frames.maps(pfn) <= 0) bug('rmap removed twice', { pfn });
  if (--host.frames.mapcount[pfn]! === 0) host.vmstat.nr_anon_pages--;
}

/** ptep_clear_flush(): under the page table lock. Returns what the entry was, with the CPU's last A and D. */
export function* ptepClearFlush(mm: Mm, address: Hva, ptep: Hpa): Steps<number> {
  if (points.on) yield at.pte(ptep);
  const pte = ptepGetAndClear(mm.host, ptep);
  if (isPresent(pte)) yield* flushTlbPage(mm, address);
  return pte;
}
