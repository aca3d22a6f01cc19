// A file system with a disk, as far as a user of mmap() sees ext4: sizes, holes, blocks that fill up, pages that are
// written back (fs/ext4/inode.c with nodelalloc; blocks are as large as pages).
//
// fileIo.ts and ext4Truncate.ts change files, faults and read() fill their pages, writeback.ts writes them.
//
// Invariants: an extent is a block of the file's own; an unwritten one reads as zeros whatever is on the disk. A
// dirty folio within the file has an extent, unless nobody was asked before the folio was written to (page_mkwrite).
// Locks: an extent appears under the lock of its folio with invalidate_lock or i_rwsem held, and goes under i_rwsem
// and invalidate_lock for write, when no folio of it is in the cache any more.

import { at, points, type Steps } from '../../sched/index.ts';
import { bug, Errno, PAGE_SIZE, type Pfn } from '../../units.ts';
import { VM_FAULT_LOCKED, VM_FAULT_NOPAGE, VM_FAULT_SIGBUS, type VmFault } from '../fault/faultTypes.ts';
import { filemapFault } from '../fault/filemapFault.ts';
import { AddressSpace, type AddressSpaceOps } from '../filemap/addressSpace.ts';
import { File } from '../filemap/file.ts';
import { filemapGetFolio, folioInMapping } from '../filemap/filemap.ts';
import { newCacheFolio, pageCacheAsyncRa, readaheadFrom, readFolioLocked } from '../filemap/readahead.ts';
import { truncateInodePages } from '../filemap/truncate.ts';
import type { Host } from '../host.ts';
import { folioMarkDirty, folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_locked, PG_readahead, PG_uptodate } from '../page/frames.ts';
import type { BlockDevice } from './blockDevice.ts';
import { readHole, submitRead, submitWrite } from './blockIo.ts';
import { ext4PunchHole, ext4SetSize, zeroSegment } from './ext4Truncate.ts';

interface Extent {
  readonly block: number;
  unwritten: boolean;
}

/** One mounted file system. */
export class Ext4 {
  readonly host: Host;
  readonly device: BlockDevice;
  readonly files: AddressSpace[] = [];
  /** By address_space: where its pages are on the disk. */
  readonly extents = new Map<AddressSpace, Map<number, Extent>>();
  readonly #freeBlocks: number[];
  readonly #isUsed: Uint8Array;
  readonly ops: AddressSpaceOps;

  constructor(host: Host, device: BlockDevice) {
    this.host = host;
    this.device = device;
    this.#freeBlocks = Array.from({ length: device.blocks }, (_, i) => device.blocks - 1 - i);
    this.#isUsed = new Uint8Array(device.blocks);
    this.ops = ext4Ops(this);
    host.startDisks();
  }

  get freeBlocks(): number {
    return this.#freeBlocks.length;
  }

  /** ext4_mb_new_blocks(): a block, or null when the disk is full. */
  allocBlock(): number | null {
    const block = this.#freeBlocks.pop();
    if (block === undefined) return null;
    this.#isUsed[block] = 1;
    return block;
  }

  freeBlock(block: number): void {
    if (this.#isUsed[block] === 0) bug('block freed twice', { block });
    this.#isUsed[block] = 0;
    this.#freeBlocks.push(block);
  }

  extentsOf(mapping: AddressSpace): Map<number, Extent> {
    return this.extents.get(mapping) ?? bug('file of another file system', { mapping: mapping.id });
  }

  /** An empty file of `size` bytes, all hole, opened. */
  createFile(size: number): File {
    const mapping = new AddressSpace(this.host, this.ops, size);
    this.extents.set(mapping, new Map());
    this.files.push(mapping);
    return new File(mapping);
  }

  /**
   * A file that is on the disk already, opened: before anything runs on the host. Throws RangeError when the disk is
   * too small.
   */
  addFile(content: Uint8Array): File {
    const file = this.createFile(content.length);
    const extents = this.extentsOf(file.mapping);
    for (let index = 0; index * PAGE_SIZE < content.length; index++) {
      const block = this.allocBlock();
      if (block === null) throw new RangeError(`a file of ${content.length} bytes does not fit on the disk`);
      const memory = new Uint8Array(PAGE_SIZE);
      memory.set(content.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE));
      this.device.submit({ write: true, block, memory, done: () => {} });
      extents.set(index, { block, unwritten: false });
    }
    return file;
  }

  /** kill_sb(): drops the page cache of all files, written back or not, after the last one was closed. */
  *unmount(): Steps {
    for (const mapping of this.files.splice(0)) {
      yield* truncateInodePages(mapping, 0);
      this.extents.delete(mapping);
      this.host.addressSpaces.remove(mapping);
    }
  }
}

const ext4Ops = (fs: Ext4): AddressSpaceOps => ({
  kind: 'regular',
  traceName: null,
  fault: filemapFault,
  pageMkwrite: (vmf) => ext4PageMkwrite(fs, vmf),
  readFolio: (mapping, pfn, index) => ext4ReadFolio(fs, mapping, pfn, index),
  writeBegin: (mapping, index) => ext4WriteBegin(fs, mapping, index),
  readPage: ext4ReadPage,
  writeFolio: (mapping, pfn) => ext4WriteFolio(fs, mapping, pfn),
  setSize: (mapping, size) => ext4SetSize(fs, mapping, size),
  punchHole: (mapping, start, end) => ext4PunchHole(fs, mapping, start, end),
  // The inode stays, and its page cache, when nobody has it open.
  *evict() {},
  inspect: (mapping, index, into) => ext4Inspect(fs, mapping, index, into),
});

/** ext4_map_blocks(CREATE): an extent for the page; false when the disk is full. */
function getBlock(fs: Ext4, mapping: AddressSpace, index: number): boolean {
  const extents = fs.extentsOf(mapping);
  if (extents.has(index)) return true;
  const block = fs.allocBlock();
  if (block === null) return false;
  extents.set(index, { block, unwritten: true });
  return true;
}

/** ext4_read_folio(). */
function* ext4ReadFolio(fs: Ext4, mapping: AddressSpace, pfn: Pfn, index: number): Steps {
  const extent = fs.extentsOf(mapping).get(index);
  if (extent === undefined || extent.unwritten) yield* readHole(mapping, pfn);
  else submitRead(mapping, fs.device, pfn, extent.block);
}

/** What is on the disk, for who inspects a stopped machine. */
function ext4Inspect(fs: Ext4, mapping: AddressSpace, index: number, into: Uint8Array): boolean {
  const extent = fs.extentsOf(mapping).get(index);
  into.fill(0);
  if (extent === undefined || extent.unwritten) return true;
  let failed = 0;
  fs.device.submit({ write: false, block: extent.block, memory: into, done: (errno) => (failed = errno) });
  return failed === 0;
}

/** ext4_page_mkwrite(). */
function* ext4PageMkwrite(fs: Ext4, vmf: VmFault): Steps<number> {
  const { mapping } = vmf.vma.file!;
  const { host, inode, invalidateLock } = mapping;
  const pfn = vmf.page as Pfn;
  yield* invalidateLock.lockRead();
  yield* host.folioLocks.lock(pfn);
  if (points.on) yield at.sequence(inode.id);
  const inFile = vmf.pgoff * PAGE_SIZE < inode.size;
  if (points.on) yield at.page(pfn);
  let result = VM_FAULT_LOCKED;
  if (!folioInMapping(mapping, pfn) || !inFile) result = VM_FAULT_NOPAGE;
  else if (!getBlock(fs, mapping, vmf.pgoff)) result = VM_FAULT_SIGBUS;
  if (result === VM_FAULT_LOCKED) folioMarkDirty(host, pfn);
  else host.folioLocks.unlock(pfn);
  yield* invalidateLock.unlock();
  return result;
}

/** ext4_bio_write_folio(): what is beyond the end of the file is written as zeros, and zeroed in the folio, too. */
function* ext4WriteFolio(fs: Ext4, mapping: AddressSpace, pfn: Pfn): Steps {
  const { host, inode } = mapping;
  if (points.on) yield at.sequence(inode.id);
  const { size } = inode;
  if (points.on) yield at.page(pfn);
  const index = host.frames.index[pfn]!;
  const left = size - index * PAGE_SIZE;
  if (left < PAGE_SIZE && left > 0) zeroSegment(host, pfn, left, PAGE_SIZE);
  // A folio that was dirtied behind the file system's back (GUP) may have no block; Linux warns of it, and drops it.
  if (left > 0 && getBlock(fs, mapping, index)) {
    const extent = fs.extentsOf(mapping).get(index)!;
    yield* submitWrite(mapping, fs.device, pfn, extent.block, () => {
      extent.unwritten = false;
    });
  }
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
}

/** ext4_write_begin(): the rest of the page is there when a part of it is written. */
function* ext4WriteBegin(fs: Ext4, mapping: AddressSpace, index: number): Steps<number> {
  const { host } = mapping;
  for (;;) {
    const found = (yield* filemapGetFolio(mapping, index)) || (yield* newCacheFolio(mapping, index, null));
    if (found === 0) return -Errno.ENOMEM;
    const pfn = found as Pfn;
    yield* host.folioLocks.lock(pfn);
    if (points.on) yield at.page(pfn);
    const stays = folioInMapping(mapping, pfn);
    if (stays && host.frames.test(pfn, PG_uptodate)) {
      if (getBlock(fs, mapping, index)) return pfn;
      yield* folioUnlockPut(host, pfn);
      return -Errno.ENOSPC;
    }
    let error = 0;
    if (stays) error = yield* readFolioLocked(mapping, pfn);
    else host.folioLocks.unlock(pfn);
    yield* folioPut(host, pfn);
    if (error !== 0) return error;
  }
}

/** filemap_get_pages() of one page. */
function* ext4ReadPage(mapping: AddressSpace, index: number): Steps<number> {
  const { host } = mapping;
  for (let missed = false; ; missed = true) {
    let pfn = (yield* filemapGetFolio(mapping, index)) as Pfn | 0;
    if (pfn === 0 && !missed) {
      yield* readaheadFrom(mapping, index, null);
      continue;
    }
    if (pfn === 0) pfn = (yield* newCacheFolio(mapping, index, null)) as Pfn | 0;
    if (pfn === 0) return -Errno.ENOMEM;
    if (points.on) yield at.page(pfn);
    if (host.frames.test(pfn, PG_readahead)) yield* pageCacheAsyncRa(mapping, pfn, index, null);
    yield* host.folioLocks.wait(pfn, PG_locked);
    if (points.on) yield at.page(pfn);
    if (host.frames.test(pfn, PG_uptodate)) return pfn;
    yield* host.folioLocks.lock(pfn);
    if (points.on) yield at.page(pfn);
    let error = 0;
    if (folioInMapping(mapping, pfn) && !host.frames.test(pfn, PG_uptodate))
      error = yield* readFolioLocked(mapping, pfn);
    else host.folioLocks.unlock(pfn);
    yield* folioPut(host, pfn);
    if (error !== 0) return error;
  }
}
