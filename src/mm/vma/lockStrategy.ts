// How mm takes its mmap, VMA, i_mmap and anon_vma locks: one object, chosen when the host is built, and the only
// place that touches those locks. The rival designs of 2008 are other objects of the same interface.
//
// SleepingLocks is today's design: rwsems throughout, and a lock per VMA so that a fault need not take mmap_lock. A VMA
// that is locked for write stays so until its mm's mmap_lock is released or downgraded (vma_end_write_all).
//
// Invariant: mm_take_all_locks() of different mms never overlap (mm_all_locks_mutex), so that the many locks of one kind
// may be taken in any order.

import { at, LOCKS, Mutex, points, type Scheduler, type Steps } from '../../sched/index.ts';
import { Errno } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import type { AnonVma } from '../rmap/anonVma.ts';
import type { Mm } from './mmStruct.ts';
import type { Vma } from './vma.ts';

export interface LockStrategy {
  mmapReadLock(mm: Mm): Steps;
  mmapReadTrylock(mm: Mm): Steps<boolean>;
  mmapReadUnlock(mm: Mm): Steps;
  mmapWriteLock(mm: Mm): Steps;
  mmapWriteUnlock(mm: Mm): Steps;
  mmapWriteDowngrade(mm: Mm): Steps;
  /** Answers at once; false means: take mmap_lock instead. */
  vmaStartRead(vma: Vma): Steps<boolean>;
  vmaEndRead(vma: Vma): Steps;
  /** mmap_lock is held for write; held until it is released or downgraded. */
  vmaStartWrite(mm: Mm, vma: Vma): Steps;
  iMmapLockRead(mapping: AddressSpace): Steps;
  iMmapTrylockRead(mapping: AddressSpace): Steps<boolean>;
  iMmapUnlockRead(mapping: AddressSpace): Steps;
  iMmapLockWrite(mapping: AddressSpace): Steps;
  iMmapUnlockWrite(mapping: AddressSpace): Steps;
  anonVmaLockRead(anonVma: AnonVma): Steps;
  anonVmaTrylockRead(anonVma: AnonVma): Steps<boolean>;
  anonVmaUnlockRead(anonVma: AnonVma): Steps;
  anonVmaLockWrite(anonVma: AnonVma): Steps;
  anonVmaUnlockWrite(anonVma: AnonVma): Steps;
  /** mm_take_all_locks(): mmap_lock is held for write. 0, or -EINTR with nothing held. */
  takeAllLocks(mm: Mm): Steps<number>;
  /** mm_drop_all_locks(). */
  dropAllLocks(mm: Mm): Steps;
}

export class SleepingLocks implements LockStrategy {
  readonly #mmAllLocksMutex: Mutex;

  constructor(sched: Scheduler) {
    this.#mmAllLocksMutex = new Mutex(sched, LOCKS.mm_all_locks_mutex);
  }

  mmapReadLock(mm: Mm): Steps {
    return mm.mmapLock.lockRead();
  }

  mmapReadTrylock(mm: Mm): Steps<boolean> {
    return mm.mmapLock.tryLockRead();
  }

  mmapReadUnlock(mm: Mm): Steps {
    return mm.mmapLock.unlock();
  }

  mmapWriteLock(mm: Mm): Steps {
    return mm.mmapLock.lockWrite();
  }

  *mmapWriteUnlock(mm: Mm): Steps {
    yield* this.#vmaEndWriteAll(mm);
    yield* mm.mmapLock.unlock();
  }

  *mmapWriteDowngrade(mm: Mm): Steps {
    yield* this.#vmaEndWriteAll(mm);
    yield* mm.mmapLock.downgrade();
  }

  vmaStartRead(vma: Vma): Steps<boolean> {
    return vma.lock.tryLockRead();
  }

  vmaEndRead(vma: Vma): Steps {
    return vma.lock.unlock();
  }

  *vmaStartWrite(mm: Mm, vma: Vma): Steps {
    mm.mmapLock.assertHeldWrite();
    if (points.on) yield at.lock(vma.lock);
    if (vma.lock.isWriteLocked) return;
    yield* vma.lock.lockWrite();
    mm.writeLockedVmas.push(vma);
  }

  iMmapLockRead(mapping: AddressSpace): Steps {
    return mapping.iMmapRwsem.lockRead();
  }

  iMmapTrylockRead(mapping: AddressSpace): Steps<boolean> {
    return mapping.iMmapRwsem.tryLockRead();
  }

  iMmapUnlockRead(mapping: AddressSpace): Steps {
    return mapping.iMmapRwsem.unlock();
  }

  iMmapLockWrite(mapping: AddressSpace): Steps {
    return mapping.iMmapRwsem.lockWrite();
  }

  iMmapUnlockWrite(mapping: AddressSpace): Steps {
    return mapping.iMmapRwsem.unlock();
  }

  anonVmaLockRead(anonVma: AnonVma): Steps {
    return anonVma.rwsem.lockRead();
  }

  anonVmaTrylockRead(anonVma: AnonVma): Steps<boolean> {
    return anonVma.rwsem.tryLockRead();
  }

  anonVmaUnlockRead(anonVma: AnonVma): Steps {
    return anonVma.rwsem.unlock();
  }

  anonVmaLockWrite(anonVma: AnonVma): Steps {
    return anonVma.rwsem.lockWrite();
  }

  anonVmaUnlockWrite(anonVma: AnonVma): Steps {
    return anonVma.rwsem.unlock();
  }

  *takeAllLocks(mm: Mm): Steps<number> {
    mm.mmapLock.assertHeldWrite();
    yield* this.#mmAllLocksMutex.lock();
    if (points.on) yield at.list(mm.vmas.id);
    const vmas = mm.vmas.all;
    for (const vma of vmas) {
      if (mm.killed) {
        yield* this.dropAllLocks(mm);
        return -Errno.EINTR;
      }
      yield* this.vmaStartWrite(mm, vma);
    }
    for (const { file } of vmas) {
      if (file === null || file.mapping.allLocksTaken) continue;
      file.mapping.allLocksTaken = true;
      yield* file.mapping.iMmapRwsem.lockWrite();
    }
    for (const { root } of vmas.flatMap(({ anonVmaChain }) => anonVmaChain)) {
      if (root.allLocksTaken) continue;
      yield* root.rwsem.lockWrite();
      root.allLocksTaken = true;
    }
    return 0;
  }

  *dropAllLocks(mm: Mm): Steps {
    if (points.on) yield at.list(mm.vmas.id);
    for (const { anonVmaChain, file } of mm.vmas.all) {
      for (const { root } of anonVmaChain) {
        if (!root.allLocksTaken) continue;
        root.allLocksTaken = false;
        yield* root.rwsem.unlock();
      }
      if (file === null || !file.mapping.allLocksTaken) continue;
      yield* file.mapping.iMmapRwsem.unlock();
      file.mapping.allLocksTaken = false;
    }
    yield* this.#mmAllLocksMutex.unlock();
  }

  *#vmaEndWriteAll(mm: Mm): Steps {
    mm.mmapLock.assertHeldWrite();
    for (const vma of mm.writeLockedVmas.splice(0)) yield* vma.lock.unlock();
  }
}
