// The host's own books: mappings against rmap counts, and what is left over at the end.

import { isPresent, ptePfn } from '../hw/sv39/index.ts';
import type { Host } from '../mm/index.ts';
import { FrameKind, forEachPte } from '../mm/internals.ts';
import { hex } from '../units.ts';
import type { Report } from './violation.ts';

/** I1, I3: every page is mapped as often as it says, and referenced at least as often. */
export function checkMappings(host: Host, report: Report): void {
  const { frames } = host;
  const maps = new Int32Array(frames.endPfn);
  for (const mm of host.mms) {
    forEachPte(mm, (_address, pte) => {
      if (isPresent(pte)) maps[ptePfn(pte)]!++;
    });
  }
  for (let pfn = frames.firstPfn as number; pfn < frames.endPfn; pfn++) {
    const kind = frames.kind[pfn];
    if (kind === FrameKind.free && maps[pfn] !== 0)
      report('I1', `a PTE maps frame ${hex(pfn)}, which is free`);
    if (kind !== FrameKind.folio) continue;
    if (maps[pfn] !== frames.mapcount[pfn]) {
      report('I3', `frame ${hex(pfn)} has mapcount ${frames.mapcount[pfn]}, but ${maps[pfn]} PTEs map it`);
    }
    if (frames.refcount[pfn] !== 0 && frames.refcount[pfn]! < maps[pfn]!) {
      report('I1', `frame ${hex(pfn)} has ${frames.refcount[pfn]} references for ${maps[pfn]} mappings`);
    }
  }
}

/** After the last process has gone: every frame is free but the zero page, and every swap slot. */
export function checkLeaks(host: Host, usedSwapSlots: number, report: Report): void {
  const { frames } = host;
  for (let pfn = frames.firstPfn as number; pfn < frames.endPfn; pfn++) {
    const kind = frames.kind[pfn];
    if (kind === FrameKind.free || kind === FrameKind.zeroPage) continue;
    report('leak', `frame ${hex(pfn)} is still in use: kind ${kind}, ${frames.refcount[pfn]} references`);
  }
  if (usedSwapSlots !== 0) report('leak', `${usedSwapSlots} swap slots are still in use`);
  if (host.mms.length !== 0) report('leak', `${host.mms.length} address spaces are left`);
}
