// I3: clean means that nothing would be lost. A folio that nobody has marked dirty, neither the folio nor a PTE nor an
// spte, holds what its swap slot or its file's disk holds, since reclaim drops it without writing.
//
// Called by oracle.ts where nothing is under way; reads, never writes.

import { isLeaf, isPresent, PTE_D, ptePfn } from '../hw/sv39/index.ts';
import type { Kvm } from '../kvm/internals.ts';
import type { Host } from '../mm/index.ts';
import {
  FrameKind,
  forEachPte,
  inspectBacking,
  isPresentPte,
  PG_dirty,
  PG_uptodate,
  PG_writeback,
} from '../mm/internals.ts';
import { hex, PAGE_SIZE, type Pfn, pfnToHpa } from '../units.ts';
import type { Report } from './violation.ts';

export function checkClean(host: Host, kvm: Kvm | null, report: Report): void {
  const { frames, memory } = host;
  const backing = new Uint8Array(PAGE_SIZE);
  let dirty: ReadonlySet<Pfn> | null = null;
  for (let frame = frames.firstPfn as number; frame < frames.endPfn; frame++) {
    const pfn = frame as Pfn;
    if (frames.kind[pfn] !== FrameKind.folio) continue;
    if ((frames.flags[pfn]! & (PG_dirty | PG_writeback | PG_uptodate)) !== PG_uptodate) continue;
    if (!inspectBacking(host, pfn, backing)) continue;
    if (Buffer.compare(backing, memory.readBytes(pfnToHpa(pfn), PAGE_SIZE)) === 0) continue;
    dirty ??= dirtyByTables(host, kvm);
    if (!dirty.has(pfn)) report('I3', `frame ${hex(pfn)} counts as clean, but what it holds is nowhere else`);
  }
}

/** Frames whose D is still in an entry of a page table. */
function dirtyByTables(host: Host, kvm: Kvm | null): Set<Pfn> {
  const dirty = new Set<Pfn>();
  for (const mm of host.mms) {
    forEachPte(mm, (_address, pte) => {
      if (isPresentPte(pte) && (pte & PTE_D) !== 0) dirty.add(ptePfn(pte));
    });
  }
  for (const sp of kvm?.shadowPages ?? []) {
    for (let index = 0; index < sp.entries; index++) {
      const spte = host.memory.i32[sp.sptep(index) >>> 2]!;
      if (isPresent(spte) && isLeaf(spte) && (spte & PTE_D) !== 0) dirty.add(ptePfn(spte));
    }
  }
  return dirty;
}
