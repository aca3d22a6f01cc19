// The gaps between the VMAs of an address space, found by size: where mmap() may put something new (mm/vma.c:
// unmapped_area_topdown; Linux's maple tree knows the largest gap below each of its nodes).
//
// A tree by address in which each gap knows the largest one below it; priorities that are random, but of a fixed sequence,
// keep it balanced (a treap), so that everything takes the logarithm of the number of VMAs.
//
// Invariants: gaps are not empty, do not touch, and are what no VMA of the list covers of [0, TASK_SIZE).
// Lock: as the list's (vma.ts), which alone uses it.

import { bug, type Hva } from '../../units.ts';

/** Where the addresses of a process end. */
export const TASK_SIZE = (2 ** 38) as Hva;

interface Gap {
  readonly start: number;
  readonly end: number;
  readonly priority: number;
  left: Gap | null;
  right: Gap | null;
  /** Bytes of the largest gap here or below. */
  largest: number;
}

export class VmaGaps {
  #root: Gap | null = null;
  #random = 1;

  constructor() {
    this.#insert(0, TASK_SIZE);
  }

  /** A VMA covers [start, end) from now on, where there was a gap. */
  take(start: number, end: number): void {
    const gap = this.#lastFrom(start) ?? bug('a VMA where there is no room', { start, end });
    if (gap.end < end) bug('a VMA where there is no room', { start, end });
    this.#remove(gap);
    if (gap.start < start) this.#insert(gap.start, start);
    if (end < gap.end) this.#insert(end, gap.end);
  }

  /** No VMA covers [start, end) any more. */
  give(start: number, end: number): void {
    const before = this.#lastFrom(start);
    const after = this.#lastFrom(end);
    const joinsBefore = before !== null && before.end === start;
    const joinsAfter = after !== null && after.start === end;
    if (joinsBefore) this.#remove(before);
    if (joinsAfter) this.#remove(after);
    this.#insert(joinsBefore ? before.start : start, joinsAfter ? after.end : end);
  }

  /** The highest address at which `bytes` bytes below `ceiling` are free, or null. */
  highest(bytes: number, ceiling: number): number | null {
    return highestIn(this.#root, bytes, ceiling);
  }

  /** The last gap that starts at `address` or below. */
  #lastFrom(address: number): Gap | null {
    let found: Gap | null = null;
    for (let gap = this.#root; gap !== null; ) {
      if (gap.start <= address) found = gap;
      gap = gap.start <= address ? gap.right : gap.left;
    }
    return found;
  }

  #insert(start: number, end: number): void {
    // xorshift32.
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    const gap = { start, end, priority: this.#random, left: null, right: null, largest: end - start };
    const [below, above] = split(this.#root, start);
    this.#root = merge(merge(below, gap), above);
  }

  #remove({ start }: Gap): void {
    const [below, rest] = split(this.#root, start);
    const [, above] = split(rest, start + 1);
    this.#root = merge(below, above);
  }
}

function highestIn(gap: Gap | null, bytes: number, ceiling: number): number | null {
  if (gap === null || gap.largest < bytes) return null;
  if (gap.start >= ceiling) return highestIn(gap.left, bytes, ceiling);
  const above = highestIn(gap.right, bytes, ceiling);
  if (above !== null) return above;
  const end = Math.min(gap.end, ceiling);
  return end - gap.start >= bytes ? end - bytes : highestIn(gap.left, bytes, ceiling);
}

/** Those that start below `address`, and the others. */
function split(gap: Gap | null, address: number): [Gap | null, Gap | null] {
  if (gap === null) return [null, null];
  if (gap.start < address) {
    const [below, above] = split(gap.right, address);
    gap.right = below;
    return [measure(gap), above];
  }
  const [below, above] = split(gap.left, address);
  gap.left = above;
  return [below, measure(gap)];
}

/** All of `below` is below all of `above`. */
function merge(below: Gap | null, above: Gap | null): Gap | null {
  if (below === null || above === null) return below ?? above;
  if (below.priority > above.priority) {
    below.right = merge(below.right, above);
    return measure(below);
  }
  above.left = merge(below, above.left);
  return measure(above);
}

function measure(gap: Gap): Gap {
  gap.largest = Math.max(gap.end - gap.start, gap.left?.largest ?? 0, gap.right?.largest ?? 0);
  return gap;
}
