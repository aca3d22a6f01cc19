// madvise() of file and shmem mappings (mm/madvise.c: madvise_willneed, madvise_remove).
//
// madvise.ts comes here with mmap_lock held for read.

import type { Steps } from '../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../units.ts';
import { filePunchHole } from './fileIo.ts';
import type { Vma } from './vma.ts';
import { VM_LOCKED, VM_MAYWRITE, VM_SHARED } from './vmFlags.ts';

/** madvise_willneed(): 0. There is no page cache to read ahead into. */
export function* madviseWillneedFile(_vma: Vma, _start: Hva, _end: Hva): Steps<number> {
  return 0;
}

/** madvise_remove(): 0, -EINVAL (anonymous or locked), -EACCES (private). */
export function* madviseRemove(vma: Vma, start: Hva, end: Hva): Steps<number> {
  if ((vma.flags & VM_LOCKED) !== 0 || vma.file === null) return -Errno.EINVAL;
  const shared = VM_SHARED | VM_MAYWRITE;
  if ((vma.flags & shared) !== shared) return -Errno.EACCES;
  return yield* filePunchHole(vma.file, vma.indexOf(start) * PAGE_SIZE, end - start);
}
