// What a hart's privileged state says of its guest's translation: satp, effective privilege, SUM, MXR and A/D scheme.
//
// regimes.ts derives the TLB context from it; kvm's shadow MMU reads it to walk the guest's tables itself.
//
// Source: RISC-V Privileged ISA, "Memory Privilege in mstatus Register", "Supervisor Address Translation and Protection
// (satp) Register".

import { Access, type AccessKind, SV39, type TranslationMode } from '../sv39/index.ts';
import {
  MENVCFG_HI_ADUE,
  MSTATUS_MPP,
  MSTATUS_MPP_SHIFT,
  MSTATUS_MPRV,
  MSTATUS_MXR,
  MSTATUS_SUM,
  PRV_U,
  SATP_SV39,
} from './architecture.ts';
import type { Hart } from './hart.ts';
import { SLOT } from './slots.ts';

/** The privilege that loads and stores are made with: MPP's while MPRV is set. */
export function dataPrivilege(hart: Hart): number {
  const mstatus = hart.block[SLOT.mstatus]!;
  return (mstatus & MSTATUS_MPRV) !== 0 ? (mstatus & MSTATUS_MPP) >>> MSTATUS_MPP_SHIFT : hart.privilege;
}

/** satp.MODE is Sv39. */
export const satpIsPaged = (hart: Hart): boolean => hart.block[SLOT.satp + 1]! >>> 28 === SATP_SV39;

/** Guest physical address of the root table that satp names. */
export const satpRoot = (hart: Hart): number =>
  ((hart.block[SLOT.satp]! >>> 0) + (hart.block[SLOT.satp + 1]! & 0xfff) * 2 ** 32) * 4096;

export const satpAsid = (hart: Hart): number => (hart.block[SLOT.satp + 1]! >>> 12) & 0xffff;

/** Whether hardware sets A and D in the guest's tables, or faults (Svade; under Svadu menvcfg.ADUE chooses). */
export function guestSetsAccessedDirty(hart: Hart): boolean {
  if (hart.ad !== 'svadu') return hart.ad === 'hardware';
  return (hart.block[SLOT.menvcfg + 1]! & MENVCFG_HI_ADUE) !== 0;
}

/** How an access of the hart goes through the guest's own tables now. */
export function guestTranslationMode(hart: Hart, access: AccessKind): TranslationMode {
  const privilege = access === Access.fetch ? hart.privilege : dataPrivilege(hart);
  const mstatus = hart.block[SLOT.mstatus]!;
  return {
    stage: SV39,
    root: satpRoot(hart),
    user: privilege === PRV_U,
    sum: (mstatus & MSTATUS_SUM) !== 0,
    mxr: (mstatus & MSTATUS_MXR) !== 0,
    setsAccessedDirty: guestSetsAccessedDirty(hart),
  };
}
