// What a hart's MMU does of its own accord: it walks and fills a TLB entry before any instruction asks, and evicts one.
//
// The explorer makes a step of each, between any two steps of a kernel. A is set by a walk that nothing came of; D only
// by one for a store that the hart is about to make, which the caller answers for.
//
// Source: RISC-V Privileged ISA, "Virtual Address Translation Process": implicit reads may be speculative, and so may
// the setting of A; D is exact. Invariant: looking changes nothing.

import { loWord } from '../../units.ts';
import { Access, type AccessKind, PeekTables } from '../sv39/index.ts';
import { INFO_READ, INFO_WRITE } from '../tlb/index.ts';
import type { Hart } from './hart.ts';
import { type Mmu, Outcome, ShadowMmu, TdpMmu } from './mmu.ts';

/** Bytes of the access that a walk is for: the widest. */
const BYTES = 8;

export class Speculation {
  private readonly hart: Hart;
  private readonly tables: PeekTables;
  private readonly mmu: Mmu;

  constructor(hart: Hart) {
    this.hart = hart;
    this.tables = new PeekTables(hart.memory);
    this.mmu = hart.mmuKind === 'shadow' ? new ShadowMmu(this.tables) : new TdpMmu(this.tables);
  }

  /** The first level translates `page` for such a data access. */
  isCached(page: number, access: AccessKind): boolean {
    const needed = access === Access.store ? INFO_WRITE : INFO_READ;
    return (this.hart.tlb.first.dataInfo(page) & needed) !== 0;
  }

  /** The tables translate `page` for such an access, be it that A or D must be set; entries() are those that say so. */
  finds(page: number, access: AccessKind): boolean {
    const { tlb } = this.hart;
    this.tables.begin();
    this.mmu.pmp = this.hart.mmu.pmp;
    const regime = access === Access.fetch ? tlb.fetchRegime : tlb.dataRegime;
    return this.mmu.translate(regime, page, access, BYTES) === Outcome.ok && !this.mmu.alone;
  }

  /** Host addresses of the entries that the last finds() read. */
  get entries(): readonly number[] {
    return this.tables.entries;
  }

  /** The walk of the last finds() would set A or D. */
  get sets(): boolean {
    return this.tables.sets;
  }

  /** What the first level says of `page` is what the last finds() of it found. */
  agrees(page: number): boolean {
    const { first } = this.hart.tlb;
    const { pfn, info } = this.mmu;
    return first.dataInfo(page) === info && (first.dataAddend(page) + loWord(page)) >>> 12 === pfn;
  }

  /** Walks for `access`, sets A (and D for a store), and fills both levels. The page was found. */
  fill(page: number, access: AccessKind): void {
    const { mmu, tlb } = this.hart;
    const regime = tlb.dataRegime;
    if (mmu.translate(regime, page, access, BYTES) !== Outcome.ok || mmu.alone) return;
    tlb.insert(regime, page, mmu.pfn, mmu.info);
    tlb.first.fillData(page, mmu.pfn, mmu.info);
  }

  evict(page: number): void {
    this.hart.tlb.flushPage(page);
  }
}
