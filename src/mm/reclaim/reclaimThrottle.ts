// Making reclaimers wait for what only time brings: writeback to end, other reclaimers to put pages back
// (mm/vmscan.c: reclaim_throttle, acct_reclaim_writeback).
//
// Linux sleeps with a timeout; here each sleep ends by the event it waits for, which is sure to come, so that no virtual
// time passes for nothing.
//
// Invariant: writebackInFlight is the number of folios with PG_writeback.

import { type Scheduler, type Steps, WaitQueue } from '../../sched/index.ts';

export class ReclaimThrottle {
  readonly #writeback: WaitQueue;
  readonly #isolated: WaitQueue;
  /** SWAP_CLUSTER_MAX of this host: how much reclaim does at a time. */
  readonly #cluster: number;
  /** NR_WRITEBACK. */
  writebackInFlight = 0;
  #writebackEnded = 0;

  constructor(sched: Scheduler, cluster: number) {
    this.#cluster = cluster;
    this.#writeback = new WaitQueue(sched, 'reclaim throttle: writeback');
    this.#isolated = new WaitQueue(sched, 'reclaim throttle: isolated');
  }

  /** VMSCAN_THROTTLE_WRITEBACK, _CONGESTED and _NOPROGRESS: until a cluster of writes, or all of them, have ended. */
  *waitForWriteback(): Steps {
    const enough = this.#writebackEnded + Math.min(this.#cluster, this.writebackInFlight);
    yield* this.#writeback.until(() => this.#writebackEnded >= enough);
  }

  /** VMSCAN_THROTTLE_ISOLATED: until somebody has put back what he isolated. */
  waitForIsolated(tooMany: () => boolean): Steps {
    return this.#isolated.until(() => !tooMany());
  }

  /** One folio's writeback ended. */
  acctReclaimWriteback(): void {
    this.writebackInFlight--;
    this.#writebackEnded++;
    if (this.#writeback.hasWaiters) this.#writeback.wakeAll();
  }

  wakeIsolated(): void {
    if (this.#isolated.hasWaiters) this.#isolated.wakeAll();
  }
}
