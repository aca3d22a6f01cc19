// Regimes of a hart: which translation its fetches and data accesses go through, from privilege, satp and mstatus.
//
// hart.ts calls updateContext() whenever one of these changed: after traps, xRET, CSR writes, and new roots from kvm.
//
// Source: RISC-V Privileged ISA, "Memory Privilege in mstatus Register" (MPRV, MXR, SUM), "Supervisor Address Translation
// and Protection (satp) Register". Invariant: fields without influence are normalised, so that M and bare S share a
// context unless the PMP tells them apart, and so do fetches and accesses of one privilege.

import type { RegimeKey } from '../tlb/index.ts';
import { MSTATUS_MXR, MSTATUS_SUM, PRV_M, PRV_U } from './architecture.ts';
import { BLOCK_DTLB, BLOCK_ITLB } from './block.ts';
import { dataPrivilege, guestSetsAccessedDirty, satpAsid, satpIsPaged, satpRoot } from './guestState.ts';
import type { Hart } from './hart.ts';
import { SLOT } from './slots.ts';

type MutableKey = { -readonly [K in keyof RegimeKey]: RegimeKey[K] };

const newKey = (): MutableKey => ({
  paged: false,
  root: 0,
  asid: 0,
  secondStage: 0,
  user: true,
  machine: false,
  sum: false,
  mxr: false,
  setsAccessedDirty: true,
  open: true,
});

/** Reused: interning copies a key. */
const fetchKey = newKey();
const dataKey = newKey();

/** Makes the TLB context of the hart's present state the current one. */
export function updateContext(hart: Hart): void {
  const mstatus = hart.block[SLOT.mstatus]!;
  setKey(hart, fetchKey, hart.privilege);
  const privilege = dataPrivilege(hart);
  setKey(hart, dataKey, privilege);
  if (dataKey.paged) {
    dataKey.sum = privilege !== PRV_U && (mstatus & MSTATUS_SUM) !== 0;
    dataKey.mxr = (mstatus & MSTATUS_MXR) !== 0;
  }
  hart.tlb.select(fetchKey, dataKey);
  hart.block[BLOCK_DTLB >> 2] = hart.tlb.first.dtlbBase;
  hart.block[BLOCK_ITLB >> 2] = hart.tlb.first.itlbBase;
}

function setKey(hart: Hart, key: MutableKey, privilege: number): void {
  key.paged = privilege !== PRV_M && satpIsPaged(hart);
  key.user = !key.paged || privilege === PRV_U;
  key.machine = privilege === PRV_M && hart.tellsMachine;
  key.sum = false;
  key.mxr = false;
  const tdp = hart.mmuKind === 'tdp';
  key.secondStage = key.paged && !tdp ? 0 : hart.directRoot;
  key.asid = key.paged && tdp ? satpAsid(hart) : 0;
  key.root = key.paged ? (tdp ? satpRoot(hart) : hart.shadowRoot) : 0;
  // kvm has asked the PMP before it made an entry of the shadow root.
  key.open = (key.paged && !tdp) || (key.machine ? hart.pmp.isOpenToMachine : hart.pmp.isOpen);
  key.setsAccessedDirty = !(key.paged && tdp) || guestSetsAccessedDirty(hart);
}
