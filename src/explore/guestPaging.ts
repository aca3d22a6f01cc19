// I10: where a guest's own page tables lead, as it last wrote them, and where they led since a hart's last fence.
//
// A hart may use any translation that the tables gave at some time since its last sfence.vma, and no other. The tables
// are read out of the contents (contents.ts), not out of memory: what counts is what the guest stored. Scenarios name the
// pages whose translations are followed; other addresses of theirs are guest physical ones (identity).
//
// Invariant: the tables are in RAM; begin() makes it what it was at the start of every run.

import { PAGE_SIZE, pageAlignDown } from '../units.ts';

const PTE_V = 1;
const PTE_W = 4;
/** R, W or X: a leaf. */
const PTE_RWX = 0xe;
const LEVELS = 3;

/** A guest page as its tables give it. */
export interface GuestTranslation {
  /** Guest physical address of the page. */
  readonly page: number;
  readonly writable: boolean;
}

export interface GuestPaging {
  /** Guest physical address of the root table. */
  readonly root: number;
  /** Guest virtual addresses of the pages that are followed. */
  readonly pages: readonly number[];
}

export class GuestTables {
  readonly #paging: GuestPaging;
  readonly #harts: number;
  /** The eight bytes of guest memory at a guest physical address. */
  readonly #read64: (address: number) => bigint;
  /** By hart and page: what it may use, the newest last. */
  #usable: Map<number, (GuestTranslation | null)[]>[] = [];

  constructor(paging: GuestPaging, harts: number, read64: (address: number) => bigint) {
    this.#paging = paging;
    this.#harts = harts;
    this.#read64 = read64;
  }

  begin(): void {
    this.#usable = Array.from({ length: this.#harts }, () => {
      return new Map(this.#paging.pages.map((page) => [page, [this.#walk(page)]]));
    });
  }

  /** Guest memory was stored to. */
  changed(): void {
    if (this.#usable.length === 0) return;
    for (const page of this.#paging.pages) {
      const now = this.#walk(page);
      for (const usable of this.#usable) {
        const known = usable.get(page)!;
        if (!isSame(known.at(-1)!, now)) known.push(now);
      }
    }
  }

  /** sfence.vma on `hart`: of everything, or of one page. */
  fence(hart: number, address: number | null): void {
    const usable = this.#usable[hart];
    for (const page of this.#paging.pages) {
      if (address === null || page === pageAlignDown(address)) usable?.set(page, [this.#walk(page)]);
    }
  }

  /** Guest physical addresses that an access of `hart` may reach. */
  reachable(hart: number, address: number, isStore: boolean): number[] {
    const page = pageAlignDown(address);
    if (!this.#paging.pages.includes(page)) return [address];
    const known = this.#usable[hart]?.get(page) ?? [this.#walk(page)];
    return known
      .filter((found): found is GuestTranslation => found !== null && (found.writable || !isStore))
      .map((found) => found.page + (address - page))
      .reverse();
  }

  #walk(address: number): GuestTranslation | null {
    let table = this.#paging.root;
    for (let level = LEVELS - 1; level >= 0; level--) {
      const index = Math.floor(address / PAGE_SIZE / 512 ** level) % 512;
      const entry = Number(BigInt.asUintN(54, this.#read64(table + index * 8)));
      if ((entry & PTE_V) === 0) return null;
      const next = Math.floor(entry / 1024) * PAGE_SIZE;
      if ((entry & PTE_RWX) !== 0) {
        const within = pageAlignDown(address) % (512 ** level * PAGE_SIZE);
        return { page: next + within, writable: (entry & PTE_W) !== 0 };
      }
      table = next;
    }
    return null;
  }
}

const isSame = (a: GuestTranslation | null, b: GuestTranslation | null): boolean =>
  a?.page === b?.page && a?.writable === b?.writable;
