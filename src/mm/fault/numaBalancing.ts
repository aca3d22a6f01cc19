// NUMA balancing: mappings are made inaccessible, so that the next access tells who uses the page
// (mm/mempolicy.c: change_prot_numa; kernel/sched/fair.c: task_numa_work).
//
// Whoever balances calls it for a part of an address space; the faults that come of it are numaFault.ts's. Every client
// of the notifier lets go of the range, though the pages stay where they are.
//
// Order (reference table row 8): as mprotect, but with mmap_lock for read: start (PROTECTION_VMA); entries changed; end;
// flush. Left alone are pages of zeros, merged ones, those that others share or have pinned, dirty pages of files, and
// huge pages.
// Locks: mmap_lock for read; the page table locks one by one.

import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import { PG_dirty, PG_ksm } from '../page/frames.ts';
import { MmuGather } from '../pagetable/mmuGather.ts';
import { isPresentPte, isProtNone, normalPfn, protNonePte, readPte, setPte } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { changeProtection } from '../vma/mprotect.ts';
import type { Vma } from '../vma/vma.ts';
import { isCowMapping, VM_ACCESS_FLAGS, VM_READ, VM_WRITE } from '../vma/vmFlags.ts';

/** change_prot_numa() of what lies in [start, start + length): how many entries were changed. */
export function* changeProtNuma(mm: Mm, start: Hva, length: number): Steps<number> {
  const { locks, vmstat } = mm.host;
  yield* locks.mmapReadLock(mm);
  if (points.on) yield at.list(mm.vmas.id);
  const end = (start + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE) as Hva;
  let updated = 0;
  for (const vma of mm.vmas.overlapping(start, end)) {
    if (!isWorthScanning(vma)) continue;
    const gather = new MmuGather(mm);
    yield* changeProtection(gather, vma, Math.max(vma.start, start) as Hva, Math.min(vma.end, end) as Hva, {
      *pte(ptep, address) {
        if (!(yield* hintPte(vma, ptep))) return;
        gather.noteEntry(address);
        updated++;
      },
      *huge() {
        return true;
      },
    });
    yield* gather.finish();
  }
  yield* locks.mmapReadUnlock(mm);
  vmstat.numa_pte_updates += updated;
  return updated;
}

/** Programs and libraries are everybody's; and what nobody may access tells nothing. */
const isWorthScanning = ({ flags, file }: Vma): boolean =>
  (flags & VM_ACCESS_FLAGS) !== 0 && (file === null || (flags & (VM_READ | VM_WRITE)) !== VM_READ);

/** One entry of change_pte_range(MM_CP_PROT_NUMA): whether it was changed. */
function* hintPte(vma: Vma, ptep: Hpa): Steps<boolean> {
  const { host } = vma.mm;
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  const pfn = isPresentPte(pte) && !isProtNone(pte) ? normalPfn(pte) : 0;
  if (pfn === 0) return false;
  const folio = host.frames.folioOf(pfn as Pfn);
  if (points.on) yield at.page(folio);
  const isShared = host.frames.maps(folio) > 1 || host.frames.isMaybePinned(folio);
  if (host.frames.test(folio, PG_ksm) || (isCowMapping(vma.flags) && isShared)) return false;
  if (host.lruvec.typeOf(folio) === 'file' && host.frames.test(folio, PG_dirty)) return false;
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, protNonePte(readPte(host, ptep)));
  return true;
}
