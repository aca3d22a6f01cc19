// Was a folio used since it was last asked? (mm/rmap.c: folio_referenced)
//
// Reclaim asks for each folio that it looks at. The answer is the OR over the CPU's A bits and all secondary MMUs (rule
// 20); asking clears them. As on RISC-V and x86 the CPU's TLB is not flushed for it, so the CPU's part is lossy.

import { mmuNotifierClearFlushYoung } from '../notifier/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../units.ts';
import type { Host } from './host.ts';
import type { Mm } from './mmStruct.ts';
import { ptepTestAndClearYoung, ptlOf } from './pte.ts';
import { lockMappedPte, rmapTryWalk } from './rmap.ts';

/** The anon_vma was contended, or the only user is dying: keep the folio where it is. */
export const REFERENCED_UNKNOWN = -1;

/** folio_referenced(): how many PTEs say that the folio was used, or REFERENCED_UNKNOWN. */
export function* folioReferenced(host: Host, pfn: Pfn): Steps<number> {
  let referenced = 0;
  const walked = yield* rmapTryWalk(host, pfn, function* (vma, address) {
    const { mm } = vma;
    const ptep = yield* lockMappedPte(vma, pfn, address);
    if (ptep === 0) return true;
    if (mm.mmUsers === 0 || mm.unstable) referenced = REFERENCED_UNKNOWN;
    else if (yield* ptepClearFlushYoungNotify(mm, address, ptep)) referenced++;
    yield* ptlOf(host, ptep).unlock();
    return referenced >= 0;
  });
  return walked ? referenced : REFERENCED_UNKNOWN;
}

/** ptep_clear_flush_young_notify(): under the page table lock. */
function* ptepClearFlushYoungNotify(mm: Mm, address: Hva, ptep: Hpa): Steps<boolean> {
  if (points.on) yield at.pte(ptep);
  const young = ptepTestAndClearYoung(mm.host, ptep);
  if (mm.notifierSubscriptions === null) return young;
  const end = (address + PAGE_SIZE) as Hva;
  return (yield* mmuNotifierClearFlushYoung(mm, address, end)) || young;
}
