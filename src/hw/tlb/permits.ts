// Permits: what a leaf permits under a mode, as a table by the bits of the leaf that matter.
//
// A context's header holds its regime's (layout.ts), for the walk that translated code makes; the rules are those of
// hw/sv39.

import {
  Access,
  isInvalidEntry,
  isLeafBits,
  PTE_D,
  PTE_V,
  permits,
  SV39X4,
  type TranslationMode,
} from '../sv39/index.ts';
import { INFO_EXECUTE, INFO_READ, INFO_WRITE, LEAF_KINDS, leafOf } from './layout.ts';

/** The second stage as a mode, as far as permissions go. */
const AS_USER: TranslationMode = {
  stage: SV39X4,
  root: 0,
  user: true,
  sum: false,
  mxr: false,
  setsAccessedDirty: false,
};

/** What leaves permit by their index: info bits, 0 where an entry is no leaf. */
export function permitsOf(mode: TranslationMode): Uint8Array {
  const out = new Uint8Array(LEAF_KINDS);
  for (let index = 0; index < LEAF_KINDS; index++) {
    const lo = PTE_V | leafOf(index);
    if (isInvalidEntry(lo, 0) || !isLeafBits(lo)) continue;
    out[index] =
      (permits(mode, Access.load, lo) ? INFO_READ : 0) |
      ((lo & PTE_D) !== 0 && permits(mode, Access.store, lo) ? INFO_WRITE : 0) |
      (permits(mode, Access.fetch, lo) ? INFO_EXECUTE : 0);
  }
  return out;
}

export const SECOND_STAGE_PERMITS: Uint8Array = permitsOf(AS_USER);
