// At which level a gfn may be mapped: by a leaf of 4 KiB, or of 2 MiB with the 511 gfns around it
// (kvm_mmu_max_mapping_level, kvm_mmu_hugepage_adjust, disallow_lpage).
//
// pageFault.ts asks under mmu_lock, after the sequence check: then the host cannot take the 2 MiB apart without a
// notifier callback that waits for mmu_lock.
//
// Invariant: no huge leaf covers a gfn that is shadowed as a guest table or whose stores are tracked when it is made;
// one that was made before loses its W. Locks: mmu_lock for write.

import { hostMappingLevel } from '../mm/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Gfn, type Pfn } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { HUGE_GFNS, hugeGfnOf, type Memslot } from './memslot.ts';
import type { Leaf } from './mmu.ts';
import { type Role, shadowAccess } from './shadowPage.ts';

/** kvm_mmu_gfn_disallow_lpage(): one reason more to map the 2 MiB around `gfn` by pages. */
export function disallowLpage({ disallowedLpages }: Memslot, gfn: Gfn): void {
  const huge = hugeGfnOf(gfn);
  disallowedLpages.set(huge, (disallowedLpages.get(huge) ?? 0) + 1);
}

/** kvm_mmu_gfn_allow_lpage(). */
export function allowLpage({ disallowedLpages }: Memslot, gfn: Gfn): void {
  const huge = hugeGfnOf(gfn);
  const count = disallowedLpages.get(huge) ?? bug('a huge page is allowed once too often', { gfn });
  if (count === 1) disallowedLpages.delete(huge);
  else disallowedLpages.set(huge, count - 1);
}

/** Whether all of the 2 MiB around `gfn` lie in the slot, aligned alike for guest and host, with no reason against it. */
function isLpageAllowed(slot: Memslot, gfn: Gfn): boolean {
  const first = (gfn - (gfn % HUGE_GFNS)) as Gfn;
  if (first < slot.baseGfn || first + HUGE_GFNS > slot.endGfn) return false;
  return slot.hvaOf(first) % (HUGE_GFNS * 4096) === 0 && !slot.disallowedLpages.has(hugeGfnOf(gfn));
}

/** Whether the PMP permits the same of each page. */
function isUniform(role: Pick<Role, 'pmp'>, { gfn, access }: Leaf): boolean {
  if (role.pmp.isOpen) return true;
  const first = gfn - (gfn % HUGE_GFNS);
  const permitted = shadowAccess(role, gfn, access);
  for (let i = 0; i < HUGE_GFNS; i++)
    if (shadowAccess(role, (first + i) as Gfn, access) !== permitted) return false;
  return true;
}

/** Whether guest, or stage, which has leaves up to `maxLevel`, and slot permit a leaf of 2 MiB around `gfn`. */
export const mayBeHuge = (kvm: Kvm, slot: Memslot, gfn: Gfn, maxLevel: number): boolean =>
  maxLevel > 0 && kvm.mm.hugePmds > 0 && isLpageAllowed(slot, gfn);

/**
 * kvm_mmu_hugepage_adjust(): the leaf that is to be mapped in a table of `role`, of 2 MiB if the host permits that,
 * too.
 */
export function* hugepageAdjust(kvm: Kvm, slot: Memslot, leaf: Leaf, role: Pick<Role, 'pmp'>): Steps<Leaf> {
  const { gfn, pfn } = leaf;
  if (points.on) yield at.list(kvm.mm.pageTableLock.id);
  if (hostMappingLevel(kvm.mm, slot.hvaOf(gfn)) === 0 || !isUniform(role, leaf)) return leaf;
  const offset = gfn % HUGE_GFNS;
  if (pfn % HUGE_GFNS !== offset) bug('guest and host are not aligned alike', { gfn, pfn });
  return { ...leaf, level: 1, gfn: (gfn - offset) as Gfn, pfn: (pfn - offset) as Pfn };
}
