// kswapd: reclaim in the background, from the low watermark up to the high one (mm/vmscan.c).
//
// The allocator wakes it; it calls shrinkNode() with falling priority until the zone is balanced, and gives up on a
// hopeless node until a direct reclaimer has success.
//
// Invariant: one task per host; whoever wakes it has seen the zone below its low watermark. Linux lets it nap for a tenth
// of a second before it goes to sleep for good; here it sleeps at once.

import {
  fsReclaimAcquire,
  fsReclaimRelease,
  type Scheduler,
  type Steps,
  WaitQueue,
} from '../../sched/index.ts';
import { GFP_HIGHUSER_MOVABLE } from '../../trace/index.ts';
import type { Host } from '../host.ts';
import type { Order } from '../page/zone.ts';
import { MAX_RECLAIM_RETRIES, ScanControl } from './scanControl.ts';
import { snapshotRefaults } from './scanCount.ts';
import { shrinkNode } from './vmscan.ts';

export class Kswapd {
  readonly #wait: WaitQueue;
  #wanted = false;
  #order: Order = 0;
  /** Rounds in a row that freed nothing (pgdat->kswapd_failures). */
  failures = 0;
  /** PGDAT_WRITEBACK: the tail of the list is nothing but pages being written. */
  writebackFlag = false;

  constructor(sched: Scheduler) {
    this.#wait = new WaitQueue(sched, 'kswapd');
  }

  /** wakeup_kswapd(): true when it was asleep and is not any more. */
  wake(host: Host, order: Order): boolean {
    if (this.isHopeless || isBalanced(host, order)) return false;
    this.#order = Math.max(this.#order, order) as Order;
    if (this.#wanted) return false;
    this.#wanted = true;
    host.trace.mm_vmscan_wakeup_kswapd?.(0, 0, order, GFP_HIGHUSER_MOVABLE);
    this.#wait.wakeAll();
    return true;
  }

  get isHopeless(): boolean {
    return this.failures >= MAX_RECLAIM_RETRIES;
  }

  /** kswapd(): the body of the task. */
  *run(host: Host): Steps {
    for (;;) {
      if (this.isHopeless || isBalanced(host, this.#order)) {
        this.writebackFlag = false;
        this.#wanted = false;
        this.#order = 0;
        host.trace.mm_vmscan_kswapd_sleep?.(0);
        yield* this.#wait.until(() => this.#wanted);
        host.trace.mm_vmscan_kswapd_wake?.(0, 0, this.#order);
      }
      yield* balancePgdat(host, this.#order);
    }
  }
}

/** pgdat_balanced(). */
const isBalanced = ({ zone }: Host, order: Order): boolean => zone.isAbove(zone.watermarks.high, order);

/** balance_pgdat(). */
function* balancePgdat(host: Host, order: Order): Steps {
  const { zone, kswapd, swapClusterMax } = host;
  host.vmstat.pageoutrun++;
  const sc = new ScanControl(host, Math.max(zone.watermarks.high, swapClusterMax), true);
  fsReclaimAcquire(host.sched);
  while (sc.priority > 0 && !isBalanced(host, order)) {
    const before = sc.nrReclaimed;
    sc.nrScanned = 0;
    yield* shrinkNode(host, sc);
    // Scanned enough to meet the high watermark, had all of it been freed: no need to press harder.
    const enough = sc.nrScanned >= sc.nrToReclaim;
    if (!enough || sc.nrReclaimed === before) sc.priority--;
  }
  fsReclaimRelease(host.sched);
  if (sc.nrReclaimed === 0 && sc.priority === 0) kswapd.failures++;
  snapshotRefaults(host, null);
}
