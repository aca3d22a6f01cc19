// The page-table entry of Sv39 and Sv39x4: the one entry format of host, shadow, second-stage and guest tables.
//
//     63  62..61  60..54    53..10  9..8  7 6 5 4 3 2 1 0
//     N   PBMT    reserved  PPN     RSW   D A G U X W R V
//
// Entries that Umbra's kernels make map host frames, and a Pfn is below 2^20: their high word is 0 and they are handled
// as one int32, which is what the functions here take. Guest-made entries are lo/hi pairs and belong to walker.ts.
//
// Source: RISC-V Privileged ISA, "Sv32/Sv39: Addressing and Memory Protection".

import { LEVEL_BYTES, type Pfn } from '../../units.ts';

export const PTE_V = 1;
export const PTE_R = 2;
export const PTE_W = 4;
export const PTE_X = 8;
export const PTE_U = 16;
export const PTE_G = 32;
export const PTE_A = 64;
export const PTE_D = 128;
/** The two bits that hardware ignores. */
export const PTE_SOFT0 = 256;
export const PTE_SOFT1 = 512;
/** Everything below the PPN. */
export const PTE_FLAGS = 1023;

/** Svrsw60t59b: two more, in the high word, that hardware ignores in a host's own tables. */
export const PTE_RSW_60_59_HI = 0x1800_0000;

export const PTE_PPN_SHIFT = 10;
export const PTE_BYTES = 8;
/** Levels of a table; the root is level 2, a 4 KiB leaf is at level 0. */
export const LEVELS = 3;

const RWX = PTE_R | PTE_W | PTE_X;

export const makePte = (pfn: Pfn, flags: number): number => (pfn << PTE_PPN_SHIFT) | flags;
export const ptePfn = (pte: number): Pfn => (pte >>> PTE_PPN_SHIFT) as Pfn;
export const pteFlags = (pte: number): number => pte & PTE_FLAGS;
export const isPresent = (pte: number): boolean => (pte & PTE_V) !== 0;
/** Present and mapping memory. */
export const isLeaf = (pte: number): boolean => (pte & PTE_V) !== 0 && (pte & RWX) !== 0;
/** Present and pointing to the next table. */
export const isTable = (pte: number): boolean => (pte & (PTE_V | RWX)) === PTE_V;

/** Bytes that one entry of a table at `level` (0, 1, 2) covers. */
export const levelBytes = (level: number): number => LEVEL_BYTES[level]!;

/** Index of `address` in its Sv39 table at `level` (0, 1, 2); address in [-2^38, 2^38). */
export const pteIndex = (address: number, level: number): number =>
  Math.floor(address / levelBytes(level)) & 511;

/** Index of `address` in its Sv39x4 table at `level`; address in [0, 2^41). */
export const pteIndexX4 = (address: number, level: number): number =>
  Math.floor(address / levelBytes(level)) & (level === LEVELS - 1 ? 2047 : 511);
