// The deferred split queue: anonymous large folios that lost the mapping of some page, while others stay mapped
// (mm/huge_memory.c: deferred_split_scan).
//
// rmap.ts puts them in. Unmapping is no time to take a folio apart, so that the frames that nobody uses any more come free
// when reclaim asks for memory (shrinker.ts), of a memory cgroup those that it is charged for.
//
// Locks: as splitFolio.ts, the folio lock by trylock.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import type { MemCgroup } from '../memcg/memcontrol.ts';
import { folioPut } from '../page/folio.ts';
import { DEFAULT_SEEKS, type Shrinker } from '../reclaim/shrinker.ts';
import { splitFolio } from './splitFolio.ts';

/** deferred_split_shrinker: its objects are folios. */
export const deferredSplitShrinker = (host: Host): Shrinker => ({
  seeks: DEFAULT_SEEKS,
  isMemcgAware: true,
  countObjects: (memcg) => queueOf(host, memcg).length,
  scanObjects: (folios, memcg) => deferredSplitScan(host, memcg, folios),
});

/** The deferred_split_queue of `memcg`, or of the root. */
function queueOf({ frames }: Host, memcg: MemCgroup | null): Pfn[] {
  const { deferredSplit } = frames.large;
  const id = memcg?.id ?? 0;
  return deferredSplit.size === 0 ? [] : [...deferredSplit].filter((folio) => frames.memcg[folio] === id);
}

/** deferred_split_scan(): splits up to `count` folios of `memcg`; how many pages came free, about. */
export function* deferredSplitScan(host: Host, memcg: MemCgroup | null, count: number): Steps<number> {
  const { frames, folioLocks } = host;
  const { deferredSplit } = frames.large;
  let freed = 0;
  for (const folio of queueOf(host, memcg).slice(0, count)) {
    if (points.on) yield at.page(folio);
    // It may have been freed, or split, or both, since. If it stays it is last from now on.
    if (!deferredSplit.delete(folio)) continue;
    deferredSplit.add(folio);
    if (!frames.tryGet(folio)) continue;
    const unmapped = frames.large.nrUnmapped(folio);
    if (folioLocks.tryLock(folio)) {
      if ((yield* splitFolio(host, folio, null)) === 0) freed += unmapped;
      if (points.on) yield at.page(folio);
      folioLocks.unlock(folio);
    }
    yield* folioPut(host, folio);
  }
  return freed;
}
