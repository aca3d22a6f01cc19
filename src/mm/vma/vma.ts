// VMAs: the ranges of an address space, sorted by address, and what is free between them (struct vm_area_struct; a
// maple tree in Linux).
//
// mmap.ts inserts, splits, merges and removes them; faults, GUP, madvise and reclaim find them.
//
// Invariants: VMAs do not overlap and are never empty; page `address` of a VMA has the linear index
// pgoff + (address - start) / 4096, which does not change when the VMA is split or merged: the page of the file, and of
// anonymous memory the page number at which it was first mapped.
// Locks: the list and the fields of a VMA change under mmap_lock for write and the VMA's lock for write; finding one
// without mmap_lock is legal (RCU in Linux) when the VMA's lock is then taken and `isDetached` and bounds are re-checked.

import { LOCKS, points, RwLock, type Scheduler } from '../../sched/index.ts';
import { bug, type Hva, PAGE_SIZE } from '../../units.ts';
import type { File } from '../filemap/file.ts';
import type { AnonVma } from '../rmap/anonVma.ts';
import type { Userfaultfd } from '../userfaultfd/userfaultfd.ts';
import type { Mm } from './mmStruct.ts';
import { VmaGaps } from './vmaGaps.ts';
import { VM_ACCESS_FLAGS, VM_READ, VM_SOFTDIRTY, VM_WRITE } from './vmFlags.ts';

export class Vma {
  readonly mm: Mm;
  readonly lock: RwLock;
  /** Null: anonymous. The VMA has a reference. */
  readonly file: File | null;
  start: Hva;
  end: Hva;
  flags: number;
  pgoff: number;
  /** Its own: what new folios name. */
  anonVma: AnonVma | null = null;
  /** Every anon_vma whose folios it may map (anon_vma_chain). */
  readonly anonVmaChain: AnonVma[] = [];
  isDetached = false;
  /** vm_userfaultfd_ctx: who hears of faults; under mmap_lock for write. */
  userfaultfd: Userfaultfd | null = null;

  constructor(
    sched: Scheduler,
    mm: Mm,
    start: Hva,
    end: Hva,
    flags: number,
    pgoff: number,
    file: File | null = null,
  ) {
    this.mm = mm;
    this.lock = new RwLock(sched, LOCKS.vma_lock);
    this.file = file;
    this.start = start;
    this.end = end;
    this.flags = flags;
    this.pgoff = pgoff;
  }

  /** vma_pages(). */
  get pages(): number {
    return (this.end - this.start) / PAGE_SIZE;
  }

  /** vma_last_pgoff(). */
  get lastPgoff(): number {
    return this.pgoff + this.pages - 1;
  }

  contains(address: Hva): boolean {
    return address >= this.start && address < this.end;
  }

  /** linear_page_index(). */
  indexOf(address: Hva): number {
    return this.pgoff + Math.floor((address - this.start) / PAGE_SIZE);
  }

  /** vma_address(): where this VMA maps page `index`, or the first of `pages` pages that it maps any of; or null. */
  addressOf(index: number, pages = 1): Hva | null {
    const address = (this.start + (index - this.pgoff) * PAGE_SIZE) as Hva;
    if (address < this.start) return address + pages * PAGE_SIZE > this.start ? this.start : null;
    return address < this.end ? address : null;
  }
}

/** New bounds for a VMA. */
export interface Reshaped {
  readonly vma: Vma;
  readonly start: Hva;
  readonly end: Hva;
  readonly pgoff: number;
}

export class VmaList {
  /** The id that at.list() announces. */
  readonly id: number;
  #sorted: Vma[] = [];
  readonly #gaps = new VmaGaps();

  constructor(id: number) {
    this.id = id;
  }

  /** Ascending. Preceded by at.list(id). */
  get all(): readonly Vma[] {
    if (points.on) points.check('list', this.id, 'read');
    return this.#sorted;
  }

  /** vma_lookup() and find_vma() in one: the first VMA that ends above `address`. Preceded by at.list(id). */
  findFrom(address: number): Vma | null {
    if (points.on) points.check('list', this.id, 'read');
    return this.#sorted[this.#firstEndingAbove(address)] ?? null;
  }

  /** vma_lookup(): the VMA that contains `address`. Preceded by at.list(id). */
  find(address: Hva): Vma | null {
    const vma = this.findFrom(address);
    return vma?.contains(address) ? vma : null;
  }

  /**
   * mas_walk() under rcu_read_lock(): as find(), without mmap_lock, so that the VMA may be gone. Preceded by
   * at.list(id).
   */
  findUnderRcu(address: Hva): Vma | null {
    if (points.on) points.check('list', this.id, 'marked');
    const vma = this.#sorted[this.#firstEndingAbove(address)];
    return vma?.contains(address) ? vma : null;
  }

  /** The VMAs that overlap [start, end), ascending; a copy. Preceded by at.list(id). */
  overlapping(start: Hva, end: Hva): Vma[] {
    if (points.on) points.check('list', this.id, 'read');
    const from = this.#firstEndingAbove(start);
    let to = from;
    while (to < this.#sorted.length && this.#sorted[to]!.start < end) to++;
    return this.#sorted.slice(from, to);
  }

  insert(vma: Vma): void {
    if (points.on) points.check('list', this.id, 'update');
    const at = this.#firstEndingAbove(vma.start);
    if (this.#sorted[at] !== undefined && this.#sorted[at].start < vma.end) bug('VMAs overlap');
    this.#sorted.splice(at, 0, vma);
    this.#gaps.take(vma.start, vma.end);
  }

  remove(vma: Vma): void {
    if (points.on) points.check('list', this.id, 'update');
    this.#sorted.splice(this.#indexOf(vma), 1);
    this.#gaps.give(vma.start, vma.end);
    vma.isDetached = true;
  }

  /** VMAs that stay in their order get new bounds, all at once. */
  reshape(reshaped: readonly Reshaped[]): void {
    if (points.on) points.check('list', this.id, 'update');
    for (const { vma } of reshaped) this.#gaps.give(vma.start, vma.end);
    for (const { vma, start, end, pgoff } of reshaped) {
      vma.start = start;
      vma.end = end;
      vma.pgoff = pgoff;
      this.#gaps.take(start, end);
    }
  }

  /**
   * vm_unmapped_area() top down: the highest address below `ceiling` with `bytes` bytes free, or null. Preceded by
   * at.list(id).
   */
  unmappedArea(bytes: number, ceiling: number): number | null {
    if (points.on) points.check('list', this.id, 'read');
    return this.#gaps.highest(bytes, ceiling);
  }

  /** vma_prev(): the last VMA that starts below `address`. Preceded by at.list(id). */
  previous(address: number): Vma | null {
    if (points.on) points.check('list', this.id, 'read');
    const at = this.#firstEndingAbove(address);
    const here = this.#sorted[at];
    return (here !== undefined && here.start < address ? here : this.#sorted[at - 1]) ?? null;
  }

  /** End of the VMA before `vma` and start of the one after it: the floor and ceiling of free_pgtables(). */
  gapAround(start: Hva, end: Hva): { readonly floor: number; readonly ceiling: number } {
    if (points.on) points.check('list', this.id, 'read');
    const at = this.#firstEndingAbove(start);
    let next = at;
    while (next < this.#sorted.length && this.#sorted[next]!.start < end) next++;
    return {
      floor: this.#sorted[at - 1]?.end ?? Number.NEGATIVE_INFINITY,
      ceiling: this.#sorted[next]?.start ?? Number.POSITIVE_INFINITY,
    };
  }

  /** find_mergeable_anon_vma(): of a neighbour that differs in nothing but what mprotect() changes. */
  reusableAnonVma(vma: Vma): AnonVma | null {
    if (points.on) points.check('list', this.id, 'read');
    const at = this.#indexOf(vma);
    const before = this.#sorted[at - 1];
    const after = this.#sorted[at + 1];
    if (after !== undefined && isReusable(after) && isCompatible(vma, after)) return after.anonVma;
    if (before !== undefined && isReusable(before) && isCompatible(before, vma)) return before.anonVma;
    return null;
  }

  #indexOf(vma: Vma): number {
    const at = this.#firstEndingAbove(vma.start);
    if (this.#sorted[at] !== vma) bug('VMA is not in its mm');
    return at;
  }

  #firstEndingAbove(address: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]!.end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Not one of a family that fork has made: its lock is busy enough. */
const isReusable = ({ anonVma, anonVmaChain }: Vma): boolean => anonVma !== null && anonVmaChain.length === 1;

/** anon_vma_compatible(). */
const isCompatible = (left: Vma, right: Vma): boolean =>
  left.end === right.start &&
  left.file === right.file &&
  ((left.flags ^ right.flags) & ~(VM_ACCESS_FLAGS | VM_SOFTDIRTY)) === 0 &&
  left.indexOf(right.start) === right.pgoff;

/** access_error() of arch/riscv/mm/fault.c, and of x86: what is writable is readable. */
export const isAccessError = (vma: Vma, write: boolean): boolean =>
  (vma.flags & (write ? VM_WRITE : VM_READ | VM_WRITE)) === 0;
