// mmap() of anonymous private memory (mm/mmap.c, mm/vma.c).
//
// The VMM calls it for guest memory and for itself. Only VMAs change here; pages come with the first access.
// Overcommit is not limited (vm.overcommit_memory = 1): a guest may be far larger than its host.
//
// Locks: mmap_lock for write; VMAs that change are locked for write, and their anon_vma too when bounds move.

import { at, points, type Steps } from '../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, pageAlignUp, pageOffset } from '../units.ts';
import type { Mm } from './mmStruct.ts';
import { munmapLocked } from './munmap.ts';
import { VM_EXEC, VM_READ, VM_WRITE, Vma } from './vma.ts';
import { mergeAdjacent } from './vmaEdit.ts';

export const PROT_READ = VM_READ;
export const PROT_WRITE = VM_WRITE;
export const PROT_EXEC = VM_EXEC;
/** Exactly at `addr`; what is there is unmapped first. */
export const MAP_FIXED = 0x10;
/** Exactly at `addr`, or -EEXIST. */
export const MAP_FIXED_NOREPLACE = 0x100000;

const TASK_SIZE = 2 ** 38;
const MMAP_MIN_ADDR = 0x10000;
/** Highest address that is handed out: below the gap for the stack. */
const MMAP_BASE = TASK_SIZE - 2 ** 27;
/** sysctl_max_map_count. */
const MAX_MAP_COUNT = 65530;

/**
 * mmap(addr, length, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS): the address, or -EINVAL (length or alignment), -ENOMEM
 * (no room), -EEXIST (MAP_FIXED_NOREPLACE). `addr` 0 or taken: the highest gap below the mmap base.
 */
export function* mmapAnonymous(
  mm: Mm,
  addr: Hva | 0,
  length: number,
  prot: number,
  flags: number,
): Steps<number> {
  const bytes = pageAlignUp(length);
  if (bytes <= 0 || pageOffset(addr) !== 0) return -Errno.EINVAL;
  yield* mm.mmapWriteLock();
  const address = yield* doMmap(mm, addr, bytes, prot, flags);
  yield* mm.mmapWriteUnlock();
  return address;
}

function* doMmap(mm: Mm, addr: number, bytes: number, prot: number, flags: number): Steps<number> {
  if (points.on) yield at.list(mm.vmas.id);
  if (mm.vmas.all.length >= MAX_MAP_COUNT) return -Errno.ENOMEM;
  const address = getUnmappedArea(mm, addr, bytes, flags);
  if (address < 0) return address;
  if ((flags & MAP_FIXED) !== 0) yield* munmapLocked(mm, address as Hva, (address + bytes) as Hva);
  const start = address as Hva;
  const end = (address + bytes) as Hva;
  const vma = new Vma(
    mm.host.sched,
    mm,
    start,
    end,
    prot & (PROT_READ | PROT_WRITE | PROT_EXEC),
    start / PAGE_SIZE,
  );
  if (points.on) yield at.list(mm.vmas.id);
  mm.vmas.insert(vma);
  yield* mergeAdjacent(mm, start);
  yield* mergeAdjacent(mm, end);
  return address;
}

/** get_unmapped_area(): top down. Preceded by at.list(). */
function getUnmappedArea(mm: Mm, addr: number, bytes: number, flags: number): number {
  const isFree = (start: number): boolean =>
    start >= MMAP_MIN_ADDR &&
    start + bytes <= TASK_SIZE &&
    mm.vmas.overlapping(start as Hva, (start + bytes) as Hva).length === 0;
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
    if (addr < MMAP_MIN_ADDR || addr + bytes > TASK_SIZE) return -Errno.ENOMEM;
    return (flags & MAP_FIXED) !== 0 || isFree(addr) ? addr : -Errno.EEXIST;
  }
  if (addr !== 0 && isFree(addr)) return addr;
  let ceiling = MMAP_BASE;
  for (const vma of [...mm.vmas.all].reverse()) {
    if (vma.end <= ceiling && ceiling - vma.end >= bytes) break;
    ceiling = Math.min(ceiling, vma.start);
  }
  return ceiling - bytes >= MMAP_MIN_ADDR ? ceiling - bytes : -Errno.ENOMEM;
}
