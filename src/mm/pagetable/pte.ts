// The entries of the host's page tables, one int32 each (the high word is 0 but for one bit of software's, isUffdWp),
// and how to find and lock one.
//
// Faults write entries; rmap, zap and madvise look them up; the CPU (hw/tlb cpuTlb.ts) walks the same bytes and sets A
// and D in them at any moment, so every change of a present entry is one atomic step. pageTable.ts makes the tables.
//
// Not-present entries that are not 0 are swap entries in the wide sense (arch/riscv/include/asm/pgtable.h):
//     bit 0 V = 0, bits 1-3 R W X = 0, bit 5 = 0, bit 7 the page was soft-dirty, bits 8-10 the type
//     type 0, a page on swap: bit 6 the page was exclusive to this mm, bits 11-31 the slot
//     types 1 to 3, a page under migration: migrationEntry.ts
// An entry with V = 0 and bit 5 set (_PAGE_PROT_NONE) maps its frame, but hardware may not use it: PROT_NONE. For the
// kernel it is present.
//
// Locks: a leaf entry changes under the lock of its table (ptlOf), an upper one under mm.pageTableLock; a task announces
// the access of a leaf entry with at.pte(its address), the descent to it with at.list(mm.pageTableLock.id). Entries of
// huge pages are those of pmd.ts.

import {
  isPresent,
  isTable,
  LEVELS,
  makePte,
  PTE_A,
  PTE_BYTES,
  PTE_D,
  PTE_G,
  PTE_R,
  PTE_SOFT0,
  PTE_SOFT1,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
  ptePfn,
} from '../../hw/sv39/index.ts';
import { at, LOCKS, Mutex, points, type Steps } from '../../sched/index.ts';
import {
  bug,
  type Hpa,
  type Hva,
  hpaToPfn,
  PAGE_SIZE,
  type Pfn,
  PTES_PER_PAGE,
  pfnToHpa,
  type SwapSlot,
} from '../../units.ts';
import type { Host } from '../host.ts';
import { FrameKind } from '../page/frames.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import {
  VM_ACCESS_FLAGS,
  VM_EXEC,
  VM_READ,
  VM_SHARED,
  VM_SOFTDIRTY,
  VM_UFFD_WP,
  VM_WRITE,
} from '../vma/vmFlags.ts';

/** The frame is nobody's in particular (the zero page): no rmap, no reference (_PAGE_SPECIAL). */
export const PTE_SPECIAL = PTE_SOFT0;
/** With V clear: present, but nobody may access it (_PAGE_PROT_NONE). */
const PTE_PROT_NONE = PTE_G;
/** Written to since the bits were last cleared (softDirty.ts). */
export const PTE_SOFT_DIRTY = PTE_SOFT1;
/** Bit 60 (_PAGE_UFFD_WP with Svrsw60t59b). */
const UFFD_WP_HI = 1 << 28;
const SWAP_EXCLUSIVE = 1 << 6;
const SWAP_SOFT_DIRTY = 1 << 7;
/** Where the type of an entry that is not present is (swp_type()); 0: a slot of the swap area. */
export const SWAP_TYPE = 7 << 8;
const SWAP_SLOT_SHIFT = 11;

/** pte_present(): the entry maps a frame, be it for nobody's use. */
export const isPresentPte = (pte: number): boolean => (pte & (PTE_V | PTE_PROT_NONE)) !== 0;
/** pte_protnone(). */
export const isProtNone = (pte: number): boolean => (pte & (PTE_V | PTE_PROT_NONE)) === PTE_PROT_NONE;
/**
 * pte_accessible(): some CPU may have the entry in its TLB. One that was made inaccessible just now counts as long as the
 * flush that this wants is put off.
 */
export const isAccessible = ({ tlbFlushPending }: Mm, pte: number): boolean =>
  isPresent(pte) || (isProtNone(pte) && tlbFlushPending > 0);
/** The page is on swap. */
export const isSwapPte = (pte: number): boolean => pte !== 0 && !isPresentPte(pte) && (pte & SWAP_TYPE) === 0;
export const swapPteSlot = (pte: number): SwapSlot => (pte >>> SWAP_SLOT_SHIFT) as SwapSlot;
export const isSwapPteExclusive = (pte: number): boolean => (pte & SWAP_EXCLUSIVE) !== 0;
/** swp_entry_to_pte(), with pte_swp_mkexclusive() if the page was the mm's alone. */
export const makeSwapPte = (slot: SwapSlot, exclusive: boolean, softDirty: boolean): number =>
  (slot << SWAP_SLOT_SHIFT) | (exclusive ? SWAP_EXCLUSIVE : 0) | (softDirty ? SWAP_SOFT_DIRTY : 0);
/** pte_swp_clear_exclusive(). */
export const sharedSwapPte = (pte: number): number => pte & ~SWAP_EXCLUSIVE;

/** pte_soft_dirty() and pte_swp_soft_dirty(). */
export const isSoftDirty = (pte: number): boolean =>
  (pte & (isPresentPte(pte) ? PTE_SOFT_DIRTY : SWAP_SOFT_DIRTY)) !== 0;
/** pte_mksoft_dirty() and pte_swp_mksoft_dirty(), of an entry that is not none. */
export const mkSoftDirty = (pte: number): number =>
  pte | (isPresentPte(pte) ? PTE_SOFT_DIRTY : SWAP_SOFT_DIRTY);
/** Of clear_soft_dirty(): the next store faults, and is noticed. */
export const clearedSoftDirty = (pte: number): number =>
  isPresentPte(pte) ? pte & ~(PTE_SOFT_DIRTY | PTE_W) : pte & ~SWAP_SOFT_DIRTY;
/** pte_needs_soft_dirty_wp(): a store through the entry has to be noticed. */
export const needsSoftDirtyWp = (vma: Vma, pte: number): boolean =>
  (vma.flags & VM_SOFTDIRTY) === 0 && !isSoftDirty(pte);

/** vm_page_prot: what a new entry of the VMA starts with. Writable only where nobody wants to hear of the first write. */
export function vmPageProt({ flags, file }: Vma): number {
  if ((flags & VM_ACCESS_FLAGS) === 0) return PTE_PROT_NONE | PTE_U;
  const sharedWritable = (flags & (VM_SHARED | VM_WRITE)) === (VM_SHARED | VM_WRITE);
  // vma_wants_writenotify(): a file with a disk tracks what is dirty by write faults, and so do soft-dirty and
  // userfaultfd.
  const isTracked = (flags & VM_SOFTDIRTY) === 0 || (flags & VM_UFFD_WP) !== 0;
  const write = sharedWritable && file?.mapping.kind === 'shmem' && !isTracked;
  return (
    PTE_V |
    PTE_U |
    ((flags & (VM_READ | VM_WRITE)) !== 0 ? PTE_R : 0) |
    ((flags & VM_EXEC) !== 0 ? PTE_X : 0) |
    (write ? PTE_W : 0)
  );
}
/** mk_pte(pfn, vma->vm_page_prot), young. */
export const mkPte = (pfn: Pfn, vma: Vma): number => makePte(pfn, vmPageProt(vma) | PTE_A);
/** pte_modify(pte, vma->vm_page_prot): same frame, same A and D, the permissions of the VMA. */
export const modifyPte = (pte: number, vma: Vma): number =>
  (pte & ~(PTE_V | PTE_R | PTE_W | PTE_X | PTE_U | PTE_G)) | vmPageProt(vma);
/** pte_modify(pte, PAGE_NONE). */
export const protNonePte = (pte: number): number =>
  (pte & ~(PTE_V | PTE_R | PTE_W | PTE_X)) | PTE_PROT_NONE | PTE_U;
/** can_change_pte_writable(): nobody has to hear of the next store. `exclusive`: an anonymous page of the mm's alone. */
export function canChangePteWritable(vma: Vma, pte: number, exclusive: boolean): boolean {
  if ((vma.flags & VM_WRITE) === 0 || isProtNone(pte) || needsSoftDirtyWp(vma, pte)) return false;
  return (vma.flags & VM_SHARED) !== 0 ? (pte & PTE_D) !== 0 : exclusive;
}
/** maybe_mkwrite(pte_mkdirty(pte), vma). */
export const maybeMkWrite = (pte: number, vma: Vma): number =>
  pte | PTE_D | PTE_SOFT_DIRTY | ((vma.flags & VM_WRITE) !== 0 ? PTE_W : 0);

/** vm_normal_page(): the frame that the entry maps and rmap counts; 0 for the zero page. */
export const normalPfn = (pte: number): number => ((pte & PTE_SPECIAL) !== 0 ? 0 : ptePfn(pte));

/** I7, in exploration: the table is one still. */
function assertTable({ frames }: Host, ptep: Hpa): void {
  if (frames.kind[hpaToPfn(ptep)] !== FrameKind.pageTable)
    bug('an entry of a page table that was freed', { ptep });
}

/** ptep_get(). */
export function readPte(host: Host, ptep: Hpa): number {
  if (points.on) points.check('pte', ptep);
  if (points.on) assertTable(host, ptep);
  return host.memory.i32[ptep >>> 2]!;
}

/** set_pte_at(): the entry was not present, or the lock and the flags rule out that the CPU changes it meanwhile. */
export function setPte(host: Host, ptep: Hpa, pte: number): void {
  if (points.on) points.check('pte', ptep);
  if (points.on) assertTable(host, ptep);
  host.memory.write64(ptep, pte, softwareBits(host, ptep));
}

/** pte_clear() for good: the entry maps nothing any more, and nobody waits for a store to what it mapped. */
export function dropPte(host: Host, ptep: Hpa): void {
  if (points.on) points.check('pte', ptep);
  host.memory.write64(ptep, 0, 0);
}

/**
 * The bits of the high word: they stay with an entry, be it present, a swap or a migration entry, or of nothing (a marker:
 * userfaultfd.ts), until dropPte().
 */
const softwareBits = ({ memory }: Host, ptep: Hpa): number => memory.i32[(ptep >>> 2) + 1]!;

/** pte_uffd_wp() and pte_swp_uffd_wp(): a store is to be heard of by a userfaultfd. Then the entry is not writable. */
export function isUffdWp(host: Host, ptep: Hpa): boolean {
  if (points.on) points.check('pte', ptep);
  return (softwareBits(host, ptep) & UFFD_WP_HI) !== 0;
}

/** pte_mkuffd_wp() and pte_clear_uffd_wp(), of an entry that is `pte` from now on. */
export function setUffdWp(host: Host, ptep: Hpa, pte: number, wp: boolean): void {
  if (points.on) points.check('pte', ptep);
  host.memory.write64(ptep, pte, wp ? UFFD_WP_HI : 0);
}

/** ptep_get_and_clear(): atomic against the CPU's A/D updates. */
export function ptepGetAndClear(host: Host, ptep: Hpa): number {
  const pte = readPte(host, ptep);
  host.memory.write64(ptep, 0, softwareBits(host, ptep));
  return pte;
}

/** clear_young_dirty_ptes(): whether there was anything to clear. */
export function ptepClearYoungDirty(host: Host, ptep: Hpa): boolean {
  const pte = readPte(host, ptep);
  if ((pte & (PTE_A | PTE_D)) === 0) return false;
  host.memory.write64(ptep, pte & ~(PTE_A | PTE_D), softwareBits(host, ptep));
  return true;
}

/** ptep_test_and_clear_young(). */
export function ptepTestAndClearYoung(host: Host, ptep: Hpa): boolean {
  const pte = readPte(host, ptep);
  if ((pte & PTE_A) === 0) return false;
  host.memory.write64(ptep, pte & ~PTE_A, softwareBits(host, ptep));
  return true;
}

/** `page` is the address / 4096. */
const entryOf = (table: Hpa, page: number, level: number): Hpa =>
  (table + ((page >> (9 * level)) & (PTES_PER_PAGE - 1)) * PTE_BYTES) as Hpa;

/** Lock of the page table that holds the entry (pte_lockptr()). */
export function ptlOf(host: Host, ptep: Hpa): Mutex {
  const table = hpaToPfn(ptep);
  host.pageTableLocks[table] ??= new Mutex(host.sched, LOCKS.page_table_lock);
  return host.pageTableLocks[table];
}

/**
 * Address of the entry for `address` in its table at `level` (2 is the root), or 0 if there is no such table. The upper
 * levels count as one shared object: preceded by at.list(mm.pageTableLock.id).
 */
export function findEntry(mm: Mm, address: Hva, level: number): Hpa {
  if (points.on) points.check('list', mm.pageTableLock.id, 'marked');
  return walkTo(mm, address, level);
}

function walkTo(mm: Mm, address: Hva, level: number): Hpa {
  const page = Math.floor(address / PAGE_SIZE);
  let entry = entryOf(mm.root, page, LEVELS - 1);
  for (let below = LEVELS - 2; below >= level; below--) {
    const pte = mm.host.memory.i32[entry >>> 2]!;
    if (!isTable(pte)) return 0 as Hpa;
    entry = entryOf(pfnToHpa(ptePfn(pte)), page, below);
  }
  return entry;
}

/** pte_offset_map(): the address of the PTE for `address`, or 0 if there is no table. Point as findEntry(). */
export const findPte = (mm: Mm, address: Hva): Hpa => findEntry(mm, address, 0);

/**
 * Whether the table of `ptep`, where the PTE of `address` was found, is still there. A table that is taken out while it
 * could be found (retract_page_tables()) is empty, and that is done under its lock; who has not got that looks and goes on
 * in one step (rcu_read_lock()).
 */
export const isStillMapped = (mm: Mm, address: Hva, ptep: Hpa): boolean =>
  !mm.hasRetracted || walkTo(mm, address, 0) === ptep;

/** pte_offset_map_lock(): takes the lock of the table of `ptep`; false, with nothing locked, when it is gone. */
export function* pteMapLock(mm: Mm, address: Hva, ptep: Hpa): Steps<boolean> {
  const ptl = ptlOf(mm.host, ptep);
  if (points.on) yield at.lock(ptl);
  if (!ptl.take()) yield* ptl.wait();
  if (isStillMapped(mm, address, ptep)) return true;
  yield* ptl.unlock();
  return false;
}
