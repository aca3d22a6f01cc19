// The lock order: one table that documents it, and that every acquire is checked against.
//
// A task may take a lock only if its rank is above the rank of every lock that it holds; several locks of one class are
// held at once only under the lock that the row names, which makes their order irrelevant, or in the order of their
// ids. The order is Linux's (mm/rmap.c head comment, Documentation/virt/kvm/locking.rst): mmu_lock is below the PTE
// lock because clear_flush_young is called under it. `line` names the cache line that the lock word shares with the
// fields it is next to, for the virtual-time cost model.

import { bug } from '../units.ts';

export interface LockClass {
  readonly name: string;
  /**
   * In the graph of lockdep.ts, below LOCK_CLASSES; a copy of a row that differs in the rest is of the same class
   * there.
   */
  readonly index: number;
  readonly rank: number;
  readonly kind: 'sleeping' | 'spinning';
  /** Name of the class under which several locks of this one may be held, in any order; null: never. */
  readonly nestsUnder: string | null;
  /** Several may be held without that, if they are taken in the order of their ids. */
  readonly nestsById: boolean;
  readonly protects: string;
  readonly line: string;
}

/** Most classes that there can be. */
export const LOCK_CLASSES = 64;
let classes = 0;

/** A fresh number for a class. */
export const nextClass = (): number =>
  classes < LOCK_CLASSES ? classes++ : bug('more lock classes than LOCK_CLASSES');

const sleeping = (rank: number, name: string, line: string, protects: string): LockClass => ({
  name,
  index: nextClass(),
  rank,
  kind: 'sleeping',
  nestsUnder: null,
  nestsById: false,
  protects,
  line,
});
const spinning = (rank: number, name: string, line: string, protects: string): LockClass => ({
  ...sleeping(rank, name, line, protects),
  kind: 'spinning',
});
const nestsUnder = (guard: LockClass, row: LockClass): LockClass => ({ ...row, nestsUnder: guard.name });

const mmapLock = sleeping(20, 'mm->mmap_lock', 'mm', 'the VMA tree; held for read by faults');
/** Serialises mm_take_all_locks(), the only one who holds many rmap locks. */
const mmAllLocksMutex = sleeping(
  30,
  'mm_all_locks_mutex',
  'global',
  'the right to hold many rmap locks at once',
);

export const LOCKS = {
  ksm_thread_mutex: sleeping(5, 'ksm_thread_mutex', 'ksm', 'the trees and rmap_items of KSM'),
  slots_lock: sleeping(10, 'kvm->slots_lock', 'kvm', 'the installing of memslots'),
  inode_rwsem: sleeping(15, 'inode->i_rwsem', 'inode', 'a file while it is written, truncated or punched'),
  // fork: the child's under the parent's.
  mmap_lock: nestsUnder(mmapLock, mmapLock),
  mm_all_locks_mutex: mmAllLocksMutex,
  vma_lock: nestsUnder(
    mmapLock,
    sleeping(40, 'vma->vm_lock', 'vma', 'one VMA against being unmapped during a fault'),
  ),
  invalidate_lock: sleeping(
    45,
    'mapping->invalidate_lock',
    'mapping',
    'the page cache against being filled while pages are cut out of the file',
  ),
  folio_lock: sleeping(50, 'folio lock (PG_locked)', 'page', 'swap-in, swap-out and unmapping of a folio'),
  i_mmap_rwsem: nestsUnder(
    mmAllLocksMutex,
    sleeping(60, 'mapping->i_mmap_rwsem', 'mapping', 'the VMAs that map a file'),
  ),
  anon_vma_rwsem: nestsUnder(
    mmAllLocksMutex,
    sleeping(70, 'anon_vma->rwsem', 'anon_vma', 'the VMAs that may map an anonymous folio'),
  ),
  driver_lock: sleeping(75, 'driver lock', 'driver', 'the page table of a device'),
  userfaultfd_lock: spinning(
    78,
    'fault_pending_wqh.lock',
    'userfaultfd',
    'the faults that wait for a handler',
  ),
  subscriptions_lock: spinning(
    80,
    'subscriptions->lock',
    'subscriptions',
    'the notifier list and interval state',
  ),
  mn_invalidate_lock: spinning(90, 'kvm->mn_invalidate_lock', 'kvm', 'mn_active_invalidate_count'),
  // fork: of the child and of the parent.
  pmd_lock: nestsUnder(
    mmapLock,
    spinning(99, 'mm->page_table_lock', 'mm', 'the upper entries, and those of huge pages'),
  ),
  // fork and mremap: where an entry comes from, and where it goes; UFFDIO_MOVE, without mmap_lock for write, by id.
  page_table_lock: {
    ...nestsUnder(mmapLock, spinning(100, 'page table lock', 'page table', 'the entries of one page table')),
    nestsById: true,
  },
  mmu_lock: spinning(110, 'kvm->mmu_lock', 'kvm', 'shadow pages, sptes, gfn rmap, the invalidate sequence'),
  khugepaged_mm_lock: spinning(114, 'khugepaged_mm_lock', 'khugepaged', 'which mms khugepaged scans'),
  ksm_mmlist_lock: spinning(115, 'ksm_mmlist_lock', 'ksm', 'which mms KSM scans'),
  i_pages_lock: spinning(120, 'mapping->i_pages', 'mapping', 'page index -> folio, shadow or swap entry'),
  swap_lock: spinning(130, 'swap_info->lock', 'swap_info', 'the swap map and free slots'),
  lru_lock: spinning(140, 'lruvec->lru_lock', 'lruvec', 'the LRU lists and PG_lru'),
  zone_lock: spinning(150, 'zone->lock', 'zone', 'the free lists'),
} as const satisfies Record<string, LockClass>;
