// Idle page tracking: which pages nobody has used for a while (/sys/kernel/mm/page_idle/bitmap; mm/page_idle.c).
//
// Who wants to know a working set marks all pages idle and looks some time later which still are. Marking and looking
// clear the A bits, of the CPU and of all secondary MMUs (reference table row 10: clear_young, which need not flush
// secondary TLBs); so that reclaim does not miss an access for it, the folio remembers (PG_young).
//
// Locks: the folio lock by trylock for pages of files and merged ones; i_mmap_rwsem or anon_vma->rwsem for read; page
// table locks.

import { levelBytes } from '../../hw/sv39/index.ts';
import { mmuNotifierClearYoung } from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioPut } from '../page/folio.ts';
import { FrameKind, PG_idle, PG_ksm, PG_lru, PG_young } from '../page/frames.ts';
import { walkMapped } from '../pagetable/mappedWalk.ts';
import { ptepTestAndClearYoung, ptlOf } from '../pagetable/pte.ts';
import { lockMappedPte } from '../rmap/rmap.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { type RmapVisitor, rmapWalk } from '../rmap/rmapWalk.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';

/** Pages in a word of the bitmap. */
const BITMAP_CHUNK = 64;

/**
 * page_idle_bitmap_read(): bit i of the answer (of byte i / 8) says whether frame `first` + i is idle, for `count` frames,
 * as many as there are; or -EINVAL: not whole words.
 */
export function* pageIdleBitmapRead(host: Host, first: number, count: number): Steps<Uint8Array | number> {
  if (first % BITMAP_CHUNK !== 0 || count % BITMAP_CHUNK !== 0) return -Errno.EINVAL;
  const bitmap = new Uint8Array(count / 8);
  for (let i = 0; i < count; i++) {
    const folio = yield* pageIdleGetFolio(host, first + i);
    if (folio === 0) continue;
    // Perhaps it was used through a mapping since.
    if (yield* isIdle(host, folio)) yield* clearPteRefs(host, folio);
    if (yield* isIdle(host, folio)) bitmap[i >> 3]! |= 1 << (i & 7);
    yield* folioPut(host, folio);
  }
  return bitmap;
}

/** page_idle_bitmap_write(): marks the frames whose bits are set, counted from `first`. 0 or -EINVAL: not whole words. */
export function* pageIdleBitmapWrite(host: Host, first: number, bitmap: Uint8Array): Steps<number> {
  if (first % BITMAP_CHUNK !== 0 || bitmap.length % (BITMAP_CHUNK / 8) !== 0) return -Errno.EINVAL;
  for (let i = 0; i < bitmap.length * 8; i++) {
    if ((bitmap[i >> 3]! & (1 << (i & 7))) === 0) continue;
    const folio = yield* pageIdleGetFolio(host, first + i);
    if (folio === 0) continue;
    yield* clearPteRefs(host, folio);
    if (points.on) yield at.page(folio);
    host.frames.set(folio, PG_idle);
    yield* folioPut(host, folio);
  }
  return 0;
}

/** page_idle_get_folio(): a folio on the LRU, with a reference; 0: the frame is none. */
function* pageIdleGetFolio({ frames }: Host, pfn: number): Steps<Pfn | 0> {
  if (pfn < frames.firstPfn || pfn >= frames.endPfn) return 0;
  const page = pfn as Pfn;
  if (points.on) yield at.page(page);
  const isFolio = frames.kind[page] === FrameKind.folio && frames.test(page, PG_lru);
  return isFolio && frames.tryGet(page) ? page : 0;
}

function* isIdle({ frames }: Host, folio: Pfn): Steps<boolean> {
  if (points.on) yield at.page(folio);
  return frames.test(folio, PG_idle);
}

/** page_idle_clear_pte_refs(). */
function* clearPteRefs(host: Host, folio: Pfn): Steps {
  if (points.on) yield at.page(folio);
  const needsLock = !isAnonFolio(host, folio) || host.frames.test(folio, PG_ksm);
  if (needsLock && !host.folioLocks.tryLock(folio)) return;
  yield* rmapWalk(host, folio, false, yield* refsClearer(host, folio));
  if (!needsLock) return;
  if (points.on) yield at.page(folio);
  host.folioLocks.unlock(folio);
}

/** page_idle_clear_pte_refs_one(). */
function* refsClearer(host: Host, folio: Pfn): Steps<RmapVisitor> {
  if (points.on) yield at.page(folio);
  const index = host.frames.index[folio]!;
  if (host.frames.order[folio] !== 0) {
    return (vma, first) =>
      walkMapped(vma, folio, index, first, (entryp, address, level) =>
        clearEntryRef(vma.mm, folio, entryp, address, levelBytes(level)),
      );
  }
  return (vma, address) => clearSmallRef(vma, folio, address);
}

/** Of a small folio. */
function* clearSmallRef(vma: Vma, folio: Pfn, address: Hva): Steps<false> {
  const ptep = yield* lockMappedPte(vma, folio, address);
  if (ptep === 0) return false;
  yield* clearEntryRef(vma.mm, folio, ptep, address, PAGE_SIZE);
  yield* ptlOf(vma.mm.host, ptep).unlock();
  return false;
}

/** One entry, under its page table lock. False: go on. */
function* clearEntryRef(mm: Mm, folio: Pfn, entryp: Hpa, address: Hva, bytes: number): Steps<false> {
  const { host } = mm;
  if (points.on) yield at.pte(entryp);
  let young = ptepTestAndClearYoung(host, entryp);
  if (mm.notifierSubscriptions !== null)
    young = (yield* mmuNotifierClearYoung(mm, address, (address + bytes) as Hva)) || young;
  if (!young) return false;
  if (points.on) yield at.page(folio);
  host.frames.clear(folio, PG_idle);
  host.frames.set(folio, PG_young);
  return false;
}
