// Taking a large folio out of every address space: whole where 2 MiB are mapped by one entry, page by page elsewhere
// (mm/rmap.c: try_to_unmap with TTU_SPLIT_HUGE_PMD).
//
// Reclaim (shrinkFolioList.ts) unmaps a large folio so before it is written, splitFolio.ts one of a file before it is
// taken apart.
//
// Order, for each VMA (reference table rows 9 and 16): start; each entry of 2 MiB is split, which drops it if it is of a
// file; each PTE as tryToUnmap.ts has it; end. Where a VMA is locked all stays.
// Locks: the folio lock is held; i_mmap_rwsem or anon_vma->rwsem is held for read, or taken.

import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import type { Hva, Pfn } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import type { Host } from '../host.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { endInVma, walkMapped } from '../pagetable/mappedWalk.ts';
import type { TlbUnmapBatch } from '../pagetable/tlbFlush.ts';
import { isMlocking, mlockFolio } from '../reclaim/mlockFolio.ts';
import { splitOrTake } from '../thp/splitPmd.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_LOCKED } from '../vma/vmFlags.ts';
import { rmapWalk } from './rmapWalk.ts';
import { unmapPte } from './tryToUnmap.ts';

/** try_to_unmap() of a large folio, with TTU_BATCH_FLUSH; whether it worked is what the mapcount then says. */
export function* tryToUnmapLarge(host: Host, folio: Pfn, batch: TlbUnmapBatch): Steps {
  yield* rmapWalk(host, folio, false, (vma, first) => endsUnmapping(vma, folio, first, batch));
}

/** Takes the folio out of one address space; true: it is to stay after all, or the rest need not be asked. */
function* endsUnmapping(vma: Vma, folio: Pfn, first: Hva, batch: TlbUnmapBatch): Steps<boolean> {
  if (!(yield* unmapLargeOne(vma, folio, first, batch, false))) return true;
  if (points.on) yield at.page(folio);
  return vma.mm.host.frames.maps(folio) === 0;
}

/**
 * try_to_unmap() of a large folio that is to be split, with TTU_RMAP_LOCKED and TTU_IGNORE_MLOCK: i_mmap_rwsem is held,
 * and `index` is that of its first page.
 */
export function* unmapToSplit(mapping: AddressSpace, folio: Pfn, index: number, batch: TlbUnmapBatch): Steps {
  if (points.on) yield at.list(mapping.iMmapRwsem.id);
  for (const vma of mapping.iMmap.overlapping(index, index + HPAGE_PMD_NR - 1)) {
    const first = vma.addressOf(index, HPAGE_PMD_NR);
    if (first !== null) yield* unmapLargeOne(vma, folio, first, batch, true);
  }
}

/** try_to_unmap_one() with TTU_SPLIT_HUGE_PMD: one start and end for all entries of the VMA. */
function* unmapLargeOne(
  vma: Vma,
  folio: Pfn,
  first: Hva,
  batch: TlbUnmapBatch,
  ignoreMlock: boolean,
): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  if (points.on) yield at.page(folio);
  const index = host.frames.index[folio]!;
  const end = endInVma(vma, index, HPAGE_PMD_NR);
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, first, end);
  const isLocked = !ignoreMlock && (vma.flags & VM_LOCKED) !== 0;
  const locked = { ptes: 0 };
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const stays = yield* walkMapped(vma, folio, index, first, (entryp, address, level) =>
    isLocked
      ? lockMissed(vma, folio, level, locked)
      : splitOrTake(vma, entryp, address, level, false, (page) =>
          unmapPte(vma, page, address, entryp, batch),
        ),
  );
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return !stays && locked.ptes === 0;
}

/** The mlock that got missed: only where all of the folio is mapped. True: it is. */
function* lockMissed(vma: Vma, folio: Pfn, level: 0 | 1, locked: { ptes: number }): Steps<boolean> {
  const isWhole = level === 1 || ++locked.ptes === HPAGE_PMD_NR;
  if (isWhole && isMlocking(vma)) yield* mlockFolio(vma.mm.host, folio);
  return isWhole;
}
