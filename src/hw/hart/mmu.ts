// The MMU: what a hart's TLB miss walks, in its two kinds.
//
//     shadow   Stage one is kvm's: the direct root (Sv39x4, guest physical) where the effective mode is Bare or M, the
//              shadow root (Sv39) where it is paged. Hardware sets A and D of these entries; they belong to the host.
//     tdp      Stage one is the guest's own Sv39 tables from satp; every guest physical address, those of table entries
//              included, goes through the second stage (the direct root). Hardware sets the guest's A and D by --ad.
//
// Called by access.ts after both TLB levels missed; walks with hw/sv39. Answers a frame, a fault for the guest, or a miss
// for kvm. The PMP is asked here, with the guest physical addresses at hand; where the shadow root is walked there are
// none, and kvm has asked it before it made the entries.
//
// Source: RISC-V Privileged ISA, "Two-Stage Address Translation", "Physical Memory Protection". Invariant: host-made
// tables lie in frames; a guest's address is reached through the second stage only.

import type { Pfn } from '../../units.ts';
import {
  Access,
  type AccessKind,
  Entry,
  type EntryAnswer,
  PTE_R,
  PTE_W,
  PTE_X,
  SV39X4,
  type TableMemory,
  type TranslationMode,
  Walk,
  WalkStatus,
  type WalkStatusCode,
  walkTables,
} from '../sv39/index.ts';
import { INFO_EXECUTE, INFO_LEVEL, INFO_READ, INFO_WRITE, type Regime } from '../tlb/index.ts';
import { OPEN_PMP, PMP_SPLIT, type Pmp } from './pmp.ts';

/** How a translation ended. */
export const Outcome = {
  /** pfn and info are valid. */
  ok: 0,
  /** The guest gets a page fault. */
  pageFault: 1,
  /** kvm must act: see missing. */
  missing: 2,
  /** The guest gets an access fault: the PMP forbids the access, or one that the walk makes. */
  accessFault: 3,
} as const;
export type OutcomeCode = (typeof Outcome)[keyof typeof Outcome];

/** What is missing in tables that kvm owns; reused. */
export class Missing {
  /** Of the shadow root; else of the direct root (second stage). */
  paged = false;
  /** The guest physical address that the direct root lacks; 0 when paged. */
  gpa = 0;
  /** What the tables must permit. For an implicit access that is not what the guest's instruction does. */
  access: AccessKind = Access.load;
  /** The hart was reading or updating a guest's table entry. */
  implicit = false;

  set(paged: boolean, gpa: number, access: AccessKind, implicit: boolean): void {
    this.paged = paged;
    this.gpa = gpa;
    this.access = access;
    this.implicit = implicit;
  }
}

export interface Mmu {
  /** Results of the last translate(): the frame, what may be done there (hw/tlb's info bits), ... */
  readonly pfn: Pfn;
  readonly info: number;
  /** ... whether that holds for this access alone, because the PMP splits the page, so that no TLB may keep it, ... */
  readonly alone: boolean;
  /** ... and the guest physical page that stage one gave; without tables of the guest's, 0. */
  readonly guestPage: number;
  /** What was missing. */
  readonly missing: Missing;
  pmp: Pmp;
  /** Of an access to `bytes` bytes within a page. */
  translate(regime: Regime, address: number, access: AccessKind, bytes: number): OutcomeCode;
}

/** Level and permissions of a walk that ended well, as hw/tlb's info bits. */
export const infoOf = (walk: Walk): number =>
  walk.level |
  (walk.readable ? INFO_READ : 0) |
  (walk.writable ? INFO_WRITE : 0) |
  (walk.executable ? INFO_EXECUTE : 0);

export const PERMISSIONS = INFO_READ | INFO_WRITE | INFO_EXECUTE;

/** What the PMP allows, in info bits; the level is nothing to it. */
const infoAllowed = (allowed: number): number =>
  INFO_LEVEL |
  ((allowed & PTE_R) !== 0 ? INFO_READ : 0) |
  ((allowed & PTE_W) !== 0 ? INFO_WRITE : 0) |
  ((allowed & PTE_X) !== 0 ? INFO_EXECUTE : 0);

/** The root of a regime whose tables kvm has not given yet. */
export const NO_ROOT = -1;

const KVM_ASKED = PTE_R | PTE_W | PTE_X;

/** Walks a tree that kvm owns: every failure is kvm's to look at. */
export class ShadowMmu implements Mmu {
  pfn = 0 as Pfn;
  info = 0;
  alone = false;
  pmp = OPEN_PMP;
  readonly guestPage = 0;
  readonly missing = new Missing();
  private readonly tables: TableMemory;
  private readonly walk = new Walk();

  constructor(tables: TableMemory) {
    this.tables = tables;
  }

  translate(regime: Regime, address: number, access: AccessKind, bytes: number): OutcomeCode {
    const allowed = regime.paged ? KVM_ASKED : this.pmp.allowed(address, bytes, access, regime.machine);
    if (allowed === 0) return Outcome.accessFault;
    if (regime.root !== NO_ROOT && this.walkHost(regime, address, access) === WalkStatus.ok) {
      this.pfn = Math.floor(this.walk.pa / 4096) as Pfn;
      this.info = infoOf(this.walk) & infoAllowed(allowed);
      this.alone = (allowed & PMP_SPLIT) !== 0;
      return Outcome.ok;
    }
    this.missing.set(regime.paged, regime.paged ? 0 : address, access, false);
    return Outcome.missing;
  }

  private walkHost(regime: Regime, address: number, access: AccessKind): WalkStatusCode {
    return walkTables(regime, this.tables, address, access, this.walk);
  }
}

/** The second stage as a translation mode: every access is one of user mode, A and D are set. */
export const secondStageMode = (root: number): TranslationMode => ({
  stage: SV39X4,
  root,
  user: true,
  sum: false,
  mxr: false,
  setsAccessedDirty: true,
});

/** What a walk of the guest's tables that failed comes to. */
const FAILURES = {
  [WalkStatus.pageFault]: Outcome.pageFault,
  [WalkStatus.accessFault]: Outcome.accessFault,
  [WalkStatus.missing]: Outcome.missing,
} as const;

/** Walks the guest's own tables through the second stage, then the address that they give. */
export class TdpMmu implements Mmu, TableMemory {
  pfn = 0 as Pfn;
  info = 0;
  alone = false;
  pmp = OPEN_PMP;
  guestPage = 0;
  readonly missing = new Missing();
  private readonly tables: TableMemory;
  private readonly first = new Walk();
  private readonly second = new Walk();
  private secondStage = secondStageMode(NO_ROOT);

  constructor(tables: TableMemory) {
    this.tables = tables;
  }

  translate(regime: Regime, address: number, access: AccessKind, bytes: number): OutcomeCode {
    if (this.secondStage.root !== regime.secondStage) this.secondStage = secondStageMode(regime.secondStage);
    if (!regime.paged) return this.locate(address, access, bytes, regime.machine);
    const status = walkTables(regime, this, address, access, this.first);
    if (status !== WalkStatus.ok) return FAILURES[status];
    const { level, pa } = this.first;
    this.guestPage = pa - (pa % 4096);
    const outcome = this.locate(pa, access, bytes, false);
    this.info = level | (infoOf(this.first) & this.info & PERMISSIONS);
    return outcome;
  }

  /** Where guest physical address `gpa` is, as far as the PMP allows the access. */
  private locate(gpa: number, access: AccessKind, bytes: number, machine: boolean): OutcomeCode {
    const allowed = this.pmp.allowed(gpa, bytes, access, machine);
    if (allowed === 0) return Outcome.accessFault;
    if (!this.reach(gpa, access, false)) return Outcome.missing;
    this.pfn = Math.floor(this.second.pa / 4096) as Pfn;
    this.info = infoOf(this.second) & infoAllowed(allowed);
    this.alone = (allowed & PMP_SPLIT) !== 0;
    return Outcome.ok;
  }

  /** Reads a guest table's entry: an implicit load of a guest physical address. */
  readEntry(address: number, walk: Walk): EntryAnswer {
    if (!this.pmp.allowsWalk(address, Access.load)) return Entry.accessFault;
    if (!this.reach(address, Access.load, true)) return Entry.missing;
    return this.tables.readEntry(this.second.pa, walk);
  }

  /** Updates a guest table's entry: an implicit store, which makes the table's page dirty. */
  compareAndSet(address: number, oldLo: number, oldHi: number, newLo: number, newHi: number): EntryAnswer {
    if (!this.pmp.allowsWalk(address, Access.store)) return Entry.accessFault;
    if (!this.reach(address, Access.store, true)) return Entry.missing;
    return this.tables.compareAndSet(this.second.pa, oldLo, oldHi, newLo, newHi);
  }

  /** Translates a guest physical address into this.second, or says what is missing. */
  private reach(gpa: number, access: AccessKind, implicit: boolean): boolean {
    const mode = this.secondStage;
    if (mode.root !== NO_ROOT && walkTables(mode, this.tables, gpa, access, this.second) === WalkStatus.ok) {
      return true;
    }
    this.missing.set(false, gpa, access, implicit);
    return false;
  }
}
