// Unmapping the pages of a range (mm/memory.c: unmap_vmas, zap_pte_range).
//
// munmap, MADV_DONTNEED, exit and the OOM reaper come here between the notifier's start and end. Pages go to the
// mmu_gather, swap entries give their slot back at once.
//
// Invariant: under the page table lock, a present entry is cleared, then its rmap removed; its reference moves to the
// gather. Lock: mmap_lock (any mode) or the VMA's lock.

import { PTE_A, PTE_BYTES, PTE_D } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import { ksmMightUnmapZeroPage } from '../ksm/ksmZero.ts';
import { folioMarkAccessed, folioMarkDirty } from '../page/folio.ts';
import { removeRmap } from '../rmap/rmap.ts';
import { countMapped, isAnonFolio } from '../rmap/rmapFile.ts';
import { freeSwapAndCache } from '../swap/swapCache.ts';
import { zapHugePmd } from '../thp/hugePmd.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_RAND_READ, VM_SEQ_READ, VM_UFFD_WP } from '../vma/vmFlags.ts';
import { isMigrationPte, migrationPfn } from './migrationEntry.ts';
import type { MmuGather } from './mmuGather.ts';
import { type TableVisitor, walkPageRange } from './pagewalk.ts';
import {
  dropPte,
  isPresentPte,
  normalPfn,
  pteMapLock,
  ptepGetAndClear,
  ptlOf,
  readPte,
  setPte,
  swapPteSlot,
} from './pte.ts';
import { flushTlbBatchedPending } from './tlbFlush.ts';

/** struct zap_details. */
export interface ZapDetails {
  /** False: anonymous pages and swap entries stay. */
  readonly evenCows: boolean;
  /** What a userfaultfd has write-protected is forgotten (ZAP_FLAG_DROP_MARKER), rather than remembered by markers. */
  readonly dropMarkers: boolean;
}
const ZAP_ALL: ZapDetails = { evenCows: true, dropMarkers: false };

/** unmap_page_range(): [start, end) lies within `vma`. */
export function* zapPageRange(gather: MmuGather, vma: Vma, start: Hva, end: Hva, details = ZAP_ALL): Steps {
  const zap: TableVisitor = (ptep, address, tableEnd) =>
    zapTable(gather, vma, ptep, address, tableEnd, details);
  yield* walkPageRange(vma, start, end, zap, (pmdp, address, next) =>
    zapHugePmd(gather, vma, pmdp, address, next),
  );
}

function* zapTable(
  gather: MmuGather,
  vma: Vma,
  ptep: Hpa,
  address: Hva,
  end: Hva,
  details: ZapDetails,
): Steps {
  let next = address;
  while (next < end) {
    const entry = (ptep + ((next - address) / PAGE_SIZE) * PTE_BYTES) as Hpa;
    next = yield* zapPteRange(gather, vma, entry, next, end, details);
  }
}

/** zap_pte_range(): until `end` or until the gather is full. Returns where it stopped. */
function* zapPteRange(
  gather: MmuGather,
  vma: Vma,
  first: Hpa,
  start: Hva,
  end: Hva,
  details: ZapDetails,
): Steps<Hva> {
  const { mm } = vma;
  let address = start;
  let ptep = first;
  let full = false;
  // A table that went away was empty.
  if (!(yield* pteMapLock(mm, start, first))) return end;
  yield* flushTlbBatchedPending(mm);
  while (address < end && !full) {
    full = yield* zapPte(gather, vma, ptep, address, details);
    address = (address + PAGE_SIZE) as Hva;
    ptep = (ptep + PTE_BYTES) as Hpa;
  }
  const flushes = full || gather.hasDelayedRmaps;
  if (flushes) yield* gather.flushTlb();
  if (flushes) yield* gather.flushRmaps(vma);
  yield* ptlOf(mm.host, first).unlock();
  if (flushes) yield* gather.flush();
  return address;
}

/** One entry; true when the gather is full. */
function* zapPte(gather: MmuGather, vma: Vma, ptep: Hpa, address: Hva, details: ZapDetails): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  const marks = hasMarkers(vma);
  if (pte === 0) {
    if (marks && details.dropMarkers) dropPte(host, ptep);
    return false;
  }
  if (!isPresentPte(pte)) {
    yield* zapNonpresentPte(vma, ptep, pte, details);
    return false;
  }
  const pfn = normalPfn(pte) as Pfn | 0;
  if (pfn === 0) {
    dropPte(host, ptep);
    ksmMightUnmapZeroPage(mm, pte);
    gather.noteEntry(address);
    return false;
  }
  const folio = host.frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  const isAnon = isAnonFolio(host, folio);
  // should_zap_folio().
  if (isAnon && !details.evenCows) return false;
  if (points.on) yield at.pte(ptep);
  const last = ptepGetAndClear(host, ptep);
  if (!marks || details.dropMarkers) dropPte(host, ptep);
  gather.noteEntry(address);
  if (isAnon) yield* removeRmap(vma, pfn);
  else yield* zapFilePage(gather, vma, pfn, last);
  return gather.addFolio(folio);
}

/** Whether an entry that goes may leave a marker (zap_install_uffd_wp_if_needed()). */
const hasMarkers = ({ file, flags }: Vma): boolean => file !== null && (flags & VM_UFFD_WP) !== 0;

/** zap_nonpresent_ptes(): a swap entry, or a page that is being moved, which arrives here no more. */
function* zapNonpresentPte(vma: Vma, ptep: Hpa, pte: number, { evenCows, dropMarkers }: ZapDetails): Steps {
  const { mm } = vma;
  const { host } = mm;
  if (isMigrationPte(pte)) {
    const folio = host.frames.folioOf(migrationPfn(pte));
    if (points.on) yield at.page(folio);
    if (isAnonFolio(host, folio) && !evenCows) return;
    countMapped(mm, folio, -1);
  } else {
    if (!evenCows) return;
    mm.swapEntries--;
    yield* freeSwapAndCache(host, swapPteSlot(pte));
  }
  if (points.on) yield at.pte(ptep);
  if (!hasMarkers(vma) || dropMarkers) dropPte(host, ptep);
  else setPte(host, ptep, 0);
}

/**
 * zap_present_folio_ptes() of a file page: what the entry knew goes to the folio. After a dirty entry CPUs may store on
 * until they are flushed, so the mapping counts until then: who finds the folio unmapped may rely on its being clean.
 */
function* zapFilePage(gather: MmuGather, vma: Vma, pfn: Pfn, pte: number): Steps {
  const { mm } = vma;
  const folio = mm.host.frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  if ((pte & PTE_D) !== 0) folioMarkDirty(mm.host, folio);
  // vma_has_recency().
  if ((pte & PTE_A) !== 0 && (vma.flags & (VM_SEQ_READ | VM_RAND_READ)) === 0)
    folioMarkAccessed(mm.host, folio);
  if ((pte & PTE_D) !== 0) gather.delayRmap(pfn);
  else yield* removeRmap(vma, pfn);
}
