// Taking merging back: a process gets pages of its own again (mm/ksm.c: break_ksm, break_cow).
//
// MADV_UNMERGEABLE, mremap and writing 2 to `run` do so for a range, ksmd when it has merged in vain.
//
// Lock: mmap_lock in any mode.

import { isPresent, levelBytes, ptePfn } from '../../hw/sv39/index.ts';
import { at, COND_RESCHED, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE } from '../../units.ts';
import { handleMmFault } from '../fault/fault.ts';
import { FAULT_FLAG_UNSHARE, VM_FAULT_OOM } from '../fault/faultTypes.ts';
import type { Host } from '../host.ts';
import { PG_ksm } from '../page/frames.ts';
import { walkPtes } from '../pagetable/pagewalk.ts';
import { readPte } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_MERGEABLE } from '../vma/vmFlags.ts';
import type { RmapItem } from './ksm.ts';
import { isKsmZeroPte } from './ksmZero.ts';

/** break_ksm(): no page of [start, end) is a merged one afterwards. 0 or -ENOMEM. */
export function* breakKsm(vma: Vma, start: Hva, end: Hva): Steps<number> {
  for (let address = start; address < end; ) {
    yield COND_RESCHED;
    const found = yield* nextKsmPage(vma, address, end);
    if (found === null) return 0;
    const result = yield* handleMmFault(vma, found, FAULT_FLAG_UNSHARE);
    if ((result & VM_FAULT_OOM) !== 0) return -Errno.ENOMEM;
    address = found;
  }
  return 0;
}

/** break_ksm_pmd_entry(): the first address that maps a merged page, or the zero page for KSM's sake. */
const nextKsmPage = (vma: Vma, start: Hva, end: Hva): Steps<Hva | null> =>
  findPteWhere(vma, start, end, (ptep) => isMerged(vma.mm.host, ptep));

function* isMerged(host: Host, ptep: Hpa): Steps<boolean> {
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  if (!isPresent(pte)) return false;
  if (isKsmZeroPte(host, pte)) return true;
  const pfn = host.frames.folioOf(ptePfn(pte));
  if (points.on) yield at.page(pfn);
  return host.frames.test(pfn, PG_ksm);
}

/** The first address of [start, end) whose entry is `wanted`, asked under its lock; huge pages are passed over. */
export function* findPteWhere(
  vma: Vma,
  start: Hva,
  end: Hva,
  wanted: (ptep: Hpa) => Steps<boolean>,
): Steps<Hva | null> {
  const bytes = levelBytes(1);
  const search: PteSearch = { wanted, found: null };
  for (let from = start; from < end && search.found === null; ) {
    const to = Math.min(end, (Math.floor(from / bytes) + 1) * bytes) as Hva;
    yield* walkPtes(vma, from, to, false, (ptep, address) => tryPte(search, ptep, address), passOver);
    from = to;
  }
  return search.found;
}

interface PteSearch {
  readonly wanted: (ptep: Hpa) => Steps<boolean>;
  found: Hva | null;
}

function* tryPte(search: PteSearch, ptep: Hpa, address: Hva): Steps {
  if (search.found === null && (yield* search.wanted(ptep))) search.found = address;
}

function* passOver(): Steps<boolean> {
  return true;
}

/** find_mergeable_vma(): mmap_lock is held. */
export function* findMergeableVma(mm: Mm, address: Hva): Steps<Vma | null> {
  if (mm.mmUsers === 0) return null;
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(address);
  return vma !== null && (vma.flags & VM_MERGEABLE) !== 0 && vma.anonVma !== null ? vma : null;
}

/** break_cow(). */
export function* breakCow({ mm, address }: RmapItem): Steps {
  const { locks } = mm.host;
  yield* locks.mmapReadLock(mm);
  const vma = yield* findMergeableVma(mm, address);
  if (vma !== null) yield* breakKsm(vma, address, (address + PAGE_SIZE) as Hva);
  yield* locks.mmapReadUnlock(mm);
}
