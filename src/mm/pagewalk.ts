// Walking the tables of a range (mm/pagewalk.c): zap and madvise visit each page table that exists, and skip the holes.

import { isPresent, LEVELS, levelBytes, ptePfn } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { type Hpa, type Hva, pfnToHpa } from '../units.ts';
import type { Mm } from './mmStruct.ts';
import { entryOf, readPte } from './pte.ts';

/** Visits the entries for [address, end), which lie in one table, the first at `ptep`. */
export type TableVisitor = (ptep: Hpa, address: Hva, end: Hva) => Steps;

/** walk_page_range() of the last level. */
export function* walkPageRange(mm: Mm, start: Hva, end: Hva, visit: TableVisitor): Steps {
  for (let address: number = start; address < end; ) {
    const { ptep, level } = yield* descend(mm, address as Hva);
    const bytes = levelBytes(level);
    const next = Math.min(end, (Math.floor(address / bytes) + 1) * bytes);
    if (ptep !== 0) yield* visit(ptep, address as Hva, next as Hva);
    address = next;
  }
}

/** The entry for `address` and level 1; or 0 and the level of the entry that points to no table. */
function* descend(mm: Mm, address: Hva): Steps<{ readonly ptep: Hpa; readonly level: number }> {
  let table = mm.root;
  for (let level = LEVELS - 1; level > 0; level--) {
    const entry = entryOf(table, address, level);
    if (points.on) yield at.pte(entry);
    const pte = readPte(mm.host, entry);
    if (!isPresent(pte)) return { ptep: 0 as Hpa, level };
    table = pfnToHpa(ptePfn(pte));
  }
  return { ptep: entryOf(table, address, 0), level: 1 };
}
