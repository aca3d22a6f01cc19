// Writing dirty pages of files back to their disks (mm/page-writeback.c, fs/fs-writeback.c).
//
// fsync() and msync() come here for a range and wait; the flusher writes all there is when reclaim meets dirty pages
// or writers have dirtied too many. (Linux's also comes by every few seconds; here time is virtual, so it need not.)
//
// Invariants: a folio is write-protected everywhere before PG_dirty is cleared, so that a store after that is heard
// of; it is clean, PG_writeback and unlocked while it is on its way. Locks: one folio lock at a time; i_mmap_rwsem
// below it.

import { at, points, RESCHED, type Scheduler, type Steps, WaitQueue } from '../../sched/index.ts';
import { Errno, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioMarkDirty, folioPut } from '../page/folio.ts';
import { PG_dirty, PG_writeback } from '../page/frames.ts';
import { folioMkclean } from '../rmap/mkclean.ts';
import type { AddressSpace } from './addressSpace.ts';
import { accountCleaned, filemapGetFolio, folioInMapping } from './filemap.ts';
import { indexesWithin } from './iPages.ts';

/** none: do not wait for a folio that is being written already (WB_SYNC_NONE). */
export type SyncMode = 'none' | 'all';

/** folio_clear_dirty_for_io(): the folio is locked. False: it was clean. */
export function* folioClearDirtyForIo(mapping: AddressSpace, pfn: Pfn): Steps<boolean> {
  const { host } = mapping;
  // What the PTEs know goes to the folio first; then no store is missed, whenever the flag is cleared.
  if ((yield* folioMkclean(host, pfn)) > 0) {
    if (points.on) yield at.page(pfn);
    folioMarkDirty(host, pfn);
  }
  if (points.on) yield at.page(pfn);
  const dirty = host.frames.testAndClear(pfn, PG_dirty);
  if (dirty) accountCleaned(mapping, pfn);
  return dirty;
}

/** write_cache_pages(): starts to write what is dirty in the pages [first, last]. */
export function* writeCachePages(mapping: AddressSpace, first: number, last: number, mode: SyncMode): Steps {
  for (const index of indexesWithin(mapping.dirty, first, last)) {
    const pfn = (yield* filemapGetFolio(mapping, index)) as Pfn | 0;
    if (pfn === 0) continue;
    yield* writeFolioIfDirty(mapping, pfn, mode);
    yield* folioPut(mapping.host, pfn);
  }
}

function* writeFolioIfDirty(mapping: AddressSpace, pfn: Pfn, mode: SyncMode): Steps {
  const { host } = mapping;
  const { frames, folioLocks } = host;
  if (points.on) yield at.page(pfn);
  if (!frames.test(pfn, PG_dirty)) return;
  yield* folioLocks.lock(pfn);
  if (points.on) yield at.page(pfn);
  const skips = mode === 'none' && frames.test(pfn, PG_writeback);
  if (folioInMapping(mapping, pfn) && !skips) {
    yield* folioLocks.wait(pfn, PG_writeback);
    if (yield* folioClearDirtyForIo(mapping, pfn)) {
      yield* mapping.ops.writeFolio(mapping, pfn);
      return;
    }
  }
  if (points.on) yield at.page(pfn);
  folioLocks.unlock(pfn);
}

/** filemap_fdatawait_range(): until nothing of the pages [first, last] is being written any more. */
function* filemapFdatawait(mapping: AddressSpace, first: number, last: number): Steps {
  const { host } = mapping;
  for (const index of indexesWithin(mapping.writeback, first, last)) {
    const pfn = (yield* filemapGetFolio(mapping, index)) as Pfn | 0;
    if (pfn === 0) continue;
    yield* host.folioLocks.wait(pfn, PG_writeback);
    yield* folioPut(host, pfn);
  }
}

/**
 * vfs_fsync_range() of the pages [first, last]: 0, or -EIO, -ENOSPC once for a write that failed since the last call.
 */
export function* vfsFsyncRange(mapping: AddressSpace, first: number, last: number): Steps<number> {
  if (!mapping.canWriteback) return 0;
  yield* writeCachePages(mapping, first, last, 'all');
  yield* filemapFdatawait(mapping, first, last);
  const error = mapping.writeError;
  mapping.writeError = 0;
  if (error === 0) return 0;
  return error === Errno.ENOSPC ? -Errno.ENOSPC : -Errno.EIO;
}

/** fsync(2). */
export const vfsFsync = (mapping: AddressSpace): Steps<number> =>
  vfsFsyncRange(mapping, 0, Number.POSITIVE_INFINITY);

/** The flusher thread of the host's disks (wb_workfn). */
export class Flusher {
  readonly #wait: WaitQueue;
  #wanted = false;

  constructor(sched: Scheduler) {
    this.#wait = new WaitQueue(sched, 'flusher');
  }

  /** wakeup_flusher_threads(): write everything that is dirty now. */
  wake(): void {
    this.#wanted = true;
    if (this.#wait.hasWaiters) this.#wait.wakeAll();
  }

  /** Body of the task. */
  *run({ addressSpaces }: Host): Steps {
    for (;;) {
      yield* this.#wait.until(() => this.#wanted);
      this.#wanted = false;
      for (const mapping of [...addressSpaces.byId.values()]) {
        if (mapping.canWriteback) yield* writeCachePages(mapping, 0, Number.POSITIVE_INFINITY, 'none');
      }
    }
  }
}

/** vm.dirty_background_ratio and vm.dirty_ratio, of what could be dirty: free frames and the page cache. */
const BACKGROUND_RATIO = 0.1;
const DIRTY_RATIO = 0.2;

/**
 * balance_dirty_pages(): who dirties pages faster than they are written waits here. Holds no lock of a folio or file.
 */
export function* balanceDirtyPages(host: Host): Steps {
  const { zone, lruvec, vmstat, throttle, flusher } = host;
  const dirtyable = zone.freePages + lruvec.inactive('file') + lruvec.active('file');
  if (vmstat.nr_dirty + throttle.writebackInFlight <= dirtyable * BACKGROUND_RATIO) return;
  flusher.wake();
  while (vmstat.nr_dirty + throttle.writebackInFlight > dirtyable * DIRTY_RATIO) {
    if (throttle.writebackInFlight > 0) yield* throttle.waitForWriteback();
    else yield RESCHED;
    flusher.wake();
  }
}
