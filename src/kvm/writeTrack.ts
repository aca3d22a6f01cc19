// Write tracking: guest pages whose stores must trap, because a shadow page depends on them or the VMM watches them
// (kvm_write_track_add_gfn, account_shadowed, kvm_mmu_slot_gfn_write_protect).
//
// Tables above the leaf level are always tracked; leaf tables only while they are in sync. What a trapped store does
// is in trackWrite.ts.
//
// Invariant: no writable spte maps a tracked gfn. Locks: mmu_lock for write.

import { ptePfn } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Gfn, type Hpa } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { allowLpage, disallowLpage } from './mappingLevel.ts';
import { gfnToMemslot, type Memslot } from './memslot.ts';
import { kvmFlushRemoteTlbs } from './requests.ts';
import { owesFlushOf } from './reservation.ts';
import type { ShadowPage } from './shadowPage.ts';
import { changeLeafSpte, framesAt, isWritableSpte, readSpte, withoutWrite } from './spte.ts';

export const isWriteTracked = (slot: Memslot, gfn: Gfn): boolean => slot.writeTrack.has(gfn);

/** __kvm_write_track_add_gfn(). The caller write-protects the gfn. */
export function addTrack(slot: Memslot, gfn: Gfn): void {
  slot.writeTrack.set(gfn, (slot.writeTrack.get(gfn) ?? 0) + 1);
}

function removeTrack(slot: Memslot, gfn: Gfn): void {
  const count = slot.writeTrack.get(gfn) ?? bug('write tracking removed twice', { gfn });
  if (count === 1) slot.writeTrack.delete(gfn);
  else slot.writeTrack.set(gfn, count - 1);
}

/** kvm_mmu_slot_gfn_write_protect(): true when a writable spte lost its W; the caller owes a flush. */
export function* writeProtectGfn(kvm: Kvm, slot: Memslot, gfn: Gfn): Steps<boolean> {
  let changed = false;
  for (const sptep of slot.rmap.sptesOf(gfn)) changed = (yield* writeProtect(kvm, sptep, 0)) || changed;
  for (const sptep of slot.hugeSptesIn(gfn, (gfn + 1) as Gfn))
    changed = (yield* writeProtect(kvm, sptep, 1)) || changed;
  return changed;
}

/** spte_write_protect(), of a leaf at `level`. */
function* writeProtect(kvm: Kvm, sptep: Hpa, level: number): Steps<boolean> {
  if (points.on) yield at.spte(sptep);
  const spte = readSpte(kvm.memory, sptep);
  if (!isWritableSpte(spte)) return false;
  if (points.on) yield at.spte(sptep);
  changeLeafSpte(kvm.memory, sptep, withoutWrite(spte));
  yield* owesFlushOf(kvm, ptePfn(spte), framesAt(level));
  return true;
}

/** account_shadowed(): from now on stores to the guest table behind `sp` trap. */
export function* accountShadowed(kvm: Kvm, sp: ShadowPage): Steps {
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, sp.gfn) ?? bug('a guest table outside memory is shadowed', { gfn: sp.gfn });
  kvm.indirectShadowPages++;
  disallowLpage(slot, sp.gfn);
  if (sp.role.level > 0) addTrack(slot, sp.gfn);
  if (yield* writeProtectGfn(kvm, slot, sp.gfn)) yield* kvmFlushRemoteTlbs(kvm);
}

/** unaccount_shadowed(). Preceded by at.list(kvm.id). */
export function unaccountShadowed(kvm: Kvm, sp: ShadowPage): void {
  const slot = gfnToMemslot(kvm, sp.gfn) ?? bug('a shadowed guest table lost its memslot', { gfn: sp.gfn });
  kvm.indirectShadowPages--;
  allowLpage(slot, sp.gfn);
  if (sp.role.level > 0) removeTrack(slot, sp.gfn);
}
