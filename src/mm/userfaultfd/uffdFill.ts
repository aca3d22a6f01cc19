// How the handler of a userfaultfd makes a page where one is missing, or maps one that is there (mm/userfaultfd.c:
// mfill_atomic; mm/shmem.c: shmem_mfill_atomic_pte).
//
// Private memory gets a page of its own or everybody's zero page, of a shared mapping of shmem the page goes into the
// object. None -> present is not notified.
//
// Invariant: an entry that is there already, be it on swap, is left alone (-EEXIST); a marker is not there, but for the
// zero page.
// Locks: mmap_lock for read; then the folio lock and i_pages of shmem, the page table lock.

import { PTE_D, PTE_W } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn, pfnToHpa } from '../../units.ts';
import { isPastEnd } from '../fault/filemapFault.ts';
import { copyFromUser } from '../fault/userAccess.ts';
import { EXISTS, filemapAddFolio, filemapRemoveFolio, folioFilePage } from '../filemap/filemap.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_swapbacked, PG_uptodate } from '../page/frames.ts';
import { allocAnonPage, allocFilePage } from '../page/pageAlloc.ts';
import { allocPte } from '../pagetable/pageTable.ts';
import {
  isUffdWp,
  mkPte,
  PTE_SOFT_DIRTY,
  PTE_SPECIAL,
  pteMapLock,
  ptlOf,
  readPte,
  setUffdWp,
} from '../pagetable/pte.ts';
import { folioAddLruVma } from '../reclaim/mlockFolio.ts';
import { anonVmaPrepare } from '../rmap/anonVma.ts';
import { addNewAnonRmap } from '../rmap/rmap.ts';
import { addFileRmap } from '../rmap/rmapFile.ts';
import { shmemGetFolio } from '../shmem/shmemFolio.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_SHARED, VM_UFFD_WP, VM_WRITE } from '../vma/vmFlags.ts';
import { enter, isValidRange, leave } from './uffdIoctl.ts';
import type { Userfaultfd } from './userfaultfd.ts';

export const UFFDIO_COPY_MODE_DONTWAKE = 1 << 0;
export const UFFDIO_COPY_MODE_WP = 1 << 1;
export const UFFDIO_ZEROPAGE_MODE_DONTWAKE = 1 << 0;
export const UFFDIO_CONTINUE_MODE_DONTWAKE = 1 << 0;
export const UFFDIO_CONTINUE_MODE_WP = 1 << 1;

/**
 * UFFDIO_COPY: pages at `to` with what the caller, `mm` on `cpu`, has at `from`. How many bytes were copied, or if none
 * -EEXIST: there is a page; -ENOENT: not registered, or not all of it one VMA; -EAGAIN: the table went away meanwhile;
 * -EINVAL; -EFAULT; -ENOMEM; -ESRCH.
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
  const end = (to + length) as Hva;
  return yield* fill(uffd, to, length, (mode & UFFDIO_COPY_MODE_DONTWAKE) === 0, (address) =>
    copyPage(uffd, caller, address, (from + (address - to)) as Hva, end, page, wp),
  );
}

/** One page, by way of `page`. */
function* copyPage(
  uffd: Userfaultfd,
  { mm, cpu }: { readonly mm: Mm; readonly cpu: number },
  address: Hva,
  from: Hva,
  end: Hva,
  page: Uint8Array,
  wp: boolean,
): Steps<number> {
  // Only once it is known that there is a place for it may the source fault, and not with the lock.
  const error = yield* mfillAtomic(uffd, address, end, wp, nothing);
  if (error !== 0) return error;
  if ((yield* copyFromUser(mm, cpu, from, page)) !== 0) return -Errno.EFAULT;
  return yield* mfillAtomic(uffd, address, end, wp, (vma, ptep) => mfillCopy(vma, ptep, address, page, wp));
}

function* nothing(): Steps<number> {
  return 0;
}

/** UFFDIO_ZEROPAGE: everybody's zero page, or in shmem one of zeros. As UFFDIO_COPY. */
export function* uffdioZeropage(uffd: Userfaultfd, start: Hva, length: number, mode: number): Steps<number> {
  if ((mode & ~UFFDIO_ZEROPAGE_MODE_DONTWAKE) !== 0 || !isValidRange(start, length)) return -Errno.EINVAL;
  return yield* fill(uffd, start, length, mode === 0, (address) =>
    mfillAtomic(uffd, address, (start + length) as Hva, false, (vma, ptep) =>
      mfillZeropage(vma, ptep, address),
    ),
  );
}

/** UFFDIO_CONTINUE: maps the pages that shmem has. Bytes, or -EFAULT: it has none; else as UFFDIO_COPY. */
export function* uffdioContinue(uffd: Userfaultfd, start: Hva, length: number, mode: number): Steps<number> {
  const modes = UFFDIO_CONTINUE_MODE_DONTWAKE | UFFDIO_CONTINUE_MODE_WP;
  if ((mode & ~modes) !== 0 || !isValidRange(start, length)) return -Errno.EINVAL;
  const wp = (mode & UFFDIO_CONTINUE_MODE_WP) !== 0;
  return yield* fill(uffd, start, length, (mode & UFFDIO_CONTINUE_MODE_DONTWAKE) === 0, (address) =>
    mfillAtomic(uffd, address, (start + length) as Hva, wp, (vma, ptep) =>
      mfillContinue(vma, ptep, address, wp),
    ),
  );
}

/** Page by page until one cannot be had; wakes whom that concerns. Bytes, or the first page's -errno. */
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

/**
 * mfill_atomic() of one page: `fillPage` gets the VMA, which has all up to `end`, and where the entry is, with mmap_lock
 * held for read. 0 or -errno.
 */
function* mfillAtomic(
  uffd: Userfaultfd,
  address: Hva,
  end: Hva,
  wp: boolean,
  fillPage: (vma: Vma, ptep: Hpa) => Steps<number>,
): Steps<number> {
  const { mm } = uffd;
  const entered = yield* enter(uffd, false);
  if (entered !== 0) return entered;
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(address);
  let error = 0;
  // find_vma_and_prepare_anon(): before anybody asks whether it is registered.
  if (vma !== null && (vma.flags & VM_SHARED) === 0) yield* anonVmaPrepare(mm.host, vma);
  if (vma === null || vma.userfaultfd === null || end > vma.end) error = -Errno.ENOENT;
  else if (wp && (vma.flags & VM_UFFD_WP) === 0) error = -Errno.EINVAL;
  else {
    const ptep = yield* allocPte(mm, address);
    if (ptep > 0) error = yield* fillPage(vma, ptep as Hpa);
    else error = ptep === 0 ? -Errno.ENOMEM : -Errno.EEXIST;
  }
  yield* leave(uffd, false);
  return error;
}

/** mfill_atomic_pte_copy() and shmem_mfill_atomic_pte(): 0 or -errno. */
function* mfillCopy(vma: Vma, ptep: Hpa, address: Hva, bytes: Uint8Array, wp: boolean): Steps<number> {
  if ((vma.flags & VM_SHARED) !== 0) return yield* shmemMfill(vma, ptep, address, bytes, wp);
  const { mm } = vma;
  const { host } = mm;
  const pfn = yield* allocAnonPage(host, mm);
  if (pfn === null) return -Errno.ENOMEM;
  if (points.on) yield at.page(pfn);
  host.memory.writeBytes(pfnToHpa(pfn), bytes);
  host.frames.set(pfn, PG_uptodate);
  const error = yield* installPte(vma, ptep, address, () => setNewAnon(vma, ptep, address, pfn, wp));
  if (error !== 0) yield* folioPut(host, pfn);
  return error;
}

function* setNewAnon(vma: Vma, ptep: Hpa, address: Hva, pfn: Pfn, wp: boolean): Steps {
  vma.mm.anonPages++;
  if (points.on) yield at.page(pfn);
  addNewAnonRmap(vma, pfn, address, true);
  yield* folioAddLruVma(vma, pfn);
  yield* setFilled(vma, ptep, pfn, wp, true);
}

/** mfill_atomic_pte_zeropage(). */
function* mfillZeropage(vma: Vma, ptep: Hpa, address: Hva): Steps<number> {
  if ((vma.flags & VM_SHARED) !== 0)
    return yield* shmemMfill(vma, ptep, address, new Uint8Array(PAGE_SIZE), false);
  return yield* installPte(vma, ptep, address, () => setZeropage(vma, ptep), false);
}

function* setZeropage(vma: Vma, ptep: Hpa): Steps {
  const { host } = vma.mm;
  if (points.on) yield at.pte(ptep);
  setUffdWp(host, ptep, mkPte(host.zeroPfn, vma) | PTE_SPECIAL, false);
}

/** shmem_mfill_atomic_pte(): a new page of the object, mapped. */
function* shmemMfill(vma: Vma, ptep: Hpa, address: Hva, bytes: Uint8Array, wp: boolean): Steps<number> {
  const { mm } = vma;
  const { host } = mm;
  const { mapping } = vma.file!;
  const pfn = yield* allocFilePage(host, mm);
  if (pfn === null) return -Errno.ENOMEM;
  if (points.on) yield at.page(pfn);
  host.folioLocks.tryLock(pfn);
  host.frames.set(pfn, PG_swapbacked | PG_uptodate);
  host.memory.writeBytes(pfnToHpa(pfn), bytes);
  let error = (yield* isPastEnd(mapping, vma.indexOf(address))) ? -Errno.EFAULT : 0;
  if (error === 0 && (yield* filemapAddFolio(mapping, pfn, vma.indexOf(address), 0)) === EXISTS)
    error = -Errno.EEXIST;
  if (error === 0) {
    yield* folioLruvec(host, pfn).add(pfn);
    error = yield* mapCached(vma, ptep, address, pfn, wp);
    if (error !== 0) yield* filemapRemoveFolio(mapping, pfn);
  }
  yield* folioUnlockPut(host, pfn);
  return error;
}

/** mfill_atomic_pte_continue(). */
function* mfillContinue(vma: Vma, ptep: Hpa, address: Hva, wp: boolean): Steps<number> {
  const { host } = vma.mm;
  const mapping = vma.file?.mapping;
  if (mapping?.kind !== 'shmem') return -Errno.EINVAL;
  const index = vma.indexOf(address);
  const found = yield* shmemGetFolio(mapping, index, 'noalloc', null);
  if (found < 0) return found === -Errno.ENOENT ? -Errno.EFAULT : found;
  const folio = found as Pfn;
  const error = yield* mapCached(vma, ptep, address, folioFilePage(host, folio, index), wp);
  yield* folioUnlockPut(host, folio);
  return error;
}

/** Maps a page of the page cache, whose folio is locked: 0 or -errno. */
const mapCached = (vma: Vma, ptep: Hpa, address: Hva, page: Pfn, wp: boolean): Steps<number> =>
  installPte(vma, ptep, address, () => setCached(vma, ptep, page, wp));

function* setCached(vma: Vma, ptep: Hpa, page: Pfn, wp: boolean): Steps {
  const { frames } = vma.mm.host;
  const folio = frames.folioOf(page);
  if (points.on) yield at.page(folio);
  frames.get(folio);
  yield* addFileRmap(vma, page);
  yield* setFilled(vma, ptep, page, wp, (vma.flags & VM_SHARED) !== 0);
}

/** The entry, dirty; `own`: a store needs no copy. */
function* setFilled(vma: Vma, ptep: Hpa, page: Pfn, wp: boolean, own: boolean): Steps {
  const writable = own && !wp && (vma.flags & VM_WRITE) !== 0;
  const pte = (mkPte(page, vma) & ~PTE_W) | PTE_D | PTE_SOFT_DIRTY | (writable ? PTE_W : 0);
  if (points.on) yield at.pte(ptep);
  setUffdWp(vma.mm.host, ptep, pte, wp);
}

/**
 * mfill_atomic_install_pte(): runs `set` under the page table lock if there is no page yet, and no marker either unless
 * `onMarker`. 0 or -errno.
 */
function* installPte(vma: Vma, ptep: Hpa, address: Hva, set: () => Steps, onMarker = true): Steps<number> {
  const { mm, file } = vma;
  const { host } = mm;
  if (!(yield* pteMapLock(mm, address, ptep))) return -Errno.EAGAIN;
  let error = 0;
  // mfill_file_over_size(): perhaps it was truncated meanwhile.
  if (file !== null && (yield* isPastEnd(file.mapping, vma.indexOf(address)))) error = -Errno.EFAULT;
  if (points.on) yield at.pte(ptep);
  const isTaken = readPte(host, ptep) !== 0 || (!onMarker && isUffdWp(host, ptep));
  if (error === 0 && isTaken) error = -Errno.EEXIST;
  else if (error === 0 && mm.unstable) error = -Errno.EFAULT;
  if (error === 0) yield* set();
  yield* ptlOf(host, ptep).unlock();
  return error;
}
