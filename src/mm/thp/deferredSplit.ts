// The deferred split queue: anonymous large folios that lost the mapping of some page, while others stay mapped
// (mm/huge_memory.c: deferred_split_scan).
//
// rmap.ts puts them in. Unmapping is no time to take a folio apart, so that the frames that nobody uses any more come free
// when reclaim asks for memory (vmscan.ts), of a memory cgroup those that it is charged for.
//
// Locks: as splitFolio.ts, the folio lock by trylock.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Host } from '../host.ts';
import type { MemCgroup } from '../memcg/memcontrol.ts';
import { folioPut } from '../page/folio.ts';
import { splitFolio } from './splitFolio.ts';

/** deferred_split_scan(): splits all of `memcg` that can be split now; how many pages came free, about. */
export function* deferredSplitScan(host: Host, memcg: MemCgroup | null): Steps<number> {
  const { frames, folioLocks } = host;
  const id = memcg?.id ?? 0;
  const { deferredSplit } = frames.large;
  let freed = 0;
  for (const folio of [...deferredSplit]) {
    if (points.on) yield at.page(folio);
    // It may have been freed, or split, or both, since.
    if (!deferredSplit.has(folio) || frames.memcg[folio] !== id || !frames.tryGet(folio)) continue;
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
