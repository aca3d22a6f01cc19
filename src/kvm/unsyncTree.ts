// Who is out of sync: the unsync mark of a shadow page and the bits by which its ancestors find it
// (kvm_mmu_mark_parents_unsync, __mmu_unsync_walk).
//
// Invariant: a bit of `unsyncChildBitmap` is set exactly while that child is unsync or has unsync children, so a root
// without unsync children is in sync. Locks: mmu_lock for write everywhere.

import { ptePfn } from '../hw/sv39/index.ts';
import { bug, type Hpa } from '../units.ts';
import type { Kvm } from './kvm.ts';
import type { ShadowPage } from './shadowPage.ts';
import { roleWord } from './traceTerms.ts';

/** kvm_unsync_page(): guest stores to this leaf table no longer trap. */
export function markUnsync(kvm: Kvm, sp: ShadowPage): void {
  if (sp.role.direct || sp.role.level !== 0)
    bug('only an indirect leaf table can be unsync', { gfn: sp.gfn });
  kvm.trace.kvm_mmu_unsync_page?.(0, sp.gfn, roleWord(sp), sp.rootCount, Number(sp.unsync), sp.spt);
  kvm.stats.mmu_unsync++;
  sp.unsync = true;
  for (const sptep of sp.parents) setUnsyncChild(kvm, sptep);
}

/** kvm_unlink_unsync_page(). */
export function unmarkUnsync(kvm: Kvm, sp: ShadowPage): void {
  kvm.stats.mmu_unsync--;
  sp.unsync = false;
  for (const sptep of sp.parents) clearUnsyncChild(kvm, sptep);
}

/** mark_unsync(): the child behind `sptep` is unsync or has unsync children. */
export function setUnsyncChild(kvm: Kvm, sptep: Hpa): void {
  const parent = kvm.pageOfSptep(sptep);
  const bitmap = parent.unsyncChildBitmap ?? bug('an unsync page below a direct one', { gfn: parent.gfn });
  const index = parent.indexOf(sptep);
  if (bitmap[index] !== 0) return;
  bitmap[index] = 1;
  if (parent.unsyncChildren++ > 0) return;
  for (const above of parent.parents) setUnsyncChild(kvm, above);
}

/** clear_unsync_child_bit(), up to the first ancestor that has other unsync children. */
export function clearUnsyncChild(kvm: Kvm, sptep: Hpa): void {
  const parent = kvm.pageOfSptep(sptep);
  const bitmap = parent.unsyncChildBitmap;
  const index = parent.indexOf(sptep);
  if (bitmap === null || bitmap[index] === 0) return;
  bitmap[index] = 0;
  if (--parent.unsyncChildren > 0) return;
  for (const above of parent.parents) clearUnsyncChild(kvm, above);
}

/** mmu_unsync_walk(): the unsync pages at and below `sp`. */
export function unsyncDescendants(kvm: Kvm, sp: ShadowPage, found = new Set<ShadowPage>()): Set<ShadowPage> {
  if (sp.unsync) found.add(sp);
  const bitmap = sp.unsyncChildBitmap;
  if (bitmap === null || sp.unsyncChildren === 0) return found;
  for (let index = 0; index < bitmap.length; index++) {
    if (bitmap[index] === 0) continue;
    // Needs no point: only holders of mmu_lock link and unlink.
    const child = kvm.pageOfFrame.get(ptePfn(kvm.memory.i32[sp.sptep(index) >>> 2]!));
    unsyncDescendants(kvm, child ?? bug('unsync bit without a child', { gfn: sp.gfn, index }), found);
  }
  return found;
}
