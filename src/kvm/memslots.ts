// KVM_SET_USER_MEMORY_REGION: the changing of memslots, with Linux's errors (virt/kvm/kvm_main.c,
// __kvm_set_memory_region).
//
// A change installs a new version of the set: it waits until no notifier range is open (so that start and end see the
// same slots), publishes, and waits for the readers of the old version.
//
// Invariant: a slot being deleted or moved is INVALID first, its shadow state is zapped, then it goes.
// Locks: slots_lock.

import { at, points, type Steps } from '../sched/index.ts';
import { Errno, PAGE_SIZE } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { KVM_MEM_READONLY, Memslot, type UserMemoryRegion } from './memslot.ts';
import { kvmArchFlushShadowMemslot } from './zap.ts';

const KVM_MEM_FLAGS = KVM_MEM_READONLY;
const KVM_USER_MEM_SLOTS = 512;
const KVM_MEM_MAX_NR_PAGES = 2 ** 31 - 1;
/** Sv39x4: 41 bits of guest physical address. */
const GPA_LIMIT = 2 ** 41;

/**
 * KVM_SET_USER_MEMORY_REGION. 0, -EINVAL (flags, alignment, slot id, size, an absent slot deleted, a change of size, hva
 * or read-only), -EEXIST (overlap). An unmapped hva is accepted: it shows as -EFAULT of KVM_RUN.
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
  if (!(slot >= 0 && slot < KVM_USER_MEM_SLOTS) || memorySize < 0 || guestPhysAddr < 0) return false;
  if (userspaceAddr < 0 || userspaceAddr + memorySize > 2 ** 38) return false;
  return guestPhysAddr + memorySize <= GPA_LIMIT && memorySize / PAGE_SIZE <= KVM_MEM_MAX_NR_PAGES;
}

function* setMemoryRegionLocked(kvm: Kvm, region: UserMemoryRegion): Steps<number> {
  kvm.slotsLock.assertHeld();
  const old = kvm.memslots.find((slot) => slot.id === region.slot) ?? null;
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
  if (kvm.memslots.some((slot) => slot !== old && slot.baseGfn < next.endGfn && next.baseGfn < slot.endGfn)) {
    return -Errno.EEXIST;
  }
  yield* replaceSlot(kvm, old, next);
  return 0;
}

/** kvm_set_memslot(): delete (next null), create (old null) or move. */
function* replaceSlot(kvm: Kvm, old: Memslot | null, next: Memslot | null): Steps {
  let others = kvm.memslots.filter((slot) => slot !== old);
  if (old !== null) {
    yield* installMemslots(kvm, [...others, new Memslot(old.region, old)]);
    yield* kvmArchFlushShadowMemslot(kvm);
  }
  if (next !== null) others = [...others, next];
  yield* installMemslots(kvm, others);
}

/** install_new_memslots(): waits for open notifier ranges, publishes, waits for readers of the old set. */
function* installMemslots(kvm: Kvm, slots: readonly Memslot[]): Steps {
  yield* kvm.mnMemslotsUpdateWait.until(() => kvm.mnActiveInvalidateCount === 0);
  if (points.on) yield at.list(kvm.id);
  kvm.memslots = [...slots].sort((a, b) => a.baseGfn - b.baseGfn);
  yield* kvm.srcu.synchronize();
}
