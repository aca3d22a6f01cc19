// The end of an address space (mm/mmap.c: exit_mmap; kernel/fork.c: mmput).
//
// Order (reference table row 2): release of every notifier; mmap_lock for read: start, zap everything, end; for write:
// leave the anon_vmas, unhook the tables, flush, free; drop the struct.
//
// Invariant: nobody but the OOM reaper and reverse mapping walks can come across the mm any more.

import { mmuNotifierRelease } from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { bug, type Hva } from '../../units.ts';
import { ksmExit } from '../ksm/ksmMadvise.ts';
import { MmuGather } from '../pagetable/mmuGather.ts';
import { mmPutHugeZeroFolio } from '../thp/hugeZero.ts';
import { khugepagedExit } from '../thp/khugepaged.ts';
import type { Mm } from './mmStruct.ts';
import { freePgtables, removeVmas, unmapVmas } from './munmap.ts';
import { TASK_SIZE } from './vmaGaps.ts';

/** mmput(): the process is done with its address space; the last user takes it down. May sleep. */
export function* exitMm(mm: Mm): Steps {
  if (mm.mmUsers <= 0) bug('mmput of a dead mm', { mm: mm.id });
  if (--mm.mmUsers > 0) return;
  yield* ksmExit(mm);
  yield* khugepagedExit(mm);
  yield* exitMmap(mm);
  yield* mmPutHugeZeroFolio(mm);
  yield* mm.drop();
}

/** exit_mmap(). */
function* exitMmap(mm: Mm): Steps {
  const { locks } = mm.host;
  yield* mmuNotifierRelease(mm);
  yield* locks.mmapReadLock(mm);
  if (points.on) yield at.list(mm.vmas.id);
  const vmas = [...mm.vmas.all];
  const gather = new MmuGather(mm);
  if (vmas.length > 0) yield* unmapVmas(gather, vmas, 0 as Hva, TASK_SIZE);
  yield* locks.mmapReadUnlock(mm);
  mm.oomSkip = true;
  yield* locks.mmapWriteLock(mm);
  if (vmas.length > 0) yield* freePgtables(gather, vmas, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  yield* gather.finish();
  for (const vma of vmas) {
    if (points.on) yield at.list(mm.vmas.id);
    mm.vmas.remove(vma);
  }
  yield* removeVmas(mm, vmas);
  yield* locks.mmapWriteUnlock(mm);
}
