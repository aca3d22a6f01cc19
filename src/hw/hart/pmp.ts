// PMP registers: sixteen entries of storage with the architecture's write rules and no effect on accesses.
//
// csr.ts routes pmpcfg and pmpaddr here. A guest sees registers that behave; what a guest can reach is decided by its
// tables and kvm's.
//
// Source: RISC-V Privileged ISA, "Physical Memory Protection CSRs". Invariants: reserved bits 5 and 6 of a configuration
// are 0, W without R is never stored, a locked entry keeps its configuration and address.

import type { Hart } from './hart.ts';
import { SLOT } from './slots.ts';
import type { Word64 } from './word64.ts';

const PMP_R = 1;
const PMP_W = 2;
const PMP_A = 3 << 3;
const PMP_TOR = 1 << 3;
const PMP_L = 1 << 7;
const CONFIG_MASK = PMP_L | PMP_A | 7;
/** pmpaddr holds bits 55..2 of an address. */
const ADDRESS_HI = (1 << 22) - 1;

/** Word and shift of entry `i`'s configuration byte. */
const configWord = (i: number): number => (i < 8 ? SLOT.pmpcfg0 : SLOT.pmpcfg2) + ((i >>> 2) & 1);
const configShift = (i: number): number => (i & 3) * 8;
const configOf = (hart: Hart, i: number): number =>
  i < 16 ? (hart.block[configWord(i)]! >>> configShift(i)) & 0xff : 0;

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
}
