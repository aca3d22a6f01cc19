// struct address_space: the pages of a file or of a shmem object, and which VMAs map them (include/linux/fs.h).
//
// mmap links VMAs in `iMmap`, vmaEdit.ts keeps their bounds true, reverse mapping of file pages walks it.
//
// Invariants: a VMA with this mapping is in iMmap from mmap() until its page tables are about to go.
// Locks: iMmap, and the bounds of the VMAs in it, change under i_mmap_rwsem for write, which is taken through host.locks.

import { at, LOCKS, points, RwLock, type Steps } from '../sched/index.ts';
import { unchargeCommit } from './commit.ts';
import type { Host } from './host.ts';
import type { Vma } from './vma.ts';

/** regular: has a disk; shmem: its pages are swapped like anonymous ones. */
export type MappingKind = 'regular' | 'shmem';

export class AddressSpace {
  readonly host: Host;
  readonly kind: MappingKind;
  readonly iMmapRwsem: RwLock;
  /** AS_MM_ALL_LOCKS: held by mm_take_all_locks(), under mm_all_locks_mutex. */
  allLocksTaken = false;
  /** i_size, bytes. */
  size: number;
  /** Of a regular file: what is on its disk, whole pages; the bytes past `size` are 0. */
  disk = new Uint8Array(0);
  /** Pages of `size` that are charged to the commit limit. */
  chargedPages = 0;
  // Under i_mmap_rwsem.
  readonly #iMmap: Vma[] = [];

  constructor(host: Host, kind: MappingKind, size: number) {
    this.host = host;
    this.kind = kind;
    this.size = size;
    this.iMmapRwsem = new RwLock(host.sched, LOCKS.i_mmap_rwsem);
  }

  /** Preceded by at.list(iMmapRwsem.id). */
  get iMmap(): Vma[] {
    if (points.on) points.check('list', this.iMmapRwsem.id);
    return this.#iMmap;
  }
}

/** vma_link_file(). */
export function* vmaLinkFile(vma: Vma): Steps {
  if (vma.file === null) return;
  const { mapping } = vma.file;
  yield* mapping.host.locks.iMmapLockWrite(mapping);
  if (points.on) yield at.list(mapping.iMmapRwsem.id);
  mapping.iMmap.push(vma);
  yield* mapping.host.locks.iMmapUnlockWrite(mapping);
}

/** unlink_file_vma(): hides the VMA from reverse mapping before its page tables go. */
export function* unlinkFileVma(vma: Vma): Steps {
  if (vma.file === null) return;
  const { mapping } = vma.file;
  yield* mapping.host.locks.iMmapLockWrite(mapping);
  if (points.on) yield at.list(mapping.iMmapRwsem.id);
  mapping.iMmap.splice(mapping.iMmap.indexOf(vma), 1);
  yield* mapping.host.locks.iMmapUnlockWrite(mapping);
}

/** mincore_page(): is page `index` in the page cache, and up to date? */
export function* mincorePage(_mapping: AddressSpace, _index: number): Steps<boolean> {
  return false;
}

/** evict_inode(): nobody has the object open or mapped any more. */
export function* evictInode(mapping: AddressSpace): Steps {
  unchargeCommit(mapping.host, mapping.chargedPages);
}
