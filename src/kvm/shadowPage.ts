// struct kvm_mmu_page: one shadow page, and the role that it is looked up by.
//
// A shadow page is a table of 512 (2048 for a wide root) sptes in a host frame. Direct ones map a linear range of gfns
// (no guest table behind them: unpaged guests, the second stage, the inside of a guest superpage); indirect ones
// shadow the guest table at `gfn`.
//
// Invariants: unsync implies level 0 and not direct; `unsyncChildren` is the number of set bits in `unsyncChildBitmap`
// and every ancestor of an unsync page knows of it; `gfns` and `access` exist exactly for indirect pages. No leaf permits
// what role.pmp forbids, and every guest table on the way to it may be read.
// Lock: everything is under mmu_lock.

import type { Pmp } from '../hw/hart/index.ts';
import { PTE_R, PTE_U, PTE_W, PTE_X } from '../hw/sv39/index.ts';
import { type Gfn, type Hpa, type Pfn, PTES_PER_PAGE } from '../units.ts';

/** The permission bits of an entry. */
export const ACCESS_ALL = PTE_R | PTE_W | PTE_X | PTE_U;

/**
 * union kvm_mmu_page_role. Sv39's non-leaf entries carry no permissions, so `access` is ACCESS_ALL but for direct
 * pages inside a guest superpage.
 */
export interface Role {
  /** 0 maps 4 KiB pages; 2 is the root. (Linux counts from 1, and traces print Linux's.) */
  readonly level: number;
  readonly direct: boolean;
  /** An Sv39x4 root: four frames, 2048 entries. */
  readonly wide: boolean;
  readonly access: number;
  /** What the harts' PMP permits to S and U; open under a direct root, where the hart asks its PMP itself. */
  readonly pmp: Pmp;
}

/** Of a guest's table; Sv39's non-leaf entries carry no permissions. */
export const tableRole = (level: number, pmp: Pmp): Role => ({
  level,
  direct: false,
  wide: false,
  access: ACCESS_ALL,
  pmp,
});

/** Of a page that maps a linear range. */
export const directRole = (level: number, access: number, pmp: Pmp): Role => ({
  level,
  direct: true,
  wide: false,
  access,
  pmp,
});

/**
 * kvm_mmu_child_role(): of what a page of `role` has behind its entries, but for a superpage of the guest that is
 * split.
 */
export const childRole = (role: Role): Role => ({ ...role, level: role.level - 1, wide: false });

export const sameRole = (a: Role, b: Role): boolean =>
  a.level === b.level &&
  a.direct === b.direct &&
  a.wide === b.wide &&
  a.access === b.access &&
  a.pmp.userKey === b.pmp.userKey;

/**
 * What an spte for `gfn` may permit where the guest permits `access`; 0: none may stand for it. Where the PMP splits the
 * page the answer is in no entry, and where either makes X without R, MXR would read what the other forbids.
 */
export function shadowAccess({ pmp }: Pick<Role, 'pmp'>, gfn: Gfn, access: number): number {
  const rights = pmp.pageRights(gfn * 4096);
  if (rights === (PTE_R | PTE_W | PTE_X)) return access;
  if (rights === null || (rights & access & PTE_R) === 0) return 0;
  return access & (rights | PTE_U);
}

export class ShadowPage {
  readonly gfn: Gfn;
  readonly role: Role;
  readonly childRole: Role;
  /** The frame (of a wide root: the first of four). */
  readonly spt: Pfn;
  /** Sptes that point here (parent_ptes). */
  readonly parents = new Set<Hpa>();
  /** role.invalid: zapped, waits for its vCPUs to let go. */
  invalid = false;
  /** vCPUs whose root this is. */
  rootCount = 0;
  unsync = false;
  unsyncChildren = 0;
  writeFloodingCount = 0;
  readonly unsyncChildBitmap: Uint8Array | null;
  /** Per spte of an indirect page: the gfn that it maps, and the guest's permissions (shadowed_translation). */
  readonly gfns: Float64Array | null;
  readonly access: Uint8Array | null;

  constructor(gfn: Gfn, role: Role, spt: Pfn) {
    this.gfn = gfn;
    this.role = role;
    this.childRole = childRole(role);
    this.spt = spt;
    this.unsyncChildBitmap = role.direct || role.level === 0 ? null : new Uint8Array(PTES_PER_PAGE);
    this.gfns = role.direct ? null : new Float64Array(PTES_PER_PAGE);
    this.access = role.direct ? null : new Uint8Array(PTES_PER_PAGE);
  }

  get entries(): number {
    return this.role.wide ? 4 * PTES_PER_PAGE : PTES_PER_PAGE;
  }

  get frames(): number {
    return this.role.wide ? 4 : 1;
  }

  /** kvm_mmu_page_get_gfn(). */
  gfnOf(index: number): Gfn {
    return (this.gfns === null ? this.gfn + index * 512 ** this.role.level : this.gfns[index]!) as Gfn;
  }

  accessOf(index: number): number {
    return this.access === null ? this.role.access : this.access[index]!;
  }

  setTranslation(index: number, gfn: Gfn, access: number): void {
    if (this.gfns === null || this.access === null) return;
    this.gfns[index] = gfn;
    this.access[index] = access;
  }

  sptep(index: number): Hpa {
    return (this.spt * 4096 + index * 8) as Hpa;
  }

  indexOf(sptep: Hpa): number {
    return (sptep - this.spt * 4096) / 8;
  }
}
