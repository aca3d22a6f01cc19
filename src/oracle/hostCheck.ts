// The host's own books: mappings against rmap counts, and what is left over at the end.

import { PTE_W, ptePfn } from '../hw/sv39/index.ts';
import type { Host, Mm } from '../mm/index.ts';
import {
  type AddressSpace,
  FrameKind,
  forEachPte,
  inspectPtep,
  isFolio,
  isPresentPte,
  isUffdWp,
  PG_dirty,
  PG_ksm,
  PG_swapcache,
} from '../mm/internals.ts';
import { type Hva, hex, type Pfn, type SwapSlot } from '../units.ts';
import type { Report } from './violation.ts';

/** I1, I3: every page is mapped as often as it says, and referenced at least as often. I5: as checkRights(). */
export function checkMappings(host: Host, report: Report): void {
  const { frames } = host;
  const maps = new Int32Array(frames.endPfn);
  // By folio: what refers to it in page tables.
  const entries = new Int32Array(frames.endPfn);
  for (const mm of host.mms) {
    const hasHandler = mm.vmas.all.some(({ userfaultfd }) => userfaultfd !== null);
    forEachPte(mm, (address, pte, level) => {
      if (!isPresentPte(pte)) return;
      const pfn = ptePfn(pte);
      const folio = frames.folioOf(pfn);
      if ((pte & PTE_W) !== 0) checkRights(mm, address, folio, hasHandler, report);
      maps[pfn]!++;
      if (level === 0 || pfn === folio) entries[folio]!++;
    });
  }
  // Who holds a page table lock may have cleared an entry, and count the mapping until CPUs are flushed or it is set
  // again.
  const mayBeInFlux =
    host.pageTableLocks.some((lock) => lock?.isLocked) || host.mms.some((mm) => mm.pageTableLock.isLocked);
  for (let pfn = frames.firstPfn as number; pfn < frames.endPfn; pfn++) {
    const kind = frames.kind[pfn];
    if (kind === FrameKind.free && maps[pfn] !== 0)
      report('I1', `a PTE maps frame ${hex(pfn)}, which is free`);
    if (kind !== FrameKind.folio) continue;
    const mapcount = frames.pageMapcount(pfn as Pfn);
    if (maps[pfn]! > mapcount || (maps[pfn] !== mapcount && !mayBeInFlux)) {
      report('I3', `frame ${hex(pfn)} has mapcount ${mapcount}, but ${maps[pfn]} entries map it`);
    }
    if (frames.refcount[pfn] !== 0 && frames.refcount[pfn]! < entries[pfn]!) {
      report('I1', `frame ${hex(pfn)} has ${frames.refcount[pfn]} references for ${entries[pfn]} mappings`);
    }
  }
}

/** I5: an entry is writable, and nobody relies on its not being so: KSM, or a userfaultfd that wants to hear of stores. */
function checkRights(mm: Mm, address: Hva, folio: Pfn, hasHandler: boolean, report: Report): void {
  const { frames } = mm.host;
  if ((frames.flags[folio]! & PG_ksm) !== 0)
    report('I5', `a PTE permits stores to frame ${hex(folio)}, which is merged`);
  if (hasHandler && isUffdWp(mm.host, inspectPtep(mm, address)))
    report('I5', `the PTE of ${hex(address)} permits stores that a userfaultfd is to hear of`);
}

/**
 * leak: every folio has as many references as it has mappings, and one a page for the cache that it is in. Holds where
 * nothing is under way: whoever works on a folio has one too, and a pin is many.
 */
export function checkReferences({ frames }: Host, report: Report): void {
  for (let pfn = frames.firstPfn as number; pfn < frames.endPfn; pfn++) {
    if (frames.kind[pfn] !== FrameKind.folio) continue;
    const isCached = (frames.flags[pfn]! & PG_swapcache) !== 0 || frames.mapping[pfn]! < 0;
    const isFirst = frames.folioOf(pfn as Pfn) === pfn;
    const cached = isCached ? frames.nrPages(pfn as Pfn) : 0;
    const owned = isFirst ? frames.maps(pfn as Pfn) + cached : 0;
    if (frames.refcount[pfn] === owned) continue;
    report(
      'leak',
      `frame ${hex(pfn)} has ${frames.refcount[pfn]} references, of which ${owned} are anybody's`,
    );
  }
}

/** I3: the page cache and its folios know of each other, and what is dirty is counted, so that it is written. */
export function checkPageCaches(host: Host, report: Report): void {
  for (const mapping of host.addressSpaces.byId.values()) checkPageCache(mapping, report);
}

function checkPageCache({ host, id, iPages, canWriteback, dirty }: AddressSpace, report: Report): void {
  const { frames } = host;
  let folios = 0;
  let dirtyFolios = 0;
  for (const index of iPages.indexesIn(0, Number.POSITIVE_INFINITY)) {
    const entry = iPages.load(index);
    if (!isFolio(entry)) continue;
    folios++;
    if ((frames.flags[entry]! & PG_dirty) !== 0) dirtyFolios++;
    const first = index - (index % frames.nrPages(entry as Pfn));
    if (frames.mapping[entry] !== -id || frames.index[entry] !== first)
      report('I3', `page ${index} of file ${id} is in frame ${hex(entry)}, which is another page`);
  }
  if (folios !== iPages.nrpages) report('I3', `file ${id} counts ${iPages.nrpages} of its ${folios} pages`);
  if (canWriteback && dirtyFolios !== dirty.size)
    report('I3', `file ${id} knows ${dirty.size} of its ${dirtyFolios} dirty pages`);
}

/** leak: a memory cgroup is charged for what it has, page for page and slot for slot. */
export function checkCharges({ frames, memcgs, swap }: Host, report: Report): void {
  if (memcgs.all.length === 0) return;
  const pages = new Map<number, number>();
  for (let pfn = frames.firstPfn as number; pfn < frames.endPfn; pfn++)
    addTo(pages, frames.memcg[pfn]!, frames.nrPages(pfn as Pfn));
  const slots = new Map<number, number>();
  for (let slot = 1; slot < (swap?.max ?? 0); slot++) addTo(slots, swap!.inspect(slot as SwapSlot).memcg, 1);
  for (const memcg of memcgs.all) {
    const has = [pages.get(memcg.id) ?? 0, slots.get(memcg.id) ?? 0];
    const charged = [memcg.memory.usage, memcg.swap.usage];
    if (has.join() !== charged.join())
      report(
        'leak',
        `memory cgroup ${memcg.name} has ${inWords(has)} and is charged for ${inWords(charged)}`,
      );
  }
}

function addTo(counts: Map<number, number>, id: number, count: number): void {
  if (id !== 0) counts.set(id, (counts.get(id) ?? 0) + count);
}

const inWords = ([pages, slots]: readonly number[]): string => `${pages} pages and ${slots} slots`;

/** After the last process has gone: every frame is free but the zero page, and every swap slot. */
export function checkLeaks(host: Host, usedSwapSlots: number, report: Report): void {
  const { frames } = host;
  for (let pfn = frames.firstPfn as number; pfn < frames.endPfn; pfn++) {
    const kind = frames.kind[pfn];
    if (kind === FrameKind.free || kind === FrameKind.zeroPage) continue;
    report('leak', `frame ${hex(pfn)} is still in use: kind ${kind}, ${frames.refcount[pfn]} references`);
  }
  if (usedSwapSlots !== 0) report('leak', `${usedSwapSlots} swap slots are still in use`);
  for (const { name, memory, swap } of host.memcgs.all) {
    if (memory.usage + swap.usage !== 0)
      report('leak', `memory cgroup ${name} is still charged for ${memory.usage} pages, ${swap.usage} slots`);
  }
  if (host.mms.length !== 0) report('leak', `${host.mms.length} address spaces are left`);
  const files = host.addressSpaces.byId.size;
  if (files !== 0) report('leak', `${files} files and shared objects are left`);
}
