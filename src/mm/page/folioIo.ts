// How a folio's I/O ends, be it with a swap slot or with a block of a file (mm/filemap.c).
//
// Called by swapIo.ts and blockIo.ts, in the task that hears of completions.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPut } from './folio.ts';
import { PG_dirty, PG_locked, PG_reclaim, PG_uptodate, PG_writeback } from './frames.ts';

/** folio_end_writeback(); `mapping`: whose page of a file it is, or null. */
export function* folioEndWriteback(host: Host, pfn: Pfn, mapping: AddressSpace | null): Steps {
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  frames.get(pfn);
  const rotates = frames.testAndClear(pfn, PG_reclaim) && !frames.test(pfn, PG_locked | PG_dirty);
  if (rotates && (yield* folioLruvec(host, pfn).rotate(pfn))) host.vmstat.pgrotated++;
  if (points.on) yield at.page(pfn);
  frames.clear(pfn, PG_writeback);
  mapping?.writeback.delete(frames.index[pfn]!);
  host.folioLocks.wake(pfn);
  host.throttle.acctReclaimWriteback();
  yield* folioPut(host, pfn);
}

/** folio_end_read(): the folio was locked on behalf of the device. */
export function* folioEndRead(host: Host, pfn: Pfn, success: boolean): Steps {
  if (points.on) yield at.page(pfn);
  if (success) host.frames.set(pfn, PG_uptodate);
  host.folioLocks.unlockForDevice(pfn);
}
