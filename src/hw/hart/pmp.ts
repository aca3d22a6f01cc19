// Physical memory protection: what the PMP registers of a hart permit, as one value that does not change.
//
// pmpRegisters.ts makes a new one at each write of a register; mmu.ts asks it for every translation, implicit accesses
// to page tables included; kvm's shadow MMU asks it for the walks that it makes on behalf of a hart.
//
// Source: RISC-V Privileged ISA, "Physical Memory Protection": the lowest-numbered entry that matches any byte of an
// access decides it, and must match all of it; a locked entry binds M mode too; without a match M may do everything,
// S and U nothing. An access that crosses a page is two here, as in Spike.

import { type AccessKind, PTE_R, PTE_W, PTE_X } from '../sv39/index.ts';

/** One entry that is on, over [base, end), in bytes. */
export interface PmpEntry {
  readonly base: number;
  readonly end: number;
  /** PTE_R, PTE_W and PTE_X. */
  readonly permissions: number;
  /** Binds M mode. */
  readonly locked: boolean;
}

const ALL = PTE_R | PTE_W | PTE_X;
const NEEDS = [PTE_R, PTE_W, PTE_X] as const;
const PAGE_BYTES = 4096;
/** Physical addresses have 56 bits. */
const SPAN = 2 ** 56;

/** With allowed()'s permissions: other bytes of the page have others, so that the answer is good for this access alone. */
export const PMP_SPLIT = 1;

export class Pmp {
  readonly entries: readonly PmpEntry[];
  /** Nothing is forbidden to S and U, or to M. */
  readonly isOpen: boolean;
  readonly isOpenToMachine: boolean;
  /** Equal for two that are the same to S and U; '' if nothing is forbidden to them. */
  readonly userKey: string;
  /** Equal for two that are the same to every mode. */
  readonly key: string;

  /** `entries` in the order of their numbers. */
  constructor(entries: readonly PmpEntry[]) {
    this.entries = entries;
    const [first] = entries;
    const coversAll = first !== undefined && first.base === 0 && first.end >= SPAN;
    this.isOpen = coversAll && first.permissions === ALL;
    this.isOpenToMachine = first === undefined || (coversAll && rightsOf(first, true) === ALL);
    const ranges = entries.map(({ base, end, permissions }) => `${base} ${end} ${permissions}`);
    const locks = entries.map(({ locked }) => Number(locked));
    this.userKey = this.isOpen ? '' : `only ${ranges.join()}`;
    this.key = this.isOpen && this.isOpenToMachine ? '' : `only ${[...ranges, ...locks].join()}`;
  }

  /**
   * What is permitted to M mode (`machine`), or to S and U, at the `bytes` bytes from `address`, within one page: 0 if
   * not `access`; else PTE_R, PTE_W and PTE_X, with PMP_SPLIT unless they hold for the whole page.
   */
  allowed(address: number, bytes: number, access: AccessKind, machine: boolean): number {
    if (machine ? this.isOpenToMachine : this.isOpen) return ALL;
    const page = address - (address % PAGE_BYTES);
    let rights = this.rights(page, page + PAGE_BYTES, machine);
    if (rights === null) rights = (this.rights(address, address + bytes, machine) ?? 0) | PMP_SPLIT;
    return (rights & NEEDS[access]) !== 0 ? rights : 0;
  }

  /** Whether hardware may read (or update) the page-table entry at `address`: an access of S mode. */
  allowsWalk(address: number, access: AccessKind): boolean {
    return this.allowed(address, 8, access, false) !== 0;
  }

  /** What S and U may do at each byte of the page of `address` (PTE_R, PTE_W, PTE_X), or null where bytes differ. */
  pageRights(address: number): number | null {
    if (this.isOpen) return ALL;
    const page = address - (address % PAGE_BYTES);
    return this.rights(page, page + PAGE_BYTES, false);
  }

  /** The rights of all of [start, end), or null where the deciding entry matches only some of it. */
  private rights(start: number, end: number, machine: boolean): number | null {
    for (const entry of this.entries) {
      if (entry.base >= end || entry.end <= start) continue;
      return entry.base <= start && entry.end >= end ? rightsOf(entry, machine) : null;
    }
    return machine ? ALL : 0;
  }
}

const rightsOf = ({ permissions, locked }: PmpEntry, machine: boolean): number =>
  machine && !locked ? ALL : permissions;

/** As after reset, and where nobody protects anything. */
export const OPEN_PMP = new Pmp([{ base: 0, end: SPAN, permissions: ALL, locked: false }]);
