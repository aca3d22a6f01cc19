// PMP registers: sixteen entries of pmpcfg and pmpaddr, their write rules, and what they protect.
//
// csr.ts routes pmpcfg and pmpaddr here; each write gives the hart a new Pmp (pmp.ts). After reset entry 0 opens all of
// memory to S and U, as in Spike, so that software that knows no PMP runs.
//
// Source: RISC-V Privileged ISA, "Physical Memory Protection CSRs". Granularity is 4 bytes. Invariants: reserved bits 5
// and 6 of a configuration are 0, W without R is never stored, a locked entry keeps its configuration and address.

import { PTE_R, PTE_W, PTE_X } from '../sv39/index.ts';
import type { Hart } from './hart.ts';
import { Pmp, type PmpEntry } from './pmp.ts';
import { SLOT } from './slots.ts';
import { protect } from './translationOrders.ts';
import type { Word64 } from './word64.ts';

const PMP_R = 1;
const PMP_W = 2;
const PMP_X = 4;
const PMP_A = 3 << 3;
const PMP_OFF = 0;
const PMP_TOR = 1 << 3;
const PMP_NA4 = 2 << 3;
const PMP_NAPOT = 3 << 3;
const PMP_L = 1 << 7;
const CONFIG_MASK = PMP_L | PMP_A | PMP_R | PMP_W | PMP_X;
const ENTRIES = 16;
/** pmpaddr holds bits 55..2 of an address. */
const ADDRESS_HI = (1 << 22) - 1;

/** Word and shift of entry `i`'s configuration byte. */
const configWord = (i: number): number => (i < 8 ? SLOT.pmpcfg0 : SLOT.pmpcfg2) + ((i >>> 2) & 1);
const configShift = (i: number): number => (i & 3) * 8;
const configOf = (hart: Hart, i: number): number =>
  i < ENTRIES ? (hart.block[configWord(i)]! >>> configShift(i)) & 0xff : 0;

/** Power-on: entry 0 permits everything everywhere, and is not locked. */
export function resetPmp(hart: Hart): void {
  hart.block[SLOT.pmpaddr0] = -1;
  hart.block[SLOT.pmpaddr0 + 1] = ADDRESS_HI;
  hart.block[SLOT.pmpcfg0] = PMP_NAPOT | PMP_R | PMP_W | PMP_X;
}

/** pmpcfg0 holds entries 0 to 7, pmpcfg2 8 to 15. */
export function readPmpConfig(hart: Hart, register: number, out: Word64): void {
  const at = configWord(register * 4);
  out.set(hart.block[at]!, hart.block[at + 1]!);
}

export function writePmpConfig(hart: Hart, register: number, lo: number, hi: number): void {
  const first = register * 4;
  for (let i = 0; i < 8; i++) {
    writeConfig(hart, first + i, ((i < 4 ? lo : hi) >>> configShift(i)) & 0xff);
  }
  protect(hart, readPmp(hart));
}

function writeConfig(hart: Hart, i: number, value: number): void {
  if ((configOf(hart, i) & PMP_L) !== 0) return;
  const legal = value & CONFIG_MASK & ((value & (PMP_R | PMP_W)) === PMP_W ? ~PMP_W : ALL_BITS);
  const at = configWord(i);
  hart.block[at] = (hart.block[at]! & ~(0xff << configShift(i))) | (legal << configShift(i));
}

const ALL_BITS = -1;

/** Ignored while the entry is locked, or is the bottom of a locked top-of-range entry. */
export function writePmpAddress(hart: Hart, i: number, lo: number, hi: number): void {
  const next = configOf(hart, i + 1);
  const locksBottom = (next & PMP_L) !== 0 && (next & PMP_A) === PMP_TOR;
  if ((configOf(hart, i) & PMP_L) !== 0 || locksBottom) return;
  const at = SLOT.pmpaddr0 + 2 * i;
  hart.block[at] = lo;
  hart.block[at + 1] = hi & ADDRESS_HI;
  protect(hart, readPmp(hart));
}

/** What the registers say now. */
export function readPmp(hart: Hart): Pmp {
  const entries: PmpEntry[] = [];
  for (let i = 0; i < ENTRIES; i++) {
    const config = configOf(hart, i);
    if ((config & PMP_A) === PMP_OFF) continue;
    const { base, end } = rangeOf(hart, i, config & PMP_A);
    if (base < end) entries.push({ base, end, ...rulesOf(config) });
  }
  return new Pmp(entries);
}

const rulesOf = (config: number): Pick<PmpEntry, 'permissions' | 'locked'> => ({
  permissions:
    ((config & PMP_R) !== 0 ? PTE_R : 0) |
    ((config & PMP_W) !== 0 ? PTE_W : 0) |
    ((config & PMP_X) !== 0 ? PTE_X : 0),
  locked: (config & PMP_L) !== 0,
});

function rangeOf(hart: Hart, i: number, mode: number): { base: number; end: number } {
  const address = addressOf(hart, i);
  if (mode === PMP_TOR) return { base: i === 0 ? 0 : addressOf(hart, i - 1), end: address };
  if (mode === PMP_NA4) return { base: address, end: address + 4 };
  const bytes = 2 ** (trailingOnes(hart, i) + 3);
  const base = Math.floor(address / bytes) * bytes;
  return { base, end: base + bytes };
}

/** Exact below 2^53; nothing lies above. */
function addressOf(hart: Hart, i: number): number {
  const at = SLOT.pmpaddr0 + 2 * i;
  return (hart.block[at + 1]! * 2 ** 32 + (hart.block[at]! >>> 0)) * 4;
}

function trailingOnes(hart: Hart, i: number): number {
  const at = SLOT.pmpaddr0 + 2 * i;
  const low = trailingOnesOf(hart.block[at]!);
  return low < 32 ? low : 32 + trailingOnesOf(hart.block[at + 1]!);
}

/** Of a word; 32 of -1. */
const trailingOnesOf = (word: number): number => (word === -1 ? 32 : 31 - Math.clz32(~word & -~word));
