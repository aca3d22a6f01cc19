// struct mm_struct: one address space.
//
// A VMM process has one; kvm registers its notifier with it and faults through it. Created by Host.createMm(), taken
// down by exitMm() (exit.ts) when mm_users drops to 0, gone when mm_count does.
//
// Invariants: mmUsers > 0 keeps the address space, mmCount > 0 the struct; all users together are one mmCount. A CPU
// whose TLB may hold a translation of this mm has its bit in cpuMask.
// Locks: the groups below name theirs; mmap_lock and what hangs on it are taken through host.locks only.

import {
  mmuNotifierSubscriptionsDestroy,
  type NotifierEnvironment,
  type NotifierMm,
  type NotifierSubscriptions,
} from '../../notifier/index.ts';
import { at, LOCKS, Mutex, points, RwLock, type Steps } from '../../sched/index.ts';
import { bug, type Hpa, type Pfn, pfnToHpa, type SwapSlot } from '../../units.ts';
import type { Host } from '../host.ts';
import type { MemCgroup } from '../memcg/memcontrol.ts';
import { freeKernelPages } from '../page/kernelPages.ts';
import type { MmLimits } from './commit.ts';
import { type Vma, VmaList } from './vma.ts';

/** Why the last fault answered -EIO: a swap slot that could not be read. */
export interface SwapReadError {
  readonly slot: SwapSlot;
  readonly errno: number;
}

export class Mm implements NotifierMm {
  readonly id: number;
  readonly host: Host;
  readonly notifierEnvironment: NotifierEnvironment;
  /** Null until the first registration: the one null check of every notifier site. */
  notifierSubscriptions: NotifierSubscriptions | null = null;
  mmUsers = 1;
  mmCount = 1;

  readonly mmapLock: RwLock;
  // Under mmap_lock.
  readonly vmas: VmaList;
  /** Pages of all VMAs, and of the locked ones (total_vm, locked_vm). */
  totalVm = 0;
  lockedVm = 0;
  readonly limits: MmLimits = { addressSpace: Number.POSITIVE_INFINITY, memlock: Number.POSITIVE_INFINITY };
  /** VMAs whose lock is held until mmap_lock is released or downgraded. */
  readonly writeLockedVmas: Vma[] = [];

  /** Root of the page tables. */
  readonly pgd: Pfn;
  readonly pageTableLock: Mutex;
  // Under pageTableLock: the entries of the upper two levels, and the first anon_vma of a VMA.
  /** Frames of page tables, the root and the deposited ones included (mm_pgtables_bytes). */
  pageTables = 1;
  /** Upper entries that map a huge page; also looked at without the lock, by who would pass an empty table over. */
  hugePmds = 0;
  /** A table, zeroed, for each of them that maps an anonymous one (pmd_huge_pte): splitting must not fail. */
  readonly depositedTables: Pfn[] = [];

  // Under the page table lock of the PTE that is counted.
  /** MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES: present pages by kind. */
  anonPages = 0;
  filePages = 0;
  shmemPages = 0;
  /** MM_SWAPENTS: swap entries. */
  swapEntries = 0;

  /** Bit per CPU that has used this mm since it was last flushed whole. */
  cpuMask = 0;
  /** Operations that have cleared PTEs and not flushed yet (tlb_flush_pending). */
  tlbFlushPending = 0;
  /** PTEs that reclaim cleared and put off flushing, ever; and how many of them were flushed (tlb_flush_batched). */
  tlbBatchPending = 0;
  tlbBatchFlushed = 0;

  /** Who is charged for what it touches first; null: the root. Children have the same. */
  memcg: MemCgroup | null = null;

  /** MMF_VM_HUGEPAGE: khugepaged goes through it (khugepaged.ts). */
  isKhugepagedScanned = false;
  /** MMF_VM_MERGEABLE: KSM knows of it (ksmMadvise.ts). */
  isKsmMergeable = false;
  /** Of its pages, under ksm_thread_mutex: how many are merged, and how many KSM keeps books on. */
  ksmMergingPages = 0;
  ksmRmapItems = 0;
  /** Under the page table lock of the entry: those of the zero page that KSM has made (ksmZero.ts). */
  ksmZeroPages = 0;

  /** Some table was taken out under who may have found it (retract_page_tables()): look again with its lock. */
  hasRetracted = false;

  /** MMF_HUGE_ZERO_FOLIO: it has a reference to the huge page of zeros (hugeZero.ts). */
  hasHugeZero = false;
  /** MMF_HAS_PINNED: some page of it was pinned at some time. */
  hasPinned = false;
  /** Chosen by the OOM killer: its tasks get -ENOMEM and shall exit. */
  killed = false;
  /** MMF_UNSTABLE: the OOM reaper took memory away; a fault must not make zeros of it. */
  unstable = false;
  /** MMF_OOM_SKIP: nothing is left to gain here for the OOM killer. */
  oomSkip = false;
  swapError: SwapReadError | null = null;
  /** Faults of user accesses that were handled (min_flt + maj_flt). */
  faults = 0;

  constructor(host: Host, id: number, pgd: Pfn) {
    this.host = host;
    this.id = id;
    this.pgd = pgd;
    this.notifierEnvironment = host.notifierEnvironment;
    this.mmapLock = new RwLock(host.sched, LOCKS.mmap_lock);
    this.pageTableLock = new Mutex(host.sched, LOCKS.pmd_lock);
    this.vmas = new VmaList(this.mmapLock.id);
  }

  /** Byte address of the root table. */
  get root(): Hpa {
    return pfnToHpa(this.pgd);
  }

  /** mmget_not_zero(): a user more, unless the address space is being taken down; exitMm() takes it back. */
  getNotZero(): boolean {
    if (this.mmUsers === 0) return false;
    this.mmUsers++;
    return true;
  }

  /** mmgrab(). */
  grab(): void {
    this.mmCount++;
  }

  /** mmdrop(): the last one frees the root table. */
  *drop(): Steps {
    if (--this.mmCount > 0) return;
    if (points.on) yield at.list(this.vmas.id);
    if (this.mmUsers !== 0 || this.vmas.all.length > 0) bug('mm dropped while in use', { mm: this.id });
    mmuNotifierSubscriptionsDestroy(this);
    yield* freeKernelPages(this.host, this.pgd, 0);
    this.host.removeMm(this);
  }

  mmapWriteLock(): Steps {
    return this.host.locks.mmapWriteLock(this);
  }

  mmapWriteUnlock(): Steps {
    return this.host.locks.mmapWriteUnlock(this);
  }

  takeAllLocks(): Steps<number> {
    return this.host.locks.takeAllLocks(this);
  }

  dropAllLocks(): Steps {
    return this.host.locks.dropAllLocks(this);
  }
}
