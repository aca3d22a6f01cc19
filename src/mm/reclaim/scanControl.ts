// struct scan_control: what one reclaim run wants, and how it goes (mm/vmscan.c).
//
// kswapd, direct reclaim, memory cgroups and MADV_PAGEOUT each make one; vmscan.ts and shrinkFolioList.ts work on it.

import type { Host } from '../host.ts';
import type { MemCgroup } from '../memcg/memcontrol.ts';
import { TlbUnmapBatch } from '../pagetable/tlbFlush.ts';

/**
 * Virtual time that reclaim takes per folio, ns: to look at one, and to unmap one and submit its write. It must not be 0,
 * or reclaim would have been over the whole list before the first write could end.
 */
export const SCAN_COST = 1_000;
export const PAGEOUT_COST = 4_000;
/** Scan size >> priority pages at a time; 0 means: everything. */
export const DEF_PRIORITY = 12;
/** Rounds without any progress before reclaim is called hopeless. */
export const MAX_RECLAIM_RETRIES = 16;

/** What shrink_folio_list() met (struct reclaim_stat). */
export class ReclaimStat {
  dirty = 0;
  congested = 0;
  writeback = 0;
  immediate = 0;
  activated = 0;
  refKeep = 0;
  /** Dirty file folios that nobody is writing yet: the flusher's business. */
  unqueuedDirty = 0;
  /** Writes that were started: part of what reclaiming costs. */
  pageout = 0;
}

/** What one scan of the node met, over all its lists. */
export class NodeScan {
  dirty = 0;
  congested = 0;
  writeback = 0;
  immediate = 0;
  /** Folios that were isolated. */
  taken = 0;

  add(stat: ReclaimStat, taken: number): void {
    this.dirty += stat.dirty;
    this.congested += stat.congested;
    this.writeback += stat.writeback;
    this.immediate += stat.immediate;
    this.taken += taken;
  }
}

export class ScanControl {
  readonly isKswapd: boolean;
  /** Flushes that this run has put off. */
  readonly batch: TlbUnmapBatch;
  readonly nrToReclaim: number;
  /** For whose sake (target_mem_cgroup): only its lists are scanned; null: everybody's. */
  readonly target: MemCgroup | null;
  nrReclaimed = 0;
  nrScanned = 0;
  priority = DEF_PRIORITY;
  /** All cgroups in one pass, rather than each reclaimer some (memcg_full_walk). */
  memcgFullWalk = false;
  /** Also what memory.low promises; and whether anything was spared because of it. */
  memcgLowReclaim = false;
  memcgLowSkipped = false;

  // Decided anew for each node scan (scanCount.ts).
  /** May active folios be deactivated? */
  readonly mayDeactivate = { anon: false, file: false };
  /** Inactive cache enough: leave anonymous memory alone. */
  cacheTrimMode = false;
  /** So little cache is left that only anonymous memory is worth scanning. */
  fileIsTiny = false;

  forceDeactivate = false;
  skippedDeactivate = false;
  /** Sums over one scan of the node (sc->nr). */
  nr = new NodeScan();

  constructor(host: Host, nrToReclaim: number, isKswapd: boolean, target: MemCgroup | null = null) {
    this.batch = new TlbUnmapBatch(host);
    this.nrToReclaim = nrToReclaim;
    this.isKswapd = isKswapd;
    this.target = target;
  }
}
