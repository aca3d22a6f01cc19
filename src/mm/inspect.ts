// Looking at an address space from outside, without touching it: for the oracle, digests and tests.
//
// Reads the bytes of tables, frames and the swap device; takes no lock, faults nothing in, sets no A bit. Only between
// scheduler steps.

import {
  isPresent,
  isTable,
  levelBytes,
  PTE_A,
  PTE_BYTES,
  PTE_D,
  PTE_PPN_SHIFT,
  PTE_W,
  pteIndex,
  ptePfn,
} from '../hw/sv39/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn, PTES_PER_PAGE, pfnToHpa, type SwapSlot } from '../units.ts';
import type { AddressSpace } from './filemap/addressSpace.ts';
import { folioFilePage } from './filemap/filemap.ts';
import { isFolio, isSwapEntry, swapEntrySlot } from './filemap/iPages.ts';
import type { Host } from './host.ts';
import { PG_swapcache, PG_uptodate } from './page/frames.ts';
import { HPAGE_PMD_NR } from './page/largeFolio.ts';
import { isMigrationPte, migrationPfn } from './pagetable/migrationEntry.ts';
import { pteOfPmd } from './pagetable/pmd.ts';
import { isPresentPte, isSwapPte, swapPteSlot } from './pagetable/pte.ts';
import type { SwapInfo } from './swap/swap.ts';
import type { Mm } from './vma/mmStruct.ts';

const entryAt = (mm: Mm, table: Pfn, index: number): number => mm.host.memory.i32[table * 1024 + index * 2]!;

/** Of the addresses that a table of Sv39 has entries for. */
const ALL_BYTES = 2 ** 39;

/** The PTE of `address`, or 0; in a huge page the one that its entry stands for, unless that is being changed. */
export function inspectPte(mm: Mm, address: Hva): number {
  const { entry, level } = inspectEntry(mm, address);
  if (level === 0) return entry;
  return isPresentPte(entry) ? pteOfPmd(entry, address) : 0;
}

/** Where the PTE of `address` lies, or 0: there is no table. */
export function inspectPtep(mm: Mm, address: Hva): Hpa {
  const { entryp, level } = inspectEntry(mm, address);
  return level === 0 ? entryp : (0 as Hpa);
}

/** The last entry on the way to an address, where it lies and at which level: a PTE, that of a huge page, or 0. */
export interface InspectedEntry {
  readonly entryp: Hpa;
  readonly entry: number;
  readonly level: number;
}

export function inspectEntry(mm: Mm, address: Hva): InspectedEntry {
  let table = mm.pgd;
  for (let level = 2; ; level--) {
    const index = pteIndex(address, level);
    const entry = entryAt(mm, table, index);
    const entryp = (pfnToHpa(table) + index * PTE_BYTES) as Hpa;
    if (level === 0 || !isTable(entry)) return { entryp, entry, level };
    table = ptePfn(entry);
  }
}

/** For a debugger's store: the frame behind `address`, whose PTE is marked as by a store; null: a store would fault. */
export function touchForStore(mm: Mm, address: Hva): Pfn | null {
  const pte = inspectPte(mm, address);
  if (!isPresent(pte) || (pte & PTE_W) === 0) return null;
  mm.host.memory.i32[inspectEntry(mm, address).entryp >>> 2]! |= PTE_A | PTE_D;
  return ptePfn(pte);
}

/**
 * Visits every PTE that is not 0, in the order of addresses from 0 up, then the negative ones; of a huge page the 512
 * that its entry stands for, with level 1.
 */
export function forEachPte(mm: Mm, visit: (address: Hva, pte: number, level: number) => void): void {
  forEachPteIn(mm, 0, ALL_BYTES, (address, pte, level) =>
    visit((address >= ALL_BYTES / 2 ? address - ALL_BYTES : address) as Hva, pte, level),
  );
}

/** As forEachPte(), of the addresses from `start` up to `end`; what lies beyond may be visited where a huge page does. */
export function forEachPteIn(
  mm: Mm,
  start: number,
  end: number,
  visit: (address: Hva, pte: number, level: number) => void,
): void {
  const descend = (table: Pfn, level: number, base: number): void => {
    const bytes = levelBytes(level);
    const first = Math.max(0, Math.floor((start - base) / bytes));
    const last = Math.min(PTES_PER_PAGE, Math.ceil((end - base) / bytes));
    for (let index = first; index < last; index++) {
      const entry = entryAt(mm, table, index);
      if (entry === 0) continue;
      const address = base + index * bytes;
      if (level === 0) visit(address as Hva, entry, 0);
      else if (isTable(entry)) descend(ptePfn(entry), level - 1, address);
      else if (isPresentPte(entry))
        for (let page = 0; page < HPAGE_PMD_NR; page++)
          visit((address + page * PAGE_SIZE) as Hva, entry + (page << PTE_PPN_SHIFT), 1);
    }
  };
  descend(mm.pgd, 2, 0);
}

/** Copies the page behind `pte` into `into` (4096 bytes); false: it cannot be read from the swap device. */
export function inspectPage(mm: Mm, pte: number, into: Uint8Array): boolean {
  const { host } = mm;
  if (isPresentPte(pte) || isMigrationPte(pte)) {
    const pfn = isPresentPte(pte) ? ptePfn(pte) : migrationPfn(pte);
    into.set(host.memory.readBytes(pfnToHpa(pfn), PAGE_SIZE));
    return true;
  }
  return isSwapPte(pte) && inspectSlot(host, swapPteSlot(pte), into);
}

/** Copies page `index` of a file or shmem object into `into`, wherever it is; false: it cannot be read. */
export function inspectFilePage(mapping: AddressSpace, index: number, into: Uint8Array): boolean {
  const { host, iPages, ops } = mapping;
  const entry = iPages.load(index);
  if (isSwapEntry(entry)) return inspectSlot(host, swapEntrySlot(entry), into);
  const isCached = isFolio(entry) && (host.frames.flags[entry]! & PG_uptodate) !== 0;
  if (!isCached) return ops.inspect(mapping, index, into);
  into.set(host.memory.readBytes(pfnToHpa(folioFilePage(host, entry as Pfn, index)), PAGE_SIZE));
  return true;
}

/** Copies the page of a slot in use: from its folio in the swap cache, or from the device. False: it cannot be read. */
function inspectSlot({ swap, memory, frames }: Host, slot: SwapSlot, into: Uint8Array): boolean {
  if (swap === null) return false;
  const { page } = swap.inspect(slot);
  if (page > 0 && (frames.flags[page]! & PG_uptodate) !== 0) {
    into.set(memory.readBytes(pfnToHpa(page as Pfn), PAGE_SIZE));
    return true;
  }
  return readSlot(swap, slot, into);
}

/**
 * Copies what a folio that is dropped now would be read in as: the page of its slot, or of its file's disk. False: it
 * has neither.
 */
export function inspectBacking(host: Host, pfn: Pfn, into: Uint8Array): boolean {
  const { frames, swap, addressSpaces } = host;
  if ((frames.flags[pfn]! & PG_swapcache) !== 0) {
    return swap !== null && readSlot(swap, frames.private[pfn] as SwapSlot, into);
  }
  const mapping = addressSpaces.byId.get(-frames.mapping[pfn]!);
  return mapping?.canWriteback === true && mapping.ops.inspect(mapping, frames.index[pfn]!, into);
}

function readSlot(swap: SwapInfo, slot: SwapSlot, into: Uint8Array): boolean {
  if (swap.inspectZeroFilled(slot)) {
    into.fill(0);
    return true;
  }
  let failed = 0;
  swap.device.submit({ write: false, slot, memory: into, done: (errno) => (failed = errno) });
  return failed === 0;
}
