// Moving a VMA to another address, with its pages (mm/mremap.c: move_vma, mm/vma.c: copy_vma).
//
// mremap.ts decides where to. The VMA is copied (or a neighbour there grown over the range), the page table entries are
// moved (movePageTables.ts), and the source is unmapped, unless MREMAP_DONTUNMAP keeps it, empty.
//
// Invariant: whatever happens, each page is mapped at one of the two addresses, and what is accounted is what is mapped.
// Locks: mmap_lock for write; then as vmaEdit.ts, movePageTables.ts and munmap.ts.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../units.ts';
import { vmaLinkFile } from '../filemap/addressSpace.ts';
import { ksmUnmerge } from '../ksm/ksmMadvise.ts';
import { anonVmaClone, unlinkAnonVmas } from '../rmap/anonVma.ts';
import { chargeCommit } from './commit.ts';
import type { Mm } from './mmStruct.ts';
import { movePageTables } from './movePageTables.ts';
import { munmapLocked } from './munmap.ts';
import type { Vma } from './vma.ts';
import { vmAreaDup } from './vmaEdit.ts';
import { mergeNewRange } from './vmaMerge.ts';
import { VM_ACCOUNT, VM_LOCKED, VM_LOCKED_MASK, VM_UFFD_FLAGS } from './vmFlags.ts';

export const MREMAP_DONTUNMAP = 4;

/** struct vma_remap_struct: lengths in bytes, page aligned. */
export interface Remap {
  readonly mm: Mm;
  readonly address: Hva;
  oldLength: number;
  readonly newLength: number;
  readonly flags: number;
  newAddress: Hva;
  /** mmap_lock was downgraded. */
  downgraded: boolean;
  /** A locked mapping has grown. */
  populateExpand: boolean;
}

/** vrm_stat_account(). */
export function statAccount(mm: Mm, flags: number, pages: number): void {
  mm.totalVm += pages;
  if ((flags & VM_LOCKED) !== 0) mm.lockedVm += pages;
}

/** move_vma(). */
export function* moveVma(remap: Remap, vma: Vma): Steps<number> {
  const { mm, oldLength, newLength, flags } = remap;
  const { host } = mm;
  if (points.on) yield at.list(mm.vmas.id);
  if (mm.vmas.all.length >= host.sysctl.maxMapCount - 3) return -Errno.ENOMEM;
  // Reverse mapping of merged pages goes by their addresses.
  const unmerged = yield* ksmUnmerge(vma, remap.address, (remap.address + oldLength) as Hva);
  if (unmerged !== 0) return unmerged;
  const dontUnmap = (flags & MREMAP_DONTUNMAP) !== 0;
  const accounted = (vma.flags & VM_ACCOUNT) !== 0;
  const charged = accounted ? (dontUnmap ? newLength : newLength - oldLength) / PAGE_SIZE : 0;
  if (!chargeCommit(host, charged)) return -Errno.ENOMEM;
  yield* host.locks.vmaStartWrite(mm, vma);
  const { copy, source, merged } = yield* copyVma(remap, vma);
  const { address, newAddress } = remap;
  const moved = yield* movePageTables(source, address, newAddress, oldLength, merged);
  statAccount(mm, copy.flags, newLength / PAGE_SIZE);
  if (moved < oldLength) {
    // Back to where they were, which has all its tables; then the copy goes instead of the source.
    yield* movePageTables(copy, newAddress, address, moved, true);
    yield* unmapSource(mm, copy, newAddress, newLength, !dontUnmap);
    return -Errno.ENOMEM;
  }
  if (dontUnmap) yield* completeDontUnmap(remap, source, copy);
  else yield* unmapSource(mm, source, address, oldLength, true);
  return newAddress;
}

interface Copied {
  readonly copy: Vma;
  /** The VMA that has the source range now: merging may have made it one with the copy. */
  readonly source: Vma;
  readonly merged: boolean;
}

/** copy_vma(): the VMA at the new address, be it new or a neighbour that was grown over it. */
function* copyVma({ mm, address, newAddress, newLength }: Remap, vma: Vma): Steps<Copied> {
  const { host } = mm;
  const { file, anonVma } = vma;
  // mremap_userfaultfd_prep(): without UFFD_FEATURE_EVENT_REMAP what moves is not registered any more.
  const flags = vma.flags & ~VM_UFFD_FLAGS;
  const start = newAddress;
  const end = (start + newLength) as Hva;
  // Anonymous memory without pages may be renumbered, so that it merges where it goes.
  const pgoff = file === null && anonVma === null ? start / PAGE_SIZE : vma.indexOf(address);
  if (points.on) yield at.list(mm.vmas.id);
  const prev = mm.vmas.previous(start);
  const next = mm.vmas.findFrom(start);
  const range = { mm, start, end, flags, pgoff, file, anonVma, prev, next };
  const merged = yield* mergeNewRange({ ...range, middle: null, copiedFrom: vma });
  if (merged !== null) {
    const source = merged.contains(address) ? merged : vma;
    return { copy: merged, source, merged: true };
  }
  const copy = vmAreaDup(vma, mm, start, end, pgoff);
  copy.flags = flags;
  copy.userfaultfd = null;
  copy.anonVma = anonVma;
  yield* anonVmaClone(host, copy, vma);
  yield* host.locks.vmaStartWrite(mm, copy);
  if (points.on) yield at.list(mm.vmas.id);
  mm.vmas.insert(copy);
  yield* vmaLinkFile(copy);
  return { copy, source: vma, merged: false };
}

/** unmap_source_vma(): the range was accounted when it was copied, so unmapping must not give it back. */
function* unmapSource(mm: Mm, vma: Vma, start: Hva, length: number, wasMoved: boolean): Steps {
  const keepsAccount = wasMoved && (vma.flags & VM_ACCOUNT) !== 0;
  const end = (start + length) as Hva;
  const hasPrev = vma.start < start;
  const hasNext = vma.end > end;
  if (keepsAccount) vma.flags &= ~VM_ACCOUNT;
  yield* munmapLocked(mm, start, length);
  if (!keepsAccount) return;
  if (points.on) yield at.list(mm.vmas.id);
  const prev = hasPrev ? mm.vmas.previous(start) : null;
  const next = hasNext ? mm.vmas.findFrom(start) : null;
  for (const rest of [prev, next]) {
    if (rest === null) continue;
    yield* mm.host.locks.vmaStartWrite(mm, rest);
    rest.flags |= VM_ACCOUNT;
  }
}

/** dontunmap_complete(): the source stays, without pages, and is not locked any more. */
function* completeDontUnmap({ address, oldLength, mm }: Remap, source: Vma, copy: Vma): Steps {
  source.flags &= ~VM_LOCKED_MASK;
  const whole = address === source.start && address + oldLength === source.end;
  if (copy !== source && whole) yield* unlinkAnonVmas(mm.host, source);
}
