// What traces show of KVM's state, in the terms of the tracepoints: RISC-V's for entry and exit, x86's for the MMU.
//
// Called in the arguments of tracepoints only, so that nothing is computed while nobody listens.

import { Cause, Exit, type ExitReason, type Hart, PAGE_FAULT } from '../hw/hart/index.ts';
import { Access, type AccessKind, PTE_U, PTE_W, PTE_X } from '../hw/sv39/index.ts';
import type { ShadowPage } from './shadowPage.ts';
import type { Vcpu } from './vcpuState.ts';

const ACC_EXEC = 1;
const ACC_WRITE = 2;
const ACC_USER = 4;

/** union kvm_mmu_page_role: x86's bits, the level counted from 1, NX always in use. */
export function roleWord({ role, invalid }: ShadowPage): number {
  const access =
    ((role.access & PTE_X) !== 0 ? ACC_EXEC : 0) |
    ((role.access & PTE_W) !== 0 ? ACC_WRITE : 0) |
    ((role.access & PTE_U) !== 0 ? ACC_USER : 0);
  return (role.level + 1) | (Number(role.direct) << 7) | (access << 8) | (Number(invalid) << 11) | (1 << 12);
}

const PFERR_WRITE = 2;
const PFERR_USER = 4;
const PFERR_FETCH = 16;
const PRV_U = 0;

/** The error code of a page fault as x86 has it. */
export const pageFaultError = ({ privilege }: Hart, access: AccessKind): number =>
  (access === Access.store ? PFERR_WRITE : access === Access.fetch ? PFERR_FETCH : 0) |
  (privilege === PRV_U ? PFERR_USER : 0);

/** EXC_*_GUEST_PAGE_FAULT by access kind: load, store, fetch. */
const GUEST_PAGE_FAULT = [21, 23, 20] as const;
const VIRTUAL_INSTRUCTION = 22;
const SOFTWARE_INTERRUPT = -1;
const TIMER_INTERRUPT = -5;

/** scause of the trap by which hardware would have left the guest; -n for interrupt n. */
export function exitCause({ fault }: Hart, reason: ExitReason): number {
  switch (reason) {
    case Exit.mmuFault:
      return (fault.paged ? PAGE_FAULT : GUEST_PAGE_FAULT)[fault.access]!;
    case Exit.kick:
      return SOFTWARE_INTERRUPT;
    case Exit.budget:
    case Exit.timer:
      return TIMER_INTERRUPT;
    case Exit.crash:
      return Cause.fetchPageFault;
    default:
      return VIRTUAL_INSTRUCTION;
  }
}

/** stval of that trap. */
export const exitAddress = ({ fault }: Hart, reason: ExitReason): number =>
  reason === Exit.mmuFault ? fault.va : 0;

/** htval of that trap: the guest physical address, shifted right by 2, where a guest page fault has one. */
export const exitGuestAddress = ({ fault }: Hart, reason: ExitReason): number =>
  reason === Exit.mmuFault && !fault.paged ? Math.floor(fault.gpa / 4) : 0;

/** Of the root that a fault installs into: 0 fresh, 1 obsolete, 2 there is none. */
export function rootState({ root, directRoot }: Vcpu): number {
  if (root === null && directRoot === null) return 2;
  return Number(root?.invalid === true || directRoot?.invalid === true);
}
