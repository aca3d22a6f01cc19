// Regimes of a hart: which translation its fetches and data accesses go through, from privilege, satp and mstatus.
//
// hart.ts calls updateContext() whenever one of these changed: after traps, xRET, CSR writes, and new roots from kvm.
// Translated code goes to contexts that it knows itself (translate/privileged.ts): by what in the guest's hands they
// depend on, it finds them in a table of the vCPU block, 64 entries of {tables i64, mode i32, data TLB base i32} each,
// where `tables` is satp under tdp, the shadow root under shadow paging, 0 where there is no paging.
//
// Source: RISC-V Privileged ISA, "Memory Privilege in mstatus Register" (MPRV, MXR, SUM), "Supervisor Address Translation
// and Protection (satp) Register". Invariant: fields without influence are normalised, so that M and bare S share a
// context unless the PMP tells them apart, and so do fetches and accesses of one privilege. An entry of the table says
// what updateContext() would come to now.

import type { RegimeKey } from '../tlb/index.ts';
import { MSTATUS_MPP, MSTATUS_MPRV, MSTATUS_MXR, MSTATUS_SUM, PRV_M, PRV_U } from './architecture.ts';
import { BLOCK_CONTEXTS, BLOCK_DTLB, BLOCK_ITLB, BLOCK_TABLES } from './block.ts';
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
  const { first } = hart.tlb;
  const { takes } = first;
  hart.tlb.select(fetchKey, dataKey);
  if (first.takes !== takes) forgetContexts(hart);
  hart.block[BLOCK_DTLB >> 2] = first.dtlbBase;
  hart.block[BLOCK_ITLB >> 2] = first.itlbBase;
  rememberContext(hart);
}

/** What a context depends on in mstatus; the privilege is below it. */
export const CONTEXT_STATUS = MSTATUS_MPP | MSTATUS_MPRV | MSTATUS_SUM | MSTATUS_MXR;
/** The table of contexts in the vCPU block: an entry's bytes, and how many there are, a power of two. */
export const CONTEXT_ENTRY_BYTES = 16;
export const CONTEXT_ENTRIES = 64;
/** From the entry's first byte. */
export const CONTEXT_TABLES = 0;
export const CONTEXT_MODE = 8;
export const CONTEXT_BASE = 12;
/** No mode. */
const NO_CONTEXT = -1;
/** The entry's number: the low bits of `tables`, of its ASID, of the mode's fields of mstatus, and of its privilege. */
export const CONTEXT_ASID_SHIFT = 12;
export const CONTEXT_STATUS_SHIFT = 16;
export const CONTEXT_PRIVILEGE_SHIFT = 4;

const CONTEXTS = BLOCK_CONTEXTS >> 2;
const TABLES = BLOCK_TABLES >> 2;

function rememberContext(hart: Hart): void {
  const { block } = hart;
  setTables(hart);
  const mode = (block[SLOT.mstatus]! & CONTEXT_STATUS) | hart.privilege;
  const hash =
    block[TABLES]! ^
    (block[TABLES + 1]! >>> CONTEXT_ASID_SHIFT) ^
    (mode >>> CONTEXT_STATUS_SHIFT) ^
    (mode << CONTEXT_PRIVILEGE_SHIFT);
  const at = CONTEXTS + (hash & (CONTEXT_ENTRIES - 1)) * (CONTEXT_ENTRY_BYTES >> 2);
  block[at] = block[TABLES]!;
  block[at + 1] = block[TABLES + 1]!;
  block[at + (CONTEXT_MODE >> 2)] = mode;
  block[at + (CONTEXT_BASE >> 2)] = block[BLOCK_DTLB >> 2]!;
}

function setTables(hart: Hart): void {
  const { block } = hart;
  const paged = satpIsPaged(hart);
  const shadow = hart.mmuKind === 'shadow';
  block[TABLES] = !paged ? 0 : shadow ? hart.shadowRoot : block[SLOT.satp]!;
  block[TABLES + 1] = paged && !shadow ? block[SLOT.satp + 1]! : 0;
}

/** Contexts depend on other things now, or have been taken from what they stood for. */
export function forgetContexts({ block }: Hart): void {
  const step = CONTEXT_ENTRY_BYTES >> 2;
  for (let entry = 0; entry < CONTEXT_ENTRIES; entry++) {
    block[CONTEXTS + entry * step + (CONTEXT_MODE >> 2)] = NO_CONTEXT;
  }
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
