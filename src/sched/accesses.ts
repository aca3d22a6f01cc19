// How shared state is accessed, as KCSAN sees it, and who wants to know: the race detector (explore/races.ts).
//
// Two accesses to one object by tasks of which neither waits for the other are a data race if one of them writes and one
// of them is unmarked. What is marked is decided as Linux 6.18 marks it, kind by kind:
//
//   kind      Linux accesses it by                                                            here
//   lock      the primitives themselves                                                       never a race
//   pte       ptep_get() (READ_ONCE), set_pte() (WRITE_ONCE), ptep_get_and_clear() (xchg)      marked
//   tlb       no memory: a walk by hardware, requests by interrupt and acknowledgement         marked
//   page      atomic_t _refcount and _mapcount, test_bit() and set_bit() of flags              marked
//   vcpu      set_bit() of vcpu->requests, READ_ONCE and smp_store_release() of vcpu->mode     marked
//   spte      __set_spte() (WRITE_ONCE) under mmu_lock, *sptep plainly under it                as the accessor says
//   sequence  mmu_invalidate_*: plain under mmu_lock; interval notifiers: WRITE_ONCE; i_size:
//             smp_store_release(), smp_load_acquire()                                          as the accessor says
//   lru       list_head, plain under lru_lock                                                 plain
//   list      RCU (notifiers, memslots, i_pages, upper levels) or plain (free lists, VMAs,
//             interval trees)                                                                 as the accessor says
//   slot      READ_ONCE and WRITE_ONCE of swap_map, changed under the lock; set_bit() of the
//             zeromap                                                                          as the accessor says
//
// One access is not looked at, though Linux does not mark it: kvm_mmu_faultin_pfn() samples mmu_invalidate_seq plainly
// before smp_rmb(), without mmu_lock. KCSAN would report it; the check under the lock makes good what it may have missed.
//
// A plain store of one word counts as marked for a marked load, as with CONFIG_KCSAN_ASSUME_PLAIN_WRITES_ATOMIC (the
// default), but not for a plain one.
//
// Invariant: nobody is told anything outside exploration.

import type { PointKind } from './points.ts';

export const ACCESS_MODES = [
  /** Plainly. */
  'read',
  /** READ_ONCE(), rcu_dereference(), smp_load_acquire(), test_bit(), set_bit(): others may write the word meanwhile. */
  'marked',
  /** Words that others may READ_ONCE() meanwhile, but nobody else may change: x++ under a lock, rcu_assign_pointer(). */
  'update',
  /** Plainly, in more than one word: nobody else may even look. */
  'write',
] as const;
export type AccessMode = (typeof ACCESS_MODES)[number];

/** Whether unordered accesses of the two modes are a race. */
export function canRace(a: AccessMode, b: AccessMode): boolean {
  if (a === 'write' || b === 'write') return true;
  return (isPlainRead(a) && b === 'update') || (isPlainRead(b) && a === 'update');
}

const isPlainRead = (mode: AccessMode): boolean => mode === 'read' || mode === 'update';

/** The kinds of which each access says how it is made; those of the others are all marked. */
export type CheckedKind = 'spte' | 'sequence' | 'lru' | 'list' | 'slot';

export interface AccessObserver {
  /** The running task accesses the object. */
  access(kind: PointKind, object: number, mode: AccessMode): void;
  /** The running task goes on after all who released the object; `shared`: as one of several readers. */
  acquire(kind: PointKind, object: number, shared: boolean): void;
  /** What the running task has done comes before what who acquires the object next does. */
  release(kind: PointKind, object: number, shared: boolean): void;
}

/** Process-wide, as points are. */
export const accesses: { observer: AccessObserver | null } = { observer: null };
