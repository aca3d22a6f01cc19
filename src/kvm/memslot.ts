// A memslot: gfn -> hva (struct kvm_memory_slot), and how one is found.
//
// The fault path, the walkers and the notifier callbacks look slots up; memslots.ts changes the set.
//
// Invariants: slots do not overlap and are sorted by gfn; a slot being deleted or moved is INVALID first.
// Locks: the set is read under kvm->srcu, preceded by at.list(kvm.id); the rmap and write tracking of a slot are under
// mmu_lock.

import { points } from '../sched/index.ts';
import { type Gfn, type Hpa, type Hva, PAGE_SIZE } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { GfnRmap } from './rmap.ts';

export const KVM_MEM_READONLY = 2;
/** Gfns of 2 MiB. */
export const HUGE_GFNS = 512;
/** The number of the 2 MiB that `gfn` lies in. */
export const hugeGfnOf = (gfn: Gfn): Gfn => Math.floor(gfn / HUGE_GFNS) as Gfn;

/** struct kvm_userspace_memory_region. */
export interface UserMemoryRegion {
  readonly slot: number;
  readonly flags: number;
  readonly guestPhysAddr: number;
  /** Bytes; 0 deletes the slot. */
  readonly memorySize: number;
  readonly userspaceAddr: number;
}

export class Memslot {
  readonly id: number;
  readonly baseGfn: Gfn;
  readonly npages: number;
  readonly userspaceAddr: Hva;
  readonly flags: number;
  /** KVM_MEMSLOT_INVALID: being deleted or moved; faults on it retry. */
  readonly invalid: boolean;
  readonly rmap: GfnRmap;
  /** The same of leaves of 2 MiB, by hugeGfnOf(). */
  readonly hugeRmap: GfnRmap;
  /** gfn -> how many reasons there are to keep it write-protected (kvm_write_track). */
  readonly writeTrack: Map<Gfn, number>;
  /** By hugeGfnOf(): how many reasons there are to map it by pages of 4 KiB (lpage_info.disallow_lpage). */
  readonly disallowedLpages: Map<Gfn, number>;

  /** `keeps`: the slot whose rmap and write tracking the new version goes on with. */
  constructor(region: UserMemoryRegion, keeps: Memslot | null = null) {
    this.id = region.slot;
    this.baseGfn = (region.guestPhysAddr / PAGE_SIZE) as Gfn;
    this.npages = region.memorySize / PAGE_SIZE;
    this.userspaceAddr = region.userspaceAddr as Hva;
    this.flags = region.flags;
    this.invalid = keeps !== null;
    this.rmap = keeps?.rmap ?? new GfnRmap(this.baseGfn);
    this.hugeRmap = keeps?.hugeRmap ?? new GfnRmap(hugeGfnOf(this.baseGfn));
    this.writeTrack = keeps?.writeTrack ?? new Map();
    this.disallowedLpages = keeps?.disallowedLpages ?? new Map();
  }

  get region(): UserMemoryRegion {
    return {
      slot: this.id,
      flags: this.flags,
      guestPhysAddr: this.baseGfn * PAGE_SIZE,
      memorySize: this.npages * PAGE_SIZE,
      userspaceAddr: this.userspaceAddr,
    };
  }

  get endGfn(): Gfn {
    return (this.baseGfn + this.npages) as Gfn;
  }

  /** The leaf sptes of 2 MiB that map any of [startGfn, endGfn), as a copy. */
  hugeSptesIn(startGfn: Gfn, endGfn: Gfn): readonly Hpa[] {
    const { hugeRmap } = this;
    if (hugeRmap.isEmpty) return [];
    const end = (hugeGfnOf((endGfn - 1) as Gfn) + 1) as Gfn;
    return hugeRmap.mappedGfns(hugeGfnOf(startGfn), end).flatMap((huge) => hugeRmap.sptesOf(huge));
  }

  contains(gfn: Gfn): boolean {
    return gfn >= this.baseGfn && gfn < this.endGfn;
  }

  /** gfn_to_hva_memslot(). */
  hvaOf(gfn: Gfn): Hva {
    return (this.userspaceAddr + (gfn - this.baseGfn) * PAGE_SIZE) as Hva;
  }
}

/** gfn_to_memslot(): the slot that holds `gfn`, also while INVALID; null: no memory there. */
export const gfnToMemslot = (kvm: Kvm, gfn: Gfn): Memslot | null => searchMemslots(kvmMemslots(kvm), gfn);

/** kvm_memslots(): this version of the set. */
export function kvmMemslots(kvm: Kvm): readonly Memslot[] {
  if (points.on) points.check('list', kvm.id, 'marked');
  return kvm.memslots;
}

/** rcu_assign_pointer() of the set. Preceded by at.list(kvm.id). */
export function publishMemslots(kvm: Kvm, slots: readonly Memslot[]): void {
  if (points.on) points.check('list', kvm.id, 'update');
  kvm.memslots = [...slots].sort((a, b) => a.baseGfn - b.baseGfn);
}

/** __gfn_to_memslot(): as gfnToMemslot(), in one version of the set. */
export function searchMemslots(slots: readonly Memslot[], gfn: Gfn): Memslot | null {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const slot = slots[middle]!;
    if (gfn < slot.baseGfn) high = middle;
    else if (gfn >= slot.endGfn) low = middle + 1;
    else return slot;
  }
  return null;
}

/** As gfnToMemslot(), for inspection, without a point. */
export const inspectMemslot = (kvm: Kvm, gfn: Gfn): Memslot | null => searchMemslots(kvm.memslots, gfn);

/** The slots whose hva ranges meet [start, end), with the gfns concerned. */
export function* slotsInHvaRange(
  kvm: Kvm,
  start: Hva,
  end: Hva,
): Iterable<{ slot: Memslot; startGfn: Gfn; endGfn: Gfn }> {
  for (const slot of kvmMemslots(kvm)) {
    const slotEnd = slot.userspaceAddr + slot.npages * PAGE_SIZE;
    const from = Math.max(start, slot.userspaceAddr);
    const to = Math.min(end, slotEnd);
    if (from >= to) continue;
    const startGfn = (slot.baseGfn + Math.floor((from - slot.userspaceAddr) / PAGE_SIZE)) as Gfn;
    const endGfn = (slot.baseGfn + Math.ceil((to - slot.userspaceAddr) / PAGE_SIZE)) as Gfn;
    yield { slot, startGfn, endGfn };
  }
}
