// KSM: one page for all that hold the same (mm/ksm.c): its state, and what /sys/kernel/mm/ksm shows and sets.
//
// A process offers memory by MADV_MERGEABLE (ksmMadvise.ts). ksmd scans it page by page (ksmScan.ts); what is equal to a
// page that was merged before, or has not changed since the last scan and equals another such, is merged (ksmTree.ts,
// ksmMerge.ts). A store to a merged page copies it, like any shared page. Reverse mapping goes by the rmap_items of the
// page's stable node (ksmRmap.ts).
//
// Invariants: a folio with PG_ksm is read-only wherever it is mapped; its stable node lists a place for each mapping that
// KSM made (those that fork made are found from there). An rmap_item is in the unstable tree, listed by a stable node, or
// neither.
// Locks: ksm_thread_mutex for the trees, the rmap_items and the cursor; the folio lock as well for the list of a stable
// node, which reverse mapping walks; ksm_mmlist_lock for the list of mms.

import { LOCKS, Mutex, type Scheduler, type Steps, WaitQueue } from '../../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { AnonVma } from '../rmap/anonVma.ts';
import type { Mm } from '../vma/mmStruct.ts';

export const KSM_RUN_STOP = 0;
export const KSM_RUN_MERGE = 1;
export const KSM_RUN_UNMERGE = 2;

/** sizeof(struct ksm_rmap_item), for the profit. */
const RMAP_ITEM_BYTES = 64;

/** struct ksm_rmap_item: one page of a process that KSM knows of. */
export interface RmapItem {
  readonly id: number;
  readonly mm: Mm;
  readonly address: Hva;
  /** What the page held when it was last looked at. */
  oldChecksum: number;
  /** How often it was scanned in vain, and for how many scans it is passed over. */
  age: number;
  remainingSkips: number;
  state: 'none' | 'unstable' | 'stable';
  /** While unstable: the scan that put it there. */
  seqnr: number;
  /** While stable. */
  head: StableNode | null;
  anonVma: AnonVma | null;
}

/** struct ksm_stable_node of one folio. */
export interface StableNode {
  readonly id: number;
  /** Until the folio is moved. */
  kpfn: Pfn;
  readonly chain: StableChain;
  /** Newest first. */
  readonly rmapItems: RmapItem[];
}

/** A place in the stable tree: the folios of one content, several when one has as many sharers as it may. */
export interface StableChain {
  /** The one to try first, first. */
  readonly dups: StableNode[];
  /** When it was last looked through for folios that are gone, ns. */
  pruneTime: number;
}

/** struct ksm_mm_slot: a process that has offered memory. */
export interface KsmMmSlot {
  readonly mm: Mm;
  /** By address. */
  readonly rmapList: RmapItem[];
}

export class Ksm {
  readonly threadMutex: Mutex;
  readonly mmlistLock: Mutex;
  /** Woken when there is something to do for ksmd (ksm_thread_wait). */
  readonly threadWait: WaitQueue;
  hasThread = false;

  // What /sys/kernel/mm/ksm sets; under threadMutex, read without.
  run = KSM_RUN_STOP;
  pagesToScan = 100;
  sleepMillisecs = 20;
  maxPageSharing = 256;
  smartScan = true;
  /** Pages of zeros become the zero page, rather than one of their own. */
  useZeroPages = false;
  stableNodeChainsPruneMillisecs = 2000;

  // Under mmlistLock.
  readonly slots: KsmMmSlot[] = [];
  /** ksm_scan.mm_slot: who is scanned next; null: a scan of all is to begin. */
  cursor: KsmMmSlot | null = null;

  // Under threadMutex.
  /** ksm_scan: the next address, and the place of the next rmap_item in the slot's list. */
  address = 0;
  position = 0;
  /** Scans of everything that were completed (full_scans). */
  seqnr = 0;
  /** By content; the order is that of comparePages(). */
  readonly stableTree: StableChain[] = [];
  readonly unstableTree: RmapItem[] = [];

  /** Stable nodes by what `mapping` of their folio says. */
  readonly nodes = new Map<number, StableNode>();
  #nextId = 1;

  // Statistics.
  pagesShared = 0;
  pagesSharing = 0;
  pagesUnshared = 0;
  pagesScanned = 0;
  pagesSkipped = 0;
  rmapItems = 0;
  /** Entries of the zero page that stand for a page of zeros (ksmZero.ts). */
  zeroPages = 0;

  constructor(sched: Scheduler) {
    this.threadMutex = new Mutex(sched, LOCKS.ksm_thread_mutex);
    this.mmlistLock = new Mutex(sched, LOCKS.ksm_mmlist_lock);
    this.threadWait = new WaitQueue(sched, 'ksm_thread_wait');
  }

  /** Of an rmap_item or a stable node. */
  nextId(): number {
    return this.#nextId++;
  }

  /** ksmd_should_run(). */
  get shouldRun(): boolean {
    return this.run === KSM_RUN_MERGE && this.slots.length > 0;
  }
}

/** The files of /sys/kernel/mm/ksm that show something, by name. */
export function readKsm(ksm: Ksm): Readonly<Record<string, number>> {
  const { pagesShared, pagesSharing, pagesUnshared, rmapItems, stableTree } = ksm;
  const chains = stableTree.filter(({ dups }) => dups.length > 1);
  return {
    run: ksm.run,
    pages_to_scan: ksm.pagesToScan,
    sleep_millisecs: ksm.sleepMillisecs,
    max_page_sharing: ksm.maxPageSharing,
    smart_scan: Number(ksm.smartScan),
    use_zero_pages: Number(ksm.useZeroPages),
    stable_node_chains_prune_millisecs: ksm.stableNodeChainsPruneMillisecs,
    full_scans: ksm.seqnr,
    pages_scanned: ksm.pagesScanned,
    pages_skipped: ksm.pagesSkipped,
    pages_shared: pagesShared,
    pages_sharing: pagesSharing,
    pages_unshared: pagesUnshared,
    ksm_zero_pages: ksm.zeroPages,
    pages_volatile: Math.max(0, rmapItems - pagesShared - pagesSharing - pagesUnshared),
    stable_node_chains: chains.length,
    stable_node_dups: chains.reduce((sum, { dups }) => sum + dups.length, 0),
    general_profit: (pagesSharing + ksm.zeroPages) * PAGE_SIZE - rmapItems * RMAP_ITEM_BYTES,
  };
}

/** max_page_sharing_store(): 0; -EINVAL; -EBUSY while pages are merged. */
export function* ksmMaxPageSharingStore(ksm: Ksm, value: number): Steps<number> {
  if (!Number.isInteger(value) || value < 2) return -Errno.EINVAL;
  yield* ksm.threadMutex.lock();
  const busy = value !== ksm.maxPageSharing && ksm.pagesShared > 0;
  if (!busy) ksm.maxPageSharing = value;
  yield* ksm.threadMutex.unlock();
  return busy ? -Errno.EBUSY : 0;
}
