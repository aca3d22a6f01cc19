// Access: the slow path of every fetch, load and store: first level, plain walk, second level, table walk, and then
// either a filled entry, a trap of the guest, or an exit to kvm.
//
// Called by the interpreter when its inlined first-level probe misses, and by memory.ts for accesses that never probe
// (misaligned, atomic). Walks through mmu.ts. Where the answer holds for one access only (mmu.ts, loans.ts), no entry is
// filled and hart.alone is set.
//
// Invariants: the block's pc and budget are those of the instruction. An answer of NOWHERE means that the trap is taken
// or the exit recorded, and nothing else changed. Fills depend on nothing but the accesses made and the TLB's state.
//
// Source: RISC-V Privileged ISA, "Virtual Address Translation Process"; "Sv39x4" for the span of a guest's memory.

import { fromWords, hpaToPfn } from '../../units.ts';
import { Access, type AccessKind } from '../sv39/index.ts';
import {
  INFO_EXECUTE,
  INFO_READ,
  INFO_WRITE,
  type Regime,
  translation,
  translationInfo,
  translationPfn,
} from '../tlb/index.ts';
import { ACCESS_FAULT, PAGE_FAULT } from './architecture.ts';
import { BLOCK_FILLS, BLOCK_REFILLS, BLOCK_WALKS, Exit } from './block.ts';
import { count } from './counts.ts';
import type { Hart } from './hart.ts';
import { NO_LOAN } from './loans.ts';
import { type Missing, Outcome, type OutcomeCode } from './mmu.ts';
import { takeException } from './traps.ts';

/** No host address: the instruction ended in a trap or an exit. */
export const NOWHERE = -1;

/** By access kind. */
const PERMISSION = [INFO_READ, INFO_WRITE, INFO_EXECUTE] as const;

/** High words of the addresses that Sv39 and Sv39x4 can translate. */
const PAGED_HI = 64;
const DIRECT_HI = 512;

/** Bytes of a fetch: instructions are fetched by halves, as in Spike. */
const FETCH_BYTES = 2;

/** Host byte address of the `bytes` bytes at lo/hi for a load or store within one page, or NOWHERE. */
export function translateData(hart: Hart, lo: number, hi: number, bytes: number, access: AccessKind): number {
  const regime = hart.tlb.dataRegime;
  if (!isTranslatable(regime, hi)) return refuse(hart, regime, lo, hi, access);
  const page = fromWords(lo & ~4095, hi);
  const { first } = hart.tlb;
  if ((first.dataInfo(page) & PERMISSION[access]) !== 0) {
    hart.checker?.dataHit(hart, page, access);
    return (lo + first.dataAddend(page)) >>> 0;
  }
  hart.alone = false;
  if (hart.plainWalk.find(regime, page + (lo & 4095), access)) {
    first.fillData(page, hart.plainWalk.pfn, hart.plainWalk.info);
    count(hart.block, BLOCK_REFILLS + 8 * access);
    hart.checker?.refilled(first.dtlbBase, page, hart.plainWalk.guestPage);
  } else {
    const found = find(hart, regime, page, access, lo & 4095, bytes);
    if (found === NOWHERE) return NOWHERE;
    if (hart.alone) return first.reach(translationPfn(found)) + (lo & 4095);
    first.fillData(page, translationPfn(found), translationInfo(found));
    count(hart.block, BLOCK_FILLS + 8 * access);
    hart.checker?.filled(first.dtlbBase, regime, page);
  }
  return (lo + first.dataAddend(page)) >>> 0;
}

/** Host byte address of the instruction halfword at lo/hi, or NOWHERE. */
export function translateFetch(hart: Hart, lo: number, hi: number): number {
  const regime = hart.tlb.fetchRegime;
  if (!isTranslatable(regime, hi)) return refuse(hart, regime, lo, hi, Access.fetch);
  const page = fromWords(lo & ~4095, hi);
  const { first } = hart.tlb;
  hart.alone = false;
  if (first.hasFetch(page)) {
    hart.checker?.fetchHit(hart, page);
    return (lo + first.fetchAddend(page)) >>> 0;
  }
  if (hart.plainWalk.find(regime, page + (lo & 4095), Access.fetch)) {
    first.fillFetch(page, hart.plainWalk.pfn, hart.plainWalk.info);
    count(hart.block, BLOCK_REFILLS + 8 * Access.fetch);
    hart.checker?.refilled(first.itlbBase, page, hart.plainWalk.guestPage);
  } else {
    const found = find(hart, regime, page, Access.fetch, lo & 4095, FETCH_BYTES);
    if (found === NOWHERE) return NOWHERE;
    if (hart.alone) return first.reach(translationPfn(found)) + (lo & 4095);
    first.fillFetch(page, translationPfn(found), translationInfo(found));
    count(hart.block, BLOCK_FILLS + 8 * Access.fetch);
    hart.checker?.filled(first.itlbBase, regime, page);
  }
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

/** The second level's translation of `page`, or a walk's, or NOWHERE. Sets hart.alone. */
function find(
  hart: Hart,
  regime: Regime,
  page: number,
  access: AccessKind,
  offset: number,
  bytes: number,
): number {
  const cached = hart.tlb.probe(regime, page);
  if (cached >= 0 && (translationInfo(cached) & PERMISSION[access]) !== 0) {
    hart.checker?.secondHit(hart, regime, page, access, cached);
    return cached;
  }
  if (!hart.loans.isEmpty) {
    const lent = hart.loans.find(regime, page + offset, access, bytes);
    hart.alone = lent !== NO_LOAN;
    if (lent !== NO_LOAN) return translation(hpaToPfn(lent), 0);
  }
  count(hart.block, BLOCK_WALKS);
  if (hart.plainWalk.isMissing) return exit(hart, hart.plainWalk.missing, page + offset, access, bytes);
  const outcome = hart.mmu.translate(regime, page + offset, access, bytes);
  if (outcome === Outcome.missing) return exit(hart, hart.mmu.missing, page + offset, access, bytes);
  if (outcome !== Outcome.ok) return fault(hart, outcome, page + offset, access);
  hart.alone = hart.mmu.alone;
  if (hart.alone) return translation(hart.mmu.pfn, hart.mmu.info);
  hart.checker?.walked(regime, page);
  return hart.tlb.insert(regime, page, hart.mmu.pfn, hart.mmu.info);
}

/** The guest's fault. */
function fault(hart: Hart, outcome: OutcomeCode, address: number, access: AccessKind): typeof NOWHERE {
  const causes = outcome === Outcome.pageFault ? PAGE_FAULT : ACCESS_FAULT;
  takeException(hart, causes[access], address | 0, Math.floor(address / 2 ** 32) | 0);
  return NOWHERE;
}

/** kvm's to look at. */
function exit(
  hart: Hart,
  missing: Missing,
  address: number,
  access: AccessKind,
  bytes: number,
): typeof NOWHERE {
  hart.fault.set(missing, address, access, bytes);
  hart.exit(Exit.mmuFault);
  return NOWHERE;
}
