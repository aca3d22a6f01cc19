// Shortening, lengthening and punching files of ext4.ts (fs/ext4/inode.c: ext4_setattr, ext4_truncate,
// ext4_punch_hole).
//
// fileIo.ts comes here by the operations of the file. The page cache goes first (truncate.ts), then the blocks.
//
// Invariants: of a page that is cut in part the rest is zeros, in the cache and, once written back, on the disk; what
// was stored behind the end of the file is zeroed before the end moves past it. Locks: i_rwsem for write, by the
// caller, and invalidate_lock for write.

import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, PAGE_SIZE, type Pfn, pfnToHpa } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import { filemapLockFolio } from '../filemap/filemap.ts';
import { pagecacheIsizeExtended, truncatePagecache, truncatePagecacheRange } from '../filemap/truncate.ts';
import type { Host } from '../host.ts';
import { folioMarkDirty, folioUnlockPut } from '../page/folio.ts';
import { PG_uptodate } from '../page/frames.ts';
import type { Ext4 } from './ext4.ts';

/** folio_zero_segment(). Preceded by at.page(pfn). */
export function zeroSegment(host: Host, pfn: Pfn, from: number, to: number): void {
  host.memory.writeBytes((pfnToHpa(pfn) + from) as Hpa, new Uint8Array(to - from));
}

/** ext4_setattr(ATTR_SIZE). */
export function* ext4SetSize(fs: Ext4, mapping: AddressSpace, size: number): Steps<number> {
  const { inode, invalidateLock } = mapping;
  inode.rwsem.assertHeld();
  yield* invalidateLock.lockWrite();
  if (points.on) yield at.sequence(inode.id);
  const old = inode.size;
  let error = 0;
  if (size > old) error = yield* zeroPartialPage(fs, mapping, old, PAGE_SIZE);
  if (error === 0) {
    if (points.on) yield at.sequence(inode.id);
    inode.setSize(size);
    if (size > old) yield* pagecacheIsizeExtended(mapping, old, size);
    yield* truncatePagecache(mapping, size);
    if (size <= old) yield* ext4Truncate(fs, mapping, size);
  }
  yield* invalidateLock.unlock();
  return error;
}

/** ext4_truncate(): zeros in the last page, and gives the blocks behind it back. */
function* ext4Truncate(fs: Ext4, mapping: AddressSpace, size: number): Steps {
  yield* zeroPartialPage(fs, mapping, size, PAGE_SIZE);
  removeExtents(fs, mapping, Math.ceil(size / PAGE_SIZE), Number.POSITIVE_INFINITY);
}

function removeExtents(fs: Ext4, mapping: AddressSpace, first: number, end: number): void {
  const extents = fs.extentsOf(mapping);
  for (const [index, { block }] of [...extents]) {
    if (index < first || index >= end) continue;
    extents.delete(index);
    fs.freeBlock(block);
  }
}

/**
 * ext4_block_truncate_page() and ext4_block_zero_page_range(): zeros from byte `from` of the file to byte `to` of the
 * same page, in the cache; a hole needs none. 0 or -EIO.
 */
function* zeroPartialPage(fs: Ext4, mapping: AddressSpace, from: number, to: number): Steps<number> {
  const index = Math.floor(from / PAGE_SIZE);
  const offset = from % PAGE_SIZE;
  if (offset === 0 && to === PAGE_SIZE) return 0;
  const { host } = mapping;
  if (!fs.extentsOf(mapping).has(index)) return yield* zeroIfCached(mapping, index, offset, to);
  const found = yield* mapping.ops.writeBegin(mapping, index);
  if (found < 0) return found;
  const pfn = found as Pfn;
  if (points.on) yield at.page(pfn);
  zeroSegment(host, pfn, offset, to);
  folioMarkDirty(host, pfn);
  yield* folioUnlockPut(host, pfn);
  return 0;
}

/** A page without a block, which may be in the cache, all zeros as far as the file goes. */
function* zeroIfCached(mapping: AddressSpace, index: number, offset: number, to: number): Steps<number> {
  const { host } = mapping;
  const pfn = (yield* filemapLockFolio(mapping, index)) as Pfn | 0;
  if (pfn === 0) return 0;
  if (points.on) yield at.page(pfn);
  if (host.frames.test(pfn, PG_uptodate)) zeroSegment(host, pfn, offset, to);
  yield* folioUnlockPut(host, pfn);
  return 0;
}

/** ext4_punch_hole(): i_rwsem is held for write. */
export function* ext4PunchHole(fs: Ext4, mapping: AddressSpace, start: number, end: number): Steps<number> {
  const { inode, invalidateLock } = mapping;
  inode.rwsem.assertHeld();
  if (points.on) yield at.sequence(inode.id);
  const { size } = inode;
  if (start >= size) return 0;
  const stop = end >= size ? Math.ceil(size / PAGE_SIZE) * PAGE_SIZE : end;
  yield* invalidateLock.lockWrite();
  yield* truncatePagecacheRange(mapping, start, stop);
  const error = yield* zeroPartialPages(fs, mapping, start, stop);
  if (error === 0) removeExtents(fs, mapping, Math.ceil(start / PAGE_SIZE), Math.floor(stop / PAGE_SIZE));
  yield* invalidateLock.unlock();
  return error;
}

/** ext4_zero_partial_blocks(). */
function* zeroPartialPages(fs: Ext4, mapping: AddressSpace, start: number, end: number): Steps<number> {
  const [first, last] = [Math.floor(start / PAGE_SIZE), Math.floor(end / PAGE_SIZE)];
  const within = first === last;
  const error = yield* zeroPartialPage(fs, mapping, start, within ? end % PAGE_SIZE : PAGE_SIZE);
  if (error !== 0 || within || end % PAGE_SIZE === 0) return error;
  return yield* zeroPartialPage(fs, mapping, last * PAGE_SIZE, end % PAGE_SIZE);
}
