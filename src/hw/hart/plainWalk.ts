// The plain walk: a walk that finds A set (and D for a store) and so changes no entry, where nobody but the tables has to
// be asked. It comes before the second level: it is what translated code can do by itself.
//
// Called by access.ts. translate/refill.ts emits the same walk in WebAssembly, and the tests hold the two equal; which of
// them filled an entry makes no difference.
//
// Source: RISC-V Privileged ISA, "Virtual Address Translation Process", "Two-Stage Address Translation". Invariant: a
// walk that finds nothing has no effect; whoever comes next decides why.

import type { Pfn } from '../../units.ts';
import {
  Access,
  type AccessKind,
  Entry,
  type EntryAnswer,
  isPresent,
  type TableMemory,
  type TranslationMode,
  Walk,
  WalkStatus,
  walkTables,
} from '../sv39/index.ts';
import type { Regime } from '../tlb/index.ts';
import { infoOf, Missing, NO_ROOT, PERMISSIONS, secondStageMode } from './mmu.ts';

export class PlainWalk implements TableMemory {
  /** Of the last find() that was true, as of Mmu.translate(). */
  pfn = 0 as Pfn;
  info = 0;
  guestPage = 0;
  /**
   * Where the last find() was false: kvm's tables say nothing at all of the page, so that Mmu.translate() would come to
   * the same. What is missing.
   */
  isMissing = false;
  readonly missing = new Missing();
  private readonly tables: TableMemory;
  private readonly first = new Walk();
  private readonly second = new Walk();
  private secondStage = untouchedSecondStage(NO_ROOT);

  constructor(tables: TableMemory) {
    this.tables = tables;
  }

  /** Whether the tables translate the page-sized neighbourhood of `address`, and permit the access. */
  find(regime: Regime, address: number, access: AccessKind): boolean {
    this.isMissing = false;
    if (!regime.open || regime.root === NO_ROOT || regime.secondStage === NO_ROOT) return false;
    if (!regime.paged || regime.secondStage === 0) {
      const gpa = regime.paged ? 0 : address;
      return this.findIn(regime.untouched, address, access) || this.notFound(regime.paged, gpa, access);
    }
    if (this.secondStage.root !== regime.secondStage) {
      this.secondStage = untouchedSecondStage(regime.secondStage);
    }
    if (walkTables(regime.untouched, this, address, access, this.first) !== WalkStatus.ok) return false;
    const { pa, level } = this.first;
    if (!this.findIn(this.secondStage, pa, access)) return this.notFound(false, pa, access);
    this.guestPage = pa - (pa % 4096);
    this.info = level | (infoOf(this.first) & this.info & PERMISSIONS);
    return true;
  }

  /** Reads an entry of a guest's table. */
  readEntry(address: number, walk: Walk): EntryAnswer {
    const { second } = this;
    const reached = walkTables(this.secondStage, this.tables, address, Access.load, second) === WalkStatus.ok;
    return reached ? this.tables.readEntry(second.pa, walk) : Entry.missing;
  }

  compareAndSet(): EntryAnswer {
    return Entry.missing;
  }

  private findIn(mode: TranslationMode, address: number, access: AccessKind): boolean {
    if (walkTables(mode, this.tables, address, access, this.second) !== WalkStatus.ok) return false;
    this.pfn = Math.floor(this.second.pa / 4096) as Pfn;
    this.info = infoOf(this.second);
    this.guestPage = 0;
    return true;
  }

  private notFound(paged: boolean, gpa: number, access: AccessKind): false {
    this.isMissing = !isPresent(this.second.lo);
    if (this.isMissing) this.missing.set(paged, gpa, access, false);
    return false;
  }
}

const untouchedSecondStage = (root: number): TranslationMode => ({
  ...secondStageMode(root),
  setsAccessedDirty: false,
});
