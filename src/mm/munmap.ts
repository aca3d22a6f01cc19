// munmap() (mm/vma.c: do_vmi_munmap, vms_complete_munmap_vmas).
//
// Order (reference table row 1): mmap_lock for write; split at both ends; lock and detach the VMAs; downgrade the lock;
// start; zap, flushing and freeing whenever the gather is full; end; leave the anon_vmas and unhook the tables; flush
// and free the rest.

import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
} from '../notifier/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { Errno, type Hva, pageAlignUp, pageOffset } from '../units.ts';
import { unlinkAnonVma } from './anonVma.ts';
import type { Mm } from './mmStruct.ts';
import { MmuGather } from './mmuGather.ts';
import { unhookTables } from './pageTable.ts';
import type { Vma } from './vma.ts';
import { splitVma } from './vmaEdit.ts';
import { zapPageRange } from './zap.ts';

/** munmap(2): 0 or -EINVAL. Unmapping a hole is no error. */
export function* munmap(mm: Mm, start: Hva, length: number): Steps<number> {
  const end = (start + pageAlignUp(length)) as Hva;
  if (pageOffset(start) !== 0 || length <= 0) return -Errno.EINVAL;
  yield* mm.mmapWriteLock();
  const vmas = yield* detachVmas(mm, start, end);
  if (points.on) yield at.list(mm.vmas.id);
  const { floor, ceiling } = mm.vmas.gapAround(start, end);
  yield* mm.host.locks.mmapWriteDowngrade(mm);
  yield* unmapDetached(mm, vmas, floor, ceiling);
  yield* mm.host.locks.mmapReadUnlock(mm);
  return 0;
}

/** do_munmap() for MAP_FIXED: mmap_lock is held for write throughout. */
export function* munmapLocked(mm: Mm, start: Hva, end: Hva): Steps {
  const vmas = yield* detachVmas(mm, start, end);
  if (points.on) yield at.list(mm.vmas.id);
  const { floor, ceiling } = mm.vmas.gapAround(start, end);
  yield* unmapDetached(mm, vmas, floor, ceiling);
}

/** vms_gather_munmap_vmas(): takes what lies in [start, end) out of the address space, not yet out of the tables. */
function* detachVmas(mm: Mm, start: Hva, end: Hva): Steps<Vma[]> {
  for (const address of [start, end]) {
    if (points.on) yield at.list(mm.vmas.id);
    const vma = mm.vmas.find(address);
    if (vma !== null && vma.start < address) yield* splitVma(mm, vma, address);
  }
  if (points.on) yield at.list(mm.vmas.id);
  const vmas = mm.vmas.overlapping(start, end);
  for (const vma of vmas) {
    yield* mm.host.locks.vmaStartWrite(mm, vma);
    if (points.on) yield at.list(mm.vmas.id);
    mm.vmas.remove(vma);
  }
  return vmas;
}

/** vms_clear_ptes(): `vmas` are detached, nothing else is mapped in [floor, ceiling). */
function* unmapDetached(mm: Mm, vmas: readonly Vma[], floor: number, ceiling: number): Steps {
  if (vmas.length === 0) return;
  const gather = new MmuGather(mm);
  yield* unmapVmas(gather, vmas);
  yield* freePgtables(gather, vmas, floor, ceiling);
  yield* gather.finish();
}

/** unmap_vmas(): one start and end round all of `vmas`, which are sorted and not empty. */
export function* unmapVmas(gather: MmuGather, vmas: readonly Vma[]): Steps {
  const { mm } = gather;
  const { start } = vmas[0]!;
  const { end } = vmas.at(-1)!;
  const range =
    mm.notifierSubscriptions === null
      ? null
      : { mm, start, end, event: MmuNotifyEvent.UNMAP, blockable: true };
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  for (const vma of vmas) yield* zapPageRange(gather, vma, vma.start, vma.end);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
}

/** free_pgtables(). */
export function* freePgtables(
  gather: MmuGather,
  vmas: readonly Vma[],
  floor: number,
  ceiling: number,
): Steps {
  const { mm } = gather;
  for (const vma of vmas) yield* unlinkAnonVma(mm.host, vma);
  gather.addTables(yield* unhookTables(mm, vmas[0]!.start, vmas.at(-1)!.end, floor, ceiling));
}
