// What a guest's accesses may do, by the architecture alone: a slow, obvious reference for fences.
//
// An access may use any value that each table entry on its way had at any time since the hart's last sfence.vma that
// covers it (Privileged ISA, "Supervisor Memory-Management Fence Instruction"; entries of upper levels are covered only by
// fences without an address, and may be cached apart). The model keeps the history of each entry and answers the set of
// pages that an access may reach, and whether it may fault. A and D are ignored: hardware sets them.
//
// Each entry has one writer. A value counts as there from the moment its store began, and the one before it until the
// store has ended or someone has seen the new value.

import { PTE_R, PTE_U, PTE_V, PTE_W, PTE_X, pteIndex } from '../../src/hw/sv39/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';

interface Version {
  readonly entry: number;
  readonly from: number;
  /** When nobody can find it any more; Infinity: it is there. */
  until: number;
}

/** Entries are small enough in these tests to be numbers. */
const flagsOf = (entry: number): number => entry % 1024;
const targetOf = (entry: number): number => Math.floor(entry / 1024) * PAGE_SIZE;
const PERMISSIONS = PTE_V | PTE_R | PTE_W | PTE_X | PTE_U;

export interface Allowed {
  /** Guest physical addresses of pages that the access may reach. */
  readonly pages: ReadonlySet<number>;
  readonly mayFault: boolean;
}

export class EntryHistory {
  #now = 0;
  readonly #versions = new Map<number, Version[]>();

  tick(): number {
    return ++this.#now;
  }

  get now(): number {
    return this.#now;
  }

  /** The value that was there from the start. */
  begin(address: number, entry: number): void {
    this.#versions.set(address, [{ entry, from: 0, until: Number.POSITIVE_INFINITY }]);
  }

  /** The writer begins to store `entry`. */
  beginStore(address: number, entry: number): void {
    this.#versions.get(address)!.push({ entry, from: this.tick(), until: Number.POSITIVE_INFINITY });
  }

  /** The last store to `address` has ended, or its value was seen: those before it are gone. */
  commit(address: number): void {
    const versions = this.#versions.get(address)!;
    const now = this.tick();
    for (const version of versions.slice(0, -1)) version.until = Math.min(version.until, now);
  }

  latest(address: number): number {
    return this.#versions.get(address)!.at(-1)!.entry;
  }

  addresses(): Iterable<number> {
    return this.#versions.keys();
  }

  /** Values that `address` has had since `time`; what was never an entry is invalid. */
  since(address: number, time: number): number[] {
    const versions = this.#versions.get(address) ?? [{ entry: 0, from: 0, until: Number.POSITIVE_INFINITY }];
    return versions.filter(({ until }) => until > time).map(({ entry }) => entry);
  }
}

/** The fences of one hart. */
export class FenceModel {
  readonly #history: EntryHistory;
  #all = 0;
  readonly #asid = new Map<number, number>();
  readonly #address = new Map<number, number>();
  readonly #both = new Map<string, number>();

  constructor(history: EntryHistory) {
    this.#history = history;
  }

  /** A fence began at `time`. */
  fence(time: number, page: number | null, asid: number | null): void {
    if (page === null && asid === null) this.#all = time;
    else if (page === null) this.#asid.set(asid!, time);
    else if (asid === null) this.#address.set(page, time);
    else this.#both.set(`${page}/${asid}`, time);
  }

  /** What an access of page `va` may do under `root` and `asid`, by `permission` (an R, W or X bit). */
  allowed(root: number, asid: number, va: number, permission: number): Allowed {
    const upper = Math.max(this.#all, this.#asid.get(asid) ?? 0);
    const leaf = Math.max(upper, this.#address.get(va) ?? 0, this.#both.get(`${va}/${asid}`) ?? 0);
    const pages = new Set<number>();
    let mayFault = false;
    const descend = (table: number, level: number): void => {
      const address = table + pteIndex(va, level) * 8;
      // The same entry may be a leaf now and have been a table before: each reading has its own window.
      for (const entry of this.#history.since(address, upper)) {
        const isLeaf = (entry & (PTE_R | PTE_X)) !== 0;
        if ((entry & PTE_V) !== 0 && !isLeaf && level > 0) descend(targetOf(entry), level - 1);
      }
      for (const entry of this.#history.since(address, leaf)) {
        const isLeaf = (entry & (PTE_R | PTE_X)) !== 0;
        if ((entry & PTE_V) !== 0 && !isLeaf && level > 0) continue;
        if ((flagsOf(entry) & PERMISSIONS & (PTE_V | permission)) !== (PTE_V | permission)) mayFault = true;
        else pages.add(targetOf(entry) + (va % (PAGE_SIZE * 512 ** level)));
      }
    };
    descend(root, 2);
    return { pages, mayFault };
  }
}
