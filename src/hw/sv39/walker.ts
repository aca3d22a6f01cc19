// The walker: the one definition of address translation, for every stage and every owner of tables.
//
// hw/hart walks shadow, direct and guest tables with it on a TLB miss; kvm walks guest tables with it when it must know
// what a guest's tables say; mm's CPU walks host tables. It reads entries through TableMemory, whose owner may answer
// that an entry cannot be reached now; the walk then ends as MISSING and the caller resolves and walks again.
//
// Source: RISC-V Privileged ISA, "Virtual Address Translation Process"; "Two-Stage Address Translation" for Sv39x4.
// Invariants: a walk that does not end as OK has changed no entry; an A/D update is a compare-and-set of the whole entry,
// and a lost race restarts the walk from the root.

import {
  LEVELS,
  levelBytes,
  PTE_A,
  PTE_BYTES,
  PTE_D,
  PTE_G,
  PTE_R,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
} from './pte.ts';

/** What an access wants of a leaf. AMO and SC are stores, LR is a load. */
export const Access = { load: 0, store: 1, fetch: 2 } as const;
export type AccessKind = (typeof Access)[keyof typeof Access];

/** The shape of a table tree. */
export interface Stage {
  /** Index bits of the root: 9 (Sv39) or 11 (Sv39x4). */
  readonly rootBits: 9 | 11;
  /** Addresses are sign-extended (Sv39) or not (Sv39x4). */
  readonly signed: boolean;
  /** Check U against the privilege with SUM and MXR, or treat every access as one of user mode. */
  readonly permission: 'supervisor' | 'asUser';
}

export const SV39: Stage = { rootBits: 9, signed: true, permission: 'supervisor' };
export const SV39X4: Stage = { rootBits: 11, signed: false, permission: 'asUser' };

/** Everything but the address that a translation depends on. */
export interface TranslationMode {
  readonly stage: Stage;
  /** Byte address of the root table, in the address space that TableMemory reads. */
  readonly root: number;
  /** Effective privilege is U, not S. */
  readonly user: boolean;
  readonly sum: boolean;
  readonly mxr: boolean;
  /** Set A and D (Svadu, or no Svade), or fault when they are clear (Svade). */
  readonly setsAccessedDirty: boolean;
}

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

const RESERVED_HI = 0xffc00000 | 0;
const PPN_HI = 0x003fffff;
const RWX = PTE_R | PTE_W | PTE_X;

/** Bytes of address space that a stage has, on each side of 0 when signed. */
const spanOf = (stage: Stage): number => 2 ** (stage.rootBits + 30 - (stage.signed ? 1 : 0));

/** Whether `address` is one that the stage can translate at all. */
export const isInStage = (stage: Stage, address: number): boolean => {
  const span = spanOf(stage);
  return address < span && address >= (stage.signed ? -span : 0);
};

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
  let table = mode.root;
  walk.global = false;
  for (let level = LEVELS - 1; ; level--) {
    const indexMask = level === LEVELS - 1 ? (1 << mode.stage.rootBits) - 1 : 511;
    const index = Math.floor(address / levelBytes(level)) & indexMask;
    walk.level = level;
    walk.entryAddress = table + index * PTE_BYTES;
    const answer = tables.readEntry(walk.entryAddress, walk);
    if (answer !== Entry.ok) return endUnreachable(walk, answer);
    const { lo, hi } = walk;
    if (isInvalid(lo, hi)) return end(walk, WalkStatus.pageFault);
    if ((lo & PTE_G) !== 0) walk.global = true;
    if ((lo & RWX) !== 0) return end(walk, isAligned(lo, level) ? WalkStatus.ok : WalkStatus.pageFault);
    if (level === 0 || (lo & (PTE_D | PTE_A | PTE_U)) !== 0) return end(walk, WalkStatus.pageFault);
    table = frameOf(lo, hi);
  }
}

/** V clear, W without R, or a bit set that is reserved without Svnapot and Svpbmt. */
const isInvalid = (lo: number, hi: number): boolean =>
  (lo & PTE_V) === 0 || (lo & (PTE_R | PTE_W)) === PTE_W || (hi & RESERVED_HI) !== 0;

/** A superpage's low PPN bits must be 0. */
const isAligned = (lo: number, level: number): boolean => (lo & ((1 << (10 + 9 * level)) - 1024)) === 0;

/** Byte address of the frame that an entry's 44-bit PPN names. */
const frameOf = (lo: number, hi: number): number => ((lo >>> 10) + (hi & PPN_HI) * 2 ** 22) * 4096;

/** Whether the mode's privilege may make this access through leaf `lo`, A and D aside. */
function permits(mode: TranslationMode, access: AccessKind, lo: number): boolean {
  if (!reaches(mode, access, lo)) return false;
  if (access === Access.fetch) return (lo & PTE_X) !== 0;
  if (access === Access.store) return (lo & PTE_W) !== 0;
  return (lo & (mode.mxr ? PTE_R | PTE_X : PTE_R)) !== 0;
}

/** The U bit against the effective privilege: S never fetches from a user page and reads it only with SUM. */
function reaches(mode: TranslationMode, access: AccessKind, lo: number): boolean {
  const userPage = (lo & PTE_U) !== 0;
  if (mode.user || mode.stage.permission === 'asUser') return userPage;
  return !userPage || (mode.sum && access !== Access.fetch);
}

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
