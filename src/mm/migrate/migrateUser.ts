// Moving the pages of a process on somebody's behalf (mm/migrate.c: do_pages_move; mm/mempolicy.c: migrate_to_node).
//
// A host has one memory node, so that pages move within it: what migrate_pages(2) does between nodes, and taking a bad
// frame out of use (soft_offline_page) on one. For users of the host; nothing in it depends on where a page lies.
//
// Locks: mmap_lock for read while the pages are collected, not while they move.

import { at, points, type Steps } from '../../sched/index.ts';
import { MigrateMode, MigrateReason } from '../../trace/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioPut } from '../page/folio.ts';
import { allocMigrationTarget } from '../page/pageAlloc.ts';
import { walkPtes } from '../pagetable/pagewalk.ts';
import { pmdTransHugeLock } from '../pagetable/pmd.ts';
import { isPresentPte, normalPfn, readPte } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { isolateMovable, type MigrationTarget, migratePages, putbackMovablePages } from './migrate.ts';

/** Wherever there is a frame. */
export const anyFrame: MigrationTarget = { alloc: allocMigrationTarget, put: folioPut };

/**
 * Moves the pages of [start, start + length) that are present to other frames, as far as nobody has a reference to them.
 * Returns how many did not move, or -ENOMEM when frames ran out; pages that somebody else isolates at the moment, or that
 * are no page of a process or file, do not count.
 */
export function* migrateUserPages(mm: Mm, start: Hva, length: number): Steps<number> {
  const { host } = mm;
  const folios: Pfn[] = [];
  yield* host.locks.mmapReadLock(mm);
  if (points.on) yield at.list(mm.vmas.id);
  const end = (start + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE) as Hva;
  for (const vma of mm.vmas.overlapping(start, end)) {
    const [from, to] = [Math.max(vma.start, start) as Hva, Math.min(vma.end, end) as Hva];
    yield* walkPtes(
      vma,
      from,
      to,
      false,
      (ptep) => queuePte(host, ptep, folios),
      (pmdp) => queuePmd(mm, pmdp, folios),
    );
  }
  yield* host.locks.mmapReadUnlock(mm);
  const left = yield* migratePages(host, folios, anyFrame, MigrateMode.SYNC, MigrateReason.SYSCALL);
  yield* putbackMovablePages(host, folios);
  return left;
}

/** One entry of queue_folios_pte_range(). */
function* queuePte(host: Host, ptep: Hpa, folios: Pfn[]): Steps {
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  const pfn = (isPresentPte(pte) ? normalPfn(pte) : 0) as Pfn | 0;
  if (pfn !== 0) yield* isolateMovable(host, pfn, folios);
}

/** queue_folios_pmd(): a huge page moves whole, or not at all. */
function* queuePmd(mm: Mm, pmdp: Hpa, folios: Pfn[]): Steps<boolean> {
  if (!(yield* pmdTransHugeLock(mm, pmdp))) return false;
  yield* queuePte(mm.host, pmdp, folios);
  yield* mm.pageTableLock.unlock();
  return true;
}
