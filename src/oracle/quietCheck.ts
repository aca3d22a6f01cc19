// What must be over where no task is in the middle of anything: whoever counted himself in has counted himself out, what was
// locked is unlocked, and what was isolated is on its list again.
//
// Called by oracle.ts where nothing is under way; reads, never writes.

import { PTE_W, ptePfn } from '../hw/sv39/index.ts';
import type { Kvm } from '../kvm/internals.ts';
import type { Host, Mm } from '../mm/index.ts';
import {
  FrameKind,
  forEachPte,
  isPresentPte,
  isSwapPte,
  PG_ksm,
  PG_locked,
  PG_lru,
  PG_writeback,
} from '../mm/internals.ts';
import { type Hva, hex, type Pfn } from '../units.ts';
import type { Report } from './violation.ts';

export function checkQuietness(host: Host, kvm: Kvm | null, report: Report): void {
  for (const mm of host.mms) checkMm(mm, report);
  checkFolios(host, report);
  if (kvm !== null) checkRoots(kvm, report);
}

/** leak: the process alone uses its address space. I2: nobody has cleared entries and not flushed them. */
function checkMm(mm: Mm, report: Report): void {
  if (mm.mmUsers > 1) report('leak', `address space ${mm.id} has ${mm.mmUsers} users`);
  if (mm.tlbFlushPending !== 0)
    report('I2', `address space ${mm.id} waits for ${mm.tlbFlushPending} flushes`);
  let swapEntries = 0;
  forEachPte(mm, (address, pte, level) => {
    if (isSwapPte(pte)) swapEntries++;
    else if (isPresentPte(pte)) checkPage(mm, address, pte, level, report);
  });
  if (swapEntries !== mm.swapEntries)
    report('leak', `address space ${mm.id} counts ${mm.swapEntries} of its ${swapEntries} swap entries`);
}

/**
 * Of a page that is not merged. I5: nobody else has an anonymous one that may be written to. I1: by its mapping and index
 * the entry is found.
 */
function checkPage(mm: Mm, address: Hva, pte: number, level: number, report: Report): void {
  const { frames } = mm.host;
  const pfn = ptePfn(pte);
  const folio = frames.folioOf(pfn);
  if (frames.kind[folio] !== FrameKind.folio || (frames.flags[folio]! & PG_ksm) !== 0) return;
  const isAlone = frames.mapping[folio]! < 0 || frames.isAnonExclusive(folio, level === 0 ? pfn : folio);
  if ((pte & PTE_W) !== 0 && !isAlone)
    report('I5', `a PTE permits stores to frame ${hex(pfn)}, which another process may have too`);
  if (!isFoundAt(mm, address, pfn, folio))
    report('I1', `frame ${hex(pfn)} is mapped at ${hex(address)}, where rmap does not look`);
}

function isFoundAt({ host, vmas }: Mm, address: Hva, pfn: Pfn, folio: Pfn): boolean {
  const { frames, anonVmas } = host;
  const vma = vmas.find(address);
  const mapping = frames.mapping[folio]!;
  const family = anonVmas.byId.get(mapping)?.root;
  const isOf =
    mapping < 0 ? vma?.file?.mapping.id === -mapping : family !== undefined && family === vma?.anonVma?.root;
  return isOf && frames.index[folio]! + (pfn - folio) === vma?.indexOf(address);
}

/** I9: whoever wants a folio would wait for ever, or reclaim never meet it. */
function checkFolios({ frames }: Host, report: Report): void {
  for (let pfn = frames.firstPfn as number; pfn < frames.endPfn; pfn++) {
    if (frames.kind[pfn] !== FrameKind.folio || frames.folioOf(pfn as Pfn) !== pfn) continue;
    const flags = frames.flags[pfn]!;
    if ((flags & PG_locked) !== 0) report('I9', `frame ${hex(pfn)} is left locked`);
    if ((flags & PG_writeback) !== 0) report('I9', `frame ${hex(pfn)} is left under writeback`);
    if ((flags & PG_lru) === 0) report('leak', `frame ${hex(pfn)} is on no LRU list`);
  }
}

/** leak: a shadow page is a root for as many vCPUs as it counts. */
function checkRoots(kvm: Kvm, report: Report): void {
  for (const sp of new Set(kvm.pageOfFrame.values())) {
    const users = kvm.vcpus.filter(({ root, directRoot }) => root === sp || directRoot === sp).length;
    if (users !== sp.rootCount)
      report(
        'leak',
        `shadow page of gfn ${hex(sp.gfn)} is the root of ${users} vCPUs, and counts ${sp.rootCount}`,
      );
  }
}
