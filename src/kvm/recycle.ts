// How many shadow pages there are: frames for new ones, the limit, and giving old ones up when it or the host demands
// (mmu_topup_memory_caches, make_mmu_pages_available, mmu_shrink_scan).
//
// The fault path sets frames aside before it takes mmu_lock; a page that is really made then makes room for itself. The
// host's reclaim comes in as a shrinker, from whatever task wants memory.
//
// Invariant: a page is given up for another or for the host's need, never for a fault that makes no page: an instruction
// keeps what it was given while it waits for the rest. Roots in use stay.

import { isPresent, PTE_A } from '../hw/sv39/index.ts';
import { allocKernelPages, DEFAULT_SEEKS, type Shrinker } from '../mm/index.ts';
import type { Steps } from '../sched/index.ts';
import { PAGE_SIZE } from '../units.ts';
import type { Kvm } from './kvm.ts';
import type { ShadowPage } from './shadowPage.ts';
import type { Vcpu } from './vcpuState.ts';
import { commitZapPage, prepareZapPage } from './zap.ts';

/** Shadow pages that one fault can need: two tables and one page inside a guest superpage. */
const MAX_PAGES_PER_FAULT = 3;

/** Pages that one round of recycling may pass over because they were used lately. */
const SECOND_CHANCES = 16;

/**
 * kvm_mmu_calculate_default_mmu_pages(): n_max_mmu_pages of a VM on a host of `frames` frames. 2 % of the guest's pages
 * and 64 at least, as KVM has it, but not more than a quarter of the host. In any case enough for what one instruction
 * can need at a time: with each of its pages and tables far from the others, 36 under tdp (an instruction and a datum
 * across two pages each); roots that vCPUs have not let go of yet come on top. What the host cannot spare of that its
 * reclaim takes back.
 */
export function defaultMaxMmuPages(frames: number, vcpus: number, ramBytes: number): number {
  const byGuest = Math.max(64, Math.ceil(ramBytes / PAGE_SIZE / 50));
  return Math.max(40 + 5 * vcpus, Math.min(Math.floor(frames / 4), byGuest));
}

/** Whether mmu_topup_memory_caches() has anything to do. */
export const isCacheLow = ({ shadowPageCache }: Vcpu): boolean =>
  shadowPageCache.length < MAX_PAGES_PER_FAULT;

/** mmu_topup_memory_caches(): frames for the shadow pages of one fault; may sleep and reclaim. False: out of memory. */
export function* topupShadowPageCache(vcpu: Vcpu): Steps<boolean> {
  while (isCacheLow(vcpu)) {
    const frame = yield* allocKernelPages(vcpu.kvm.host, 0, 'shadow');
    if (frame === null) return false;
    vcpu.shadowPageCache.push(frame);
  }
  return true;
}

/**
 * make_mmu_pages_available(): room for one page within n_max_mmu_pages, by zapping the oldest. False (-ENOSPC): the
 * rest are roots in use. Under mmu_lock for write.
 */
export function* makeMmuPagesAvailable(kvm: Kvm): Steps<boolean> {
  if (kvm.usedMmuPages < kvm.maxMmuPages) return true;
  yield* zapOldestPages(kvm, Math.max(MAX_PAGES_PER_FAULT, Math.ceil(kvm.maxMmuPages / 16)));
  return kvm.usedMmuPages < kvm.maxMmuPages;
}

/** The shadow pages of `kvm` as reclaim sees them. Linux had it so until 6.12, and holds them as dear. */
export const mmuShrinker = (kvm: Kvm): Shrinker => ({
  seeks: 10 * DEFAULT_SEEKS,
  countObjects: () => kvm.usedMmuPages,
  *scanObjects(frames) {
    const index = yield* kvm.srcu.readLock();
    const freed = yield* recycleForMemory(kvm, frames);
    yield* kvm.srcu.readUnlock(index);
    return freed;
  },
});

/** Gives at least `frames` frames of the oldest pages back to the host, if it has so many: how many. Takes mmu_lock. */
export function* recycleForMemory(kvm: Kvm, frames: number): Steps<number> {
  yield* kvm.mmuLock.lockWrite();
  const freed = yield* zapOldestPages(kvm, frames);
  yield* kvm.mmuLock.unlock();
  return freed;
}

/**
 * kvm_mmu_zap_oldest_mmu_pages(): frees at least `wanted` frames, roots aside; the number freed. Unlike Linux's, the
 * first few that a hart used lately get a second chance: a guest that must make do with hardly any has one in use
 * that is old.
 */
function* zapOldestPages(kvm: Kvm, wanted: number): Steps<number> {
  const { shadowPages, stats } = kvm;
  const invalidList: ShadowPage[] = [];
  let chances = SECOND_CHANCES;
  let freed = 0;
  for (const sp of shadowPages) {
    if (freed >= wanted) break;
    if (sp.rootCount > 0 || sp.invalid) continue;
    if (chances-- > 0 && wasUsed(kvm, sp)) {
      // To the end, where this loop comes to it again.
      shadowPages.delete(sp);
      shadowPages.add(sp);
      continue;
    }
    yield* prepareZapPage(kvm, sp, invalidList);
    freed += sp.frames;
    stats.mmu_recycled++;
  }
  yield* commitZapPage(kvm, invalidList);
  return freed;
}

/** Whether hardware has set A in a leaf of `sp` since the host aged its pages: a guess, so it needs no points. */
function wasUsed({ memory }: Kvm, sp: ShadowPage): boolean {
  if (sp.role.level > 1) return false;
  for (let index = 0; index < sp.entries; index++) {
    const spte = memory.i32[sp.sptep(index) >>> 2]!;
    if (isPresent(spte) && (spte & PTE_A) !== 0) return true;
  }
  return false;
}
