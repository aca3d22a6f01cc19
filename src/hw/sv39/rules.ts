// The rules of a walk: which address a stage translates, what an entry is, and what a leaf permits, as tests of bits
// against constants.
//
// walker.ts walks by them; hw/hart emits the walk that translated code makes from the same constants, so that there is
// one definition of each rule.
//
// Source: RISC-V Privileged ISA, "Virtual Address Translation Process"; "Two-Stage Address Translation" for Sv39x4.

import { LEVELS, PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X } from './pte.ts';

/** What an access wants of a leaf. AMO and SC are stores, LR is a load. */
export const Access = { load: 0, store: 1, fetch: 2 } as const;
export type AccessKind = (typeof Access)[keyof typeof Access];

/** The shape of a table tree. */
export interface Stage {
  /** Index bits of the root: 9 (Sv39) or 11 (Sv39x4). */
  readonly rootBits: 9 | 11;
  /** Addresses are sign-extended (Sv39) or not (Sv39x4). */
  readonly signed: boolean;
  /** Bytes of address space, on each side of 0 when signed. */
  readonly span: number;
  /** Check U against the privilege with SUM and MXR, or treat every access as one of user mode. */
  readonly permission: 'supervisor' | 'asUser';
}

export const SV39: Stage = { rootBits: 9, signed: true, span: 2 ** 38, permission: 'supervisor' };
export const SV39X4: Stage = { rootBits: 11, signed: false, span: 2 ** 41, permission: 'asUser' };

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

// Addresses

/** Bits of an address that a stage translates, the sign included. */
export const addressBits = (stage: Stage): number => stage.rootBits + 30;

/** Whether `address` is one that the stage can translate at all. */
export const isInStage = ({ span, signed }: Stage, address: number): boolean =>
  address < span && address >= (signed ? -span : 0);

/** Index bits of a table at `level`. */
export const levelMask = (stage: Stage, level: number): number =>
  level === LEVELS - 1 ? (1 << stage.rootBits) - 1 : 511;

// Entries, by their low and high word

const LEAF_BITS = PTE_R | PTE_W | PTE_X;
/** Reserved without Svnapot and Svpbmt. */
export const RESERVED_HI = 0xffc00000 | 0;
/** The high part of the PPN. */
export const PPN_HI = 0x003fffff;
/** W without R. */
const RW_MASK = PTE_R | PTE_W;
const RW_RESERVED = PTE_W;
/** A valid entry without R, W and X points to a table; D, A and U are reserved there. */
export const TABLE_MASK = PTE_V | LEAF_BITS | PTE_D | PTE_A | PTE_U;
export const TABLE_VALUE = PTE_V;

/** V clear, W without R, or a reserved bit. */
export const isInvalidEntry = (lo: number, hi: number): boolean =>
  (lo & PTE_V) === 0 || (lo & RW_MASK) === RW_RESERVED || (hi & RESERVED_HI) !== 0;

/** Whether a valid entry maps memory. */
export const isLeafBits = (lo: number): boolean => (lo & LEAF_BITS) !== 0;

/** A superpage's low PPN bits, which must be 0. */
export const misalignedMask = (level: number): number => (1 << (10 + 9 * level)) - 1024;

// Leaves

/** Whether the mode's privilege may make this access through valid leaf `lo`, A and D aside. */
export const permits = (mode: TranslationMode, access: AccessKind, lo: number): boolean =>
  (lo & leafMask(mode, access)) === leafValue(mode, access);

/**
 * U must be set for U mode, clear for S, which never fetches from a user page and reaches it otherwise only with SUM. A
 * leaf has R or X, since W implies R, so that with MXR every leaf can be read.
 */
const leafMask = (mode: TranslationMode, access: AccessKind): number =>
  needOf(mode, access) | (isUser(mode) || !mode.sum || access === Access.fetch ? PTE_U : 0);

const leafValue = (mode: TranslationMode, access: AccessKind): number =>
  needOf(mode, access) | (isUser(mode) ? PTE_U : 0);

const isUser = (mode: TranslationMode): boolean => mode.user || mode.stage.permission === 'asUser';

function needOf(mode: TranslationMode, access: AccessKind): number {
  if (access === Access.fetch) return PTE_X;
  if (access === Access.store) return PTE_W;
  return mode.mxr ? 0 : PTE_R;
}
