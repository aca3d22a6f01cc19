// Direct reclaim: who wants a frame and finds none frees some himself (mm/vmscan.c: try_to_free_pages).
//
// The allocator's slow path calls it. May sleep; must not be called by who reclaims already.

import type { Steps } from '../sched/index.ts';
import { GFP_HIGHUSER_MOVABLE } from '../trace/index.ts';
import type { Host } from './host.ts';
import { DEF_PRIORITY, MAX_RECLAIM_RETRIES, ScanControl } from './scanControl.ts';
import { snapshotRefaults } from './scanCount.ts';
import { shrinkNode } from './vmscan.ts';
import type { Order } from './zone.ts';

/** try_to_free_pages(): how many frames were freed, 0 if none. */
export function* tryToFreePages(host: Host, order: Order): Steps<number> {
  host.trace.mm_vmscan_direct_reclaim_begin?.(order, GFP_HIGHUSER_MOVABLE);
  const sc = new ScanControl(host, host.swapClusterMax, false);
  yield* doTryToFreePages(host, sc);
  // Active folios were spared so far; before giving up, they are not.
  if (sc.nrReclaimed === 0 && sc.skippedDeactivate) {
    sc.forceDeactivate = true;
    sc.skippedDeactivate = false;
    yield* doTryToFreePages(host, sc);
  }
  host.trace.mm_vmscan_direct_reclaim_end?.(sc.nrReclaimed);
  return sc.nrReclaimed;
}

/** shrink_all_memory(): frees `pages` because somebody outside says so; how many it were. Pages that are in use have chances. */
export function* shrinkAllMemory(host: Host, pages: number): Steps<number> {
  const sc = new ScanControl(host, pages, false);
  sc.forceDeactivate = true;
  for (let round = 0; round < MAX_RECLAIM_RETRIES && sc.nrReclaimed < pages; round++)
    yield* doTryToFreePages(host, sc);
  return sc.nrReclaimed;
}

/** do_try_to_free_pages(): falling priority until enough is freed. */
function* doTryToFreePages(host: Host, sc: ScanControl): Steps {
  host.vmstat.allocstall_normal++;
  for (sc.priority = DEF_PRIORITY; sc.priority >= 0; sc.priority--) {
    sc.nrScanned = 0;
    yield* shrinkNode(host, sc);
    if (sc.nrReclaimed >= sc.nrToReclaim) break;
    // consider_reclaim_throttle(): no progress so late means that everything is being written.
    if (sc.priority === 1 && sc.nrReclaimed === 0) yield* host.throttle.waitForWriteback();
  }
  snapshotRefaults(host);
}
