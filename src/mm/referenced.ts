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
import { folioAnonVma, lockMappedPte } from './rmap.ts';

/** The anon_vma was contended, or the only user is dying: keep the folio where it is. */
export const REFERENCED_UNKNOWN = -1;

/** folio_referenced(): how many PTEs say that the folio was used, or REFERENCED_UNKNOWN. */
export function* folioReferenced(host: Host, pfn: Pfn): Steps<number> {
  if (points.on) yield at.page(pfn);
  const anonVma = folioAnonVma(host, pfn);
  if (anonVma === null) return 0;
  const index = host.frames.index[pfn]!;
  if (!(yield* host.locks.anonVmaTrylockRead(anonVma))) return REFERENCED_UNKNOWN;
  let referenced = 0;
  if (points.on) yield at.list(anonVma.rwsem.id);
  for (const vma of anonVma.vmas) {
    const address = vma.addressOf(index);
    if (address === null) continue;
    const ptep = yield* lockMappedPte(vma, pfn, address);
    if (ptep === 0) continue;
    if (vma.mm.mmUsers === 0 || vma.mm.unstable) referenced = REFERENCED_UNKNOWN;
    else if (yield* ptepClearFlushYoungNotify(vma.mm, address, ptep)) referenced++;
    yield* ptlOf(host, ptep).unlock();
    if (referenced < 0) break;
  }
  yield* host.locks.anonVmaUnlockRead(anonVma);
  return referenced;
}

/** ptep_clear_flush_young_notify(): under the page table lock. */
function* ptepClearFlushYoungNotify(mm: Mm, address: Hva, ptep: Hpa): Steps<boolean> {
  if (points.on) yield at.pte(ptep);
  const young = ptepTestAndClearYoung(mm.host, ptep);
  if (mm.notifierSubscriptions === null) return young;
  const end = (address + PAGE_SIZE) as Hva;
  return (yield* mmuNotifierClearFlushYoung(mm, address, end)) || young;
}
