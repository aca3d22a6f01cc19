// shmem: objects whose pages have no file behind them, and are swapped (mm/shmem.c).
//
// MAP_SHARED | MAP_ANONYMOUS gets one all to itself, which fork shares; memfdCreate() makes one to be mapped by name.
// Faults and read() get pages here (shmemFolio.ts), truncation and holes take them (shmemTruncate.ts), reclaim writes them
// out (shmemWriteout.ts).
//
// Invariants: a page is a folio in the page cache, or part of a huge one, or a swap entry in its place, whose slot counts
// one reference for it; or there is none, and it reads as zeros. A folio on its way to swap leaves the page cache for the
// swap cache at once.
// Locks: as filemap.ts; a swap entry is exchanged under i_pages, by who holds the lock of the folio that takes its
// place or leaves it. Who punches a hole holds off faults in it (inode->i_private).

import { at, points, type Steps, WaitQueue } from '../../sched/index.ts';
import { FileName } from '../../trace/index.ts';
import { bug, Errno, PAGE_SIZE, type Pfn } from '../../units.ts';
import {
  VM_FAULT_LOCKED,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  type VmFault,
} from '../fault/faultTypes.ts';
import { AddressSpace, type AddressSpaceOps } from '../filemap/addressSpace.ts';
import { File } from '../filemap/file.ts';
import { folioFilePage } from '../filemap/filemap.ts';
import { unmapMappingPages } from '../filemap/truncate.ts';
import type { Host } from '../host.ts';
import { handleUserfault, type UserfaultReason } from '../userfaultfd/userfaultfd.ts';
import { chargeCommit, unchargeCommit } from '../vma/commit.ts';
import { VM_NORESERVE, VM_UFFD_MINOR, VM_UFFD_MISSING } from '../vma/vmFlags.ts';
import { HOLE, shmemGetFolio } from './shmemFolio.ts';
import { shmemUndoRange } from './shmemTruncate.ts';

/** struct shmem_inode_info. */
class ShmemInfo {
  /** Pages charged to the commit limit; null: each object is charged nothing. */
  charged: number | null;
  /** The hole [first, next) that is being punched. */
  punching: { readonly first: number; readonly next: number } | null = null;
  readonly wait: WaitQueue;

  constructor(host: Host, charged: number | null) {
    this.charged = charged;
    this.wait = new WaitQueue(host.sched, 'shmem_falloc');
  }
}

/** shmem_zero_setup(): an object of `bytes`, with one reference; null when its size cannot be charged. */
export function shmemKernelFileSetup(host: Host, bytes: number, vmFlags: number): File | null {
  const pages = Math.ceil(bytes / PAGE_SIZE);
  const isCharged = (vmFlags & VM_NORESERVE) === 0;
  if (isCharged && !chargeCommit(host, pages)) return null;
  return newObject(host, bytes, new ShmemInfo(host, isCharged ? pages : null), FileName.DEV_ZERO);
}

/** memfd_create(2) and ftruncate(2) to `bytes`: an object that is open once. */
export const memfdCreate = (host: Host, bytes: number): File =>
  newObject(host, bytes, new ShmemInfo(host, null), FileName.MEMFD);

const newObject = (host: Host, bytes: number, info: ShmemInfo, name: number): File =>
  new File(new AddressSpace(host, shmemOps(info, name), bytes));

const shmemOps = (info: ShmemInfo, traceName: number): AddressSpaceOps => ({
  kind: 'shmem',
  traceName,
  fault: (vmf) => shmemFault(info, vmf),
  pageMkwrite: null,
  readFolio: ({ id }) => bug('shmem has no device', { mapping: id }),
  writeFolio: ({ id }) => bug('shmem is written out by reclaim alone', { mapping: id }),
  writeBegin: shmemWriteBegin,
  readPage: shmemReadPage,
  setSize: (mapping, size) => shmemSetSize(info, mapping, size),
  punchHole: (mapping, start, end) => shmemPunchHole(info, mapping, start, end),
  evict: (mapping) => shmemEvict(info, mapping),
  inspect: (_mapping, _index, into) => into.fill(0).length > 0,
});

/** shmem_fault(). */
function* shmemFault(info: ShmemInfo, vmf: VmFault): Steps<number> {
  const { mm, file } = vmf.vma;
  const { mapping } = file!;
  // shmem_falloc_wait(): otherwise a hole that is refilled as fast as it is punched would never be done.
  yield* info.wait.until(() => !isPunching(info, vmf.pgoff));
  const majorBefore = mm.host.vmstat.pgmajfault;
  const found = yield* shmemGetFolio(mapping, vmf.pgoff, 'cache', vmf);
  if (found === -VM_UFFD_MISSING || found === -VM_UFFD_MINOR)
    return yield* handleUserfault(vmf, -found as UserfaultReason);
  if (found < 0) return found === -Errno.ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
  vmf.page = folioFilePage(mm.host, found as Pfn, vmf.pgoff);
  return VM_FAULT_LOCKED | (mm.host.vmstat.pgmajfault > majorBefore ? VM_FAULT_MAJOR : 0);
}

const isPunching = ({ punching }: ShmemInfo, index: number): boolean =>
  punching !== null && index >= punching.first && index < punching.next;

/** shmem_write_begin(). */
function* shmemWriteBegin(mapping: AddressSpace, index: number): Steps<number> {
  const found = yield* shmemGetFolio(mapping, index, 'write', null);
  return found < 0 ? found : folioFilePage(mapping.host, found as Pfn, index);
}

/** shmem_file_read_iter() of one page. */
function* shmemReadPage(mapping: AddressSpace, index: number): Steps<number> {
  const { host } = mapping;
  const found = yield* shmemGetFolio(mapping, index, 'read', null);
  if (found === -Errno.EINVAL) return HOLE;
  if (found <= 0) return found;
  if (points.on) yield at.page(found);
  host.folioLocks.unlock(found as Pfn);
  return folioFilePage(host, found as Pfn, index);
}

/** shmem_setattr(ATTR_SIZE): i_rwsem is held for write. */
function* shmemSetSize(info: ShmemInfo, mapping: AddressSpace, size: number): Steps<number> {
  const { inode } = mapping;
  inode.rwsem.assertHeld();
  if (points.on) yield at.sequence(inode.id);
  const old = inode.size;
  if (!recharge(info, mapping.host, Math.ceil(size / PAGE_SIZE))) return -Errno.ENOMEM;
  if (points.on) yield at.sequence(inode.id);
  inode.setSize(size);
  if (size > old) return 0;
  const first = Math.ceil(size / PAGE_SIZE);
  const pages = Math.ceil(old / PAGE_SIZE) - first;
  yield* unmapMappingPages(mapping, first, pages, true);
  yield* shmemUndoRange(mapping, size, Number.POSITIVE_INFINITY);
  // A private copy may have been made of a page that was still there the first time.
  yield* unmapMappingPages(mapping, first, pages, true);
  return 0;
}

/** shmem_reacct_size(). */
function recharge(info: ShmemInfo, host: Host, pages: number): boolean {
  if (info.charged === null) return true;
  if (pages > info.charged && !chargeCommit(host, pages - info.charged)) return false;
  if (pages < info.charged) unchargeCommit(host, info.charged - pages);
  info.charged = pages;
  return true;
}

/** shmem_fallocate(FALLOC_FL_PUNCH_HOLE): i_rwsem is held for write. */
function* shmemPunchHole(info: ShmemInfo, mapping: AddressSpace, start: number, end: number): Steps<number> {
  mapping.inode.rwsem.assertHeld();
  const first = Math.ceil(start / PAGE_SIZE);
  const next = Math.floor(end / PAGE_SIZE);
  info.punching = { first, next };
  yield* unmapMappingPages(mapping, first, next - first, false);
  yield* shmemUndoRange(mapping, start, end);
  // No need to unmap again: punching leaves private copies.
  info.punching = null;
  info.wait.wakeAll();
  return 0;
}

/** shmem_evict_inode(). */
function* shmemEvict(info: ShmemInfo, mapping: AddressSpace): Steps {
  recharge(info, mapping.host, 0);
  yield* shmemUndoRange(mapping, 0, Number.POSITIVE_INFINITY);
  mapping.host.addressSpaces.remove(mapping);
}
