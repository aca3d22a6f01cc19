// struct address_space: the pages of a file or of a shmem object, and which VMAs map them (include/linux/fs.h).
//
// mmap links VMAs in `iMmap`, vmaEdit.ts keeps their bounds true, reverse mapping of file pages looks them up;
// `iPages` is the page cache. What a file system or shmem does about a page is in `ops`.
//
// Invariants: a VMA with this mapping is in iMmap from mmap() until its page tables are about to go; a folio in
// iPages names the mapping (minus its id) and has one reference for it.
// Locks: iMmap, and the bounds of the VMAs in it, change under i_mmap_rwsem for write, which is taken through
// host.locks; iPages under its own lock. Who fills the cache from a device holds invalidate_lock for read, who cuts
// pages out for write.

import { IntervalTree } from '../../notifier/index.ts';
import { at, LOCKS, points, RwLock, type Steps } from '../../sched/index.ts';
import type { Pfn } from '../../units.ts';
import type { VmFault } from '../fault/faultTypes.ts';
import type { Host } from '../host.ts';
import type { Vma } from '../vma/vma.ts';
import { Inode } from './inode.ts';
import { IPages } from './iPages.ts';

/** regular: has a disk; shmem: its pages are swapped like anonymous ones. */
export type MappingKind = 'regular' | 'shmem';

/** struct vm_operations_struct and address_space_operations of a kind of file. */
export interface AddressSpaceOps {
  readonly kind: MappingKind;
  /** FileName of the tracepoints: what a shmem object is called there. */
  readonly traceName: number | null;
  /** vm_ops->fault: VM_FAULT_LOCKED with the folio of vmf.page locked and referenced, or other VM_FAULT bits. */
  fault(vmf: VmFault): Steps<number>;
  /**
   * vm_ops->page_mkwrite of vmf.page, referenced and unlocked: VM_FAULT_LOCKED, or why not. Null: nobody has to be
   * asked.
   */
  readonly pageMkwrite: ((vmf: VmFault) => Steps<number>) | null;
  /** Reads a folio that is in the cache and locked on behalf of the device, which unlocks it. */
  readFolio(mapping: AddressSpace, pfn: Pfn, index: number): Steps;
  /** write_begin: page `index`, its folio locked, with a reference, ready to be written in part; or -errno. */
  writeBegin(mapping: AddressSpace, index: number): Steps<number>;
  /** A page for read(): uptodate, with a reference; 0: a hole; or -errno. */
  readPage(mapping: AddressSpace, index: number): Steps<number>;
  /** Writes one folio out, locked and no longer dirty; unlocked on return. */
  writeFolio(mapping: AddressSpace, pfn: Pfn): Steps;
  /** setattr of the size: under i_rwsem. 0 or -errno. */
  setSize(mapping: AddressSpace, size: number): Steps<number>;
  /** fallocate(PUNCH_HOLE | KEEP_SIZE) of the bytes [start, end). 0 or -errno. */
  punchHole(mapping: AddressSpace, start: number, end: number): Steps<number>;
  /** evict_inode: nobody has it open or mapped any more. */
  evict(mapping: AddressSpace): Steps;
  /** Copies a page that is not in the page cache into `into`, between scheduler steps; false: it cannot be read. */
  inspect(mapping: AddressSpace, index: number, into: Uint8Array): boolean;
}

export class AddressSpace {
  readonly id: number;
  readonly host: Host;
  readonly ops: AddressSpaceOps;
  readonly inode: Inode;
  readonly iPages: IPages;
  readonly invalidateLock: RwLock;
  readonly iMmapRwsem: RwLock;
  /** AS_MM_ALL_LOCKS: held by mm_take_all_locks(), under mm_all_locks_mutex. */
  allLocksTaken = false;
  /**
   * Page indexes of the folios of a file with a disk that are dirty, and of those that are being written; each
   * changes in one step with the folio's flag (PAGECACHE_TAG_DIRTY, PAGECACHE_TAG_WRITEBACK).
   */
  readonly dirty = new Set<number>();
  readonly writeback = new Set<number>();
  /** Since the last fsync() that told of it: the errno of a write that failed (errseq_t). */
  writeError = 0;
  // Under i_mmap_rwsem.
  readonly #iMmap = new IntervalTree<Vma>();

  constructor(host: Host, ops: AddressSpaceOps, size: number) {
    this.host = host;
    this.ops = ops;
    this.inode = new Inode(host.sched, size);
    this.iPages = new IPages(host.sched);
    this.invalidateLock = new RwLock(host.sched, LOCKS.invalidate_lock);
    this.iMmapRwsem = new RwLock(host.sched, LOCKS.i_mmap_rwsem);
    this.id = host.addressSpaces.add(this);
  }

  get kind(): MappingKind {
    return this.ops.kind;
  }

  /** mapping_can_writeback(): its dirty pages are counted, and go to a disk. */
  get canWriteback(): boolean {
    return this.kind === 'regular';
  }

  /** Preceded by at.list(iMmapRwsem.id). */
  get iMmap(): IntervalTree<Vma> {
    if (points.on) points.check('list', this.iMmapRwsem.id, 'read');
    return this.#iMmap;
  }
}

/** All address_spaces of a host, by id. */
export class AddressSpaceTable {
  readonly byId = new Map<number, AddressSpace>();
  #nextId = 1;

  add(mapping: AddressSpace): number {
    this.byId.set(this.#nextId, mapping);
    return this.#nextId++;
  }

  remove(mapping: AddressSpace): void {
    this.byId.delete(mapping.id);
  }
}

/** vma_interval_tree_insert(): under i_mmap_rwsem for write. Preceded by at.list(mapping.iMmapRwsem.id). */
export function insertInIMmap(mapping: AddressSpace, vma: Vma): void {
  if (points.on) points.check('list', mapping.iMmapRwsem.id, 'write');
  mapping.iMmap.insert(vma, vma.pgoff, vma.lastPgoff);
}

/** vma_interval_tree_remove(), as insertInIMmap(). Preceded by at.list(mapping.iMmapRwsem.id). */
export function removeFromIMmap(mapping: AddressSpace, vma: Vma): void {
  if (points.on) points.check('list', mapping.iMmapRwsem.id, 'write');
  mapping.iMmap.remove(vma);
}

/** vma_link_file(). */
export function* vmaLinkFile(vma: Vma): Steps {
  if (vma.file === null) return;
  const { mapping } = vma.file;
  yield* mapping.host.locks.iMmapLockWrite(mapping);
  if (points.on) yield at.list(mapping.iMmapRwsem.id);
  insertInIMmap(mapping, vma);
  yield* mapping.host.locks.iMmapUnlockWrite(mapping);
}

/** unlink_file_vma(): hides the VMA from reverse mapping before its page tables go. */
export function* unlinkFileVma(vma: Vma): Steps {
  if (vma.file === null) return;
  const { mapping } = vma.file;
  yield* mapping.host.locks.iMmapLockWrite(mapping);
  if (points.on) yield at.list(mapping.iMmapRwsem.id);
  removeFromIMmap(mapping, vma);
  yield* mapping.host.locks.iMmapUnlockWrite(mapping);
}
