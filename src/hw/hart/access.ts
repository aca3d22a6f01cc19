// Access: the slow path of every fetch, load and store: first level, second level, table walk, and then either a filled
// entry, a trap of the guest, or an exit to kvm.
//
// Called by the interpreter when its inlined first-level probe misses, and by memory.ts for accesses that never probe
// (misaligned, atomic). Walks through mmu.ts.
//
// Invariants: the block's pc and budget are those of the instruction. An answer of NOWHERE means that the trap is taken
// or the exit recorded, and nothing else changed. Fills depend on nothing but the accesses made and the TLB's state.
//
// Source: RISC-V Privileged ISA, "Virtual Address Translation Process"; "Sv39x4" for the span of a guest's memory.

import { fromWords } from '../../units.ts';
import { Access, type AccessKind } from '../sv39/index.ts';
import {
  INFO_EXECUTE,
  INFO_READ,
  INFO_WRITE,
  type Regime,
  translationInfo,
  translationPfn,
} from '../tlb/index.ts';
import { ACCESS_FAULT, PAGE_FAULT } from './architecture.ts';
import { Exit } from './block.ts';
import type { Hart } from './hart.ts';
import { Outcome } from './mmu.ts';
import { takeException } from './traps.ts';

/** No host address: the instruction ended in a trap or an exit. */
export const NOWHERE = -1;

/** By access kind. */
const PERMISSION = [INFO_READ, INFO_WRITE, INFO_EXECUTE] as const;

/** High words of the addresses that Sv39 and Sv39x4 can translate. */
const PAGED_HI = 64;
const DIRECT_HI = 512;

/** Host byte address of the data at lo/hi for a load or store within one page, or NOWHERE. */
export function translateData(hart: Hart, lo: number, hi: number, access: AccessKind): number {
  const regime = hart.tlb.dataRegime;
  if (!isTranslatable(regime, hi)) return refuse(hart, regime, lo, hi, access);
  const page = fromWords(lo & ~4095, hi);
  const { first } = hart.tlb;
  if ((first.dataInfo(page) & PERMISSION[access]) !== 0) {
    hart.checker?.dataHit(hart, page, access);
    return (lo + first.dataAddend(page)) >>> 0;
  }
  const found = find(hart, regime, page, access, lo & 4095);
  if (found === NOWHERE) return NOWHERE;
  if (access === Access.store) hart.stats.storeFills++;
  else hart.stats.loadFills++;
  first.fillData(page, translationPfn(found), translationInfo(found));
  hart.checker?.filled(first.dtlbBase, regime, page);
  return (lo + first.dataAddend(page)) >>> 0;
}

/** Host byte address of the instruction halfword at lo/hi, or NOWHERE. */
export function translateFetch(hart: Hart, lo: number, hi: number): number {
  const regime = hart.tlb.fetchRegime;
  if (!isTranslatable(regime, hi)) return refuse(hart, regime, lo, hi, Access.fetch);
  const page = fromWords(lo & ~4095, hi);
  const { first } = hart.tlb;
  if (first.hasFetch(page)) {
    hart.checker?.fetchHit(hart, page);
    return (lo + first.fetchAddend(page)) >>> 0;
  }
  const found = find(hart, regime, page, Access.fetch, lo & 4095);
  if (found === NOWHERE) return NOWHERE;
  hart.stats.fetchFills++;
  first.fillFetch(page, translationPfn(found), translationInfo(found));
  hart.checker?.filled(first.itlbBase, regime, page);
  return (lo + first.fetchAddend(page)) >>> 0;
}

/** Canonical, or within the guest physical span where there is no stage one. */
const isTranslatable = (regime: Regime, hi: number): boolean =>
  regime.paged ? hi >= -PAGED_HI && hi < PAGED_HI : hi >= 0 && hi < DIRECT_HI;

/** What no table can map: a page fault, or without stage one an access fault. */
function refuse(hart: Hart, regime: Regime, lo: number, hi: number, access: AccessKind): typeof NOWHERE {
  takeException(hart, (regime.paged ? PAGE_FAULT : ACCESS_FAULT)[access], lo, hi);
  return NOWHERE;
}

/** The second level's translation of `page`, or a walk's, or NOWHERE. */
function find(hart: Hart, regime: Regime, page: number, access: AccessKind, offset: number): number {
  const cached = hart.tlb.probe(regime, page);
  if (cached >= 0 && (translationInfo(cached) & PERMISSION[access]) !== 0) {
    hart.checker?.secondHit(hart, regime, page, access, cached);
    return cached;
  }
  hart.stats.walks++;
  const outcome = hart.mmu.translate(regime, page + offset, access);
  if (outcome !== Outcome.ok) return miss(hart, outcome === Outcome.pageFault, page + offset, access);
  hart.checker?.walked(regime, page);
  return hart.tlb.insert(regime, page, hart.mmu.pfn, hart.mmu.info);
}

function miss(hart: Hart, guestFault: boolean, address: number, access: AccessKind): typeof NOWHERE {
  if (guestFault) {
    takeException(hart, PAGE_FAULT[access], address | 0, Math.floor(address / 2 ** 32) | 0);
    return NOWHERE;
  }
  hart.fault.set(hart.mmu.missing, address, access);
  hart.exit(Exit.mmuFault);
  return NOWHERE;
}
