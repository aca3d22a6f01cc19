// What the fences of one hart cover, and which accesses need another one first.
//
// A hart may have cached every entry of its tables that was ever there; an sfence.vma that covers an address and ASID
// makes it read the entries on the way anew (Privileged ISA, "Supervisor Memory-Management Fence Instruction").
// Programs of sv39Program.ts ask here, so that what is cached never decides what comes of them.

import { G } from './sv39Reference.ts';

/** A page or an ASID that is null stands for all of them. */
export class Sv39Fences {
  #now = 1;
  readonly #changed = new Map<bigint, number>();
  /** Entries that were global once: a fence of one ASID does not cover them. */
  readonly #global = new Set<bigint>();
  readonly #roots = new Map<number, { root: bigint; since: number }>();
  readonly #fenced = new Map<string, number>();

  change(entry: bigint, ...values: readonly bigint[]): void {
    this.#changed.set(entry, ++this.#now);
    if (values.some((value) => (value & G) !== 0n)) this.#global.add(entry);
  }

  useRoot(asid: number, root: bigint): void {
    if (this.#roots.get(asid)?.root !== root) this.#roots.set(asid, { root, since: ++this.#now });
  }

  fence(page: bigint | null, asid: number | null): void {
    this.#fenced.set(`${page} ${asid}`, ++this.#now);
  }

  #at(page: bigint | null, asid: number | null): number {
    return this.#fenced.get(`${page} ${asid}`) ?? 0;
  }

  /** Whether an access to `page` over the entries in `path` might be made with old ones. */
  isDue(path: readonly bigint[], page: bigint, asid: number): boolean {
    const whole = Math.max(this.#at(null, null), this.#at(null, asid));
    if ((this.#roots.get(asid)?.since ?? 0) > whole) return true;
    return path.some((entry, depth) => {
      const own = this.#global.has(entry) ? null : asid;
      // With an address, only leaves of the lowest level are sure to be covered.
      const byPage = depth === 2 ? Math.max(this.#at(page, null), this.#at(page, own)) : 0;
      return (this.#changed.get(entry) ?? 0) > Math.max(this.#at(null, null), this.#at(null, own), byPage);
    });
  }
}
