// Faults on mappings that numaBalancing.ts has made inaccessible (mm/memory.c: do_numa_page).
//
// fault.ts comes here. The mapping becomes what it was; or the page moves first, if it is better off elsewhere. A host has
// one memory node, so that no page ever is, unless sysctl.numaMisplaced says so of all.
//
// Invariants: the entry is re-checked under the page table lock; none of it is notified: nobody has the page mapped.
// Locks: as fault.ts; then the page table lock, or what migrate.ts takes.

import { PTE_A, PTE_W } from '../../hw/sv39/index.ts';
import { at, type Mutex, points, type Steps } from '../../sched/index.ts';
import { MigrateMode, MigrateReason } from '../../trace/index.ts';
import type { Pfn } from '../../units.ts';
import { isolateMovable, migratePages, putbackMovablePages } from '../migrate/migrate.ts';
import { anyFrame } from '../migrate/migrateUser.ts';
import {
  canChangePteWritable,
  isUffdWp,
  modifyPte,
  normalPfn,
  pteMapLock,
  ptlOf,
  readPte,
  setPte,
} from '../pagetable/pte.ts';
import type { VmFault } from './faultTypes.ts';

/** do_numa_page(): VM_FAULT bits. */
export function* doNumaPage(vmf: VmFault): Steps<number> {
  const { host } = vmf.vma.mm;
  const { vmstat, sysctl } = host;
  const ptl = ptlOf(host, vmf.ptep);
  const pfn = normalPfn(vmf.origPte) as Pfn | 0;
  if (!(yield* lockIfSame(vmf, ptl))) return 0;
  vmstat.numa_hint_faults++;
  if (!sysctl.numaMisplaced) vmstat.numa_hint_faults_local++;
  const folios: Pfn[] = [];
  // migrate_misplaced_folio_prepare().
  if (sysctl.numaMisplaced && pfn !== 0) yield* isolateMovable(host, pfn, folios);
  if (folios.length > 0) {
    yield* ptl.unlock();
    const left = yield* migratePages(host, folios, anyFrame, MigrateMode.ASYNC, MigrateReason.NUMA_MISPLACED);
    yield* putbackMovablePages(host, folios);
    // It has arrived with the rights of the VMA.
    if (left === 0) vmstat.numa_pages_migrated++;
    if (left === 0 || !(yield* lockIfSame(vmf, ptl))) return 0;
  }
  yield* numaRebuildSingleMapping(vmf, pfn);
  yield* ptl.unlock();
  return 0;
}

/** False, with nothing locked: somebody else has changed the entry. */
function* lockIfSame({ vma, address, ptep, origPte }: VmFault, ptl: Mutex): Steps<boolean> {
  if (!(yield* pteMapLock(vma.mm, address, ptep))) return false;
  if (points.on) yield at.pte(ptep);
  const same = readPte(vma.mm.host, ptep) === origPte;
  if (!same) yield* ptl.unlock();
  return same;
}

/** numa_rebuild_single_mapping(). */
function* numaRebuildSingleMapping({ vma, ptep, origPte }: VmFault, pfn: Pfn | 0): Steps {
  const { host } = vma.mm;
  let exclusive = false;
  if (pfn !== 0) {
    const folio = host.frames.folioOf(pfn);
    if (points.on) yield at.page(folio);
    exclusive = host.frames.isAnonExclusive(folio, pfn);
  }
  const pte = modifyPte(origPte, vma) | PTE_A;
  if (points.on) yield at.pte(ptep);
  const writable = canChangePteWritable(vma, pte, exclusive) && !isUffdWp(host, ptep);
  setPte(host, ptep, writable ? pte | PTE_W : pte);
}
