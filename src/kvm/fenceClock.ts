// What the fences of one hart have left in sync: which (root, ASID) pairs need not be synced when they are loaded.
//
// roots.ts asks before it syncs a root, and tells of each sfence.vma. Fences are numbered; a root is in sync if it was
// synced after the last fence that concerned its ASID. A fence costs the same however many roots a guest has.
//
// Invariant: forgetting is always safe, it makes a root be synced once more; so both tables are bounded.

import type { Gfn } from '../units.ts';

const ASIDS = 65536;
const MAX_ROOTS = 4096;

/** A root lies in memory, so its gfn is below 2^29 (Sv39x4). */
const keyOf = (root: Gfn, asid: number): number => root * ASIDS + asid;

export class FenceClock {
  #fences = 0;
  /** Number of the last fence of all ASIDs; of the last one of each ASID since. */
  #all = 0;
  readonly #ofAsid = new Map<number, number>();
  /** (root, ASID) -> the number of fences when it was synced. */
  readonly #syncedAt = new Map<number, number>();

  /** An sfence.vma was executed; `asid` null: of all address spaces. */
  fence(asid: number | null): void {
    this.#fences++;
    if (asid !== null) {
      this.#ofAsid.set(asid, this.#fences);
      return;
    }
    this.#all = this.#fences;
    this.#ofAsid.clear();
    this.#syncedAt.clear();
  }

  /** What hangs on `root` follows the guest's tables as of now. */
  noteSynced(root: Gfn, asid: number): void {
    if (this.#syncedAt.size >= MAX_ROOTS) this.#syncedAt.clear();
    this.#syncedAt.set(keyOf(root, asid), this.#fences);
  }

  /** The roots are other ones now. */
  forget(): void {
    this.#syncedAt.clear();
  }

  isInSync(root: Gfn, asid: number): boolean {
    const synced = this.#syncedAt.get(keyOf(root, asid));
    return synced !== undefined && synced >= Math.max(this.#all, this.#ofAsid.get(asid) ?? 0);
  }
}
