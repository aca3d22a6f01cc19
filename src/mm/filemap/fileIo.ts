// read(), write(), ftruncate() and fallocate() of files and shmem objects (mm/filemap.c: filemap_read,
// generic_perform_write; fs/open.c).
//
// Host processes and scripts use files past their mappings so; both see the same pages.
//
// Locks: i_rwsem for write round everything that changes the file; one folio lock at a time.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, PAGE_SIZE, type Pfn, pfnToHpa } from '../../units.ts';
import { folioMarkAccessed, folioMarkDirty, folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_uptodate } from '../page/frames.ts';
import type { AddressSpace } from './addressSpace.ts';
import type { File } from './file.ts';
import { pagecacheIsizeExtended, truncatePagecache } from './truncate.ts';
import { balanceDirtyPages } from './writeback.ts';

/** pread(2): how many bytes were read into `into`, 0 at the end of the file; or -ENOMEM, -EIO when there were none. */
export function* fileRead({ mapping }: File, position: number, into: Uint8Array): Steps<number> {
  const { inode, host, ops } = mapping;
  let done = 0;
  while (done < into.length) {
    const at_ = position + done;
    if (points.on) yield at.sequence(inode.id);
    if (at_ >= inode.size) break;
    const found = yield* ops.readPage(mapping, Math.floor(at_ / PAGE_SIZE));
    if (found < 0) return done > 0 ? done : found;
    // i_size once more: the page is zeros, or gone, behind an end that has moved meanwhile.
    if (points.on) yield at.sequence(inode.id);
    const length = Math.min(into.length - done, PAGE_SIZE - (at_ % PAGE_SIZE), inode.size - at_);
    const page = found as Pfn | 0;
    if (length > 0) into.set(bytesOf(mapping, page, at_ % PAGE_SIZE, length), done);
    done += Math.max(0, length);
    if (page !== 0) {
      const folio = host.frames.folioOf(page);
      if (points.on) yield at.page(folio);
      folioMarkAccessed(host, folio);
      yield* folioPut(host, folio);
    }
    if (length <= 0) break;
  }
  return done;
}

/** A part of the page, zeros of a hole. */
const bytesOf = (
  { host: { memory } }: AddressSpace,
  pfn: Pfn | 0,
  offset: number,
  length: number,
): Uint8Array =>
  pfn === 0 ? new Uint8Array(length) : memory.readBytes((pfnToHpa(pfn) + offset) as Hpa, length);

/** pwrite(2): how many bytes were written; or -ENOMEM, -ENOSPC, -EIO when there were none. */
export function* fileWrite({ mapping }: File, position: number, bytes: Uint8Array): Steps<number> {
  const { inode, host } = mapping;
  yield* inode.rwsem.lockWrite();
  let done = 0;
  let error = 0;
  while (done < bytes.length) {
    const from = position + done;
    const length = Math.min(bytes.length - done, PAGE_SIZE - (from % PAGE_SIZE));
    error = yield* writePage(mapping, from, bytes.subarray(done, done + length));
    if (error !== 0) break;
    done += length;
  }
  if (error !== 0 && mapping.canWriteback) {
    // ext4_truncate_failed_write(): no page stays behind the end.
    if (points.on) yield at.sequence(inode.id);
    yield* truncatePagecache(mapping, inode.size);
  }
  yield* inode.rwsem.unlock();
  yield* balanceDirtyPages(host);
  return done > 0 ? done : error;
}

/** One round of generic_perform_write(). 0 or -errno. */
function* writePage(mapping: AddressSpace, from: number, bytes: Uint8Array): Steps<number> {
  const { host, inode, ops } = mapping;
  const found = yield* ops.writeBegin(mapping, Math.floor(from / PAGE_SIZE));
  if (found < 0) return found;
  const page = found as Pfn;
  const folio = host.frames.folioOf(page);
  if (points.on) yield at.page(folio);
  host.memory.writeBytes((pfnToHpa(page) + (from % PAGE_SIZE)) as Hpa, bytes);
  host.frames.set(folio, PG_uptodate);
  folioMarkDirty(host, folio);
  if (points.on) yield at.sequence(inode.id);
  const old = inode.size;
  if (from + bytes.length > old) inode.setSize(from + bytes.length);
  yield* folioUnlockPut(host, folio);
  if (from > old) yield* pagecacheIsizeExtended(mapping, old, from);
  return 0;
}

/** ftruncate(2): 0, -EINVAL, or what the file system says. */
export function* fileTruncate({ mapping }: File, size: number): Steps<number> {
  if (size < 0) return -Errno.EINVAL;
  yield* mapping.inode.rwsem.lockWrite();
  const error = yield* mapping.ops.setSize(mapping, size);
  yield* mapping.inode.rwsem.unlock();
  return error;
}

/** fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE), in bytes: 0, -EINVAL, or what the file system says. */
export function* filePunchHole({ mapping }: File, start: number, length: number): Steps<number> {
  if (start < 0 || length <= 0) return -Errno.EINVAL;
  yield* mapping.inode.rwsem.lockWrite();
  const error = yield* mapping.ops.punchHole(mapping, start, start + length);
  yield* mapping.inode.rwsem.unlock();
  return error;
}
