// Merging and splitting of VMAs (mm/vma.c: vma_merge, __split_vma).
//
// mmap.ts merges what it maps with its neighbours; munmap and madvise split at the ends of their range. No PTE changes.
//
// Locks: mmap_lock for write, both VMAs' locks for write; the anon_vma for write while bounds move, so that a reverse
// mapping walk sees the one or the other.

import { at, points, type Steps } from '../sched/index.ts';
import { type Hva, PAGE_SIZE } from '../units.ts';
import type { AnonVma } from './anonVma.ts';
import type { Mm } from './mmStruct.ts';
import { isMergeable, Vma } from './vma.ts';

/** Merges the VMAs that meet at `address`, if they describe one object. */
export function* mergeAdjacent(mm: Mm, address: Hva): Steps {
  if (points.on) yield at.list(mm.vmas.id);
  const [left, right] = mm.vmas.overlapping((address - PAGE_SIZE) as Hva, (address + PAGE_SIZE) as Hva);
  if (left === undefined || right === undefined || left.end !== address || !canMerge(left, right)) return;
  const { locks } = mm.host;
  yield* locks.vmaStartWrite(mm, left);
  yield* locks.vmaStartWrite(mm, right);
  const anonVma = left.anonVma ?? right.anonVma;
  if (anonVma !== null) yield* locks.anonVmaLockWrite(anonVma);
  if (points.on) yield at.list(mm.vmas.id);
  mm.vmas.remove(right);
  left.end = right.end;
  if (anonVma !== null) {
    if (points.on) yield at.list(anonVma.rwsem.id);
    adopt(anonVma, left, right);
    yield* locks.anonVmaUnlockWrite(anonVma);
  }
}

const canMerge = (left: Vma, right: Vma): boolean =>
  isMergeable(left, right) &&
  (left.anonVma === null || right.anonVma === null || left.anonVma === right.anonVma);

/** `left` stands in the anon_vma for both from now on. */
function adopt(anonVma: AnonVma, left: Vma, right: Vma): void {
  const { vmas } = anonVma;
  if (right.anonVma !== null) vmas.splice(vmas.indexOf(right), 1);
  if (left.anonVma === null) vmas.push(left);
  right.anonVma = null;
  left.anonVma = anonVma;
}

/** __split_vma(): `address` lies inside `vma`, which keeps what is below. Returns the part above. */
export function* splitVma(mm: Mm, vma: Vma, address: Hva): Steps<Vma> {
  const { host } = mm;
  const upper = new Vma(host.sched, mm, address, vma.end, vma.flags, vma.indexOf(address));
  yield* host.locks.vmaStartWrite(mm, vma);
  yield* host.locks.vmaStartWrite(mm, upper);
  const { anonVma } = vma;
  if (anonVma !== null) yield* host.locks.anonVmaLockWrite(anonVma);
  if (points.on) yield at.list(mm.vmas.id);
  vma.end = address;
  mm.vmas.insert(upper);
  if (anonVma !== null) {
    if (points.on) yield at.list(anonVma.rwsem.id);
    upper.anonVma = anonVma;
    anonVma.vmas.push(upper);
    yield* host.locks.anonVmaUnlockWrite(anonVma);
  }
  return upper;
}
