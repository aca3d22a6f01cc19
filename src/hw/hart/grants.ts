// Grants: what kvm leaves to a hart under shadow paging, so that it takes no exit for it in its next run: sfence.vma, and
// writes of satp that kvm has a root for.
//
// kvm/grants.ts makes them right before a run; translationOrders.ts and translated code (translate/fence.ts,
// translate/csrBodies.ts) go by them. Under tdp all is the hart's own, always.
//
// Layout of the roots in the vCPU block: GRANTED_ROOTS entries of {satp i64, root i32, unused}; satp 0 is none.

import { BLOCK_GRANT, BLOCK_ROOTS, GRANTED_ROOT_BYTES, GRANTED_ROOTS, Grant } from './block.ts';
import { satpIsPaged } from './guestState.ts';
import type { Hart } from './hart.ts';
import { NO_ROOT } from './mmu.ts';

const GRANT = BLOCK_GRANT >> 2;

/** Int32 index of the i-th root's entry in the block. */
const entryOf = (i: number): number => (BLOCK_ROOTS + i * GRANTED_ROOT_BYTES) >> 2;

/** Whether sfence.vma takes no exit in the next run: it is the hart's TLB alone that it concerns. */
export function grantFences({ block }: Hart, granted: boolean): void {
  block[GRANT] = granted ? Grant.fence : 0;
}

export const fencesAreGranted = ({ block }: Hart): boolean => (block[GRANT]! & Grant.fence) !== 0;

/** The i-th value of satp that takes no exit in the next run, and the root that stands for it; i below GRANTED_ROOTS. */
export function grantRoot({ block }: Hart, i: number, lo: number, hi: number, root: number): void {
  const at = entryOf(i);
  block[at] = lo;
  block[at + 1] = hi;
  block[at + 2] = root;
}

/** No more than `count` roots are granted. */
export function endGrants({ block }: Hart, count: number): void {
  for (let i = count; i < GRANTED_ROOTS; i++) {
    const at = entryOf(i);
    // Those that were granted stand one after the other.
    if (block[at] === 0 && block[at + 1] === 0) return;
    block[at] = block[at + 1] = block[at + 2] = 0;
  }
}

/** The root that stands for satp's present value, lo/hi, or NO_ROOT. */
export function grantedRoot(hart: Hart, lo: number, hi: number): number {
  if (!satpIsPaged(hart)) return NO_ROOT;
  const { block } = hart;
  for (let i = 0; i < GRANTED_ROOTS; i++) {
    const at = entryOf(i);
    if (block[at] === lo && block[at + 1] === hi) return block[at + 2]!;
  }
  return NO_ROOT;
}
