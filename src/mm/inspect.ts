// Looking at an address space from outside, without touching it: for the oracle, digests and tests.
//
// Reads the bytes of tables, frames and the swap device; takes no lock, faults nothing in, sets no A bit. Only between
// scheduler steps.

import {
  isLeaf,
  isPresent,
  isTable,
  levelBytes,
  PTE_A,
  PTE_BYTES,
  PTE_D,
  PTE_W,
  pteIndex,
  ptePfn,
} from '../hw/sv39/index.ts';
import {
  type Hpa,
  type Hva,
  hpaToPfn,
  PAGE_SIZE,
  type Pfn,
  PTES_PER_PAGE,
  pfnToHpa,
  type SwapSlot,
} from '../units.ts';
import type { AddressSpace } from './addressSpace.ts';
import { PG_uptodate } from './frames.ts';
import type { Host } from './host.ts';
import { isFolio, isSwapEntry, swapEntrySlot } from './iPages.ts';
import { isMigrationPte, migrationPfn } from './migrationEntry.ts';
import type { Mm } from './mmStruct.ts';
import { isPresentPte, isSwapPte, swapPteSlot } from './pte.ts';

const entryAt = (mm: Mm, table: Pfn, index: number): number => mm.host.memory.i32[table * 1024 + index * 2]!;

/** The PTE of `address`, or 0. */
export function inspectPte(mm: Mm, address: Hva): number {
  const ptep = inspectPtep(mm, address);
  return ptep === 0 ? 0 : entryAt(mm, hpaToPfn(ptep), pteIndex(address, 0));
}

/** Where the PTE of `address` lies, or 0. */
export function inspectPtep(mm: Mm, address: Hva): Hpa {
  let table = mm.pgd;
  for (let level = 2; level > 0; level--) {
    const entry = entryAt(mm, table, pteIndex(address, level));
    if (!isTable(entry)) return 0 as Hpa;
    table = ptePfn(entry);
  }
  return (pfnToHpa(table) + pteIndex(address, 0) * PTE_BYTES) as Hpa;
}

/** For a debugger's store: the frame behind `address`, whose PTE is marked as by a store; null: a store would fault. */
export function touchForStore(mm: Mm, address: Hva): Pfn | null {
  const ptep = inspectPtep(mm, address);
  const pte = inspectPte(mm, address);
  if (!isPresent(pte) || (pte & PTE_W) === 0) return null;
  mm.host.memory.i32[ptep >>> 2] = pte | PTE_A | PTE_D;
  return ptePfn(pte);
}

/** Visits every PTE that is not 0, in the order of addresses from 0 up, then the negative ones. */
export function forEachPte(mm: Mm, visit: (address: Hva, pte: number) => void): void {
  const descend = (table: Pfn, level: number, base: number): void => {
    for (let index = 0; index < PTES_PER_PAGE; index++) {
      const entry = entryAt(mm, table, index);
      if (entry === 0) continue;
      const address = base + index * levelBytes(level);
      if (level === 0) visit((address >= 2 ** 38 ? address - 2 ** 39 : address) as Hva, entry);
      else if (isPresent(entry) && !isLeaf(entry)) descend(ptePfn(entry), level - 1, address);
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
  into.set(host.memory.readBytes(pfnToHpa(entry as Pfn), PAGE_SIZE));
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
  if (page === 0) {
    into.fill(0);
    return true;
  }
  let failed = 0;
  swap.device.submit({ write: false, slot, memory: into, done: (errno) => (failed = errno) });
  return failed === 0;
}
