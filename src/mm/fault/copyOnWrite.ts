// Write faults on present read-only pages (mm/memory.c: do_wp_page, wp_page_reuse, wp_page_copy).
//
// fault.ts and swapIn.ts come here with the page table lock held. A page that only this mm can have is made writable in
// place; the zero page, and a page that others may share, is copied. Whoever pins a page for reading comes here too, for
// a page that is his process's alone (FAULT_FLAG_UNSHARE).
//
// Order of a copy (reference table row 14; rule 8): allocate and fill the new page; start; page table lock; clear the PTE
// and flush CPUs and secondary TLBs; rmap of the new page; set the PTE; drop the old rmap; unlock; end; put the old page.

import { PTE_A } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, type Mutex, points, type Steps } from '../../sched/index.ts';
import { bug, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { ksmMightUnmapZeroPage } from '../ksm/ksmZero.ts';
import { folioPut, putPage } from '../page/folio.ts';
import { PG_anon_exclusive, PG_ksm, PG_swapcache, PG_uptodate } from '../page/frames.ts';
import { allocAnonPage } from '../page/pageAlloc.ts';
import {
  isSoftDirty,
  isUffdWp,
  maybeMkWrite,
  mkPte,
  mkSoftDirty,
  normalPfn,
  pteMapLock,
  ptlOf,
  readPte,
  setPte,
} from '../pagetable/pte.ts';
import { flushTlbPage } from '../pagetable/tlbFlush.ts';
import { folioAddLruVma } from '../reclaim/mlockFolio.ts';
import { vmfAnonPrepare } from '../rmap/anonVma.ts';
import { addNewAnonRmap, ptepClearFlush, removeRmap } from '../rmap/rmap.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { folioFreeSwap, freeSwapCache } from '../swap/swapCache.ts';
import { handleUserfault } from '../userfaultfd/userfaultfd.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_SHARED, VM_UFFD_WP } from '../vma/vmFlags.ts';
import { FAULT_FLAG_UNSHARE, VM_FAULT_OOM, type VmFault } from './faultTypes.ts';
import { wpPageShared } from './fileFault.ts';

/** do_wp_page(): the PTE is vmf.origPte, and `ptl`, which is held, is released here. */
export function* doWpPage(vmf: VmFault, ptl: Mutex): Steps<number> {
  const { host } = vmf.vma.mm;
  if (points.on) yield at.pte(vmf.ptep);
  const unshares = (vmf.flags & FAULT_FLAG_UNSHARE) !== 0;
  if (!unshares && (vmf.vma.flags & VM_UFFD_WP) !== 0 && isUffdWp(host, vmf.ptep)) {
    yield* ptl.unlock();
    return yield* handleUserfault(vmf, VM_UFFD_WP);
  }
  // Whoever write-protects flushes later: nobody may store through an old entry while the page is copied.
  if ((vmf.vma.flags & VM_UFFD_WP) !== 0 && vmf.vma.mm.tlbFlushPending > 0)
    yield* flushTlbPage(vmf.vma.mm, vmf.address);
  const pfn = normalPfn(vmf.origPte);
  if (pfn !== 0 && (vmf.vma.flags & VM_SHARED) !== 0) return yield* wpPageShared(vmf, ptl, pfn as Pfn);
  if (pfn !== 0 && (yield* canReuse(vmf.vma, pfn as Pfn))) {
    if (!unshares) {
      host.vmstat.pgreuse++;
      if (points.on) yield at.pte(vmf.ptep);
      setPte(host, vmf.ptep, maybeMkWrite(vmf.origPte | PTE_A, vmf.vma));
    }
    yield* ptl.unlock();
    return 0;
  }
  if (pfn !== 0) {
    const folio = host.frames.folioOf(pfn as Pfn);
    if (points.on) yield at.page(folio);
    host.frames.get(folio);
    if (host.frames.test(folio, PG_ksm)) host.vmstat.cow_ksm++;
  }
  yield* ptl.unlock();
  return yield* wpPageCopy(vmf, pfn);
}

/** wp_can_reuse_anon_folio(): nobody but this PTE, and perhaps the swap cache, has the page, which is `page`. */
function* canReuse(vma: Vma, page: Pfn): Steps<boolean> {
  const { host } = vma.mm;
  const { frames } = host;
  const pfn = frames.folioOf(page);
  if (points.on) yield at.page(pfn);
  if (!isAnonFolio(host, pfn)) return false;
  if (frames.isAnonExclusive(pfn, page)) return true;
  if (frames.test(pfn, PG_ksm)) return false;
  // Who has the other pages of a large folio cannot be told from who has this one.
  if (frames.order[pfn] !== 0) return false;
  if (frames.count(pfn) > 2) return false;
  if (frames.count(pfn) > 1 && !frames.test(pfn, PG_swapcache)) return false;
  if (points.on) yield at.page(pfn);
  if (!host.folioLocks.tryLock(pfn)) return false;
  if (frames.test(pfn, PG_swapcache)) yield* folioFreeSwap(host, pfn);
  if (points.on) yield at.page(pfn);
  const alone = frames.count(pfn) === 1 && !frames.test(pfn, PG_ksm);
  if (alone) {
    frames.set(pfn, PG_anon_exclusive);
    // folio_move_anon_rmap(): the others of the family need not be asked for it any more.
    frames.mapping[pfn] = vma.anonVma?.id ?? bug('anonymous folio mapped without an anon_vma', { pfn });
  }
  host.folioLocks.unlock(pfn);
  return alone;
}

/** wp_page_copy(): `old`, a page, is referenced by the caller, or 0 for the zero page. */
function* wpPageCopy(vmf: VmFault, old: number): Steps<number> {
  const { vma } = vmf;
  const { mm } = vma;
  const { host } = mm;
  const prepared = yield* vmfAnonPrepare(vmf);
  const copy = prepared === 0 ? yield* newCopy(mm, old) : null;
  if (copy === null) {
    if (old !== 0) yield* putPage(host, old as Pfn);
    return prepared !== 0 ? prepared : VM_FAULT_OOM;
  }
  const start = vmf.address;
  const end = (start + PAGE_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const copied = yield* replacePage(vmf, old, copy);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  if (!copied) yield* folioPut(host, copy);
  if (old !== 0) yield* dropOld(host, old as Pfn, copied);
  return 0;
}

function* newCopy(mm: Mm, old: number): Steps<Pfn | null> {
  const { host } = mm;
  const copy = yield* allocAnonPage(host, mm);
  if (copy === null) return null;
  if (old !== 0) {
    if (points.on) yield at.page(old);
    host.memory.copyFrame(copy, old as Pfn);
  }
  if (points.on) yield at.page(copy);
  if (old === 0) host.memory.zero(copy);
  host.frames.set(copy, PG_uptodate);
  return copy;
}

/** Clear and flush, then set: nobody can see the new page while somebody still sees the old one. */
function* replacePage(vmf: VmFault, old: number, copy: Pfn): Steps<boolean> {
  const { vma, address, ptep } = vmf;
  const { mm } = vma;
  const { host } = mm;
  if (!(yield* pteMapLock(mm, address, ptep))) return false;
  if (points.on) yield at.pte(ptep);
  const same = readPte(host, ptep) === vmf.origPte;
  if (same) {
    mm.anonPages++;
    yield* ptepClearFlush(mm, address, ptep);
    if (points.on) yield at.page(copy);
    addNewAnonRmap(vma, copy, address, true);
    yield* folioAddLruVma(vma, copy);
    if (points.on) yield at.pte(ptep);
    // Who unshares does not write: the next store still faults.
    const unshares = (vmf.flags & FAULT_FLAG_UNSHARE) !== 0;
    const entry = isSoftDirty(vmf.origPte) ? mkSoftDirty(mkPte(copy, vma)) : mkPte(copy, vma);
    setPte(host, ptep, unshares ? entry : maybeMkWrite(entry, vma));
    if (old !== 0) yield* removeRmap(vma, old as Pfn);
    else ksmMightUnmapZeroPage(mm, vmf.origPte);
  }
  yield* ptlOf(host, ptep).unlock();
  return same;
}

/** The fault's own reference, and once copied also the one that the PTE had. */
function* dropOld(host: Host, page: Pfn, copied: boolean): Steps {
  const old = host.frames.folioOf(page);
  if (copied) {
    yield* folioPut(host, old);
    yield* freeSwapCache(host, old);
  }
  yield* folioPut(host, old);
}
