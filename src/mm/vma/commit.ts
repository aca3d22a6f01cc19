// Limits on how much an address space may map, and on what all of them together may promise (mm/util.c, mm/mmap.c).
//
// mmap, mprotect, mremap and fork ask before they map more; munmap and exit give back. Private writable memory is charged
// to the commit limit (VM_ACCOUNT), shared anonymous memory with its object.
//
// Invariant: host.committedAs is the number of pages in VM_ACCOUNT VMAs, plus the sizes of charged shmem objects.

import { Errno } from '../../units.ts';
import type { Host } from '../host.ts';
import type { Mm } from './mmStruct.ts';
import { VM_LOCKED, VM_NORESERVE, VM_SHARED, VM_WRITE } from './vmFlags.ts';

/** sysctl_overcommit_memory. */
export const OVERCOMMIT_GUESS = 0;
export const OVERCOMMIT_ALWAYS = 1;
export const OVERCOMMIT_NEVER = 2;

/** What a process may have, in pages (RLIMIT_AS, RLIMIT_MEMLOCK). */
export interface MmLimits {
  addressSpace: number;
  memlock: number;
}

/** vm.* of /proc/sys. */
export interface Sysctl {
  overcommitMemory: typeof OVERCOMMIT_GUESS | typeof OVERCOMMIT_ALWAYS | typeof OVERCOMMIT_NEVER;
  /** Per cent of RAM that OVERCOMMIT_NEVER adds to the swap area. */
  overcommitRatio: number;
  maxMapCount: number;
  /** Pages that a NUMA hint fault meets shall move: as if each were on the wrong node. */
  numaMisplaced: boolean;
}

/** accountable_mapping(). */
export const isAccountable = (flags: number): boolean =>
  (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE;

/** security_vm_enough_memory_mm() and __vm_enough_memory(): charges `pages`; false, and nothing is charged. */
export function chargeCommit(host: Host, pages: number): boolean {
  if (!isEnough(host, pages)) return false;
  host.committedAs += pages;
  return true;
}

/** vm_unacct_memory(). */
export function unchargeCommit(host: Host, pages: number): void {
  host.committedAs -= pages;
}

function isEnough({ sysctl, zone, swap, committedAs }: Host, pages: number): boolean {
  const swapPages = swap?.totalSlots ?? 0;
  if (sysctl.overcommitMemory === OVERCOMMIT_ALWAYS) return true;
  if (sysctl.overcommitMemory === OVERCOMMIT_GUESS) return pages <= zone.managedPages + swapPages;
  const allowed = Math.floor((zone.managedPages * sysctl.overcommitRatio) / 100) + swapPages;
  return committedAs + pages < allowed;
}

/** may_expand_vm(). */
export const mayExpandVm = (mm: Mm, pages: number): boolean => mm.totalVm + pages <= mm.limits.addressSpace;

/** mlock_future_ok(): 0, or -EAGAIN when a locked mapping would lock more than the process may. */
export function mlockFuture(mm: Mm, flags: number, pages: number): number {
  return (flags & VM_LOCKED) !== 0 && mm.lockedVm + pages > mm.limits.memlock ? -Errno.EAGAIN : 0;
}
