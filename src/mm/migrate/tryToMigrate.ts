// Taking a folio out of every address space for as long as it takes to move it, and putting it back in
// (mm/rmap.c: try_to_migrate; mm/migrate.c: remove_migration_ptes).
//
// migrate.ts calls both. For each PTE (reference table row 12): start; page table lock; clear the PTE, flush CPUs and
// secondary TLBs; move dirty to the folio; migration entry; remove the rmap, put; unlock; end. A batch puts the flush of
// the CPUs off, until before the content is moved. The way back is none -> present: no notifier hears of it.
//
// Invariants: a migration entry has the rights that the PTE had, and the mm goes on counting the page. A page that is
// pinned and the mm's alone keeps its PTE.
// Locks: the folio lock, by the caller; i_mmap_rwsem or anon_vma->rwsem for read.

import { PTE_A, PTE_D, PTE_W } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { bug, type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioMarkDirty, isZeroFilled } from '../page/folio.ts';
import { PG_dirty, PG_mlocked } from '../page/frames.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { endInVma, walkMapped } from '../pagetable/mappedWalk.ts';
import {
  isDirtyMigrationPte,
  isMigrationPte,
  isReadableMigrationPte,
  isWritableMigrationPte,
  isYoungMigrationPte,
  makeMigrationPte,
  migrationPfn,
} from '../pagetable/migrationEntry.ts';
import { walkPtes } from '../pagetable/pagewalk.ts';
import {
  isSoftDirty,
  mkPte,
  mkSoftDirty,
  PTE_SPECIAL,
  ptepGetAndClear,
  ptlOf,
  readPte,
  setPte,
} from '../pagetable/pte.ts';
import type { TlbUnmapBatch } from '../pagetable/tlbFlush.ts';
import type { AnonVma } from '../rmap/anonVma.ts';
import {
  addAnonRmap,
  folioRemoveRmap,
  lockMappedPte,
  lockPteIf,
  ptepClearFlush,
  tryShareAnonRmap,
} from '../rmap/rmap.ts';
import { folioAddFileRmap, isAnonFolio } from '../rmap/rmapFile.ts';
import { rmapWalk, rmapWalkAll } from '../rmap/rmapWalk.ts';
import { splitOrTake } from '../thp/splitPmd.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_LOCKED } from '../vma/vmFlags.ts';

/** try_to_migrate(), with TTU_BATCH_FLUSH if there is a batch; whether it worked is what the mapcount then says. */
export function* tryToMigrate(host: Host, pfn: Pfn, batch: TlbUnmapBatch | null): Steps {
  yield* rmapWalk(host, pfn, false, (vma, address) => endsMigration(vma, pfn, address, batch));
}

/** One address space; true: the folio has to stay, or the rest need not be asked. */
function* endsMigration(vma: Vma, pfn: Pfn, address: Hva, batch: TlbUnmapBatch | null): Steps<boolean> {
  if (!(yield* tryToMigrateOne(vma, pfn, address, batch))) return true;
  // folio_not_mapped()
  if (points.on) yield at.page(pfn);
  return vma.mm.host.frames.maps(pfn) === 0;
}

/** try_to_migrate_one(): false when the folio has to stay. */
function* tryToMigrateOne(vma: Vma, pfn: Pfn, address: Hva, batch: TlbUnmapBatch | null): Steps<boolean> {
  const { mm } = vma;
  const end = (address + PAGE_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, address, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const ptep = yield* lockMappedPte(vma, pfn, address);
  let unmapped = true;
  if (ptep !== 0) {
    unmapped = yield* setMigrationPte(vma, pfn, address, ptep, batch);
    yield* ptlOf(mm.host, ptep).unlock();
  }
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return unmapped;
}

/** Of a page; of a large folio perhaps. */
function* setMigrationPte(
  vma: Vma,
  page: Pfn,
  address: Hva,
  ptep: Hpa,
  batch: TlbUnmapBatch | null,
): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  const pfn = host.frames.folioOf(page);
  if (points.on) yield at.page(pfn);
  const exclusive = isAnonFolio(host, pfn) && host.frames.isAnonExclusive(pfn, page);
  const pte = yield* batch === null
    ? ptepClearFlush(mm, address, ptep)
    : clearBatched(vma, address, ptep, batch);
  if ((pte & PTE_D) !== 0) {
    if (points.on) yield at.page(pfn);
    folioMarkDirty(host, pfn);
  }
  // Cleared first: nobody can pin it through this PTE any more.
  const stays = exclusive && !(yield* tryShareAnonRmap(host, page));
  const entry = stays ? pte : makeMigrationPte(page, pte, exclusive);
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, entry);
  if (stays) return false;
  host.trace.set_migration_pte?.(address, entry >>> 0, 0);
  yield* folioRemoveRmap(vma, page);
  if (points.on) yield at.page(pfn);
  if (host.frames.putTestZero(pfn)) bug('folio freed while it was being unmapped', { pfn });
  return true;
}

/** ptep_get_and_clear() and set_tlb_ubc_flush_pending(). */
function* clearBatched({ mm }: Vma, address: Hva, ptep: Hpa, batch: TlbUnmapBatch): Steps<number> {
  if (points.on) yield at.pte(ptep);
  const pte = ptepGetAndClear(mm.host, ptep);
  yield* batch.add(mm, address, pte);
  return pte;
}

/**
 * try_to_migrate() of an anonymous large folio that is to be split, with TTU_RMAP_LOCKED, TTU_SPLIT_HUGE_PMD and
 * TTU_BATCH_FLUSH: `anonVma` is held for write. One start and end for each VMA.
 */
export function* tryToMigrateLarge(anonVma: AnonVma, folio: Pfn, index: number, batch: TlbUnmapBatch): Steps {
  if (points.on) yield at.list(anonVma.rwsem.id);
  for (const vma of anonVma.vmas.overlapping(index, index + HPAGE_PMD_NR - 1)) {
    const first = vma.addressOf(index, HPAGE_PMD_NR);
    if (first !== null && !(yield* tryToMigrateLargeOne(vma, folio, index, first, batch))) return;
  }
}

/** try_to_migrate_one(): false when the folio has to stay. */
function* tryToMigrateLargeOne(
  vma: Vma,
  folio: Pfn,
  index: number,
  first: Hva,
  batch: TlbUnmapBatch,
): Steps<boolean> {
  const { mm } = vma;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, first, endInVma(vma, index, HPAGE_PMD_NR));
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const stays = yield* walkMapped(vma, folio, index, first, (entryp, address, level) =>
    splitOrTake(vma, entryp, address, level, true, (page) =>
      setMigrationPte(vma, page, address, entryp, batch),
    ),
  );
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return !stays;
}

/**
 * remove_migration_ptes() of all pages of a folio that is or was large, at their places: `anonVma` is held for write.
 * RMP_USE_SHARED_ZEROPAGE when it was `split`: what holds nothing but zeros comes free.
 */
export function* removeMigrationPtesOfLarge(
  anonVma: AnonVma,
  folio: Pfn,
  index: number,
  split: boolean,
): Steps {
  if (points.on) yield at.list(anonVma.rwsem.id);
  for (const vma of anonVma.vmas.overlapping(index, index + HPAGE_PMD_NR - 1)) {
    const first = vma.addressOf(index, HPAGE_PMD_NR);
    if (first === null) continue;
    yield* walkPtes(vma, first, endInVma(vma, index, HPAGE_PMD_NR), false, (ptep, address) =>
      removeMigrationPteOfLarge(vma, folio, address, ptep, split),
    );
  }
}

function* removeMigrationPteOfLarge(vma: Vma, folio: Pfn, address: Hva, ptep: Hpa, split: boolean): Steps {
  if (points.on) yield at.pte(ptep);
  const entry = readPte(vma.mm.host, ptep);
  const page = migrationPfn(entry);
  const isOurs = isMigrationPte(entry) && page >= folio && page < folio + HPAGE_PMD_NR;
  if (isOurs && !(split && (yield* tryToMapUnusedToZeropage(vma, page, ptep))))
    yield* removeMigrationPte(vma, page, address, ptep);
}

/** try_to_map_unused_to_zeropage(): under the page table lock. */
function* tryToMapUnusedToZeropage(vma: Vma, page: Pfn, ptep: Hpa): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  if (points.on) yield at.page(page);
  if (host.frames.test(page, PG_mlocked) || (vma.flags & VM_LOCKED) !== 0) return false;
  if (points.on) yield at.page(page);
  if (!isZeroFilled(host, page)) return false;
  if (points.on) yield at.pte(ptep);
  const pte = mkPte(host.zeroPfn, vma) | PTE_SPECIAL;
  setPte(host, ptep, isSoftDirty(readPte(host, ptep)) ? mkSoftDirty(pte) : pte);
  mm.anonPages--;
  return true;
}

/** remove_migration_ptes(): where `from` was mapped `to` is mapped from now on, which has its place in the rmap. */
export function* removeMigrationPtes(host: Host, from: Pfn, to: Pfn): Steps {
  yield* rmapWalkAll(host, to, false, (vma, address) => removeMigrationPteOne(vma, from, to, address));
}

function* removeMigrationPteOne(vma: Vma, from: Pfn, to: Pfn, address: Hva): Steps<false> {
  const ptep = yield* lockPteIf(vma, address, (pte) => isMigrationPte(pte) && migrationPfn(pte) === from);
  if (ptep === 0) return false;
  yield* removeMigrationPte(vma, to, address, ptep);
  yield* ptlOf(vma.mm.host, ptep).unlock();
  return false;
}

/** remove_migration_pte(): under the page table lock. */
function* removeMigrationPte(vma: Vma, page: Pfn, address: Hva, ptep: Hpa): Steps {
  const { host } = vma.mm;
  const pfn = host.frames.folioOf(page);
  if (points.on) yield at.pte(ptep);
  const entry = readPte(host, ptep);
  if (points.on) yield at.page(pfn);
  host.frames.get(pfn);
  const isDirty = host.frames.test(pfn, PG_dirty) && isDirtyMigrationPte(entry);
  if (isAnonFolio(host, pfn)) yield* addAnonRmap(vma, page, address, !isReadableMigrationPte(entry));
  else yield* folioAddFileRmap(vma, page);
  const pte = mkPte(page, vma) & ~(isYoungMigrationPte(entry) ? 0 : PTE_A);
  const rights = (isWritableMigrationPte(entry) ? PTE_W : 0) | (isDirty ? PTE_D : 0);
  const present = isSoftDirty(entry) ? mkSoftDirty(pte | rights) : pte | rights;
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, present);
  host.trace.remove_migration_pte?.(address, present >>> 0, 0);
}
