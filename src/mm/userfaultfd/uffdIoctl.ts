// What the handler of a userfaultfd does: registering ranges and write-protecting pages (fs/userfaultfd.c:
// userfaultfd_ioctl; mm/userfaultfd.c: mwriteprotect_range). Pages are made by uffdFill.ts and uffdMove.ts.
//
// Order of write-protection (reference table row 8b): mmap_lock for read; start (PROTECTION_VMA); each entry read-only and
// marked, of shmem also where there is none; end; the CPUs are flushed after it.
// Locks: registering takes mmap_lock for write, the rest for read.

import { levelBytes } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { bug, Errno, type Hva, PAGE_SIZE, pageOffset } from '../../units.ts';
import { MmuGather } from '../pagetable/mmuGather.ts';
import { allocPte } from '../pagetable/pageTable.ts';
import { findHugePmd } from '../pagetable/pmd.ts';
import { splitHugePmd } from '../thp/splitPmd.ts';
import { exitMm } from '../vma/exit.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { changeProtection, protectionChanges } from '../vma/mprotect.ts';
import type { Vma } from '../vma/vma.ts';
import { TASK_SIZE } from '../vma/vmaGaps.ts';
import { vmaModifyFlags } from '../vma/vmaMerge.ts';
import { VM_MAYWRITE, VM_UFFD_FLAGS, VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP } from '../vma/vmFlags.ts';
import type { Userfaultfd } from './userfaultfd.ts';

export const UFFDIO_REGISTER_MODE_MISSING = 1 << 0;
export const UFFDIO_REGISTER_MODE_WP = 1 << 1;
export const UFFDIO_REGISTER_MODE_MINOR = 1 << 2;
export const UFFDIO_WRITEPROTECT_MODE_WP = 1 << 0;
export const UFFDIO_WRITEPROTECT_MODE_DONTWAKE = 1 << 1;

/** validate_range(). */
export function isValidRange(start: number, length: number): boolean {
  const aligned = pageOffset(start as Hva) === 0 && length > 0 && length % PAGE_SIZE === 0;
  return aligned && start >= PAGE_SIZE && start + length <= TASK_SIZE;
}

/** The mm with mmap_lock taken; -ESRCH: the process is gone. */
export function* enter({ mm, released }: Userfaultfd, write: boolean): Steps<number> {
  if (released || !mm.getNotZero()) return -Errno.ESRCH;
  if (write) yield* mm.mmapWriteLock();
  else yield* mm.host.locks.mmapReadLock(mm);
  return 0;
}

export function* leave({ mm }: Userfaultfd, write: boolean): Steps {
  if (write) yield* mm.mmapWriteUnlock();
  else yield* mm.host.locks.mmapReadUnlock(mm);
  yield* exitMm(mm);
}

/**
 * UFFDIO_REGISTER: 0; -EINVAL: mode, range, nothing mapped there, or memory that cannot be registered; -EPERM: it may not
 * be written; -EBUSY: another descriptor has it; -ENOMEM: the process is gone, or has too many VMAs.
 */
export function* uffdioRegister(uffd: Userfaultfd, start: Hva, length: number, mode: number): Steps<number> {
  const modes = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR;
  if (mode === 0 || (mode & ~modes) !== 0 || !isValidRange(start, length)) return -Errno.EINVAL;
  const missing = (mode & UFFDIO_REGISTER_MODE_MISSING) !== 0 ? VM_UFFD_MISSING : 0;
  const wp = (mode & UFFDIO_REGISTER_MODE_WP) !== 0 ? VM_UFFD_WP : 0;
  const minor = (mode & UFFDIO_REGISTER_MODE_MINOR) !== 0 ? VM_UFFD_MINOR : 0;
  if ((yield* enter(uffd, true)) !== 0) return -Errno.ENOMEM;
  const end = (start + length) as Hva;
  const flags = missing | minor | wp;
  let error = yield* mayRegister(uffd, start, end, flags);
  if (error === 0) error = yield* setContext(uffd.mm, start, end, flags, uffd);
  yield* leave(uffd, true);
  return error;
}

function* mayRegister(uffd: Userfaultfd, start: Hva, end: Hva, wanted: number): Steps<number> {
  const { mm } = uffd;
  if (points.on) yield at.list(mm.vmas.id);
  const vmas = mm.vmas.overlapping(start, end);
  if (vmas.length === 0) return -Errno.EINVAL;
  for (const vma of vmas) {
    const { flags, userfaultfd } = vma;
    if (!canUserfault(vma, wanted)) return -Errno.EINVAL;
    if ((flags & VM_MAYWRITE) === 0) return -Errno.EPERM;
    if (userfaultfd !== null && userfaultfd !== uffd) return -Errno.EBUSY;
  }
  return 0;
}

/** vma_can_userfault(): anonymous memory and shmem, of which alone a page can be there and not mapped. */
const canUserfault = ({ file }: Vma, wanted: number): boolean =>
  file === null ? (wanted & VM_UFFD_MINOR) === 0 : file.mapping.kind === 'shmem';

/**
 * userfaultfd_register_range() and userfaultfd_clear_vma(): `flags` 0 and null take it back; what is registered for more
 * than `flags` stays so. 0 or -ENOMEM.
 */
function* setContext(mm: Mm, start: Hva, end: Hva, flags: number, uffd: Userfaultfd | null): Steps<number> {
  if (points.on) yield at.list(mm.vmas.id);
  for (const vma of mm.vmas.overlapping(start, end)) {
    if (vma.isDetached || (vma.userfaultfd === uffd && (vma.flags & flags) === flags)) continue;
    const wanted = (vma.flags & ~VM_UFFD_FLAGS) | flags;
    const from = Math.max(vma.start, start) as Hva;
    const to = Math.min(vma.end, end) as Hva;
    const changed = yield* vmaModifyFlags(vma, from, to, wanted, uffd);
    if (typeof changed === 'number') return changed;
    yield* mm.host.locks.vmaStartWrite(mm, changed);
    changed.flags = wanted;
    changed.userfaultfd = uffd;
  }
  return 0;
}

/**
 * UFFDIO_UNREGISTER: what is registered with this descriptor is not any more, and who waits where it was for missing pages
 * tries again; who waits for another reason is to be woken (UFFDIO_WAKE). 0; -EINVAL: range, nothing mapped there, what cannot be registered, or is with another descriptor; -ENOMEM as uffdioRegister().
 */
export function* uffdioUnregister(uffd: Userfaultfd, start: Hva, length: number): Steps<number> {
  if (!isValidRange(start, length)) return -Errno.EINVAL;
  if ((yield* enter(uffd, true)) !== 0) return -Errno.ENOMEM;
  const end = (start + length) as Hva;
  const error = yield* unregister(uffd, start, end);
  yield* leave(uffd, true);
  return error;
}

function* unregister(uffd: Userfaultfd, start: Hva, end: Hva): Steps<number> {
  const { mm } = uffd;
  if (points.on) yield at.list(mm.vmas.id);
  const vmas = mm.vmas.overlapping(start, end);
  const isMine = (vma: Vma): boolean => vma.userfaultfd === null || vma.userfaultfd === uffd;
  if (vmas.length === 0 || !vmas.every((vma) => canUserfault(vma, 0) && isMine(vma))) return -Errno.EINVAL;
  for (const vma of vmas) {
    const [from, to] = [Math.max(vma.start, start) as Hva, Math.min(vma.end, end) as Hva];
    if ((vma.flags & VM_UFFD_MISSING) !== 0) yield* uffd.wake(from, to);
    if ((vma.flags & VM_UFFD_WP) !== 0) yield* uffdWpRange(vma, from, to, false);
  }
  return yield* setContext(mm, start, end, 0, null);
}

/** close(2), userfaultfd_release(): the last of it. Everything is unregistered, and everybody woken. */
export function* userfaultfdRelease(uffd: Userfaultfd): Steps {
  const { mm } = uffd;
  uffd.released = true;
  if (mm.getNotZero()) {
    yield* mm.mmapWriteLock();
    if (points.on) yield at.list(mm.vmas.id);
    for (const vma of mm.vmas.all.filter(({ userfaultfd }) => userfaultfd === uffd)) {
      if ((vma.flags & VM_UFFD_WP) !== 0) yield* uffdWpRange(vma, vma.start, vma.end, false);
      if ((yield* setContext(mm, vma.start, vma.end, 0, null)) !== 0)
        bug('a whole VMA could not be unregistered', { mm: mm.id });
    }
    yield* mm.mmapWriteUnlock();
    yield* exitMm(mm);
  }
  uffd.wakeAll();
  yield* mm.drop();
}

/** UFFDIO_WAKE: 0 or -EINVAL. */
export function* uffdioWake(uffd: Userfaultfd, start: Hva, length: number): Steps<number> {
  if (!isValidRange(start, length)) return -Errno.EINVAL;
  yield* uffd.wake(start, (start + length) as Hva);
  return 0;
}

/** UFFDIO_WRITEPROTECT, mwriteprotect_range(): 0; -EINVAL; -ENOENT: not registered for it; -ENOMEM; -ESRCH. */
export function* uffdioWriteprotect(
  uffd: Userfaultfd,
  start: Hva,
  length: number,
  mode: number,
): Steps<number> {
  const wp = (mode & UFFDIO_WRITEPROTECT_MODE_WP) !== 0;
  const dontwake = (mode & UFFDIO_WRITEPROTECT_MODE_DONTWAKE) !== 0;
  const known = UFFDIO_WRITEPROTECT_MODE_WP | UFFDIO_WRITEPROTECT_MODE_DONTWAKE;
  // Protecting wakes nobody anyway.
  if ((mode & ~known) !== 0 || (wp && dontwake) || !isValidRange(start, length)) return -Errno.EINVAL;
  const entered = yield* enter(uffd, false);
  if (entered !== 0) return entered;
  const end = (start + length) as Hva;
  const error = yield* mwriteprotectRange(uffd.mm, start, end, wp);
  yield* leave(uffd, false);
  if (error === 0 && !wp && !dontwake) yield* uffd.wake(start, end);
  return error;
}

function* mwriteprotectRange(mm: Mm, start: Hva, end: Hva, wp: boolean): Steps<number> {
  if (points.on) yield at.list(mm.vmas.id);
  const vmas = mm.vmas.overlapping(start, end);
  if (vmas.length === 0) return -Errno.ENOENT;
  for (const vma of vmas) {
    if ((vma.flags & VM_UFFD_WP) === 0) return -Errno.ENOENT;
    const error = yield* uffdWpRange(
      vma,
      Math.max(vma.start, start) as Hva,
      Math.min(vma.end, end) as Hva,
      wp,
    );
    if (error !== 0) return error;
  }
  return 0;
}

/** uffd_wp_range(): 0 or -ENOMEM. */
function* uffdWpRange(vma: Vma, start: Hva, end: Hva, wp: boolean): Steps<number> {
  if (wp && vma.file !== null && !(yield* populateTables(vma, start, end))) return -Errno.ENOMEM;
  const gather = new MmuGather(vma.mm);
  yield* changeProtection(gather, vma, start, end, protectionChanges(gather, vma, wp));
  yield* gather.finish();
  return 0;
}

/** change_pmd_prepare(): where there is no table, there is no place for markers. False when out of memory. */
function* populateTables(vma: Vma, start: Hva, end: Hva): Steps<boolean> {
  const { mm } = vma;
  const bytes = levelBytes(1);
  for (let address = start; address < end; ) {
    if (points.on) yield at.list(mm.pageTableLock.id);
    const pmdp = findHugePmd(mm, address);
    if (pmdp !== 0) yield* splitHugePmd(vma, pmdp, address);
    if ((yield* allocPte(mm, address)) === 0) return false;
    address = ((Math.floor(address / bytes) + 1) * bytes) as Hva;
  }
  return true;
}
