// KVM_SET_USER_MEMORY_REGION: the changing of memslots, with Linux's errors (virt/kvm/kvm_main.c,
// __kvm_set_memory_region).
//
// A change installs a new version of the set: it waits until no notifier range is open (so that start and end see the
// same slots), publishes, and waits for the readers of the old version.
//
// Invariant: a slot being deleted or moved is INVALID first, its shadow state is zapped, then it goes; while it is
// INVALID nothing new is shadowed or mapped in it. Locks: slots_lock; publishing also takes mn_invalidate_lock.

import { PROT_WRITE } from '../mm/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { KVM_MEM_READONLY, kvmMemslots, Memslot, publishMemslots, type UserMemoryRegion } from './memslot.ts';
import { kvmArchFlushShadowMemslot } from './zap.ts';

const KVM_MEM_FLAGS = KVM_MEM_READONLY;
const KVM_USER_MEM_SLOTS = 512;
const KVM_MEM_MAX_NR_PAGES = 2 ** 31 - 1;
/** TASK_SIZE of an Sv39 process. */
const HVA_LIMIT = 2 ** 38;
/** Sv39x4: 41 bits of guest physical address. */
const GPA_LIMIT = 2 ** 41;

/**
 * KVM_SET_USER_MEMORY_REGION. 0, -EINVAL (flags, alignment, slot id, size, an absent slot deleted, a change of size, hva
 * or read-only), -EEXIST (overlap), -EFAULT (beyond what guest physical addresses can name), -EPERM (writable, over a
 * mapping of the process that is not). An unmapped hva is accepted: it shows as -EFAULT of KVM_RUN.
 */
export function* kvmSetMemoryRegion(kvm: Kvm, region: UserMemoryRegion): Steps<number> {
  if (!isWellFormed(region)) return -Errno.EINVAL;
  yield* kvm.slotsLock.lock();
  const error = yield* setMemoryRegionLocked(kvm, region);
  yield* kvm.slotsLock.unlock();
  return error;
}

const isPageAligned = (value: number): boolean => Number.isSafeInteger(value) && value % PAGE_SIZE === 0;

function isWellFormed(region: UserMemoryRegion): boolean {
  const { slot, flags, guestPhysAddr, memorySize, userspaceAddr } = region;
  if ((flags & ~KVM_MEM_FLAGS) !== 0) return false;
  if (!isPageAligned(memorySize) || !isPageAligned(guestPhysAddr) || !isPageAligned(userspaceAddr))
    return false;
  if (!Number.isInteger(slot) || slot < 0 || slot >= KVM_USER_MEM_SLOTS) return false;
  if (memorySize < 0 || guestPhysAddr < 0) return false;
  if (userspaceAddr < 0 || userspaceAddr + memorySize > HVA_LIMIT) return false;
  return memorySize / PAGE_SIZE <= KVM_MEM_MAX_NR_PAGES;
}

function* setMemoryRegionLocked(kvm: Kvm, region: UserMemoryRegion): Steps<number> {
  kvm.slotsLock.assertHeld();
  if (points.on) yield at.list(kvm.id);
  const slots = kvmMemslots(kvm);
  const old = slots.find((slot) => slot.id === region.slot) ?? null;
  if (region.memorySize === 0) {
    if (old === null) return -Errno.EINVAL;
    yield* replaceSlot(kvm, old, null);
    return 0;
  }
  const next = new Memslot(region);
  if (old !== null) {
    const changes =
      next.npages !== old.npages || next.userspaceAddr !== old.userspaceAddr || next.flags !== old.flags;
    if (changes) return -Errno.EINVAL;
    if (next.baseGfn === old.baseGfn) return 0;
  }
  if (slots.some((slot) => slot !== old && slot.baseGfn < next.endGfn && next.baseGfn < slot.endGfn)) {
    return -Errno.EEXIST;
  }
  const error = yield* prepareMemoryRegion(kvm, next);
  if (error === 0) yield* replaceSlot(kvm, old, next);
  return error;
}

/** kvm_arch_prepare_memory_region() of arch/riscv. */
function* prepareMemoryRegion(kvm: Kvm, next: Memslot): Steps<number> {
  // Linux's >=: the last page that could be named is not to be had.
  if (next.endGfn * PAGE_SIZE >= GPA_LIMIT) return -Errno.EFAULT;
  if ((next.flags & KVM_MEM_READONLY) !== 0) return 0;
  const { mm } = kvm;
  const end = (next.userspaceAddr + next.npages * PAGE_SIZE) as Hva;
  yield* mm.host.locks.mmapReadLock(mm);
  if (points.on) yield at.list(mm.vmas.id);
  // VM_WRITE is PROT_WRITE's bit.
  const isWritable = mm.vmas
    .overlapping(next.userspaceAddr, end)
    .every(({ flags }) => (flags & PROT_WRITE) !== 0);
  yield* mm.host.locks.mmapReadUnlock(mm);
  return isWritable ? 0 : -Errno.EPERM;
}

/** kvm_set_memslot(): delete (next null), create (old null) or move. */
function* replaceSlot(kvm: Kvm, old: Memslot | null, next: Memslot | null): Steps {
  if (points.on) yield at.list(kvm.id);
  let others = kvmMemslots(kvm).filter((slot) => slot !== old);
  if (old !== null) {
    yield* installMemslots(kvm, [...others, new Memslot(old.region, old)]);
    yield* kvmArchFlushShadowMemslot(kvm);
    for (const gfn of kvm.watchedGfns) if (old.contains(gfn)) kvm.watchedGfns.delete(gfn);
  }
  if (next !== null) others = [...others, next];
  yield* installMemslots(kvm, others);
}

/**
 * kvm_swap_active_memslots(): publishes once no notifier range is open, so that a start and its end see the same set,
 * and waits for the readers of the old one.
 */
function* installMemslots(kvm: Kvm, slots: readonly Memslot[]): Steps {
  yield* lockWithoutOpenRanges(kvm);
  if (points.on) yield at.list(kvm.id);
  publishMemslots(kvm, slots);
  yield* kvm.mnInvalidateLock.unlock();
  yield* kvm.srcu.synchronize();
}

/** Takes mn_invalidate_lock at a time when mn_active_invalidate_count is 0. */
function* lockWithoutOpenRanges(kvm: Kvm): Steps {
  for (;;) {
    yield* kvm.mnMemslotsUpdateWait.until(() => kvm.mnActiveInvalidateCount === 0);
    yield* kvm.mnInvalidateLock.lock();
    if (kvm.mnActiveInvalidateCount === 0) return;
    yield* kvm.mnInvalidateLock.unlock();
  }
}
