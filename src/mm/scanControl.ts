// struct scan_control: what one reclaim run wants, and how it goes (mm/vmscan.c).
//
// kswapd, direct reclaim and MADV_PAGEOUT each make one; vmscan.ts and shrinkFolioList.ts work on it.

import type { Host } from './host.ts';
import { TlbUnmapBatch } from './tlbFlush.ts';

/** Scan size >> priority pages at a time; 0 means: everything. */
export const DEF_PRIORITY = 12;
/** Rounds without any progress before reclaim is called hopeless. */
export const MAX_RECLAIM_RETRIES = 16;

/** What shrink_folio_list() met (struct reclaim_stat). */
export interface ReclaimStat {
  dirty: number;
  unqueuedDirty: number;
  congested: number;
  writeback: number;
  immediate: number;
  activated: number;
  refKeep: number;
}

export const newReclaimStat = (): ReclaimStat => ({
  dirty: 0,
  unqueuedDirty: 0,
  congested: 0,
  writeback: 0,
  immediate: 0,
  activated: 0,
  refKeep: 0,
});

export class ScanControl {
  readonly isKswapd: boolean;
  /** Flushes that this run has put off. */
  readonly batch: TlbUnmapBatch;
  readonly nrToReclaim: number;
  nrReclaimed = 0;
  nrScanned = 0;
  priority = DEF_PRIORITY;
  /** May active folios be deactivated? Decided anew for each node scan. */
  mayDeactivate = false;
  forceDeactivate = false;
  skippedDeactivate = false;
  /** Sums over one node scan (sc->nr); taken counts what was isolated. */
  nr: ReclaimStat & { taken: number } = { ...newReclaimStat(), taken: 0 };

  constructor(host: Host, nrToReclaim: number, isKswapd: boolean) {
    this.batch = new TlbUnmapBatch(host);
    this.nrToReclaim = nrToReclaim;
    this.isKswapd = isKswapd;
  }
}
