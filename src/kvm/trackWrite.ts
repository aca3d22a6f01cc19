// What a store to guest memory does to the shadow state derived from it (kvm_mmu_track_write), and watching pages for
// the VMM.
//
// Emulated stores (emulate.ts) come here after the write was performed.
//
// Locks: each function takes mmu_lock for write.

import type { Steps } from '../sched/index.ts';
import { bug, type Gfn, type Gpa, gpaToGfn, pageOffset } from '../units.ts';
import type { Kvm } from './kvm.ts';
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
  const slot = gfnToMemslot(kvm, gfn) ?? bug('trackWrites: no memory there', { gfn });
  addTrack(slot, gfn);
  kvm.watchedGfns.add(gfn);
  if (yield* writeProtectGfn(kvm, slot, gfn)) yield* kvmFlushRemoteTlbs(kvm);
  yield* kvm.mmuLock.unlock();
}

/**
 * kvm_mmu_track_write(): guest memory [address, address + bytes) was just written by an emulated store; zaps what was
 * derived from it. Takes mmu_lock.
 */
export function* kvmTrackWrite(kvm: Kvm, address: Gpa, bytes: number): Steps {
  if (kvm.indirectShadowPages === 0) return;
  yield* kvm.mmuLock.lockWrite();
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
  yield* kvm.mmuLock.unlock();
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

/** kvm_mmu_unprotect_gfn(): zaps every shadow page of `gfn`, so that it can be written again; true if there was one. */
export function* unprotectGfn(kvm: Kvm, gfn: Gfn): Steps<boolean> {
  yield* kvm.mmuLock.lockWrite();
  const invalidList: ShadowPage[] = [];
  const pages = [...(kvm.pagesOfGfn.get(gfn) ?? [])].filter((sp) => !sp.role.direct);
  for (const sp of pages) yield* prepareZapPage(kvm, sp, invalidList);
  yield* remoteFlushOrZap(kvm, invalidList, pages.length > 0);
  yield* kvm.mmuLock.unlock();
  return pages.length > 0;
}
