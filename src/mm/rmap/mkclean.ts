// Write-protecting a file page wherever it is mapped, so that the next store is heard of (mm/rmap.c: folio_mkclean).
//
// Writeback (writeback.ts) calls it for each folio, so that "dirty" starts anew; and the file system when a file
// grows.
//
// Order (reference table row 11): start (PROTECTION_PAGE); page table lock; clear the PTE and flush; set it read-only
// and clean; unlock; end. Only shared mappings: a private one is read-only as long as it maps the file's page.
// Locks: the folio lock, by the caller; i_mmap_rwsem for read.

import { PTE_D, PTE_W } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { ptlOf, readPte, setPte } from '../pagetable/pte.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_SHARED } from '../vma/vmFlags.ts';
import { lockMappedPte, ptepClearFlush } from './rmap.ts';
import { rmapWalk } from './rmapWalk.ts';

/** folio_mkclean(): how many PTEs were writable or dirty. */
export function* folioMkclean(host: Host, pfn: Pfn): Steps<number> {
  const sum: Sum = { cleaned: 0 };
  yield* rmapWalk(host, pfn, false, (vma, address) => mkcleanOne(vma, pfn, address, sum));
  return sum.cleaned;
}

interface Sum {
  cleaned: number;
}

/** page_mkclean_one(), and invalid_mkclean_vma(). */
function* mkcleanOne(vma: Vma, pfn: Pfn, address: Hva, sum: Sum): Steps<false> {
  if ((vma.flags & VM_SHARED) === 0) return false;
  const { mm } = vma;
  const end = (address + PAGE_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.PROTECTION_PAGE, mm, address, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  sum.cleaned += yield* mkcleanPte(vma, pfn, address);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return false;
}

function* mkcleanPte(vma: Vma, pfn: Pfn, address: Hva): Steps<number> {
  const { host } = vma.mm;
  const ptep = yield* lockMappedPte(vma, pfn, address);
  if (ptep === 0) return 0;
  if (points.on) yield at.pte(ptep);
  const changes = (readPte(host, ptep) & (PTE_D | PTE_W)) !== 0;
  if (changes) {
    const pte = yield* ptepClearFlush(vma.mm, address, ptep);
    if (points.on) yield at.pte(ptep);
    setPte(host, ptep, pte & ~(PTE_D | PTE_W));
  }
  yield* ptlOf(host, ptep).unlock();
  return Number(changes);
}
