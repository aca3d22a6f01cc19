// What the handler of a userfaultfd does: registering ranges, making pages, and write-protecting them
// (fs/userfaultfd.c: userfaultfd_ioctl; mm/userfaultfd.c: mfill_atomic, mwriteprotect_range).
//
// Order of write-protection (reference table row 8b): mmap_lock for read; start (PROTECTION_VMA); each entry read-only and
// marked; end; the CPUs are flushed after it. Making a page is none -> present, and not notified.
// Locks: registering takes mmap_lock for write, the rest for read.

import { PTE_W } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn, pageOffset } from '../units.ts';
import { anonVmaPrepare } from './anonVma.ts';
import { exitMm } from './exit.ts';
import { folioPut } from './folio.ts';
import { PG_uptodate } from './frames.ts';
import { folioAddLruVma } from './mlockFolio.ts';
import type { Mm } from './mmStruct.ts';
import { MmuGather } from './mmuGather.ts';
import { changeProtection, protectionChanges } from './mprotect.ts';
import { TASK_SIZE } from './munmap.ts';
import { allocAnonPage } from './pageAlloc.ts';
import { allocPte } from './pageTable.ts';
import { maybeMkWrite, mkPte, PTE_SPECIAL, ptlOf, readPte, setUffdWp } from './pte.ts';
import { addNewAnonRmap } from './rmap.ts';
import { copyFromUser } from './userAccess.ts';
import type { Userfaultfd } from './userfaultfd.ts';
import type { Vma } from './vma.ts';
import { vmaModifyFlags } from './vmaMerge.ts';
import { VM_MAYWRITE, VM_SHARED, VM_UFFD_FLAGS, VM_UFFD_MISSING, VM_UFFD_WP } from './vmFlags.ts';

export const UFFDIO_REGISTER_MODE_MISSING = 1 << 0;
export const UFFDIO_REGISTER_MODE_WP = 1 << 1;
export const UFFDIO_COPY_MODE_DONTWAKE = 1 << 0;
export const UFFDIO_COPY_MODE_WP = 1 << 1;
export const UFFDIO_ZEROPAGE_MODE_DONTWAKE = 1 << 0;
export const UFFDIO_WRITEPROTECT_MODE_WP = 1 << 0;
export const UFFDIO_WRITEPROTECT_MODE_DONTWAKE = 1 << 1;

/** validate_range(). */
export function isValidRange(start: number, length: number): boolean {
  const aligned = pageOffset(start as Hva) === 0 && length > 0 && length % PAGE_SIZE === 0;
  return aligned && start >= PAGE_SIZE && start + length <= TASK_SIZE;
}

/** The mm with mmap_lock taken; -ESRCH: the process is gone. */
function* enter({ mm, released }: Userfaultfd, write: boolean): Steps<number> {
  if (released || !mm.getNotZero()) return -Errno.ESRCH;
  if (write) yield* mm.mmapWriteLock();
  else yield* mm.host.locks.mmapReadLock(mm);
  return 0;
}

function* leave({ mm }: Userfaultfd, write: boolean): Steps {
  if (write) yield* mm.mmapWriteUnlock();
  else yield* mm.host.locks.mmapReadUnlock(mm);
  yield* exitMm(mm);
}

/**
 * UFFDIO_REGISTER: 0; -EINVAL: mode, range, nothing mapped there, or memory that cannot be registered; -EPERM: it may not
 * be written; -EBUSY: another descriptor has it; -ENOMEM: the process is gone, or has too many VMAs.
 */
export function* uffdioRegister(uffd: Userfaultfd, start: Hva, length: number, mode: number): Steps<number> {
  const modes = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
  if (mode === 0 || (mode & ~modes) !== 0 || !isValidRange(start, length)) return -Errno.EINVAL;
  const missing = (mode & UFFDIO_REGISTER_MODE_MISSING) !== 0 ? VM_UFFD_MISSING : 0;
  const wp = (mode & UFFDIO_REGISTER_MODE_WP) !== 0 ? VM_UFFD_WP : 0;
  if ((yield* enter(uffd, true)) !== 0) return -Errno.ENOMEM;
  const end = (start + length) as Hva;
  let error = yield* mayRegister(uffd, start, end);
  if (error === 0) error = yield* setContext(uffd.mm, start, end, missing | wp, uffd);
  yield* leave(uffd, true);
  return error;
}

function* mayRegister(uffd: Userfaultfd, start: Hva, end: Hva): Steps<number> {
  const { mm } = uffd;
  if (points.on) yield at.list(mm.vmas.id);
  const vmas = mm.vmas.overlapping(start, end);
  if (vmas.length === 0) return -Errno.EINVAL;
  for (const { file, flags, userfaultfd } of vmas) {
    if (file !== null || (flags & VM_SHARED) !== 0) return -Errno.EINVAL;
    if ((flags & VM_MAYWRITE) === 0) return -Errno.EPERM;
    if (userfaultfd !== null && userfaultfd !== uffd) return -Errno.EBUSY;
  }
  return 0;
}

/** userfaultfd_register_range() and userfaultfd_clear_vma(): `flags` 0 and null take it back. 0 or -ENOMEM. */
function* setContext(mm: Mm, start: Hva, end: Hva, flags: number, uffd: Userfaultfd | null): Steps<number> {
  if (points.on) yield at.list(mm.vmas.id);
  for (const vma of mm.vmas.overlapping(start, end)) {
    const wanted = (vma.flags & ~VM_UFFD_FLAGS) | flags;
    if (vma.isDetached || (wanted === vma.flags && vma.userfaultfd === uffd)) continue;
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

/** UFFDIO_UNREGISTER: what is registered with this descriptor is not any more, and who waits tries again. 0 or -errno. */
export function* uffdioUnregister(uffd: Userfaultfd, start: Hva, length: number): Steps<number> {
  if (!isValidRange(start, length)) return -Errno.EINVAL;
  if ((yield* enter(uffd, true)) !== 0) return -Errno.ENOMEM;
  const end = (start + length) as Hva;
  const error = yield* unregister(uffd, start, end);
  yield* leave(uffd, true);
  yield* uffd.wake(start, end);
  return error;
}

function* unregister(uffd: Userfaultfd, start: Hva, end: Hva): Steps<number> {
  const { mm } = uffd;
  if (points.on) yield at.list(mm.vmas.id);
  const vmas = mm.vmas.overlapping(start, end);
  if (vmas.length === 0 || vmas.some(({ file }) => file !== null)) return -Errno.EINVAL;
  for (const vma of vmas) {
    if (vma.userfaultfd !== uffd || (vma.flags & VM_UFFD_WP) === 0) continue;
    yield* uffdWpRange(vma, Math.max(vma.start, start) as Hva, Math.min(vma.end, end) as Hva, false);
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

/**
 * UFFDIO_COPY: pages at `to` with what the caller, `mm` on `cpu`, has at `from`. How many bytes were copied, or if none
 * -EEXIST: there is a page; -ENOENT: not registered; -EINVAL; -EFAULT; -ENOMEM; -ESRCH.
 */
export function* uffdioCopy(
  uffd: Userfaultfd,
  caller: { readonly mm: Mm; readonly cpu: number },
  to: Hva,
  from: Hva,
  length: number,
  mode: number,
): Steps<number> {
  const modes = UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_COPY_MODE_WP;
  if ((mode & ~modes) !== 0 || !isValidRange(to, length)) return -Errno.EINVAL;
  const page = new Uint8Array(PAGE_SIZE);
  const wp = (mode & UFFDIO_COPY_MODE_WP) !== 0;
  return yield* fill(uffd, to, length, (mode & UFFDIO_COPY_MODE_DONTWAKE) === 0, function* (address) {
    const error = yield* copyFromUser(caller.mm, caller.cpu, (from + (address - to)) as Hva, page);
    return error !== 0 ? -Errno.EFAULT : yield* mfillCopy(uffd, address, page, wp);
  });
}

/** UFFDIO_ZEROPAGE: everybody's zero page. As UFFDIO_COPY. */
export function* uffdioZeropage(uffd: Userfaultfd, start: Hva, length: number, mode: number): Steps<number> {
  if ((mode & ~UFFDIO_ZEROPAGE_MODE_DONTWAKE) !== 0 || !isValidRange(start, length)) return -Errno.EINVAL;
  return yield* fill(uffd, start, length, mode === 0, (address) => mfillZeropage(uffd, address));
}

/** mfill_atomic(): page by page until one cannot be had; wakes whom that concerns. Bytes, or the first page's -errno. */
function* fill(
  uffd: Userfaultfd,
  start: Hva,
  length: number,
  wakes: boolean,
  fillPage: (address: Hva) => Steps<number>,
): Steps<number> {
  if (uffd.released || uffd.mm.mmUsers === 0) return -Errno.ESRCH;
  let done = 0;
  let error = 0;
  while (done < length && error === 0) {
    error = yield* fillPage((start + done) as Hva);
    if (error === 0) done += PAGE_SIZE;
  }
  if (done > 0 && wakes) yield* uffd.wake(start, (start + done) as Hva);
  return done > 0 ? done : error;
}

/** mfill_atomic_pte_copy(): 0 or -errno. */
function* mfillCopy(uffd: Userfaultfd, address: Hva, bytes: Uint8Array, wp: boolean): Steps<number> {
  const { mm } = uffd;
  const { host } = mm;
  const pfn = yield* allocAnonPage(host, mm);
  if (pfn === null) return -Errno.ENOMEM;
  if (points.on) yield at.page(pfn);
  host.memory.writeBytes((pfn * PAGE_SIZE) as Hpa, bytes);
  host.frames.set(pfn, PG_uptodate);
  const error = yield* installPte(uffd, address, wp, (vma, ptep) => mapCopy(vma, address, ptep, pfn, wp));
  if (error !== 0) yield* folioPut(host, pfn);
  return error;
}

function* mapCopy(vma: Vma, address: Hva, ptep: Hpa, pfn: Pfn, wp: boolean): Steps {
  const { host } = vma.mm;
  vma.mm.anonPages++;
  yield* addNewAnonRmap(vma, pfn, address, true);
  yield* folioAddLruVma(vma, pfn);
  const pte = maybeMkWrite(mkPte(pfn, vma), vma);
  if (points.on) yield at.pte(ptep);
  setUffdWp(host, ptep, wp ? pte & ~PTE_W : pte, wp);
}

/** mfill_atomic_pte_zeropage(). */
const mfillZeropage = (uffd: Userfaultfd, address: Hva): Steps<number> =>
  installPte(uffd, address, false, function* (vma, ptep) {
    const { host } = vma.mm;
    if (points.on) yield at.pte(ptep);
    setUffdWp(host, ptep, mkPte(host.zeroPfn, vma) | PTE_SPECIAL, false);
  });

/** mfill_atomic_install_pte(): runs `set` under the page table lock if there is no page yet. 0 or -errno. */
function* installPte(
  uffd: Userfaultfd,
  address: Hva,
  wp: boolean,
  set: (vma: Vma, ptep: Hpa) => Steps,
): Steps<number> {
  const error = yield* enter(uffd, false);
  if (error !== 0) return error;
  const result = yield* installLocked(uffd, address, wp, set);
  yield* leave(uffd, false);
  return result;
}

function* installLocked(
  { mm }: Userfaultfd,
  address: Hva,
  wp: boolean,
  set: (vma: Vma, ptep: Hpa) => Steps,
): Steps<number> {
  const { host } = mm;
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(address);
  if (vma === null || vma.userfaultfd === null) return -Errno.ENOENT;
  if (wp && (vma.flags & VM_UFFD_WP) === 0) return -Errno.EINVAL;
  yield* anonVmaPrepare(host, vma);
  const ptep = yield* allocPte(mm, address);
  if (ptep === 0) return -Errno.ENOMEM;
  if (ptep < 0) return -Errno.EEXIST;
  const ptl = ptlOf(host, ptep);
  yield* ptl.lock();
  if (points.on) yield at.pte(ptep);
  const isNone = readPte(host, ptep) === 0;
  const result = !isNone ? -Errno.EEXIST : mm.unstable ? -Errno.EFAULT : 0;
  if (result === 0) yield* set(vma, ptep);
  yield* ptl.unlock();
  return result;
}

/** UFFDIO_WRITEPROTECT, mwriteprotect_range(): 0; -EINVAL; -ENOENT: not registered for it; -ESRCH. */
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
    yield* uffdWpRange(vma, Math.max(vma.start, start) as Hva, Math.min(vma.end, end) as Hva, wp);
  }
  return 0;
}

/** uffd_wp_range(). */
function* uffdWpRange(vma: Vma, start: Hva, end: Hva, wp: boolean): Steps {
  const gather = new MmuGather(vma.mm);
  yield* changeProtection(gather, vma, start, end, protectionChanges(gather, vma, wp));
  yield* gather.finish();
}
