// anon_vma: which VMAs may map an anonymous folio (mm/rmap.c).
//
// The first fault of a VMA gives it one (its own, or a neighbour's); a split or a move shares it; fork gives the child
// one of its own beneath the parent's, so that what the child copies is not looked for in the parent. A folio names one
// anon_vma in `mapping`; rmap.ts walks from there.
//
// Invariants: a VMA stands, with its bounds, in the interval tree of every anon_vma of its chain; a folio that it maps
// names one of them. An anon_vma that no VMA is left in is gone. All of one family share the lock of its root.
// Locks: `vmas`, the counters, and the bounds of the VMAs in it, change under root->rwsem for write; vma.anonVma is set
// once, under mmap_lock (any mode) and the mm's page_table_lock; the chain changes under mmap_lock for write or with it.

import { IntervalTree } from '../../notifier/index.ts';
import { at, LOCKS, points, RwLock, type Scheduler, type Steps } from '../../sched/index.ts';
import { FAULT_FLAG_VMA_LOCK, VM_FAULT_RETRY, type VmFault } from '../fault/faultTypes.ts';
import type { Host } from '../host.ts';
import type { Vma } from '../vma/vma.ts';

export class AnonVma {
  readonly id: number;
  readonly root: AnonVma;
  /** Of a root: itself. */
  readonly parent: AnonVma;
  /** The root's. */
  readonly rwsem: RwLock;
  /** Of a root: held by mm_take_all_locks(); the mark bit, under mm_all_locks_mutex. */
  allLocksTaken = false;
  // Under rwsem.
  readonly #vmas = new IntervalTree<Vma>();
  /** anon_vmas whose parent this is; a root counts itself. */
  numChildren = 0;
  /** VMAs whose own anon_vma this is. */
  numActiveVmas = 0;

  constructor(id: number, sched: Scheduler, parent: AnonVma | null) {
    this.id = id;
    this.parent = parent ?? this;
    this.root = parent?.root ?? this;
    this.rwsem = parent?.rwsem ?? new RwLock(sched, LOCKS.anon_vma_rwsem);
  }

  /** By linear page index. Preceded by at.list(rwsem.id). */
  get vmas(): IntervalTree<Vma> {
    if (points.on) points.check('list', this.rwsem.id, 'read');
    return this.#vmas;
  }

  /** anon_vma_interval_tree_insert(): `rwsem` is held for write. Preceded by at.list(rwsem.id). */
  insert(vma: Vma): void {
    if (points.on) points.check('list', this.rwsem.id, 'write');
    this.#vmas.insert(vma, vma.pgoff, vma.lastPgoff);
  }

  /** anon_vma_interval_tree_remove(), as insert(). Preceded by at.list(rwsem.id). */
  remove(vma: Vma): void {
    if (points.on) points.check('list', this.rwsem.id, 'write');
    this.#vmas.remove(vma);
  }
}

/** All anon_vmas of a host, by id. */
export class AnonVmaTable {
  readonly byId = new Map<number, AnonVma>();
  #nextId = 1;

  create(sched: Scheduler, parent: AnonVma | null = null): AnonVma {
    const anonVma = new AnonVma(this.#nextId++, sched, parent);
    this.byId.set(anonVma.id, anonVma);
    return anonVma;
  }
}

/** __anon_vma_prepare(): mmap_lock is held in any mode. A neighbour's anon_vma is reused if the VMAs could merge. */
export function* anonVmaPrepare(host: Host, vma: Vma): Steps {
  if (vma.anonVma !== null) return;
  const { mm } = vma;
  if (points.on) yield at.list(mm.vmas.id);
  const found = mm.vmas.reusableAnonVma(vma);
  const anonVma = found ?? host.anonVmas.create(host.sched);
  yield* host.locks.anonVmaLockWrite(anonVma);
  if (found === null) anonVma.numChildren++;
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.list(anonVma.rwsem.id);
  if (vma.anonVma === null) {
    vma.anonVma = anonVma;
    link(vma, anonVma);
    anonVma.numActiveVmas++;
  }
  const isUnused = anonVma.vmas.size === 0;
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

/** anon_vma_chain_link(). Preceded by at.list(anonVma.rwsem.id), which is held for write. */
function link(vma: Vma, anonVma: AnonVma): void {
  anonVma.insert(vma);
  vma.anonVmaChain.push(anonVma);
}

/**
 * anon_vma_interval_tree_pre_update_vma(): the bounds of `vma` are about to change. The anon_vma is held for write from
 * here to relistInAnonVmas().
 */
export function* unlistFromAnonVmas(vma: Vma): Steps {
  for (const anonVma of vma.anonVmaChain) {
    if (points.on) yield at.list(anonVma.rwsem.id);
    anonVma.remove(vma);
  }
}

/** anon_vma_interval_tree_post_update_vma(). */
export function* relistInAnonVmas(vma: Vma): Steps {
  for (const anonVma of vma.anonVmaChain) {
    if (points.on) yield at.list(anonVma.rwsem.id);
    anonVma.insert(vma);
  }
}

/**
 * anon_vma_clone(): `to` may map whatever `from` may. Without an anon_vma of its own (in fork) it takes one over that
 * nobody else uses any more. mmap_lock is held for write.
 */
export function* anonVmaClone(host: Host, to: Vma, from: Vma): Steps {
  const [first] = from.anonVmaChain;
  if (first === undefined) return;
  yield* host.locks.anonVmaLockWrite(first);
  for (const anonVma of from.anonVmaChain) {
    if (points.on) yield at.list(anonVma.rwsem.id);
    link(to, anonVma);
    if (to.anonVma === null && anonVma.numChildren < 2 && anonVma.numActiveVmas === 0) to.anonVma = anonVma;
  }
  if (to.anonVma !== null) to.anonVma.numActiveVmas++;
  yield* host.locks.anonVmaUnlockWrite(first);
}

/** anon_vma_fork(): `child` is a copy of `parent` in another mm, whose anon_vma it does not have yet. */
export function* anonVmaFork(host: Host, child: Vma, parent: Vma): Steps {
  if (parent.anonVma === null) return;
  yield* anonVmaClone(host, child, parent);
  if (child.anonVma !== null) return;
  const anonVma = host.anonVmas.create(host.sched, parent.anonVma);
  child.anonVma = anonVma;
  yield* host.locks.anonVmaLockWrite(anonVma);
  if (points.on) yield at.list(anonVma.rwsem.id);
  link(child, anonVma);
  anonVma.numActiveVmas++;
  anonVma.parent.numChildren++;
  yield* host.locks.anonVmaUnlockWrite(anonVma);
}

/** unlink_anon_vmas(): `vma` is gone or emptied; no PTE of it maps anything any more. */
export function* unlinkAnonVmas(host: Host, vma: Vma): Steps {
  const [first] = vma.anonVmaChain;
  if (first === undefined) return;
  const left: AnonVma[] = [];
  yield* host.locks.anonVmaLockWrite(first);
  for (const anonVma of vma.anonVmaChain.splice(0)) {
    if (points.on) yield at.list(anonVma.rwsem.id);
    const { vmas } = anonVma;
    anonVma.remove(vma);
    if (vmas.size > 0) continue;
    anonVma.parent.numChildren--;
    left.push(anonVma);
  }
  if (vma.anonVma !== null) vma.anonVma.numActiveVmas--;
  vma.anonVma = null;
  yield* host.locks.anonVmaUnlockWrite(first);
  for (const { id } of left) host.anonVmas.byId.delete(id);
}
