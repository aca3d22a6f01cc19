// mremap() (mm/mremap.c of 6.18).
//
// Grows, shrinks and moves a mapping; a move of unchanged size to a fixed address may cover several VMAs and the gaps
// between them. What is to be done is decided here, moving itself is moveVma.ts's business.
//
// Locks: mmap_lock for write; then as munmap.ts, vmaEdit.ts and moveVma.ts. What a locked mapping has grown by is
// faulted in after the lock was dropped.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, pageAlignUp, pageOffset } from '../../units.ts';
import { chargeCommit, mayExpandVm, mlockFuture, unchargeCommit } from './commit.ts';
import { getUnmappedArea, MAP_FIXED } from './mmap.ts';
import type { Mm } from './mmStruct.ts';
import { MREMAP_DONTUNMAP, moveVma, type Remap, statAccount } from './moveVma.ts';
import { doMunmap, munmapLocked } from './munmap.ts';
import { mmPopulate } from './populate.ts';
import type { Vma } from './vma.ts';
import { TASK_SIZE } from './vmaGaps.ts';
import { mergeNewRange } from './vmaMerge.ts';
import { VM_ACCOUNT, VM_LOCKED, VM_SHARED } from './vmFlags.ts';

export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;

const isFixed = ({ flags }: Remap): boolean => (flags & MREMAP_FIXED) !== 0;
/** vrm_implies_new_addr(). */
const impliesNewAddress = ({ flags }: Remap): boolean => (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;

/**
 * mremap(2): the new address, or -EFAULT (no mapping, or it ends too soon), -EINVAL (arguments, overlap), -ENOMEM (no
 * room to grow or move, or a limit), -EAGAIN (more locked than permitted).
 */
export function* mremap(
  mm: Mm,
  address: Hva,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddress: Hva | 0,
): Steps<number> {
  const remap: Remap = {
    mm,
    address,
    oldLength: pageAlignUp(oldLength),
    newLength: pageAlignUp(newLength),
    flags,
    newAddress: newAddress as Hva,
    downgraded: false,
    populateExpand: false,
  };
  const invalid = checkParameters(remap);
  if (invalid !== 0) return invalid;
  const grownFrom = remap.oldLength;
  yield* mm.mmapWriteLock();
  const result = yield* mremapLocked(remap);
  if (remap.downgraded) yield* mm.host.locks.mmapReadUnlock(mm);
  else yield* mm.mmapWriteUnlock();
  if (result >= 0 && remap.populateExpand)
    yield* mmPopulate(mm, (result + grownFrom) as Hva, remap.newLength - grownFrom);
  return result;
}

/** check_mremap_params(). */
function checkParameters(remap: Remap): number {
  const { address, oldLength, newLength, flags, newAddress } = remap;
  if ((flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) !== 0) return -Errno.EINVAL;
  if (pageOffset(address) !== 0 || newLength <= 0 || newLength > TASK_SIZE) return -Errno.EINVAL;
  if (!impliesNewAddress(remap)) return 0;
  if (newAddress > TASK_SIZE - newLength || newAddress < 0 || pageOffset(newAddress) !== 0)
    return -Errno.EINVAL;
  if ((flags & MREMAP_MAYMOVE) === 0) return -Errno.EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && oldLength !== newLength) return -Errno.EINVAL;
  const overlaps = address + oldLength > newAddress && newAddress + newLength > address;
  return overlaps ? -Errno.EINVAL : 0;
}

function* mremapLocked(remap: Remap): Steps<number> {
  const { mm, address } = remap;
  if (points.on) yield at.list(mm.vmas.id);
  const { maxMapCount } = mm.host.sysctl;
  if (impliesNewAddress(remap) && mm.vmas.all.length + 2 >= maxMapCount - 3) return -Errno.ENOMEM;
  if (isFixed(remap) && remap.oldLength === remap.newLength) return yield* remapMove(remap);
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(address);
  const error = checkVma(remap, vma);
  if (error !== 0 || vma === null) return error;
  return impliesNewAddress(remap) ? yield* mremapTo(remap) : yield* mremapAt(remap, vma);
}

/** remap_move(): every VMA of the range, with the gaps between them kept. The first new address. */
function* remapMove(remap: Remap): Steps<number> {
  const { mm, address, oldLength, newAddress } = remap;
  const end = address + oldLength;
  let cursor: number = address;
  let result = -Errno.EFAULT as number;
  while (cursor < end) {
    if (points.on) yield at.list(mm.vmas.id);
    const vma = mm.vmas.findFrom(cursor);
    if (vma === null || vma.start >= end) break;
    if (cursor === address && vma.start > address) return -Errno.EFAULT;
    // vma_multi_allowed(): what a userfaultfd has is moved alone.
    const isAlone = cursor === address && vma.end >= end;
    if (vma.userfaultfd !== null && !isAlone) return -Errno.EFAULT;
    const from = Math.max(vma.start, cursor) as Hva;
    const length = Math.min(end, vma.end) - from;
    const part: Remap = {
      ...remap,
      address: from,
      oldLength: length,
      newLength: length,
      newAddress: (newAddress + (from - address)) as Hva,
    };
    cursor = from + length;
    const error = checkVma(part, vma);
    const moved = error !== 0 ? error : yield* mremapTo(part);
    if (moved < 0) return moved;
    if (from === address) result = moved;
  }
  return result;
}

/** check_prep_vma(). */
function checkVma(remap: Remap, vma: Vma | null): number {
  if (vma === null) return -Errno.EFAULT;
  const { mm, address, newLength } = remap;
  const isShrink = remap.oldLength > newLength;
  const isExpand = remap.oldLength < newLength;
  if (!impliesNewAddress(remap)) remap.newAddress = address;
  if (!isExpand && !impliesNewAddress(remap)) return 0;
  if (remap.oldLength === 0 && (vma.flags & VM_SHARED) === 0) return -Errno.EINVAL;
  const oldLength = isShrink ? newLength : remap.oldLength;
  if (oldLength > vma.end - address) return -Errno.EFAULT;
  if (newLength === oldLength) return 0;
  if ((vma.flags & VM_LOCKED) !== 0) remap.populateExpand = true;
  const pages = (newLength - oldLength) / PAGE_SIZE;
  const locked = mlockFuture(mm, vma.flags, pages);
  if (locked !== 0) return locked;
  return mayExpandVm(mm, pages) ? 0 : -Errno.ENOMEM;
}

/** mremap_at(): without a new address that the caller insists on. */
function* mremapAt(remap: Remap, vma: Vma): Steps<number> {
  const { mm, address, oldLength, newLength, flags } = remap;
  if (oldLength === newLength) return address;
  if (oldLength > newLength) {
    const start = (address + newLength) as Hva;
    const { error, downgraded } = yield* doMunmap(mm, start, oldLength - newLength, true);
    remap.downgraded = downgraded;
    return error !== 0 ? error : address;
  }
  if (yield* canExpandInPlace(remap, vma)) return yield* expandInPlace(remap, vma);
  if ((flags & MREMAP_MAYMOVE) === 0) return -Errno.ENOMEM;
  if (points.on) yield at.list(mm.vmas.id);
  const target = getUnmappedArea(mm, 0, newLength, 0);
  if (target < 0) return target;
  remap.newAddress = target as Hva;
  return yield* moveVma(remap, vma);
}

/** vrm_can_expand_in_place(). */
function* canExpandInPlace({ mm, address, oldLength, newLength }: Remap, vma: Vma): Steps<boolean> {
  if (vma.end - address !== oldLength) return false;
  const end = (vma.end + (newLength - oldLength)) as Hva;
  if (points.on) yield at.list(mm.vmas.id);
  return end <= TASK_SIZE && mm.vmas.overlapping(vma.end, end).length === 0;
}

/** expand_vma_in_place() and vma_merge_extend(). */
function* expandInPlace({ mm, address, oldLength, newLength }: Remap, vma: Vma): Steps<number> {
  const delta = newLength - oldLength;
  const pages = delta / PAGE_SIZE;
  const accounted = (vma.flags & VM_ACCOUNT) !== 0;
  if (accounted && !chargeCommit(mm.host, pages)) return -Errno.ENOMEM;
  const { flags, file, anonVma, userfaultfd, end: start } = vma;
  const end = (start + delta) as Hva;
  if (points.on) yield at.list(mm.vmas.id);
  const next = mm.vmas.findFrom(start);
  const pgoff = vma.pgoff + vma.pages;
  const extension = {
    mm,
    start,
    end,
    flags,
    pgoff,
    file,
    anonVma,
    middle: null,
    copiedFrom: null,
    userfaultfd,
  };
  const merged = yield* mergeNewRange({ ...extension, prev: vma, next });
  if (merged === null) {
    if (accounted) unchargeCommit(mm.host, pages);
    return -Errno.ENOMEM;
  }
  statAccount(mm, flags, pages);
  return address;
}

/** mremap_to(): to an address that the caller named, or anywhere with MREMAP_DONTUNMAP. */
function* mremapTo(remap: Remap): Steps<number> {
  const { mm, address, newAddress, newLength, flags } = remap;
  if (isFixed(remap)) {
    const error = yield* munmapLocked(mm, newAddress, newLength);
    if (error !== 0) return error;
  }
  if (remap.oldLength > newLength) {
    const surplus = remap.oldLength - newLength;
    const error = yield* munmapLocked(mm, (address + newLength) as Hva, surplus);
    if (error !== 0) return error;
    remap.oldLength = newLength;
  }
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(address);
  if (vma === null) return -Errno.EFAULT;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && !mayExpandVm(mm, remap.oldLength / PAGE_SIZE)) return -Errno.ENOMEM;
  const target = getUnmappedArea(mm, newAddress, newLength, isFixed(remap) ? MAP_FIXED : 0);
  if (target < 0) return target;
  remap.newAddress = target as Hva;
  return yield* moveVma(remap, vma);
}
