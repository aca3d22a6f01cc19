// Mirroring a process's page tables for a device that has its own (mm/hmm.c: hmm_range_fault).
//
// drivers/hmm.ts calls it between mmu_interval_read_begin() and read_retry(). It faults in what is wanted and says which
// frames the tables name then; it takes no reference: what keeps them is that the driver is told before they go.
//
// Lock: the caller holds mmap_lock for read, which is kept throughout.

import { isPresent, PTE_W, ptePfn } from '../../hw/sv39/index.ts';
import { type MmuIntervalNotifier, mmuIntervalCheckRetry } from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import { findHugePmd, isHugePmd, pteOfPmd } from '../pagetable/pmd.ts';
import { findPte, pteMapLock, ptlOf, readPte } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { isAccessError, type Vma } from '../vma/vma.ts';
import { handleMmFault } from './fault.ts';
import { FAULT_FLAG_WRITE, VM_FAULT_ERROR } from './faultTypes.ts';

/** struct hmm_range with HMM_PFN_REQ_FAULT for every page, and HMM_PFN_REQ_WRITE if `write`. */
export interface HmmRange {
  readonly mm: Mm;
  readonly notifier: MmuIntervalNotifier;
  readonly notifierSeq: number;
  readonly start: Hva;
  readonly end: Hva;
  readonly write: boolean;
  /** Answers: a page for each of the range. */
  readonly pfns: HmmPfn[];
}

/** HMM_PFN_VALID, and HMM_PFN_WRITE. */
export interface HmmPfn {
  readonly pfn: Pfn;
  readonly writable: boolean;
}

/** hmm_range_fault(): 0; -EBUSY: the range is being invalidated, begin anew; -EFAULT: a page cannot be had. */
export function* hmmRangeFault(range: HmmRange): Steps<number> {
  const { mm, notifier, notifierSeq, start, end, pfns } = range;
  pfns.length = 0;
  for (let address = start; address < end; ) {
    if (points.on) yield at.sequence(notifier.id);
    if (mmuIntervalCheckRetry(notifier, notifierSeq)) return -Errno.EBUSY;
    if (points.on) yield at.list(mm.vmas.id);
    const vma = mm.vmas.find(address);
    if (vma === null || isAccessError(vma, range.write)) return -Errno.EFAULT;
    const found = yield* walkPage(vma, address, range.write);
    if (typeof found === 'number') {
      if (found < 0) return found;
      continue;
    }
    pfns.push(found);
    address = (address + PAGE_SIZE) as Hva;
  }
  return 0;
}

/** hmm_vma_handle_pte(): the page; 0: it was faulted in, look again; -EFAULT. */
function* walkPage(vma: Vma, address: Hva, write: boolean): Steps<HmmPfn | number> {
  const { host } = vma.mm;
  if (points.on) yield at.list(vma.mm.pageTableLock.id);
  const ptep = findPte(vma.mm, address);
  let pte = 0;
  if (ptep === 0) pte = yield* readHugePmd(vma.mm, address);
  else if (yield* pteMapLock(vma.mm, address, ptep)) {
    if (points.on) yield at.pte(ptep);
    pte = readPte(host, ptep);
    yield* ptlOf(host, ptep).unlock();
  }
  const writable = (pte & PTE_W) !== 0;
  if (isPresent(pte) && (writable || !write)) return { pfn: ptePfn(pte), writable };
  const result = yield* handleMmFault(vma, address, write ? FAULT_FLAG_WRITE : 0);
  return (result & VM_FAULT_ERROR) !== 0 ? -Errno.EFAULT : 0;
}

/** hmm_vma_handle_pmd(): what the entry of 2 MiB says of the page, or 0. Without a lock: the collision-retry stands for it. */
function* readHugePmd(mm: Mm, address: Hva): Steps<number> {
  if (points.on) yield at.list(mm.pageTableLock.id);
  const pmdp = findHugePmd(mm, address);
  if (pmdp === 0) return 0;
  if (points.on) yield at.pte(pmdp);
  const pmd = readPte(mm.host, pmdp);
  return isHugePmd(pmd) ? pteOfPmd(pmd, address) : 0;
}
