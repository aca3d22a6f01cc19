// The TLB of one hart: both levels and the regimes that key them.
//
// hw/hart probes and fills it on a first-level miss; kvm flushes it, on the hart's own vCPU only; the oracle visits its
// entries. It caches and never walks: what it holds may be staler than the tables until someone flushes it, as in
// silicon.
//
// Invariant: an entry of either level came from a walk in its own regime since the last flush that covers it.

import type { Pfn } from '../../units.ts';
import type { TlbDomain } from './domain.ts';
import { type EntryVisitor, FirstLevel } from './firstLevel.ts';
import { INFO_LEVEL, type TlbGeometry } from './layout.ts';
import { type Regime, type RegimeKey, RegimeTable } from './regime.ts';
import { SecondLevel } from './secondLevel.ts';

const INFO_BITS = 5;

/** A second-level translation: frame and info bits in one small integer. */
export const translation = (pfn: Pfn, info: number): number => (pfn << INFO_BITS) | info;
export const translationPfn = (t: number): Pfn => (t >>> INFO_BITS) as Pfn;
export const translationInfo = (t: number): number => t & ((1 << INFO_BITS) - 1);

export class Tlb {
  readonly first: FirstLevel;
  private readonly second: SecondLevel;
  private readonly table: RegimeTable;

  constructor(domain: TlbDomain, geometry: TlbGeometry) {
    this.first = new FirstLevel(domain, geometry);
    this.second = new SecondLevel(geometry.l2Entries);
    this.table = new RegimeTable(() => this.second.clear(), this.first);
  }

  /** Makes these the regimes of the hart's fetches and data accesses; nothing is flushed. */
  select(fetch: RegimeKey, data: RegimeKey): void {
    this.first.select(this.table.intern(fetch), this.table.intern(data));
  }

  /** The regime of fetches; select() came first. */
  get fetchRegime(): Regime {
    return this.first.fetchRegime!;
  }

  get dataRegime(): Regime {
    return this.first.dataRegime!;
  }

  /** The second level's translation of `page`, or -1. */
  probe(regime: Regime, page: number): number {
    return this.second.get(regime, page);
  }

  /** Remembers what a walk of `page` found, and answers it as probe() will. */
  insert(regime: Regime, page: number, pfn: Pfn, info: number): number {
    const found = translation(pfn, info);
    if ((info & INFO_LEVEL) !== 0) regime.fragments = true;
    regime.isUnused = false;
    this.second.set(regime, page, found);
    return found;
  }

  flushAll(): void {
    this.first.flushAll();
    for (const regime of this.table.regimes) if (!regime.isUnused) this.table.renew(regime);
  }

  /** Flushes `page` in every regime. */
  flushPage(page: number): void {
    this.flush(() => true, page);
  }

  /** Flushes every regime whose stage-one or second-stage root is `root`. */
  flushRoot(root: number): void {
    this.flush((regime) => regime.root === root || regime.secondStage === root, null);
  }

  /**
   * What sfence.vma demands: translations of `page` (null: of all addresses) in address space `asid` (null: in all);
   * flushes more only where fragments of superpages force it.
   */
  flushPaged(page: number | null, asid: number | null): void {
    this.flush((regime) => regime.paged && (asid === null || regime.asid === asid), page);
  }

  /** Forgets everything, as after power-on; select() must follow. */
  reset(): void {
    this.first.reset();
    this.second.clear();
    this.table.clear();
  }

  /** Visits every valid entry of both levels. */
  forEach(visit: EntryVisitor): void {
    this.first.forEach(visit);
    const byId = new Map(this.table.regimes.map((regime) => [regime.id, regime]));
    this.second.forEach((id, page, t) => {
      const regime = byId.get(id);
      if (regime !== undefined) visit(regime, page, translationPfn(t), translationInfo(t), 'second');
    });
  }

  private flush(affected: (regime: Regime) => boolean, page: number | null): void {
    this.first.flush(affected, page);
    this.flushSecond(affected, page);
  }

  /** As a flush, of the second level alone: translated code has flushed the first. */
  flushSecond(affected: (regime: Regime) => boolean, page: number | null): void {
    for (const regime of this.table.regimes) {
      if (regime.isUnused || !affected(regime)) continue;
      if (page === null || regime.fragments) this.table.renew(regime);
      else this.second.delete(regime, page);
    }
  }
}
