// userfaultfd: a process handles page faults of its own memory (fs/userfaultfd.c).
//
// A fault that a registered range wants to hear of (fault.ts, hugeMemory.ts, shmem.ts: nothing there; copyOnWrite.ts: a
// store to a page that was write-protected so) is queued here, and its task waits, with mmap_lock dropped. A handler,
// another task, reads it (uffdRead), makes a page (uffdFill.ts, uffdMove.ts) or lifts the protection (uffdIoctl.ts),
// and wakes it: the fault is tried again.
//
// Events of fork, mremap and unmapping are not offered (no UFFD_FEATURE_EVENT_*): what is forked or moved is not
// registered any more. Anonymous memory and shmem can be registered.
//
// Of shmem there may be a page where nothing is mapped: what is protected there is known by a marker
// (PTE_MARKER_UFFD_WP), an entry that is none but for isUffdWp(). It stays when reclaim, truncation or MADV_DONTNEED
// takes the page away, and the entry that comes next has the bit.
// Invariants: `userfaultfd` of a VMA is set exactly while it has one of VM_UFFD_FLAGS; an entry that isUffdWp() lies in
// a VMA with VM_UFFD_WP, and is not writable. Lock: fault_pending_wqh for the queues.

import { isTable, PTE_W } from '../../hw/sv39/index.ts';
import { at, LOCKS, Mutex, points, type Steps, WaitQueue } from '../../sched/index.ts';
import type { Hva } from '../../units.ts';
import { releaseFaultLock } from '../fault/faultLock.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_WRITE,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
} from '../fault/faultTypes.ts';
import { findHugePmd } from '../pagetable/pmd.ts';
import { findPte, isPresentPte, isStillMapped, readPte } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { VM_UFFD_MINOR, type VM_UFFD_MISSING, VM_UFFD_WP } from '../vma/vmFlags.ts';

export const UFFD_PAGEFAULT_FLAG_WRITE = 1 << 0;
export const UFFD_PAGEFAULT_FLAG_WP = 1 << 1;
export const UFFD_PAGEFAULT_FLAG_MINOR = 1 << 2;

/** What a fault is about: one of VM_UFFD_FLAGS. */
export type UserfaultReason = typeof VM_UFFD_MISSING | typeof VM_UFFD_MINOR | typeof VM_UFFD_WP;

/** struct uffd_msg of UFFD_EVENT_PAGEFAULT: a page aligned address. */
export interface UffdMsg {
  readonly address: Hva;
  readonly flags: number;
}

/** struct userfaultfd_wait_queue: a fault that waits. */
interface WaitingFault extends UffdMsg {
  wasRead: boolean;
  isWaiting: boolean;
}

/** struct userfaultfd_ctx: what an open file descriptor stands for. It keeps the mm (mm_count). */
export class Userfaultfd {
  readonly mm: Mm;
  readonly #lock: Mutex;
  /** Who waits for faults, and whose fault waits. */
  readonly #readers: WaitQueue;
  readonly #faulters: WaitQueue;
  // Under #lock.
  readonly #faults: WaitingFault[] = [];
  released = false;

  constructor(mm: Mm) {
    const { sched } = mm.host;
    this.mm = mm;
    this.#lock = new Mutex(sched, LOCKS.userfaultfd_lock);
    this.#readers = new WaitQueue(sched, 'userfaultfd read', this.#lock);
    this.#faulters = new WaitQueue(sched, 'userfaultfd fault', this.#lock);
    mm.grab();
  }

  /** userfaultfd_read(): the oldest fault that nobody has read yet; sleeps until there is one. Null: it was closed. */
  *read(): Steps<UffdMsg | null> {
    for (;;) {
      yield* this.#readers.until(() => this.released || this.#faults.some(isUnread));
      yield* this.#lock.lock();
      const fault = this.#faults.find(isUnread);
      if (fault !== undefined) fault.wasRead = true;
      yield* this.#lock.unlock();
      if (fault !== undefined || this.released) return fault ?? null;
    }
  }

  /** Queues a fault; once the lock that it came with is dropped, wait() for it. */
  *queue(address: Hva, flags: number): Steps<WaitingFault> {
    const fault = { address, flags, wasRead: false, isWaiting: true };
    yield* this.#lock.lock();
    this.#faults.push(fault);
    yield* this.#lock.unlock();
    return fault;
  }

  /** Until somebody wakes it; `mustWait` false: what it was about has been seen to meanwhile. */
  *wait(fault: WaitingFault, mustWait: boolean): Steps {
    if (mustWait) {
      this.#readers.wakeAll();
      yield* this.#faulters.until(() => this.released || !fault.isWaiting);
    }
    yield* this.#lock.lock();
    const index = this.#faults.indexOf(fault);
    if (index >= 0) this.#faults.splice(index, 1);
    yield* this.#lock.unlock();
  }

  /** wake_userfault(): whose fault lies in [start, end) tries again. */
  *wake(start: Hva, end: Hva): Steps {
    yield* this.#lock.lock();
    for (const fault of this.#faults.filter(({ address }) => address >= start && address < end)) {
      fault.isWaiting = false;
      this.#faults.splice(this.#faults.indexOf(fault), 1);
    }
    yield* this.#lock.unlock();
    this.#faulters.wakeAll();
  }

  /** Nobody waits any more, and nobody will. */
  wakeAll(): void {
    this.#readers.wakeAll();
    this.#faulters.wakeAll();
  }
}

const isUnread = ({ wasRead }: WaitingFault): boolean => !wasRead;

/** userfaultfd(2) and UFFDIO_API without features. */
export const userfaultfd = (mm: Mm): Userfaultfd => new Userfaultfd(mm);

/**
 * handle_userfault(): the VMA of the fault is registered for `reason`. Waits, with the lock that the fault came with
 * dropped: VM_FAULT_RETRY. VM_FAULT_SIGBUS: the caller cannot have its lock dropped.
 */
export function* handleUserfault(vmf: VmFault, reason: UserfaultReason): Steps<number> {
  const uffd = vmf.vma.userfaultfd;
  if (uffd === null) return VM_FAULT_SIGBUS;
  if ((vmf.flags & FAULT_FLAG_ALLOW_RETRY) === 0) return VM_FAULT_SIGBUS;
  if (uffd.released) {
    // Who closes it waits for mmap_lock, which GUP would hold while it tries again and again.
    yield* releaseFaultLock(vmf);
    return VM_FAULT_RETRY;
  }
  const write = (vmf.flags & FAULT_FLAG_WRITE) !== 0 ? UFFD_PAGEFAULT_FLAG_WRITE : 0;
  const minor = reason === VM_UFFD_MINOR ? UFFD_PAGEFAULT_FLAG_MINOR : 0;
  const flags = write | minor | (reason === VM_UFFD_WP ? UFFD_PAGEFAULT_FLAG_WP : 0);
  const fault = yield* uffd.queue(vmf.address, flags);
  const waits = yield* userfaultfdMustWait(vmf, reason);
  yield* releaseFaultLock(vmf);
  yield* uffd.wait(fault, waits);
  return VM_FAULT_RETRY;
}

/**
 * userfaultfd_must_wait(): what the fault was about has not been seen to since. Whoever sees to it from now on finds the
 * fault in the queue. The lock that the fault came with is held.
 */
export function* userfaultfdMustWait(
  { vma: { mm }, address }: VmFault,
  reason: UserfaultReason,
): Steps<boolean> {
  for (;;) {
    if (points.on) yield at.list(mm.pageTableLock.id);
    const ptep = findPte(mm, address);
    const entry = ptep !== 0 ? ptep : findHugePmd(mm, address);
    if (entry === 0) return true;
    if (points.on) yield at.pte(entry);
    // A table may have gone, or taken the place of a huge page.
    if (ptep !== 0 && !isStillMapped(mm, address, ptep)) continue;
    const pte = readPte(mm.host, entry);
    if (ptep === 0 && isTable(pte)) continue;
    // A page that is on swap faults again when it is back.
    return pte === 0 || (reason === VM_UFFD_WP && isPresentPte(pte) && (pte & PTE_W) === 0);
  }
}
