// A bank: one table of one context of the first-level TLB, all its data entries or all its fetch entries, with its half
// of the context's header (layout.ts).
//
// firstLevel.ts fills, flushes and reads the entries; a bank knows where they stand, which of them may be valid, and what
// a walk that fills them goes by.
//
// Invariant: what the header says of the regime is that of the bank's regime.

import { hiWord, loWord } from '../../units.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import {
  chunkShift,
  HEADER_CHUNKS,
  HEADER_FRAGMENTS,
  HEADER_PERMITS,
  HEADER_ROOT,
  HEADER_SECOND_PERMITS,
  HEADER_SECOND_STAGE,
  HEADER_SPACE,
  HEADER_STAGES,
  LEAF_KINDS,
} from './layout.ts';
import { SECOND_STAGE_PERMITS } from './permits.ts';
import type { Regime } from './regime.ts';

export class Bank {
  /** Byte address in the device area. */
  readonly base: number;
  readonly entries: number;
  readonly entryWords: number;
  regime: Regime | null = null;
  private readonly i32: Int32Array;
  /** Index into i32 of its half of the context's header. */
  private readonly header: number;
  private readonly shift: number;
  private readonly permits: Uint8Array;
  private readonly secondPermits: Uint8Array;

  constructor(
    { i32, u8 }: PhysicalMemory,
    header: number,
    base: number,
    entries: number,
    entryBytes: number,
  ) {
    this.i32 = i32;
    this.header = header >>> 2;
    this.permits = u8.subarray(header + HEADER_PERMITS, header + HEADER_PERMITS + LEAF_KINDS);
    this.secondPermits = u8.subarray(
      header + HEADER_SECOND_PERMITS,
      header + HEADER_SECOND_PERMITS + LEAF_KINDS,
    );
    this.base = base;
    this.entries = entries;
    this.entryWords = entryBytes / 4;
    this.shift = chunkShift(entries);
    const from = base >>> 2;
    i32.fill(-1, from, from + entries * this.entryWords);
  }

  /** Some entry is a fragment of a superpage. */
  get fragments(): boolean {
    return this.i32[this.header + (HEADER_FRAGMENTS >>> 2)] !== 0;
  }

  set fragments(some: boolean) {
    this.i32[this.header + (HEADER_FRAGMENTS >>> 2)] = Number(some);
  }

  /** The entry at index `at` of i32 is about to be filled. */
  fill(at: number): void {
    this.i32[this.header + (HEADER_CHUNKS >>> 2)]! |= 1 << this.chunkOf(at);
  }

  /** Where entries may be valid: [start, end) in i32. */
  *filled(): Iterable<readonly [start: number, end: number]> {
    const chunks = this.i32[this.header + (HEADER_CHUNKS >>> 2)]!;
    const words = this.entryWords << this.shift;
    for (let chunk = 0, at = this.base >>> 2; chunk < 32; chunk++, at += words) {
      if (((chunks >>> chunk) & 1) !== 0) yield [at, at + words];
    }
  }

  clear(): void {
    if (this.i32[this.header + (HEADER_CHUNKS >>> 2)] === 0) return;
    for (const [start, end] of this.filled()) this.i32.fill(-1, start, end);
    this.i32[this.header + (HEADER_CHUNKS >>> 2)] = 0;
    this.fragments = false;
  }

  private chunkOf(at: number): number {
    return ((at - (this.base >>> 2)) / this.entryWords) >>> this.shift;
  }

  /** The entries are gone, and those to come are of another regime, or of none. */
  use(regime: Regime | null): void {
    const { i32, header } = this;
    this.regime = regime;
    i32.fill(0, header, header + (HEADER_FRAGMENTS >>> 2));
    this.permits.fill(0);
    this.secondPermits.fill(0);
    i32[header + (HEADER_SPACE >>> 2)] = regime?.paged ? regime.asid + 1 : 0;
    if (regime === null || !isRefillable(regime)) return;
    i32[header + (HEADER_STAGES >>> 2)] = regime.stages;
    i32[header + (HEADER_SECOND_STAGE >>> 2)] = regime.secondStage;
    i32[header + (HEADER_ROOT >>> 2)] = loWord(regime.root);
    i32[header + (HEADER_ROOT >>> 2) + 1] = hiWord(regime.root);
    this.permits.set(regime.permits);
    if (regime.secondStage !== 0) this.secondPermits.set(SECOND_STAGE_PERMITS);
  }

  /** Index into i32 of the entry for `page`. */
  at(page: number): number {
    return (this.base >>> 2) + ((loWord(page) >>> 12) & (this.entries - 1)) * this.entryWords;
  }
}

/** Whether plain walks may fill entries: with the tables there, and nobody else to ask. */
const isRefillable = ({ open, root, secondStage }: Regime): boolean => open && root >= 0 && secondStage >= 0;
