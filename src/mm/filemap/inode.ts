// struct inode: a file or a shmem object, without its pages (include/linux/fs.h).
//
// Belongs to a file system (ext4.ts) or to nobody (shmem.ts), which knows where its bytes are when they are not in
// the page cache; its address_space (addressSpace.ts) has the pages.
//
// Invariants: no folio beyond `size` is in the page cache, except while i_rwsem is held by who shortens the file.
// Locks: `size` changes under i_rwsem for write; faults and reads look at it without, and again once they have the
// folio's lock (i_size_read), which a task announces with at.sequence(id).

import { LOCKS, points, RwLock, type Scheduler } from '../../sched/index.ts';

export class Inode {
  /** What at.sequence() announces for `size`. */
  readonly id: number;
  /** i_rwsem. */
  readonly rwsem: RwLock;
  #size: number;

  constructor(sched: Scheduler, size: number) {
    this.id = sched.lockId();
    this.rwsem = new RwLock(sched, LOCKS.inode_rwsem);
    this.#size = size;
  }

  /** i_size_read(), bytes. Preceded by at.sequence(id). */
  get size(): number {
    if (points.on) points.check('sequence', this.id, 'marked');
    return this.#size;
  }

  /** i_size_write(): under i_rwsem. Preceded by at.sequence(id). */
  setSize(size: number): void {
    if (points.on) points.check('sequence', this.id, 'update');
    this.#size = size;
  }
}
