// Page tables of a guest, written by hand into its memory.

import { PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X, pteIndex } from '../../src/hw/sv39/index.ts';
import type { Steps } from '../../src/sched/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';

/** A page of the kernel that was used and written before. */
export const KERNEL_PAGE = PTE_V | PTE_R | PTE_W | PTE_A | PTE_D;
export const USER_PAGE = KERNEL_PAGE | PTE_U;
export const CODE_PAGE = PTE_V | PTE_R | PTE_X | PTE_A;
export { PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X };

/** An entry for guest physical address `gpa`. */
export const entryFor = (gpa: number, flags: number): bigint =>
  (BigInt(Math.floor(gpa / PAGE_SIZE)) << 10n) | BigInt(flags);

/** Guest physical address of the entry that translates `va`, in the table at `table` of `level`. */
export const entryAddress = (table: number, va: number, level: number): number =>
  table + pteIndex(va, level) * 8;

export type Writer = (gpa: number, entry: bigint) => Steps<unknown>;

/** The tables of one address space, at these guest physical addresses. */
export interface Tables {
  readonly root: number;
  readonly middle: number;
  readonly leaf: number;
}

/** Makes the three tables one path for the 2 MiB around `va`. */
export function* linkTables(write: Writer, { root, middle, leaf }: Tables, va: number): Steps {
  yield* write(entryAddress(root, va, 2), entryFor(middle, PTE_V));
  yield* write(entryAddress(middle, va, 1), entryFor(leaf, PTE_V));
}

/** The entry for `va` of tables that linkTables() linked. */
export const leafEntry = ({ leaf }: Tables, va: number): number => entryAddress(leaf, va, 0);
