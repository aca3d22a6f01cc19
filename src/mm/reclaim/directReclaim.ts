// Direct reclaim: who wants a frame and finds none frees some himself (mm/vmscan.c: try_to_free_pages), and who is over
// the limit of his memory cgroup some of what it has (try_to_free_mem_cgroup_pages).
//
// The allocator's slow path calls it, and memcgCharge.ts. May sleep; must not be called by who reclaims already.

import { fsReclaimAcquire, fsReclaimRelease, type Steps } from '../../sched/index.ts';
import { GFP_HIGHUSER_MOVABLE } from '../../trace/index.ts';
import type { Host } from '../host.ts';
import type { MemCgroup } from '../memcg/memcontrol.ts';
import type { Order } from '../page/zone.ts';
import { DEF_PRIORITY, MAX_RECLAIM_RETRIES, ScanControl } from './scanControl.ts';
import { snapshotRefaults } from './scanCount.ts';
import { shrinkNode } from './vmscan.ts';

/** try_to_free_pages(): how many frames were freed, 0 if none. */
export function* tryToFreePages(host: Host, order: Order): Steps<number> {
  host.trace.mm_vmscan_direct_reclaim_begin?.(order, GFP_HIGHUSER_MOVABLE);
  const sc = new ScanControl(host, host.swapClusterMax, false);
  fsReclaimAcquire(host.sched);
  yield* doTryToFreePages(host, sc);
  fsReclaimRelease(host.sched);
  host.trace.mm_vmscan_direct_reclaim_end?.(sc.nrReclaimed);
  return sc.nrReclaimed;
}

/** try_to_free_mem_cgroup_pages(): how many pages of `memcg` were freed, `pages` or a cluster if all goes well. */
export function* tryToFreeMemCgroupPages(host: Host, memcg: MemCgroup, pages: number): Steps<number> {
  host.trace.mm_vmscan_memcg_reclaim_begin?.(0, GFP_HIGHUSER_MOVABLE);
  const sc = new ScanControl(host, Math.max(pages, host.swapClusterMax), false, memcg);
  yield* doTryToFreePages(host, sc);
  host.trace.mm_vmscan_memcg_reclaim_end?.(sc.nrReclaimed);
  return sc.nrReclaimed;
}

/**
 * shrink_all_memory(): frees `pages` because somebody outside says so; how many it were. Pages that are in use have
 * chances.
 */
export function* shrinkAllMemory(host: Host, pages: number): Steps<number> {
  const sc = new ScanControl(host, pages, false);
  sc.forceDeactivate = true;
  fsReclaimAcquire(host.sched);
  for (let round = 0; round < MAX_RECLAIM_RETRIES && sc.nrReclaimed < pages; round++)
    yield* doTryToFreePages(host, sc);
  fsReclaimRelease(host.sched);
  return sc.nrReclaimed;
}

/** do_try_to_free_pages(): falling priority until enough is freed; before giving up, what was spared so far. */
function* doTryToFreePages(host: Host, sc: ScanControl): Steps {
  do {
    if (sc.target === null) host.vmstat.allocstall_normal++;
    for (sc.priority = DEF_PRIORITY; sc.priority >= 0; sc.priority--) {
      sc.nrScanned = 0;
      yield* shrinkNode(host, sc);
      if (sc.nrReclaimed >= sc.nrToReclaim) break;
      // consider_reclaim_throttle(): no progress so late means that everything is being written.
      if (sc.priority === 1 && sc.nrReclaimed === 0) yield* host.throttle.waitForWriteback();
    }
    snapshotRefaults(host, sc.target);
  } while (sc.nrReclaimed === 0 && hasMoreToTry(host, sc));
}

/** What the round that freed nothing has left out: cgroups, active folios, what memory.low promises. */
function hasMoreToTry({ memcgs }: Host, sc: ScanControl): boolean {
  if (sc.target === null && memcgs.all.length > 0 && !sc.memcgFullWalk) sc.memcgFullWalk = true;
  else if (sc.skippedDeactivate) {
    sc.forceDeactivate = true;
    sc.skippedDeactivate = false;
  } else if (sc.memcgLowSkipped) {
    sc.forceDeactivate = false;
    sc.memcgLowReclaim = true;
    sc.memcgLowSkipped = false;
  } else return false;
  return true;
}
