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

import { PTE_A, PTE_D, PTE_W } from '../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierArchInvalidateSecondaryTlbs,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
} from '../notifier/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../units.ts';
import { folioMarkDirty } from './folio.ts';
import { PG_anon_exclusive, PG_dirty } from './frames.ts';
import type { Host } from './host.ts';
import {
  isDirtyMigrationPte,
  isMigrationPte,
  isReadableMigrationPte,
  isWritableMigrationPte,
  isYoungMigrationPte,
  makeMigrationPte,
  migrationPfn,
} from './migrationEntry.ts';
import { isSoftDirty, mkPte, mkSoftDirty, ptepGetAndClear, ptlOf, readPte, setPte } from './pte.ts';
import { addAnonRmap, folioRemoveRmap, lockMappedPte, lockPteIf, ptepClearFlush } from './rmap.ts';
import { folioAddFileRmap, isAnonFolio } from './rmapFile.ts';
import { rmapWalk, rmapWalkAll } from './rmapWalk.ts';
import type { TlbUnmapBatch } from './tlbFlush.ts';
import { tryShareAnonRmap } from './tryToUnmap.ts';
import type { Vma } from './vma.ts';

/** try_to_migrate(), with TTU_BATCH_FLUSH if there is a batch; whether it worked is what the mapcount then says. */
export function* tryToMigrate(host: Host, pfn: Pfn, batch: TlbUnmapBatch | null): Steps {
  yield* rmapWalk(host, pfn, false, function* (vma, address) {
    if (!(yield* tryToMigrateOne(vma, pfn, address, batch))) return true;
    // folio_not_mapped(): the rest need not be asked.
    if (points.on) yield at.page(pfn);
    return host.frames.maps(pfn) === 0;
  });
}

/** try_to_migrate_one(): false when the folio has to stay. */
function* tryToMigrateOne(vma: Vma, pfn: Pfn, address: Hva, batch: TlbUnmapBatch | null): Steps<boolean> {
  const { mm } = vma;
  const end = (address + PAGE_SIZE) as Hva;
  const range =
    mm.notifierSubscriptions === null
      ? null
      : { mm, start: address, end, event: MmuNotifyEvent.CLEAR, blockable: true };
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

function* setMigrationPte(
  vma: Vma,
  pfn: Pfn,
  address: Hva,
  ptep: Hpa,
  batch: TlbUnmapBatch | null,
): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  if (points.on) yield at.page(pfn);
  const exclusive = isAnonFolio(host, pfn) && host.frames.test(pfn, PG_anon_exclusive);
  const pte = yield* batch === null
    ? ptepClearFlush(mm, address, ptep)
    : clearBatched(vma, address, ptep, batch);
  if ((pte & PTE_D) !== 0) {
    if (points.on) yield at.page(pfn);
    folioMarkDirty(host, pfn);
  }
  // Cleared first: nobody can pin it through this PTE any more.
  const stays = exclusive && !(yield* tryShareAnonRmap(host, pfn));
  const entry = stays ? pte : makeMigrationPte(pfn, pte, exclusive);
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, entry);
  if (stays) return false;
  host.trace.set_migration_pte?.(address, entry >>> 0, 0);
  yield* folioRemoveRmap(host, pfn);
  if (points.on) yield at.page(pfn);
  if (host.frames.putTestZero(pfn)) bug('folio freed while it was being unmapped', { pfn });
  return true;
}

/** ptep_get_and_clear() and set_tlb_ubc_flush_pending(). */
function* clearBatched({ mm }: Vma, address: Hva, ptep: Hpa, batch: TlbUnmapBatch): Steps<number> {
  if (points.on) yield at.pte(ptep);
  const pte = ptepGetAndClear(mm.host, ptep);
  batch.add(mm, (pte & PTE_D) !== 0);
  if (mm.notifierSubscriptions !== null)
    yield* mmuNotifierArchInvalidateSecondaryTlbs(mm, address, (address + PAGE_SIZE) as Hva);
  return pte;
}

/** remove_migration_ptes(): where `from` was mapped `to` is mapped from now on, which has its place in the rmap. */
export function* removeMigrationPtes(host: Host, from: Pfn, to: Pfn): Steps {
  yield* rmapWalkAll(host, to, false, function* (vma, address) {
    const ptep = yield* lockPteIf(vma, address, (pte) => isMigrationPte(pte) && migrationPfn(pte) === from);
    if (ptep === 0) return false;
    yield* removeMigrationPte(vma, to, address, ptep);
    yield* ptlOf(host, ptep).unlock();
    return false;
  });
}

/** remove_migration_pte(): under the page table lock. */
function* removeMigrationPte(vma: Vma, pfn: Pfn, address: Hva, ptep: Hpa): Steps {
  const { host } = vma.mm;
  if (points.on) yield at.pte(ptep);
  const entry = readPte(host, ptep);
  if (points.on) yield at.page(pfn);
  host.frames.get(pfn);
  const isDirty = host.frames.test(pfn, PG_dirty) && isDirtyMigrationPte(entry);
  if (isAnonFolio(host, pfn)) yield* addAnonRmap(vma, pfn, address, !isReadableMigrationPte(entry));
  else yield* folioAddFileRmap(host, pfn);
  const pte = mkPte(pfn, vma) & ~(isYoungMigrationPte(entry) ? 0 : PTE_A);
  const rights = (isWritableMigrationPte(entry) ? PTE_W : 0) | (isDirty ? PTE_D : 0);
  const present = isSoftDirty(entry) ? mkSoftDirty(pte | rights) : pte | rights;
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, present);
  host.trace.remove_migration_pte?.(address, present >>> 0, 0);
}
