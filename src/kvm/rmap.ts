// The gfn rmap: gfn -> every leaf spte that maps it (kvm_rmap_head), and how it is changed.
//
// A notifier callback, write protection and ageing reach sptes only through it, so their cost grows with the mappings,
// not with the memory: heads live in chunks of 512 gfns that exist only where something was mapped.
//
// A head is 0, the spte's address, or, with bit 0 set, an index into the list of sets.
// Invariant: every present leaf spte is in exactly one head, that of its gfn; no non-leaf spte is in any.
// Lock: mmu_lock.

import { bug, type Gfn, type Hpa } from '../units.ts';

const CHUNK_GFNS = 512;

interface Chunk {
  readonly heads: Uint32Array;
  /** Heads that are not 0. */
  used: number;
}

export class GfnRmap {
  readonly #baseGfn: Gfn;
  readonly #chunks = new Map<number, Chunk>();
  readonly #lists: (Set<Hpa> | null)[] = [];
  readonly #freeLists: number[] = [];

  constructor(baseGfn: Gfn) {
    this.#baseGfn = baseGfn;
  }

  get isEmpty(): boolean {
    return this.#chunks.size === 0;
  }

  /** rmap_add(): returns the number of sptes that now map `gfn`. */
  add(gfn: Gfn, sptep: Hpa): number {
    const chunk = this.#chunkOf(gfn);
    const index = (gfn - this.#baseGfn) % CHUNK_GFNS;
    const head = chunk.heads[index]!;
    if (head === 0) {
      chunk.heads[index] = sptep;
      chunk.used++;
      return 1;
    }
    const list = (head & 1) !== 0 ? this.#list(head) : this.#promote(chunk, index, head as Hpa);
    list.add(sptep);
    return list.size;
  }

  /** rmap_remove(). */
  remove(gfn: Gfn, sptep: Hpa): void {
    const number = Math.floor((gfn - this.#baseGfn) / CHUNK_GFNS);
    const chunk = this.#chunks.get(number) ?? bug('rmap: no entry to remove', { gfn, sptep });
    const index = (gfn - this.#baseGfn) % CHUNK_GFNS;
    const head = chunk.heads[index]!;
    if (head === sptep) this.#clear(chunk, number, index);
    else if ((head & 1) !== 0 && this.#list(head).delete(sptep)) this.#shrink(chunk, number, index, head);
    else bug('rmap: the spte is not in the rmap of its gfn', { gfn, sptep });
  }

  /** The sptes that map `gfn`, as a copy that stays valid while the rmap changes. */
  sptesOf(gfn: Gfn): readonly Hpa[] {
    const chunk = this.#chunks.get(Math.floor((gfn - this.#baseGfn) / CHUNK_GFNS));
    const head = chunk?.heads[(gfn - this.#baseGfn) % CHUNK_GFNS] ?? 0;
    if (head === 0) return [];
    return (head & 1) !== 0 ? [...this.#list(head)] : [head as Hpa];
  }

  /** The gfns of [startGfn, endGfn) that are mapped at all, as a copy; costs what is mapped. */
  mappedGfns(startGfn: Gfn, endGfn: Gfn): readonly Gfn[] {
    const found: Gfn[] = [];
    const first = Math.floor((startGfn - this.#baseGfn) / CHUNK_GFNS);
    const last = Math.floor((endGfn - 1 - this.#baseGfn) / CHUNK_GFNS);
    if (last - first + 1 <= this.#chunks.size) {
      for (let number = first; number <= last; number++) this.#collect(number, startGfn, endGfn, found);
    } else {
      for (const number of [...this.#chunks.keys()].sort((a, b) => a - b)) {
        if (number >= first && number <= last) this.#collect(number, startGfn, endGfn, found);
      }
    }
    return found;
  }

  #collect(number: number, startGfn: Gfn, endGfn: Gfn, found: Gfn[]): void {
    const chunk = this.#chunks.get(number);
    if (chunk === undefined) return;
    const chunkGfn = this.#baseGfn + number * CHUNK_GFNS;
    const from = Math.max(startGfn - chunkGfn, 0);
    const to = Math.min(endGfn - chunkGfn, CHUNK_GFNS);
    for (let index = from; index < to; index++) {
      if (chunk.heads[index] !== 0) found.push((chunkGfn + index) as Gfn);
    }
  }

  #chunkOf(gfn: Gfn): Chunk {
    const number = Math.floor((gfn - this.#baseGfn) / CHUNK_GFNS);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = { heads: new Uint32Array(CHUNK_GFNS), used: 0 };
      this.#chunks.set(number, chunk);
    }
    return chunk;
  }

  #list(head: number): Set<Hpa> {
    return this.#lists[head >>> 1] ?? bug('rmap: dangling list', { head });
  }

  #promote(chunk: Chunk, index: number, only: Hpa): Set<Hpa> {
    const list = new Set<Hpa>([only]);
    const free = this.#freeLists.pop() ?? this.#lists.length;
    this.#lists[free] = list;
    chunk.heads[index] = ((free << 1) | 1) >>> 0;
    return list;
  }

  #shrink(chunk: Chunk, number: number, index: number, head: number): void {
    if (this.#list(head).size > 0) return;
    this.#lists[head >>> 1] = null;
    this.#freeLists.push(head >>> 1);
    this.#clear(chunk, number, index);
  }

  #clear(chunk: Chunk, number: number, index: number): void {
    chunk.heads[index] = 0;
    if (--chunk.used === 0) this.#chunks.delete(number);
  }
}
