// The walker: the one definition of address translation, for every stage and every owner of tables.
//
// hw/hart walks shadow, direct and guest tables with it on a TLB miss; kvm walks guest tables with it when it must know
// what a guest's tables say; mm's CPU walks host tables. It reads entries through TableMemory, whose owner may answer
// that an entry cannot be reached now; the walk then ends as MISSING and the caller resolves and walks again.
//
// The rules are tests of an entry's bits against constants, which rules.ts has: the walk that translated code makes is
// emitted from them too (hw/hart/translate/refill.ts).
//
// Source: RISC-V Privileged ISA, "Virtual Address Translation Process"; "Two-Stage Address Translation" for Sv39x4.
// Invariants: a walk that does not end as OK has changed no entry; an A/D update is a compare-and-set of the whole entry,
// and a lost race restarts the walk from the root.

import { PAGE_SIZE } from '../../units.ts';
import { LEVELS, levelBytes, PTE_A, PTE_BYTES, PTE_D, PTE_G, PTE_U } from './pte.ts';
import {
  Access,
  type AccessKind,
  isInStage,
  isInvalidEntry,
  isLeafBits,
  levelMask,
  misalignedMask,
  PPN_HI,
  permits,
  TABLE_MASK,
  TABLE_VALUE,
  type TranslationMode,
} from './rules.ts';

/** What TableMemory answers. */
export const Entry = { ok: 0, missing: 1, accessFault: 2, changed: 3 } as const;
export type EntryAnswer = (typeof Entry)[keyof typeof Entry];

/** Where a walk reads and updates entries; addresses are below 2^56 and multiples of 8. */
export interface TableMemory {
  /** Puts the entry into walk.lo and walk.hi when it answers ok. */
  readEntry(address: number, walk: Walk): EntryAnswer;
  /** Atomic: writes new over old, or answers changed. */
  compareAndSet(address: number, oldLo: number, oldHi: number, newLo: number, newHi: number): EntryAnswer;
}

export const WalkStatus = { ok: 0, pageFault: 1, accessFault: 2, missing: 3 } as const;
export type WalkStatusCode = (typeof WalkStatus)[keyof typeof WalkStatus];

/** The result of a walk, reused from one to the next. */
export class Walk {
  status: WalkStatusCode = WalkStatus.ok;
  /** Level of the entry that ended the walk: 0 is 4 KiB. */
  level = 0;
  /** Address of that entry; when MISSING, the entry that could not be reached. */
  entryAddress = 0;
  /** That entry, as it is after the walk (A and D set). */
  lo = 0;
  hi = 0;
  /** The translated address, below 2^56; valid when OK, like all that follows. */
  pa = 0;
  /** What the mode's privilege may do through the leaf now; writable only while D is set. */
  readable = false;
  writable = false;
  executable = false;
  user = false;
  /** G in the leaf or in a table entry on the way. */
  global = false;
}

/**
 * Translates `address` for an access of kind `access`, setting A (and D for a store) as the mode says. Never throws;
 * the outcome is walk.status.
 */
export function walkTables(
  mode: TranslationMode,
  tables: TableMemory,
  address: number,
  access: AccessKind,
  walk: Walk,
): WalkStatusCode {
  if (!isInStage(mode.stage, address)) return end(walk, WalkStatus.pageFault);
  for (;;) {
    if (descend(mode, tables, address, walk) !== WalkStatus.ok) return walk.status;
    if (!permits(mode, access, walk.lo)) return end(walk, WalkStatus.pageFault);
    const wanted = walk.lo | PTE_A | (access === Access.store ? PTE_D : 0);
    if (wanted === walk.lo) break;
    if (!mode.setsAccessedDirty) return end(walk, WalkStatus.pageFault);
    const answer = tables.compareAndSet(walk.entryAddress, walk.lo, walk.hi, wanted, walk.hi);
    if (answer === Entry.ok) {
      walk.lo = wanted;
      break;
    }
    if (answer !== Entry.changed) return endUnreachable(walk, answer);
  }
  return finish(mode, address, walk);
}

function end(walk: Walk, status: WalkStatusCode): WalkStatusCode {
  walk.status = status;
  return status;
}

const endUnreachable = (walk: Walk, answer: EntryAnswer): WalkStatusCode =>
  end(walk, answer === Entry.accessFault ? WalkStatus.accessFault : WalkStatus.missing);

/** From the root to a valid, aligned leaf. */
function descend(mode: TranslationMode, tables: TableMemory, address: number, walk: Walk): WalkStatusCode {
  // Less than 2^29 in either stage: an int32, of which the indices are bit fields.
  const page = Math.floor(address / PAGE_SIZE);
  let table = mode.root;
  walk.global = false;
  for (let level = LEVELS - 1; ; level--) {
    const index = (page >> (9 * level)) & levelMask(mode.stage, level);
    walk.level = level;
    walk.entryAddress = table + index * PTE_BYTES;
    const answer = tables.readEntry(walk.entryAddress, walk);
    if (answer !== Entry.ok) return endUnreachable(walk, answer);
    const { lo, hi } = walk;
    if (isInvalidEntry(lo, hi)) return end(walk, WalkStatus.pageFault);
    if ((lo & PTE_G) !== 0) walk.global = true;
    if (isLeafBits(lo)) {
      return end(walk, (lo & misalignedMask(level)) === 0 ? WalkStatus.ok : WalkStatus.pageFault);
    }
    if (level === 0 || (lo & TABLE_MASK) !== TABLE_VALUE) return end(walk, WalkStatus.pageFault);
    table = frameOf(lo, hi);
  }
}

/** Byte address of the frame that an entry's 44-bit PPN names. */
const frameOf = (lo: number, hi: number): number => ((lo >>> 10) + (hi & PPN_HI) * 2 ** 22) * 4096;

function finish(mode: TranslationMode, address: number, walk: Walk): WalkStatusCode {
  const { lo, hi, level } = walk;
  const bytes = levelBytes(level);
  walk.pa = frameOf(lo, hi) + (address - Math.floor(address / bytes) * bytes);
  walk.readable = permits(mode, Access.load, lo);
  walk.writable = (lo & PTE_D) !== 0 && permits(mode, Access.store, lo);
  walk.executable = permits(mode, Access.fetch, lo);
  walk.user = (lo & PTE_U) !== 0;
  return end(walk, WalkStatus.ok);
}
