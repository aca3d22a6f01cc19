// Sptes: entries of shadow and second-stage tables, their software bits, and the only accessors to them.
//
// Permission bits are the guest's, narrowed by what the host page, write protection and a clean guest entry forbid. A
// and D of an spte are set by hardware while it walks and belong to the host (ageing, dirty transfer): whoever takes a
// present leaf away does it by an exchange and acts on the value that it got; whoever changes its permissions keeps them.
//
// Invariants (Documentation/virt/kvm/locking.rst): W implies HOST_WRITABLE and MMU_WRITABLE. A non-leaf entry carries V
// alone. Locks: mmu_lock for every change but hardware's A and D. Each accessor is preceded by at.spte(sptep).

import type { PhysicalMemory } from '../hw/memory/index.ts';
import {
  isLeaf,
  isPresent,
  makePte,
  PTE_A,
  PTE_D,
  PTE_SOFT0,
  PTE_SOFT1,
  PTE_V,
  PTE_W,
} from '../hw/sv39/index.ts';
import { points } from '../sched/index.ts';
import type { Hpa, Pfn } from '../units.ts';

/** The host's PTE permitted writing when the spte was made. */
export const SPTE_HOST_WRITABLE = PTE_SOFT0;
/** The shadow MMU permits writing: the gfn is no guest table that must trap. */
export const SPTE_MMU_WRITABLE = PTE_SOFT1;

export const isShadowPresent = isPresent;
export const isShadowLeaf = isLeaf;
/** Frames that a leaf at `level` maps: 512 where it is huge. */
export const framesAt = (level: number): number => 512 ** level;
/** Hardware has used it, or is about to: what a fault installs, so that the access that faulted need not walk for them. */
export const usedSpte = (spte: number, write: boolean): number =>
  spte | PTE_A | (write && isWritableSpte(spte) ? PTE_D : 0);
export const isWritableSpte = (spte: number): boolean => (spte & PTE_W) !== 0;

/** A leaf with the permissions in `access` (R, W, X, U bits), clean and old. */
export function makeLeafSpte(pfn: Pfn, access: number, hostWritable: boolean, mmuWritable: boolean): number {
  const writable = hostWritable && mmuWritable;
  const software = (hostWritable ? SPTE_HOST_WRITABLE : 0) | (mmuWritable ? SPTE_MMU_WRITABLE : 0);
  return makePte(
    pfn,
    PTE_V | (writable ? access : access & ~PTE_W) | ((access & PTE_W) !== 0 ? software : 0),
  );
}

export const makeNonleafSpte = (spt: Pfn): number => makePte(spt, PTE_V);

export const withoutWrite = (spte: number): number => spte & ~(PTE_W | SPTE_MMU_WRITABLE);

export function readSpte(memory: PhysicalMemory, sptep: Hpa): number {
  if (points.on) points.check('spte', sptep, 'read');
  return memory.i32[sptep >>> 2]!;
}

/** Sets an entry that was not present. */
export function setSpte(memory: PhysicalMemory, sptep: Hpa, spte: number): void {
  if (points.on) points.check('spte', sptep, 'update');
  memory.write64(sptep, spte, 0);
}

/** xchg: the value that was there, with whatever A and D hardware had set by then. */
export function exchangeSpte(memory: PhysicalMemory, sptep: Hpa, spte: number): number {
  if (points.on) points.check('spte', sptep, 'update');
  const old = memory.i32[sptep >>> 2]!;
  memory.write64(sptep, spte, 0);
  return old;
}

/**
 * A cmpxchg loop: other permissions for a present leaf whose page stays, with whatever A and D hardware has set. The
 * old one.
 */
export function changeLeafSpte(memory: PhysicalMemory, sptep: Hpa, spte: number): number {
  if (points.on) points.check('spte', sptep, 'update');
  const old = memory.i32[sptep >>> 2]!;
  memory.write64(sptep, (spte & ~(PTE_A | PTE_D)) | (old & (PTE_A | PTE_D)), 0);
  return old;
}

/** test_and_clear of A. */
export function testAndClearAccessed(memory: PhysicalMemory, sptep: Hpa): boolean {
  if (points.on) points.check('spte', sptep, 'update');
  const old = memory.i32[sptep >>> 2]!;
  if ((old & PTE_A) === 0) return false;
  memory.write64(sptep, old & ~PTE_A, 0);
  return true;
}

export function isAccessed(memory: PhysicalMemory, sptep: Hpa): boolean {
  return (readSpte(memory, sptep) & PTE_A) !== 0;
}
