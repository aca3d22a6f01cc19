// Faulting pages in ahead of their use (mm/gup.c: populate_vma_page_range, __mm_populate, faultin_page_range).
//
// MAP_POPULATE, MAP_LOCKED, mlock, mremap of locked memory and MADV_POPULATE_* come here after they dropped mmap_lock.
//
// Locks: mmap_lock for read, dropped while a page is being read in.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../units.ts';
import { faultInPage, LOCK_DROPPED } from '../fault/gup.ts';
import type { Mm } from './mmStruct.ts';
import { isAccessError, type Vma } from './vma.ts';
import { VM_ACCESS_FLAGS, VM_LOCKONFAULT, VM_SHARED, VM_WRITE } from './vmFlags.ts';

/** What is to be done with a VMA of the range: fault its pages in for reading or writing, leave it, or -errno. */
type Want = 'read' | 'write' | 'skip' | number;

/** mm_populate(): as far as it goes; nobody is told of errors. */
export function* mmPopulate(mm: Mm, start: Hva, bytes: number): Steps {
  yield* populate(mm, start, (start + bytes) as Hva, wantOf, true);
}

/** __mm_populate() for mlock: 0 or -errno of the first page that could not be had. */
export const mmPopulateStrictly = (mm: Mm, start: Hva, bytes: number): Steps<number> =>
  populate(mm, start, (start + bytes) as Hva, wantOf, false);

/** MADV_POPULATE_READ and _WRITE: 0, -ENOMEM (a hole), -EINVAL (not permitted), -EFAULT (SIGBUS). */
export const faultInRange = (mm: Mm, start: Hva, end: Hva, write: boolean): Steps<number> =>
  populate(mm, start, end, (vma) => wantPermitted(vma, write), false);

/** populate_vma_page_range() of locked memory: mmap_lock is held for write, and stays so. */
export function* populateLocked(vma: Vma, start: Hva, end: Hva): Steps {
  const wanted = wantOf(vma);
  if (typeof wanted === 'number' || wanted === 'skip') return;
  for (let address = start; address < end; address = (address + PAGE_SIZE) as Hva) {
    if ((yield* faultInPage(vma, address, wanted === 'write', true)) !== 0) return;
  }
}

/** Breaks COW at once where there will be writes; FOLL_FORCE stands for the missing permission to read. */
function wantOf(vma: Vma | null): Want {
  if (vma === null || (vma.flags & VM_LOCKONFAULT) !== 0) return 'skip';
  if ((vma.flags & VM_ACCESS_FLAGS) === 0) return -Errno.EFAULT;
  return (vma.flags & (VM_WRITE | VM_SHARED)) === VM_WRITE ? 'write' : 'read';
}

function wantPermitted(vma: Vma | null, write: boolean): Want {
  if (vma === null) return -Errno.ENOMEM;
  if (isAccessError(vma, write)) return -Errno.EINVAL;
  return write ? 'write' : 'read';
}

function* populate(
  mm: Mm,
  start: Hva,
  end: Hva,
  want: (vma: Vma | null) => Want,
  ignoreErrors: boolean,
): Steps<number> {
  const { locks } = mm.host;
  let address = start;
  let tried = false;
  yield* locks.mmapReadLock(mm);
  while (address < end) {
    if (points.on) yield at.list(mm.vmas.id);
    const vma = mm.vmas.findFrom(address);
    const here = vma?.contains(address) ? vma : null;
    const wanted = want(here);
    let error = 0;
    if (typeof wanted === 'number') error = wanted;
    else if (wanted !== 'skip' && here !== null)
      error = yield* faultInPage(here, address, wanted === 'write', tried);
    tried = error === LOCK_DROPPED;
    if (error === LOCK_DROPPED) {
      yield* locks.mmapReadLock(mm);
      continue;
    }
    if (error !== 0 && !ignoreErrors) {
      yield* locks.mmapReadUnlock(mm);
      return error;
    }
    const isPageDone = error === 0 && wanted !== 'skip';
    address = (isPageDone ? address + PAGE_SIZE : nextStop(vma, here, end)) as Hva;
  }
  yield* locks.mmapReadUnlock(mm);
  return 0;
}

/** Past the VMA that is left alone, or past the hole. */
const nextStop = (next: Vma | null, here: Vma | null, end: Hva): number =>
  here !== null ? here.end : next !== null ? next.start : end;
