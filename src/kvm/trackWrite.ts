// What a store to guest memory does to the shadow state derived from it (kvm_mmu_track_write), and watching pages for
// the VMM.
//
// Emulated stores (emulate.ts) come here after the write was performed, under the same hold of mmu_lock: whoever sees the
// new entry and fences must not find the old translation any more.
//
// Locks: as each function says.

import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Gfn, type Gpa, gpaToGfn, pageOffset } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { disallowLpage } from './mappingLevel.ts';
import { gfnToMemslot } from './memslot.ts';
import { kvmFlushRemoteTlbs } from './requests.ts';
import type { ShadowPage } from './shadowPage.ts';
import { addTrack, writeProtectGfn } from './writeTrack.ts';
import { prepareZapPage, remoteFlushOrZap, zapPte } from './zap.ts';

/** detect_write_flooding(): so many stores without a walk through the table mean that it is no table any more. */
const WRITE_FLOODING_LIMIT = 3;

/** Stores to `gfn` exit to the VMM after they were performed, until the memslot goes. Takes mmu_lock. */
export function* trackWrites(kvm: Kvm, gfn: Gfn): Steps {
  yield* kvm.mmuLock.lockWrite();
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, gfn) ?? bug('trackWrites: no memory there', { gfn });
  if (!kvm.watchedGfns.has(gfn)) {
    kvm.watchedGfns.add(gfn);
    addTrack(slot, gfn);
    disallowLpage(slot, gfn);
    if (yield* writeProtectGfn(kvm, slot, gfn)) yield* kvmFlushRemoteTlbs(kvm);
  }
  yield* kvm.mmuLock.unlock();
}

/**
 * kvm_mmu_track_write(): guest memory [address, address + bytes) was just written by an emulated store; zaps what was
 * derived from it.
 */
export function* kvmTrackWriteLocked(kvm: Kvm, address: Gpa, bytes: number): Steps {
  kvm.mmuLock.assertHeldWrite();
  if (kvm.indirectShadowPages === 0) return;
  kvm.stats.mmu_pte_write++;
  const invalidList: ShadowPage[] = [];
  let flush = false;
  for (const sp of [...(kvm.pagesOfGfn.get(gpaToGfn(address)) ?? [])]) {
    if (sp.role.direct) continue;
    if (isMisaligned(address, bytes) || isFlooded(sp)) {
      yield* prepareZapPage(kvm, sp, invalidList);
      kvm.stats.mmu_flooded++;
    } else {
      flush = (yield* zapPte(kvm, sp, sp.sptep(Math.floor(pageOffset(address) / 8)))) || flush;
    }
  }
  yield* remoteFlushOrZap(kvm, invalidList, flush);
}

/** detect_write_misaligned(): a store of less than a word, or across entries, is hardly one of a page table. */
export function isMisaligned(address: Gpa, bytes: number): boolean {
  const offset = pageOffset(address);
  if (offset % 8 === 0 && bytes === 1) return false;
  return bytes < 4 || Math.floor(offset / 8) !== Math.floor((offset + bytes - 1) / 8);
}

function isFlooded(sp: ShadowPage): boolean {
  if (sp.role.level === 0) return false;
  sp.writeFloodingCount++;
  return sp.writeFloodingCount >= WRITE_FLOODING_LIMIT;
}
