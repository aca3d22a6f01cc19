// Migration entries: what stands in a page table for a page that is being moved (include/linux/swapops.h).
//
// migrate.ts puts one where each mapping was and takes it out again; until then a fault waits for it, and whoever
// changes, copies or drops the entries of a range treats it as the page that it stands for.
//
// An entry that is not present (pte.ts) of type 1 (the page was read-only), 2 (read-only, but the mm's alone) or 3
// (writable): bit 6 the mapping was young, bits 11-30 the frame, bit 31 the mapping was dirty.
// Invariants: the folio that an entry names is locked and has a reference of who moves it, but none for the entry; the
// mm counts the page as resident. Lock: as all of pte.ts.

import { PTE_A, PTE_D, PTE_W } from '../../hw/sv39/index.ts';
import type { Pfn } from '../../units.ts';
import { isPresentPte, isSoftDirty, mkSoftDirty, SWAP_TYPE } from './pte.ts';

const MIGRATION_READ = 1 << 8;
const MIGRATION_READ_EXCLUSIVE = 2 << 8;
const MIGRATION_WRITE = 3 << 8;
const MIGRATION_YOUNG = 1 << 6;
const MIGRATION_DIRTY = 1 << 31;
const PFN_SHIFT = 11;
const PFN_MASK = 2 ** 20 - 1;

/** is_migration_entry(). */
export function isMigrationPte(pte: number): boolean {
  const type = pte & SWAP_TYPE;
  return !isPresentPte(pte) && type >= MIGRATION_READ && type <= MIGRATION_WRITE;
}

/** pfn_swap_entry_folio(). */
export const migrationPfn = (pte: number): Pfn => ((pte >>> PFN_SHIFT) & PFN_MASK) as Pfn;
export const isWritableMigrationPte = (pte: number): boolean => (pte & SWAP_TYPE) === MIGRATION_WRITE;
/** is_readable_migration_entry(): the mapping may be one of several. */
export const isReadableMigrationPte = (pte: number): boolean => (pte & SWAP_TYPE) === MIGRATION_READ;
export const isYoungMigrationPte = (pte: number): boolean => (pte & MIGRATION_YOUNG) !== 0;
export const isDirtyMigrationPte = (pte: number): boolean => (pte & MIGRATION_DIRTY) !== 0;

/** The entry for a mapping that was `pte`, of an anonymous page that is the mm's alone, or of any other. */
export function makeMigrationPte(pfn: Pfn, pte: number, anonExclusive: boolean): number {
  const readable = anonExclusive ? MIGRATION_READ_EXCLUSIVE : MIGRATION_READ;
  const entry =
    (pfn << PFN_SHIFT) |
    ((pte & PTE_W) !== 0 ? MIGRATION_WRITE : readable) |
    ((pte & PTE_A) !== 0 ? MIGRATION_YOUNG : 0) |
    ((pte & PTE_D) !== 0 ? MIGRATION_DIRTY : 0);
  return isSoftDirty(pte) ? mkSoftDirty(entry) : entry;
}

/** make_readable_migration_entry() of an entry: the page may be anybody's from now on. */
export const sharedMigrationPte = (pte: number): number => (pte & ~SWAP_TYPE) | MIGRATION_READ;

/** Of an entry that is writable: the next store is to fault. An anonymous page stays the mm's alone. */
export const writeProtectedMigrationPte = (pte: number, isAnon: boolean): number =>
  (pte & ~SWAP_TYPE) | (isAnon ? MIGRATION_READ_EXCLUSIVE : MIGRATION_READ);
