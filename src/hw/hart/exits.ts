// Exits: what a hart tells kvm about why it stopped, in objects that one hart reuses.
//
// Filled by access.ts, memoryOps.ts and system.ts; read by kvm after run() answered the reason.

import { fromWords } from '../../units.ts';
import { Op, opOf, rs2Of } from '../isa/index.ts';
import { Access, type AccessKind } from '../sv39/index.ts';
import type { Hart } from './hart.ts';
import { ACCESS_BYTES } from './memoryOps.ts';
import type { Missing } from './mmu.ts';

/** Exit.mmuFault: which translation is missing. */
export class MmuFault {
  /** What the guest's instruction does at `va`: the cause to inject, if one is. */
  access: AccessKind = Access.load;
  /** The address it does it at; a guest physical one where there is no stage one. */
  va = 0;
  /** How many bytes it does it to, within a page; a fetch is of two at a time. */
  bytes = 0;
  /** The shadow root lacks `va`; else the direct root lacks `gpa`. */
  paged = false;
  gpa = 0;
  /** What the missing translation must permit; differs from `access` when implicit. */
  wanted: AccessKind = Access.load;
  /** `gpa` is that of a guest's table entry, which the hart was walking (tdp). */
  implicit = false;

  set(missing: Missing, va: number, access: AccessKind, bytes: number): void {
    this.access = access;
    this.va = va;
    this.bytes = bytes;
    this.paged = missing.paged;
    this.gpa = missing.gpa;
    this.wanted = missing.access;
    this.implicit = missing.implicit;
  }
}

export type DataAccessKind = 'load' | 'store' | 'amo' | 'lr' | 'sc';

/** The load, store or atomic that exited; valid after Exit.mmuFault whose fault.access is not a fetch. */
export class DataAccess {
  kind: DataAccessKind = 'load';
  /** 1, 2, 4 or 8 bytes, at the address `va` of the first one. */
  bytes = 0;
  va = 0;
  /** Misaligned across a page boundary: fault.va is in one of the pages. No device has such an access. */
  crossesPage = false;
  /** The value of a store, sc or AMO: rs2. */
  lo = 0;
  hi = 0;
  /** The decoded instruction, for the completion. */
  word = 0;

  set(hart: Hart, word: number, lo: number, hi: number, crossesPage: boolean): void {
    const source = rs2Of(word) * 2;
    this.kind = kindOf(opOf(word));
    this.bytes = ACCESS_BYTES[opOf(word)]!;
    this.va = fromWords(lo, hi);
    this.crossesPage = crossesPage;
    this.lo = hart.block[source]!;
    this.hi = hart.block[source + 1]!;
    this.word = word;
  }
}

function kindOf(op: number): DataAccessKind {
  if (op >= Op.lb && op <= Op.lwu) return 'load';
  if (op >= Op.sb && op <= Op.sd) return 'store';
  if (op === Op.lr_w || op === Op.lr_d) return 'lr';
  return op === Op.sc_w || op === Op.sc_d ? 'sc' : 'amo';
}

/** Exit.sfence: which translations the guest orders; null is all. */
export class Fence {
  /** Address of a page. */
  page: number | null = null;
  asid: number | null = null;
}

/** What happened since reset; part of a run's result. */
export interface HartStats {
  readonly fetchFills: number;
  readonly loadFills: number;
  readonly storeFills: number;
  /** Translations for which the tables were asked, without those that a plain walk (plainWalk.ts) did not find. */
  readonly walks: number;
}
