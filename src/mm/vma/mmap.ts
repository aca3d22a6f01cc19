// mmap() (mm/mmap.c: do_mmap; mm/vma.c: mmap_region).
//
// Private and shared mappings of files and of nothing. Only VMAs change here; pages come with the first access, or right
// after with MAP_POPULATE and MAP_LOCKED (populate.ts).
//
// Locks: mmap_lock for write; VMAs that change are locked for write, and their reverse mappings too when bounds move.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, pageAlignUp, pageOffset } from '../../units.ts';
import { vmaLinkFile } from '../filemap/addressSpace.ts';
import { type File, getFile } from '../filemap/file.ts';
import { HPAGE_PMD_SIZE, hugeAlignDown } from '../page/largeFolio.ts';
import { shmemKernelFileSetup } from '../shmem/shmem.ts';
import { khugepagedEnterVma } from '../thp/khugepaged.ts';
import { chargeCommit, isAccountable, mayExpandVm, mlockFuture, OVERCOMMIT_NEVER } from './commit.ts';
import type { Mm } from './mmStruct.ts';
import { munmapLocked } from './munmap.ts';
import { mmPopulate } from './populate.ts';
import { Vma } from './vma.ts';
import { TASK_SIZE } from './vmaGaps.ts';
import { mergeNewRange } from './vmaMerge.ts';
import {
  VM_ACCOUNT,
  VM_EXEC,
  VM_LOCKED,
  VM_MAY_ACCESS,
  VM_MAYSHARE,
  VM_NORESERVE,
  VM_READ,
  VM_SHARED,
  VM_SOFTDIRTY,
  VM_WRITE,
} from './vmFlags.ts';

export const PROT_READ = VM_READ;
export const PROT_WRITE = VM_WRITE;
export const PROT_EXEC = VM_EXEC;
export const MAP_SHARED = 0x1;
export const MAP_PRIVATE = 0x2;
/** Exactly at `addr`; what is there is unmapped first. */
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_LOCKED = 0x2000;
export const MAP_NORESERVE = 0x4000;
export const MAP_POPULATE = 0x8000;
/** Exactly at `addr`, or -EEXIST. */
export const MAP_FIXED_NOREPLACE = 0x100000;

const MMAP_MIN_ADDR = 0x10000;
/** Highest address that is handed out: below the gap for the stack. */
const MMAP_BASE = TASK_SIZE - 2 ** 27;

/** mmap(addr, length, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS). As mmap(). */
export const mmapAnonymous = (
  mm: Mm,
  addr: Hva | 0,
  length: number,
  prot: number,
  flags: number,
): Steps<number> => mmap(mm, addr, length, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS, null, 0);

/**
 * mmap(2), `offset` in pages: the address, or -EINVAL (length or alignment), -ENOMEM (no room, too many VMAs, or more
 * than a limit permits), -EAGAIN (more locked than permitted), -EEXIST (MAP_FIXED_NOREPLACE). `addr` 0 or taken: the
 * highest gap below the mmap base.
 */
export function* mmap(
  mm: Mm,
  addr: Hva | 0,
  length: number,
  prot: number,
  flags: number,
  file: File | null,
  offset: number,
): Steps<number> {
  const bytes = pageAlignUp(length);
  if (bytes <= 0 || pageOffset(addr) !== 0) return -Errno.EINVAL;
  yield* mm.mmapWriteLock();
  const address = yield* doMmap(mm, addr, bytes, prot, flags, file, offset);
  yield* mm.mmapWriteUnlock();
  if (address >= 0 && (flags & (MAP_POPULATE | MAP_LOCKED)) !== 0)
    yield* mmPopulate(mm, address as Hva, bytes);
  return address;
}

function* doMmap(
  mm: Mm,
  addr: number,
  bytes: number,
  prot: number,
  flags: number,
  file: File | null,
  offset: number,
): Steps<number> {
  if (points.on) yield at.list(mm.vmas.id);
  if (mm.vmas.all.length > mm.host.sysctl.maxMapCount) return -Errno.ENOMEM;
  const address = shmemGetUnmappedArea(mm, addr, bytes, flags, file, offset);
  if (address < 0) return address;
  const vmFlags = vmFlagsOf(mm, prot, flags);
  const locked = mlockFuture(mm, vmFlags, bytes / PAGE_SIZE);
  if (locked !== 0) return locked;
  const isPrivateAnonymous = file === null && (flags & MAP_SHARED) === 0;
  const pgoff = isPrivateAnonymous ? address / PAGE_SIZE : file === null ? 0 : offset;
  return yield* mmapRegion(mm, address as Hva, bytes, vmFlags, pgoff, file);
}

/** calc_vm_prot_bits() and calc_vm_flag_bits(). */
function vmFlagsOf(mm: Mm, prot: number, flags: number): number {
  const noReserve = (flags & MAP_NORESERVE) !== 0 && mm.host.sysctl.overcommitMemory !== OVERCOMMIT_NEVER;
  return (
    (prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) |
    VM_MAY_ACCESS |
    ((flags & MAP_SHARED) !== 0 ? VM_SHARED | VM_MAYSHARE : 0) |
    ((flags & MAP_LOCKED) !== 0 ? VM_LOCKED : 0) |
    (noReserve ? VM_NORESERVE : 0)
  );
}

/** __mmap_region(): 'address', or -ENOMEM. */
function* mmapRegion(
  mm: Mm,
  start: Hva,
  bytes: number,
  vmFlags: number,
  pgoff: number,
  file: File | null,
): Steps<number> {
  const { host } = mm;
  const end = (start + bytes) as Hva;
  const pages = bytes / PAGE_SIZE;
  const unmapped = yield* munmapLocked(mm, start, bytes);
  if (unmapped !== 0) return unmapped;
  if (!mayExpandVm(mm, pages)) return -Errno.ENOMEM;
  let flags = vmFlags;
  if (isAccountable(flags)) {
    if (!chargeCommit(host, pages)) return -Errno.ENOMEM;
    flags |= VM_ACCOUNT;
  }
  if (points.on) yield at.list(mm.vmas.id);
  const prev = mm.vmas.previous(start);
  const next = mm.vmas.findFrom(start);
  const none = { anonVma: null, middle: null, copiedFrom: null };
  const merged = yield* mergeNewRange({ mm, start, end, flags, pgoff, file, prev, next, ...none });
  if (merged === null && !(yield* mmapNewVma(mm, start, end, flags, pgoff, file))) return -Errno.ENOMEM;
  if (merged !== null) merged.flags |= VM_SOFTDIRTY;
  // vma_merge_new_range().
  if (merged !== null) yield* khugepagedEnterVma(merged, merged.flags);
  mm.totalVm += pages;
  if ((flags & VM_LOCKED) !== 0) mm.lockedVm += pages;
  return start;
}

/** __mmap_new_vma(): false when there is no memory for a shared anonymous object. */
function* mmapNewVma(
  mm: Mm,
  start: Hva,
  end: Hva,
  flags: number,
  pgoff: number,
  file: File | null,
): Steps<boolean> {
  const { host } = mm;
  let mapped = file;
  if (file !== null) getFile(file);
  else if ((flags & VM_SHARED) !== 0) {
    mapped = shmemKernelFileSetup(host, end - start, flags);
    if (mapped === null) return false;
  }
  const vma = new Vma(host.sched, mm, start, end, flags | VM_SOFTDIRTY, pgoff, mapped);
  yield* host.locks.vmaStartWrite(mm, vma);
  if (points.on) yield at.list(mm.vmas.id);
  mm.vmas.insert(vma);
  yield* vmaLinkFile(vma);
  yield* khugepagedEnterVma(vma, vma.flags);
  return true;
}

/** __get_unmapped_area(); of shmem that may be huge at an address where its 2 MiB are aligned. Preceded by at.list(). */
function shmemGetUnmappedArea(
  mm: Mm,
  addr: number,
  bytes: number,
  flags: number,
  file: File | null,
  offset: number,
): number {
  const address = getUnmappedArea(mm, addr, bytes, flags);
  const isShmem = file === null ? (flags & MAP_SHARED) !== 0 : file.mapping.kind === 'shmem';
  const { shmemEnabled } = mm.host.thp;
  if (!isShmem || shmemEnabled === 'never' || shmemEnabled === 'deny') return address;
  if (address < 0 || address === addr || (flags & MAP_FIXED) !== 0 || bytes < HPAGE_PMD_SIZE) return address;
  const phase = file === null ? 0 : (offset * PAGE_SIZE) % HPAGE_PMD_SIZE;
  if (phase !== 0 && phase + bytes < 2 * HPAGE_PMD_SIZE) return address;
  if (address % HPAGE_PMD_SIZE === phase) return address;
  const inflated = getUnmappedArea(mm, addr, bytes + HPAGE_PMD_SIZE - PAGE_SIZE, flags);
  if (inflated < 0) return address;
  const aligned = hugeAlignDown(inflated) + phase;
  return aligned < inflated ? aligned + HPAGE_PMD_SIZE : aligned;
}

/** get_unmapped_area(): top down. Preceded by at.list(). */
export function getUnmappedArea(mm: Mm, addr: number, bytes: number, flags: number): number {
  const isFree = (start: number): boolean =>
    start >= MMAP_MIN_ADDR &&
    start + bytes <= TASK_SIZE &&
    mm.vmas.overlapping(start as Hva, (start + bytes) as Hva).length === 0;
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
    if (addr < MMAP_MIN_ADDR || addr + bytes > TASK_SIZE) return -Errno.ENOMEM;
    return (flags & MAP_FIXED) !== 0 || isFree(addr) ? addr : -Errno.EEXIST;
  }
  if (addr !== 0 && isFree(addr)) return addr;
  const found = mm.vmas.unmappedArea(bytes, MMAP_BASE);
  return found !== null && found >= MMAP_MIN_ADDR ? found : -Errno.ENOMEM;
}
