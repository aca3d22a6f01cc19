// Who takes part in KSM: MADV_MERGEABLE and MADV_UNMERGEABLE, fork and exit (mm/ksm.c: ksm_madvise, __ksm_enter,
// __ksm_exit).
//
// Invariant: an mm with `isKsmMergeable` has a slot in the list and one reference (mm_count) for it, until ksmd finds that
// it has nothing to merge any more, or it exits. Locks: mmap_lock for write round advice and fork; ksm_mmlist_lock.

import type { Steps } from '../../sched/index.ts';
import type { Hva } from '../../units.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_MAYSHARE, VM_MERGEABLE, VM_SHARED } from '../vma/vmFlags.ts';
import { KSM_RUN_UNMERGE, type KsmMmSlot } from './ksm.ts';
import { breakKsm } from './ksmBreak.ts';

/** MADV_MERGEABLE: true when the VMA may be merged, and is to be marked. */
export function* ksmMergeable(vma: Vma): Steps<boolean> {
  // ksm_compatible().
  if ((vma.flags & (VM_MERGEABLE | VM_SHARED | VM_MAYSHARE)) !== 0) return false;
  if (!vma.mm.isKsmMergeable) yield* ksmEnter(vma.mm);
  return true;
}

/** MADV_UNMERGEABLE of [start, end), also before mremap moves it: 0 or -ENOMEM. */
export function* ksmUnmerge(vma: Vma, start: Hva, end: Hva): Steps<number> {
  if ((vma.flags & VM_MERGEABLE) === 0 || vma.anonVma === null) return 0;
  return yield* breakKsm(vma, start, end);
}

/** ksm_fork(). */
export function* ksmFork(child: Mm, parent: Mm): Steps {
  if (parent.isKsmMergeable) yield* ksmEnter(child);
}

/** __ksm_enter(): behind the cursor, so that the memory may settle; while everything is unmerged ahead of it. */
function* ksmEnter(mm: Mm): Steps {
  const { ksm, trace } = mm.host;
  const wakes = ksm.slots.length === 0;
  yield* ksm.mmlistLock.lock();
  const slot: KsmMmSlot = { mm, rmapList: [] };
  const isBehind = ksm.run !== KSM_RUN_UNMERGE && ksm.cursor !== null;
  ksm.slots.splice(isBehind ? ksm.slots.indexOf(ksm.cursor!) : ksm.slots.length, 0, slot);
  yield* ksm.mmlistLock.unlock();
  mm.isKsmMergeable = true;
  mm.grab();
  if (wakes) ksm.threadWait.wakeAll();
  trace.ksm_enter?.(mm.id);
}

/** ksm_exit(): mm_users is 0. What ksmd still knows of the mm it forgets when it next comes by. */
export function* ksmExit(mm: Mm): Steps {
  if (!mm.isKsmMergeable) return;
  const { ksm, locks, trace } = mm.host;
  yield* ksm.mmlistLock.lock();
  const slot = ksm.slots.find((each) => each.mm === mm);
  const isEasy = slot !== undefined && slot !== ksm.cursor && slot.rmapList.length === 0;
  if (slot !== undefined && slot !== ksm.cursor) {
    ksm.slots.splice(ksm.slots.indexOf(slot), 1);
    // list_move(): ksmd comes to it next.
    if (!isEasy) ksm.slots.splice(ksm.cursor === null ? 0 : ksm.slots.indexOf(ksm.cursor) + 1, 0, slot);
  }
  yield* ksm.mmlistLock.unlock();
  if (isEasy) {
    mm.isKsmMergeable = false;
    yield* mm.drop();
  } else if (slot !== undefined) {
    // Until whoever breaks COW in it is done.
    yield* locks.mmapWriteLock(mm);
    yield* locks.mmapWriteUnlock(mm);
  }
  trace.ksm_exit?.(mm.id);
}
