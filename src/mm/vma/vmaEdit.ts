// Changing the shape of VMAs: moving bounds, splitting, removing (mm/vma.c: vma_prepare, vma_complete, __split_vma).
//
// vmaMerge.ts decides what merges and comes here to do it; munmap, mprotect, mlock, madvise and mremap split here. No PTE
// changes, and every page keeps its linear index.
//
// Locks: mmap_lock for write, the locks of all VMAs that change for write; the file's i_mmap_rwsem, then the anon_vma for
// write while bounds move, so that a reverse mapping walk sees the one shape or the other.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva } from '../../units.ts';
import { type AddressSpace, insertInIMmap } from '../filemap/addressSpace.ts';
import { fput, getFile } from '../filemap/file.ts';
import { anonVmaClone, relistInAnonVmas, unlinkAnonVmas, unlistFromAnonVmas } from '../rmap/anonVma.ts';
import { splitHugePmdIfNeeded } from '../thp/splitPmd.ts';
import type { Mm } from './mmStruct.ts';
import { type Reshaped, Vma } from './vma.ts';
import { VM_UFFD_FLAGS } from './vmFlags.ts';

/** vm_area_dup(): as `vma`, with bounds of its own and no anon_vma yet; has a reference to the file. */
export function vmAreaDup(vma: Vma, mm: Mm, start: Hva, end: Hva, pgoff: number): Vma {
  getFile(vma.file);
  const copy = new Vma(mm.host.sched, mm, start, end, vma.flags, pgoff, vma.file);
  // dup_userfaultfd(): without UFFD_FEATURE_EVENT_FORK the child has nothing to do with it.
  if (mm === vma.mm) copy.userfaultfd = vma.userfaultfd;
  else copy.flags &= ~VM_UFFD_FLAGS;
  return copy;
}

/**
 * vma_prepare() to vma_complete(): gives VMAs of one object new bounds in one step, takes `removed` out (what they mapped
 * belongs to the first of `reshaped` now) or puts `inserted` in.
 */
export function* reshapeVmas(
  mm: Mm,
  reshaped: readonly Reshaped[],
  removed: readonly Vma[],
  inserted: Vma | null,
): Steps {
  const { locks } = mm.host;
  const { vma: kept } = reshaped[0]!;
  const mapping = kept.file?.mapping ?? null;
  const anonVma = reshaped.find(({ vma }) => vma.anonVma !== null)?.vma.anonVma ?? null;
  if (mapping !== null) yield* locks.iMmapLockWrite(mapping);
  if (anonVma !== null) yield* locks.anonVmaLockWrite(anonVma);
  const listed =
    mapping === null ? [] : yield* unlistFromIMmap(mapping, [...reshaped.map(({ vma }) => vma), ...removed]);
  for (const { vma, start, end } of reshaped) {
    // vma_adjust_trans_huge(): no huge page lies across a bound.
    if (mm.hugePmds > 0) yield* splitHugePmdIfNeeded(vma, start);
    if (mm.hugePmds > 0) yield* splitHugePmdIfNeeded(vma, end);
  }
  for (const { vma } of reshaped) yield* unlistFromAnonVmas(vma);
  if (points.on) yield at.list(mm.vmas.id);
  for (const vma of removed) mm.vmas.remove(vma);
  mm.vmas.reshape(reshaped);
  if (inserted !== null) mm.vmas.insert(inserted);
  for (const { vma } of reshaped) yield* relistInAnonVmas(vma);
  if (mapping !== null) {
    if (points.on) yield at.list(mapping.iMmapRwsem.id);
    for (const vma of listed) if (!removed.includes(vma)) insertInIMmap(mapping, vma);
    if (inserted !== null) insertInIMmap(mapping, inserted);
  }
  if (anonVma !== null) yield* locks.anonVmaUnlockWrite(anonVma);
  if (mapping !== null) yield* locks.iMmapUnlockWrite(mapping);
  for (const vma of removed) {
    yield* unlinkAnonVmas(mm.host, vma);
    yield* fput(vma.file);
  }
}

/** Those of `vmas` that are in i_mmap, which is locked, are not any more: their bounds are about to change. */
function* unlistFromIMmap(mapping: AddressSpace, vmas: readonly Vma[]): Steps<readonly Vma[]> {
  if (points.on) yield at.list(mapping.iMmapRwsem.id);
  return vmas.filter((vma) => mapping.iMmap.remove(vma));
}

/** __split_vma(): `address` lies inside `vma`, which keeps what is above it if `newBelow`, else what is below. */
export function* splitVmaUnchecked(mm: Mm, vma: Vma, address: Hva, newBelow: boolean): Steps {
  const { locks } = mm.host;
  const { start, end, pgoff } = vma;
  const above = vma.indexOf(address);
  const part = newBelow ? vmAreaDup(vma, mm, start, address, pgoff) : vmAreaDup(vma, mm, address, end, above);
  part.anonVma = vma.anonVma;
  yield* anonVmaClone(mm.host, part, vma);
  yield* locks.vmaStartWrite(mm, vma);
  yield* locks.vmaStartWrite(mm, part);
  const keeps: Reshaped = newBelow
    ? { vma, start: address, end, pgoff: above }
    : { vma, start, end: address, pgoff };
  yield* reshapeVmas(mm, [keeps], [], part);
}

/** split_vma(): 0, or -ENOMEM when the mm has as many VMAs as it may. */
export function* splitVma(mm: Mm, vma: Vma, address: Hva, newBelow: boolean): Steps<number> {
  if (points.on) yield at.list(mm.vmas.id);
  if (mm.vmas.all.length >= mm.host.sysctl.maxMapCount) return -Errno.ENOMEM;
  yield* splitVmaUnchecked(mm, vma, address, newBelow);
  return 0;
}
