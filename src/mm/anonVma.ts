// anon_vma: which VMAs may map an anonymous folio (mm/rmap.c).
//
// The first fault of a VMA gives it one (its own, or a neighbour's), a split shares it, free_pgtables() leaves it. A
// folio names its anon_vma in `mapping`; rmap.ts walks from there.
//
// Invariants: a mapped folio's anon_vma exists and lists the VMA that maps it; an anon_vma goes away with its last VMA.
// Locks: `vmas`, and the bounds of the VMAs in it, change under anon_vma->rwsem for write; vma.anonVma is set once,
// under mmap_lock (any mode) and the mm's page_table_lock.

import { at, LOCKS, points, RwLock, type Scheduler, type Steps } from '../sched/index.ts';
import { FAULT_FLAG_VMA_LOCK, VM_FAULT_RETRY, type VmFault } from './faultTypes.ts';
import type { Host } from './host.ts';
import type { Vma } from './vma.ts';

export class AnonVma {
  readonly id: number;
  readonly rwsem: RwLock;
  /** Held by mm_take_all_locks(): the mark bit, under mm_all_locks_mutex. */
  allLocksTaken = false;
  // Under rwsem.
  readonly #vmas: Vma[] = [];

  constructor(id: number, sched: Scheduler) {
    this.id = id;
    this.rwsem = new RwLock(sched, LOCKS.anon_vma_rwsem);
  }

  /** Preceded by at.list(rwsem.id). */
  get vmas(): Vma[] {
    if (points.on) points.check('list', this.rwsem.id);
    return this.#vmas;
  }
}

/** All anon_vmas of a host, by id. */
export class AnonVmaTable {
  readonly byId = new Map<number, AnonVma>();
  #nextId = 1;

  create(sched: Scheduler): AnonVma {
    const anonVma = new AnonVma(this.#nextId++, sched);
    this.byId.set(anonVma.id, anonVma);
    return anonVma;
  }
}

/** __anon_vma_prepare(): mmap_lock is held in any mode. A neighbour's anon_vma is reused if the VMAs could merge. */
function* anonVmaPrepare(host: Host, vma: Vma): Steps {
  if (vma.anonVma !== null) return;
  const { mm } = vma;
  if (points.on) yield at.list(mm.vmas.id);
  const anonVma = mm.vmas.reusableAnonVma(vma) ?? host.anonVmas.create(host.sched);
  yield* host.locks.anonVmaLockWrite(anonVma);
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.list(anonVma.rwsem.id);
  const first = vma.anonVma === null;
  if (first) {
    vma.anonVma = anonVma;
    anonVma.vmas.push(vma);
  }
  const isUnused = anonVma.vmas.length === 0;
  yield* mm.pageTableLock.unlock();
  yield* host.locks.anonVmaUnlockWrite(anonVma);
  if (isUnused) host.anonVmas.byId.delete(anonVma.id);
}

/** __vmf_anon_prepare(): 0, or VM_FAULT_RETRY when it needs mmap_lock and the fault came with the VMA's lock only. */
export function* vmfAnonPrepare({ vma, flags }: VmFault): Steps<number> {
  if (vma.anonVma !== null) return 0;
  const { host } = vma.mm;
  if ((flags & FAULT_FLAG_VMA_LOCK) !== 0) {
    yield* host.locks.vmaEndRead(vma);
    return VM_FAULT_RETRY;
  }
  yield* anonVmaPrepare(host, vma);
  return 0;
}

/** unlink_anon_vmas(): `vma` is gone; no PTE of it maps anything any more. */
export function* unlinkAnonVma(host: Host, vma: Vma): Steps {
  const { anonVma } = vma;
  if (anonVma === null) return;
  yield* host.locks.anonVmaLockWrite(anonVma);
  if (points.on) yield at.list(anonVma.rwsem.id);
  anonVma.vmas.splice(anonVma.vmas.indexOf(vma), 1);
  const last = anonVma.vmas.length === 0;
  vma.anonVma = null;
  yield* host.locks.anonVmaUnlockWrite(anonVma);
  if (last) host.anonVmas.byId.delete(anonVma.id);
}
