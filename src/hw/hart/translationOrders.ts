// Orders of guest software about its translation: satp, the fences, and the PMP.
//
// csr.ts, system.ts and pmpRegisters.ts call these when the instruction retires. Under tdp they are the hardware's to
// carry out; under shadow paging what the hart translates with is kvm's, so that they end the run, unless kvm has granted
// them (grants.ts).
//
// Source: RISC-V Privileged ISA, "Supervisor Address Translation and Protection (satp) Register", "Supervisor
// Memory-Management Fence Instruction", "Physical Memory Protection". Invariant: when they return, the hart's TLB context
// and its shadow root are those of the new state, or the run has ended for kvm to say what they are.

import { BLOCK_SHADOW_ROOT, Exit } from './block.ts';
import { fencesAreGranted, grantedRoot } from './grants.ts';
import type { Hart } from './hart.ts';
import { NO_ROOT } from './mmu.ts';
import type { Pmp } from './pmp.ts';
import { forgetContexts, updateContext } from './regimes.ts';
import { clearReservation } from './reservation.ts';
import { SLOT } from './slots.ts';

const SHADOW_ROOT = BLOCK_SHADOW_ROOT >> 2;

/** satp takes effect at once; under shadow paging kvm must say what stands for it now, if it has not yet. */
export function writeSatp(hart: Hart, lo: number, hi: number): void {
  const { block } = hart;
  block[SLOT.satp] = lo;
  block[SLOT.satp + 1] = hi;
  if (hart.mmuKind === 'shadow') {
    const root = grantedRoot(hart, lo, hi);
    block[SHADOW_ROOT] = root;
    if (root === NO_ROOT) hart.exit(Exit.satp);
  }
  updateContext(hart);
}

/** sfence.vma: hardware's to do under tdp; kvm's under shadow paging, unless there is nothing for it to do. */
export function fenceTranslations(hart: Hart, page: number | null, asid: number | null): void {
  if (hart.mmuKind === 'tdp') {
    clearReservation(hart);
    hart.tlb.flushPaged(page, asid);
  } else if (fencesAreGranted(hart)) {
    clearReservation(hart);
    if (page === null) hart.flushAll();
    else hart.flushPage(page);
  } else {
    hart.fence.page = page;
    hart.fence.asid = asid;
    hart.exit(Exit.sfence);
  }
}

/** The PMP protects as `pmp` says; what is cached or shadowed may permit too much, or too little. */
export function protect(hart: Hart, pmp: Pmp): void {
  if (pmp.key === hart.pmp.key) return;
  hart.mmu.pmp = pmp;
  hart.tlb.flushAll();
  if (hart.mmuKind === 'shadow') {
    hart.block[SHADOW_ROOT] = NO_ROOT;
    hart.exit(Exit.satp);
  }
  forgetContexts(hart);
  updateContext(hart);
}
