// The TLB checker: walks again on every TLB hit, without setting A or D, and reports each translation that the tables no
// longer support. It finds the flush that someone forgot, at the access that a guest made through the stale entry.
//
// Called by access.ts, when the hart was built with it; the interpreter then takes the slow path for every access.
//
// A guest may use stale translations of its own tables until it fences. Under tdp only the second stage is held against
// an entry, for the guest physical page that the entry was made from, which is remembered here for each.
//
// Invariant: checking changes no table, no TLB and no result.

import type { Pfn } from '../../units.ts';
import {
  Access,
  type AccessKind,
  Entry,
  type EntryAnswer,
  PTE_D,
  type TableMemory,
  Walk,
  WalkStatus,
  walkTables,
} from '../sv39/index.ts';
import { type EntryKind, type Regime, translationPfn } from '../tlb/index.ts';
import type { Hart } from './hart.ts';
import { type Mmu, secondStageMode } from './mmu.ts';

/** A hit on a translation that a walk would not give. */
export interface StaleHit {
  readonly hart: number;
  readonly kind: EntryKind;
  readonly access: AccessKind;
  readonly regime: Regime;
  /** Address of the page, in the regime's address space. */
  readonly page: number;
  /** The frame that the entry maps. */
  readonly pfn: Pfn;
  /** The frame that a walk gives now, or null. */
  readonly walked: Pfn | null;
}

/** The tables as they are: A may be clear, D may not. */
class UntouchedTables implements TableMemory {
  private readonly tables: TableMemory;

  constructor(tables: TableMemory) {
    this.tables = tables;
  }

  readEntry(address: number, walk: Walk): EntryAnswer {
    return this.tables.readEntry(address, walk);
  }

  compareAndSet(_address: number, oldLo: number, _oldHi: number, newLo: number): EntryAnswer {
    return ((oldLo ^ newLo) & PTE_D) === 0 ? Entry.ok : Entry.accessFault;
  }
}

export class TlbChecker {
  private readonly tables: UntouchedTables;
  private readonly mmu: Mmu;
  private readonly report: (hit: StaleHit) => void;
  private readonly walk = new Walk();
  /** Guest physical page by table and page: second-level entries by regime, first-level ones by table address. */
  private readonly second = new WeakMap<Regime, Map<number, number>>();
  private readonly first = new Map<number, Map<number, number>>();

  constructor(tables: TableMemory, mmu: Mmu, report: (hit: StaleHit) => void) {
    this.tables = new UntouchedTables(tables);
    this.mmu = mmu;
    this.report = report;
  }

  /** A walk for `page` was just inserted into the second level. */
  walked(regime: Regime, page: number): void {
    const pages = this.second.get(regime) ?? new Map<number, number>();
    this.second.set(regime, pages.set(page, this.mmu.guestPage));
  }

  /** The first-level table at `table` was just filled for `page` from the second level or a walk that went into it. */
  filled(table: number, regime: Regime, page: number): void {
    this.refilled(table, page, this.second.get(regime)?.get(page) ?? 0);
  }

  /** The same, from a plain walk, by way of a guest physical page. */
  refilled(table: number, page: number, guestPage: number): void {
    const pages = this.first.get(table) ?? new Map<number, number>();
    this.first.set(table, pages.set(page, guestPage));
  }

  dataHit(hart: Hart, page: number, access: AccessKind): void {
    const pfn = ((page | 0) + hart.tlb.first.dataAddend(page)) >>> 12;
    const guestPage = this.first.get(hart.tlb.first.dtlbBase)?.get(page) ?? 0;
    this.check(hart, hart.tlb.dataRegime, 'data', page, guestPage, access, pfn as Pfn);
  }

  fetchHit(hart: Hart, page: number): void {
    const pfn = ((page | 0) + hart.tlb.first.fetchAddend(page)) >>> 12;
    const guestPage = this.first.get(hart.tlb.first.itlbBase)?.get(page) ?? 0;
    this.check(hart, hart.tlb.fetchRegime, 'fetch', page, guestPage, Access.fetch, pfn as Pfn);
  }

  secondHit(hart: Hart, regime: Regime, page: number, access: AccessKind, cached: number): void {
    const guestPage = this.second.get(regime)?.get(page) ?? 0;
    this.check(hart, regime, 'second', page, guestPage, access, translationPfn(cached));
  }

  private check(
    hart: Hart,
    regime: Regime,
    kind: EntryKind,
    page: number,
    guestPage: number,
    access: AccessKind,
    pfn: Pfn,
  ): void {
    const walked = this.walkAgain(regime, page, guestPage, access);
    if (walked !== pfn) this.report({ hart: hart.id, kind, access, regime, page, pfn, walked });
  }

  private walkAgain(regime: Regime, page: number, guestPage: number, access: AccessKind): Pfn | null {
    const nested = regime.paged && regime.secondStage !== 0;
    const mode = nested ? secondStageMode(regime.secondStage) : regime;
    const status = walkTables(mode, this.tables, nested ? guestPage : page, access, this.walk);
    return status === WalkStatus.ok ? (Math.floor(this.walk.pa / 4096) as Pfn) : null;
  }
}
