// Permits: what a leaf permits under a mode to a walk that changes nothing, as a table by the low byte of the leaf.
//
// A context's header holds its regime's (layout.ts), for the walk that translated code makes; the rules are those of
// hw/sv39.

import {
  Access,
  isInvalidEntry,
  isLeafBits,
  PTE_A,
  PTE_D,
  permits,
  SV39X4,
  type TranslationMode,
} from '../sv39/index.ts';
import { INFO_EXECUTE, INFO_READ, INFO_WRITE, LEAF_KINDS } from './layout.ts';

/** The second stage as a mode, as far as permissions go. */
const AS_USER: TranslationMode = {
  stage: SV39X4,
  root: 0,
  user: true,
  sum: false,
  mxr: false,
  setsAccessedDirty: false,
};

/** By all of a mode that matters here. */
const known = new Map<number, Uint8Array>();

/** What leaves permit by their low byte: info bits, 0 where an entry is no leaf, or A is clear. */
export function permitsOf(mode: TranslationMode): Uint8Array {
  const asUser = mode.stage.permission === 'asUser' || mode.user;
  const key = Number(asUser) | (Number(mode.sum) << 1) | (Number(mode.mxr) << 2);
  let table = known.get(key);
  if (table === undefined) {
    table = new Uint8Array(LEAF_KINDS).map((_, lo) => permittedBy(mode, lo));
    known.set(key, table);
  }
  return table;
}

function permittedBy(mode: TranslationMode, lo: number): number {
  if (isInvalidEntry(lo, 0) || !isLeafBits(lo) || (lo & PTE_A) === 0) return 0;
  return (
    (permits(mode, Access.load, lo) ? INFO_READ : 0) |
    ((lo & PTE_D) !== 0 && permits(mode, Access.store, lo) ? INFO_WRITE : 0) |
    (permits(mode, Access.fetch, lo) ? INFO_EXECUTE : 0)
  );
}

export const SECOND_STAGE_PERMITS: Uint8Array = permitsOf(AS_USER);
