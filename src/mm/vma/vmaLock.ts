// Getting hold of a VMA without mmap_lock (mm/mmap_lock.c: lock_vma_under_rcu).
//
// Faults of the CPU and MADV_DONTNEED try this first, and take mmap_lock when it answers null.
//
// Invariant: what was found may be changed or gone before its lock is held, so both are looked at again after.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Hva } from '../../units.ts';
import type { Mm } from './mmStruct.ts';
import type { Vma } from './vma.ts';

/** lock_vma_under_rcu(): the VMA of `address` with its lock held for read, or null: use mmap_lock. */
export function* lockVmaUnderRcu(mm: Mm, address: Hva): Steps<Vma | null> {
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.findUnderRcu(address);
  if (vma === null || !(yield* mm.host.locks.vmaStartRead(vma))) return null;
  if (!vma.isDetached && vma.contains(address)) return vma;
  yield* mm.host.locks.vmaEndRead(vma);
  return null;
}
