// From a folio to the VMAs that may map it, anonymous or of a file (mm/rmap.c: rmap_walk).
//
// Reclaim asks and unmaps by it (referenced.ts, tryToUnmap.ts), writeback write-protects (mkclean.ts).
//
// Invariant: every PTE that maps the folio lies at an address that is visited, as long as the rmap lock is held; the
// visitor looks for the PTE itself. Locks: i_mmap_rwsem or anon_vma->rwsem for read, round all visits.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Hva, Pfn } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import type { Host } from '../host.ts';
import { rmapWalkKsm } from '../ksm/ksmRmap.ts';
import { folioMapping } from '../page/folio.ts';
import { PG_ksm } from '../page/frames.ts';
import type { Vma } from '../vma/vma.ts';
import { folioAnonVma } from './rmap.ts';

/** `address` is where the VMA maps the folio, of a large one the first address. True: do not go on. */
export type RmapVisitor = (vma: Vma, address: Hva) => Steps<boolean>;

/**
 * Visits the VMAs of a folio that the caller has a reference to, and if it is of a file, or merged, the lock of. False:
 * the rmap lock is contended, and `trylock` says not to wait for it.
 */
export function* rmapWalk(host: Host, pfn: Pfn, trylock: boolean, visit: RmapVisitor): Steps<boolean> {
  if (points.on) yield at.page(pfn);
  if (host.frames.maps(pfn) === 0) return true;
  return yield* rmapWalkAll(host, pfn, trylock, visit);
}

/** As rmapWalk(), of a folio that perhaps nothing maps: what stands for it in page tables is found alike. */
export function* rmapWalkAll(host: Host, pfn: Pfn, trylock: boolean, visit: RmapVisitor): Steps<boolean> {
  if (points.on) yield at.page(pfn);
  if (host.frames.test(pfn, PG_ksm)) return yield* rmapWalkKsm(host, pfn, trylock, visit);
  const mapping = folioMapping(host, pfn);
  if (mapping === null) return yield* rmapWalkAnon(host, pfn, trylock, visit);
  return yield* rmapWalkFile(mapping, host.frames.index[pfn]!, host.frames.nrPages(pfn), trylock, visit);
}

function* rmapWalkAnon(host: Host, pfn: Pfn, trylock: boolean, visit: RmapVisitor): Steps<boolean> {
  const { locks, frames } = host;
  if (points.on) yield at.page(pfn);
  const anonVma = folioAnonVma(host, pfn);
  if (anonVma === null) return true;
  if (!trylock) yield* locks.anonVmaLockRead(anonVma);
  else if (!(yield* locks.anonVmaTrylockRead(anonVma))) return false;
  if (points.on) yield at.page(pfn);
  if (folioAnonVma(host, pfn) !== anonVma) {
    // It was moved to another, for want of the folio lock (uffdMovePte.ts).
    yield* locks.anonVmaUnlockRead(anonVma);
    return yield* rmapWalkAnon(host, pfn, trylock, visit);
  }
  const [index, pages] = [frames.index[pfn]!, frames.nrPages(pfn)];
  if (points.on) yield at.list(anonVma.rwsem.id);
  for (const vma of anonVma.vmas.overlapping(index, index + pages - 1)) {
    const address = vma.addressOf(index, pages);
    if (address !== null && (yield* visit(vma, address))) break;
  }
  yield* locks.anonVmaUnlockRead(anonVma);
  return true;
}

function* rmapWalkFile(
  mapping: AddressSpace,
  index: number,
  pages: number,
  trylock: boolean,
  visit: RmapVisitor,
): Steps<boolean> {
  const { locks } = mapping.host;
  if (!trylock) yield* locks.iMmapLockRead(mapping);
  else if (!(yield* locks.iMmapTrylockRead(mapping))) return false;
  if (points.on) yield at.list(mapping.iMmapRwsem.id);
  for (const vma of mapping.iMmap.overlapping(index, index + pages - 1)) {
    const address = vma.addressOf(index, pages);
    if (address !== null && (yield* visit(vma, address))) break;
  }
  yield* locks.iMmapUnlockRead(mapping);
  return true;
}
