// Was a folio used since it was last asked? (mm/rmap.c: folio_referenced)
//
// Reclaim asks for each folio that it looks at. The answer is the OR over the CPU's A bits and all secondary MMUs (rule
// 20); asking clears them. As on RISC-V and x86 the CPU's TLB is not flushed for it, so the CPU's part is lossy.

import { levelBytes } from '../../hw/sv39/index.ts';
import { mmuNotifierClearFlushYoung } from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import type { MemCgroup } from '../memcg/memcontrol.ts';
import { PG_idle, PG_ksm, PG_young } from '../page/frames.ts';
import { HPAGE_PMD_NR, hugeAlignDown } from '../page/largeFolio.ts';
import { walkMapped } from '../pagetable/mappedWalk.ts';
import { ptepTestAndClearYoung, ptlOf } from '../pagetable/pte.ts';
import { isMlocking, mlockFolio } from '../reclaim/mlockFolio.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_LOCKED, VM_RAND_READ, VM_SEQ_READ } from '../vma/vmFlags.ts';
import { lockMappedPte } from './rmap.ts';
import { rmapWalk } from './rmapWalk.ts';

/** The rmap lock was contended, or the only user is dying: keep the folio where it is. */
export const REFERENCED_UNKNOWN = -1;

/** What folioReferenced() is asked for, and says besides (struct folio_referenced_arg). */
export interface FolioReferencedArg {
  /** Only what its processes have used counts; null: everybody's. */
  readonly memcg: MemCgroup | null;
  /**
   * The flags of those through which the folio was used; VM_LOCKED: one of them has it locked, and nobody else was
   * asked.
   */
  vmFlags: number;
}

/**
 * folio_referenced(): how many entries say that the folio was used, or REFERENCED_UNKNOWN. A merged folio that the caller
 * has not locked is locked meanwhile, and counts as used when that cannot be done at once.
 */
export function* folioReferenced(
  host: Host,
  pfn: Pfn,
  seen: FolioReferencedArg = { memcg: null, vmFlags: 0 },
  isLocked = true,
): Steps<number> {
  if (points.on) yield at.page(pfn);
  if (isLocked || !host.frames.test(pfn, PG_ksm)) return yield* countReferences(host, pfn, seen);
  if (!host.folioLocks.tryLock(pfn)) return 1;
  const referenced = yield* countReferences(host, pfn, seen);
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
  return referenced;
}

function* countReferences(host: Host, pfn: Pfn, seen: FolioReferencedArg): Steps<number> {
  if (host.frames.order[pfn] !== 0) return yield* largeFolioReferenced(host, pfn, seen);
  const counted: Counted = { referenced: 0 };
  const walked = yield* rmapWalk(host, pfn, true, (vma, address) =>
    referencedOne(vma, pfn, address, seen, counted),
  );
  return walked ? counted.referenced : REFERENCED_UNKNOWN;
}

/** What a walk has found so far: how many entries, or REFERENCED_UNKNOWN. */
interface Counted {
  referenced: number;
}

/** folio_referenced_one() of a small folio. */
function* referencedOne(
  vma: Vma,
  pfn: Pfn,
  address: Hva,
  seen: FolioReferencedArg,
  counted: Counted,
): Steps<boolean> {
  const { host } = vma.mm;
  if (isOutside(vma, seen)) return false;
  const ptep = yield* lockMappedPte(vma, pfn, address);
  if (ptep === 0) return false;
  const locked = (vma.flags & VM_LOCKED) !== 0;
  if (locked) {
    // The mlock that got missed.
    if (isMlocking(vma)) yield* mlockFolio(host, pfn);
    seen.vmFlags |= VM_LOCKED;
  } else yield* countReferenced(vma, pfn, address, ptep, PAGE_SIZE, seen, counted);
  yield* ptlOf(host, ptep).unlock();
  return locked || counted.referenced < 0;
}

/** One entry of a VMA that is not locked. */
function* countReferenced(
  vma: Vma,
  folio: Pfn,
  address: Hva,
  ptep: Hpa,
  bytes: number,
  seen: FolioReferencedArg,
  counted: Counted,
): Steps {
  if (isDying(vma.mm)) counted.referenced = REFERENCED_UNKNOWN;
  else if (yield* isReferenced(vma, folio, address, ptep, bytes)) {
    counted.referenced++;
    seen.vmFlags |= vma.flags;
  }
}

/**
 * As folioReferenced(): each PMD and PTE of a large folio is asked. A part of it that is locked is found once it is
 * split.
 */
function* largeFolioReferenced(host: Host, folio: Pfn, seen: FolioReferencedArg): Steps<number> {
  const counted: Counted = { referenced: 0 };
  if (points.on) yield at.page(folio);
  const index = host.frames.index[folio]!;
  const walked = yield* rmapWalk(host, folio, true, (vma, first) =>
    largeReferencedOne(vma, folio, index, first, seen, counted),
  );
  return walked ? counted.referenced : REFERENCED_UNKNOWN;
}

/** folio_referenced_one() of a large folio. */
function* largeReferencedOne(
  vma: Vma,
  folio: Pfn,
  index: number,
  first: Hva,
  seen: FolioReferencedArg,
  counted: Counted,
): Steps<boolean> {
  if (isOutside(vma, seen)) return false;
  const isLocked = (vma.flags & VM_LOCKED) !== 0;
  const locked: Locked = { first, ptes: 0 };
  return yield* walkMapped(vma, folio, index, first, (entryp, address, level) =>
    isLocked
      ? lockMissed(vma, folio, address, level, seen, locked)
      : endsCounting(vma, folio, address, entryp, level, seen, counted),
  );
}

/** The folio's first address in a VMA that is locked, and how many of its entries were met. */
interface Locked {
  readonly first: Hva;
  ptes: number;
}

/** The mlock that got missed: only where all of the folio is mapped, and under one page table lock. True: it is. */
function* lockMissed(
  vma: Vma,
  folio: Pfn,
  address: Hva,
  level: 0 | 1,
  seen: FolioReferencedArg,
  locked: Locked,
): Steps<boolean> {
  if (level === 0 && ++locked.ptes < HPAGE_PMD_NR) return false;
  if (level === 0 && hugeAlignDown(address) !== hugeAlignDown(locked.first)) return false;
  if (isMlocking(vma)) yield* mlockFolio(vma.mm.host, folio);
  seen.vmFlags |= VM_LOCKED;
  return true;
}

/** True: there is no more to be known. */
function* endsCounting(
  vma: Vma,
  folio: Pfn,
  address: Hva,
  entryp: Hpa,
  level: 0 | 1,
  seen: FolioReferencedArg,
  counted: Counted,
): Steps<boolean> {
  yield* countReferenced(vma, folio, address, entryp, levelBytes(level), seen, counted);
  return counted.referenced < 0;
}

/** invalid_folio_referenced_vma(). */
const isOutside = ({ mm }: Vma, { memcg }: FolioReferencedArg): boolean =>
  memcg !== null && mm.memcg !== memcg;

const isDying = ({ mmUsers, unstable }: Mm): boolean => mmUsers === 0 || unstable;

/** One entry of folio_referenced_one(). A mapping that is read through once does not make its pages hot. */
function* isReferenced(vma: Vma, folio: Pfn, address: Hva, ptep: Hpa, bytes: number): Steps<boolean> {
  const { frames } = vma.mm.host;
  const young = yield* ptepClearFlushYoungNotify(vma.mm, address, ptep, bytes);
  const counts = young && (vma.flags & (VM_SEQ_READ | VM_RAND_READ)) === 0;
  if (points.on) yield at.page(folio);
  if (counts) frames.clear(folio, PG_idle);
  // Idle page tracking was faster.
  return frames.testAndClear(folio, PG_young) || counts;
}

/** ptep_clear_flush_young_notify() and pmdp_clear_flush_young_notify(): under the page table lock. */
function* ptepClearFlushYoungNotify(mm: Mm, address: Hva, ptep: Hpa, bytes: number): Steps<boolean> {
  if (points.on) yield at.pte(ptep);
  const young = ptepTestAndClearYoung(mm.host, ptep);
  if (mm.notifierSubscriptions === null) return young;
  const end = (address + bytes) as Hva;
  return (yield* mmuNotifierClearFlushYoung(mm, address, end)) || young;
}
