// The TLB of one host CPU: what copy_to_user and its like go through.
//
// mm/fault/userAccess.ts translates with it; mm/pagetable/tlbFlush.ts flushes it, on behalf of the CPU itself.
// Direct-mapped, tagged by address-space id. A miss walks the process's own tables in memory and sets A (and D for a
// store), as hardware does at any moment; a store through an entry that was filled while D was clear walks again, so
// that a dirty page never stays clean and a PTE that is gone traps.
//
// Invariants: an entry permits writes only if D was set in the PTE when it was filled. An entry outlives its PTE until
// somebody flushes it: that is the point of it.

import { type Hpa, type Hva, hpa, PAGE_SHIFT, PAGE_SIZE, type Pfn, pageOffset } from '../../units.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import {
  Access,
  HostTables,
  PeekTables,
  PTE_RSW_60_59_HI,
  SV39,
  type TranslationMode,
  Walk,
  WalkStatus,
  walkTables,
} from '../sv39/index.ts';

const DEFAULT_ENTRIES = 64;
const INVALID = -1;

/** Answer of translate(): no translation permits the access. */
export const TLB_FAULT = -1;

/** What an entry of the TLB says; for inspection. */
export interface CpuTlbEntry {
  readonly asid: number;
  readonly address: Hva;
  readonly pfn: Pfn;
  readonly writable: boolean;
}

export class CpuTlb {
  readonly #tables: HostTables;
  /** Of the last peek(). */
  readonly peeked: PeekTables;
  readonly #walk = new Walk();
  readonly #mask: number;
  /** Address-space id, INVALID for an empty entry. */
  readonly #asid: Int32Array;
  /** Page number of the address, may be negative. */
  readonly #page: Int32Array;
  readonly #pfn: Int32Array;
  readonly #writable: Uint8Array;

  /** `entries` is a power of two. */
  constructor(memory: PhysicalMemory, entries = DEFAULT_ENTRIES) {
    this.#tables = new HostTables(memory, PTE_RSW_60_59_HI);
    this.peeked = new PeekTables(memory, PTE_RSW_60_59_HI);
    this.#mask = entries - 1;
    this.#asid = new Int32Array(entries).fill(INVALID);
    this.#page = new Int32Array(entries);
    this.#pfn = new Int32Array(entries);
    this.#writable = new Uint8Array(entries);
  }

  /** One access of a user page by the CPU: the byte address it reaches, or TLB_FAULT. Fills on a miss. */
  translate(asid: number, root: Hpa, address: Hva, write: boolean): Hpa | typeof TLB_FAULT {
    const page = Math.floor(address / PAGE_SIZE);
    const entry = page & this.#mask;
    const hit = this.#asid[entry] === asid && this.#page[entry] === page;
    if (!hit || (write && this.#writable[entry] === 0)) {
      if (!this.#fill(entry, asid, root, address, page, write)) return TLB_FAULT;
    }
    return hpa(this.#pfn[entry]! * PAGE_SIZE + pageOffset(address));
  }

  /** Whether an entry translates the page of `address`. */
  isCached(asid: number, address: Hva): boolean {
    const page = Math.floor(address / PAGE_SIZE);
    return this.#asid[page & this.#mask] === asid && this.#page[page & this.#mask] === page;
  }

  /** Whether a walk for a load of `address` would find a frame. For inspection: nothing changes; peeked says more. */
  peek(root: Hpa, address: Hva): boolean {
    this.peeked.begin();
    return walkTables(hostMode(root), this.peeked, address, Access.load, this.#walk) === WalkStatus.ok;
  }

  /** The entry of `address`, if there is one, permits what the last peek() of it found, and leads there. */
  agrees(address: Hva): boolean {
    const entry = Math.floor(address / PAGE_SIZE) & this.#mask;
    const { pa, writable } = this.#walk;
    return this.#pfn[entry] === Math.floor(pa / PAGE_SIZE) && this.#writable[entry] === Number(writable);
  }

  /** sfence.vma with neither operand. */
  flushAll(): void {
    this.#asid.fill(INVALID);
  }

  /** sfence.vma with an ASID: everything of one address space. */
  flushAsid(asid: number): void {
    for (let entry = 0; entry <= this.#mask; entry++)
      if (this.#asid[entry] === asid) this.#asid[entry] = INVALID;
  }

  /** sfence.vma for each page of [start, end) of one address space. */
  flushRange(asid: number, start: Hva, end: Hva): void {
    const first = Math.floor(start / PAGE_SIZE);
    const last = Math.ceil(end / PAGE_SIZE);
    for (let entry = 0; entry <= this.#mask; entry++) {
      const page = this.#page[entry]!;
      if (this.#asid[entry] === asid && page >= first && page < last) this.#asid[entry] = INVALID;
    }
  }

  /** The valid entries. */
  entries(): CpuTlbEntry[] {
    const found: CpuTlbEntry[] = [];
    for (let entry = 0; entry <= this.#mask; entry++) {
      const asid = this.#asid[entry]!;
      if (asid === INVALID) continue;
      found.push({
        asid,
        address: (this.#page[entry]! * PAGE_SIZE) as Hva,
        pfn: this.#pfn[entry] as Pfn,
        writable: this.#writable[entry] !== 0,
      });
    }
    return found;
  }

  #fill(entry: number, asid: number, root: Hpa, address: Hva, page: number, write: boolean): boolean {
    const walk = this.#walk;
    const access = write ? Access.store : Access.load;
    if (walkTables(hostMode(root), this.#tables, address, access, walk) !== WalkStatus.ok) {
      if (this.#page[entry] === page && this.#asid[entry] === asid) this.#asid[entry] = INVALID;
      return false;
    }
    this.#asid[entry] = asid;
    this.#page[entry] = page;
    this.#pfn[entry] = Math.floor(walk.pa / 2 ** PAGE_SHIFT);
    this.#writable[entry] = Number(walk.writable);
    return true;
  }
}

const hostMode = (root: Hpa): TranslationMode => ({
  stage: SV39,
  root,
  user: true,
  sum: false,
  mxr: false,
  setsAccessedDirty: true,
});
