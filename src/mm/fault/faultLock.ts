// Waiting in a fault without the lock that it came with (mm/filemap.c: maybe_unlock_mmap_for_io,
// __folio_lock_or_retry).
//
// File faults and swap-in drop mmap_lock, or the VMA's lock, before they wait for a device, and answer
// VM_FAULT_RETRY; on the second try they keep it. Once it is dropped the VMA may be gone.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn } from '../../units.ts';
import { PG_locked } from '../page/frames.ts';
import { FAULT_FLAG_ALLOW_RETRY, FAULT_FLAG_TRIED, FAULT_FLAG_VMA_LOCK, type VmFault } from './faultTypes.ts';

/** fault_flag_allow_retry_first(). */
export const mayDropLock = ({ flags }: VmFault): boolean =>
  (flags & (FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_TRIED)) === FAULT_FLAG_ALLOW_RETRY;

/** release_fault_lock(). */
export function* releaseFaultLock({ vma, flags }: VmFault): Steps {
  const { mm } = vma;
  if ((flags & FAULT_FLAG_VMA_LOCK) !== 0) yield* mm.host.locks.vmaEndRead(vma);
  else yield* mm.host.locks.mmapReadUnlock(mm);
}

/** folio_lock_or_retry(): true with the folio locked; false when the lock was dropped: answer VM_FAULT_RETRY. */
export function* folioLockOrRetry(vmf: VmFault, pfn: Pfn): Steps<boolean> {
  const { folioLocks } = vmf.vma.mm.host;
  if (points.on) yield at.page(pfn);
  if (folioLocks.tryLock(pfn)) return true;
  if (!mayDropLock(vmf)) {
    yield* folioLocks.lock(pfn);
    return true;
  }
  yield* releaseFaultLock(vmf);
  yield* folioLocks.wait(pfn, PG_locked);
  return false;
}
