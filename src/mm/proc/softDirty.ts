// Soft-dirty: which pages a process has written to since somebody last asked (fs/proc/task_mmu.c: clear_refs_write).
//
// A checkpointer writes "4" to /proc/<pid>/clear_refs and later reads /proc/<pid>/pagemap (procPagemap.ts). Clearing
// takes the permission to write as well, so that the next store faults and sets the bit; moving an entry sets it too.
//
// Order (reference table row 18): mmap_lock for write; one start over the whole address space; entries cleared and
// write-protected; end; the CPUs flushed after it.

import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import type { Hpa, Hva, Pfn } from '../../units.ts';
import { isMigrationPte } from '../pagetable/migrationEntry.ts';
import { type PteVisitor, walkPtes } from '../pagetable/pagewalk.ts';
import { clearedSoftDirty, isPresentPte, normalPfn, readPte, setPte } from '../pagetable/pte.ts';
import { flushTlbMm } from '../pagetable/tlbFlush.ts';
import { clearSoftDirtyPmd } from '../thp/hugePmd.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { writeProtectMigration } from '../vma/mprotect.ts';
import type { Vma } from '../vma/vma.ts';
import { TASK_SIZE } from '../vma/vmaGaps.ts';
import { isCowMapping, VM_SOFTDIRTY } from '../vma/vmFlags.ts';

/** clear_refs_write() of CLEAR_REFS_SOFT_DIRTY. */
export function* clearSoftDirty(mm: Mm): Steps {
  yield* mm.mmapWriteLock();
  if (points.on) yield at.list(mm.vmas.id);
  const vmas = [...mm.vmas.all];
  for (const vma of vmas) {
    if ((vma.flags & VM_SOFTDIRTY) === 0) continue;
    yield* mm.host.locks.vmaStartWrite(mm, vma);
    vma.flags &= ~VM_SOFTDIRTY;
  }
  mm.tlbFlushPending++;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.SOFT_DIRTY, mm, 0 as Hva, TASK_SIZE);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  for (const vma of vmas) yield* clearVma(vma);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  yield* flushTlbMm(mm);
  mm.tlbFlushPending--;
  yield* mm.mmapWriteUnlock();
}

/** clear_refs_pte_range(). */
function* clearVma(vma: Vma): Steps {
  const clear: PteVisitor = (ptep) => clearPte(vma, ptep);
  yield* walkPtes(vma, vma.start, vma.end, false, clear, (pmdp, address) =>
    clearSoftDirtyPmd(vma, pmdp, address),
  );
}

/** clear_soft_dirty(). */
function* clearPte(vma: Vma, ptep: Hpa): Steps {
  const { host } = vma.mm;
  if (points.on) yield at.pte(ptep);
  const found = readPte(host, ptep);
  if (found === 0 || (yield* isPinned(vma, found))) return;
  // Linux lets it arrive writable and clean, so that a store is missed.
  if (isMigrationPte(found)) yield* writeProtectMigration(host, ptep, found);
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, clearedSoftDirty(readPte(host, ptep)));
}

/** pte_is_pinned(): whoever has the page pinned writes to it unseen, so it counts as dirty for ever. */
function* isPinned({ mm, flags }: Vma, pte: number): Steps<boolean> {
  if (!mm.hasPinned || !isCowMapping(flags) || !isPresentPte(pte) || normalPfn(pte) === 0) return false;
  const folio = mm.host.frames.folioOf(normalPfn(pte) as Pfn);
  if (points.on) yield at.page(folio);
  return mm.host.frames.isMaybePinned(folio);
}
