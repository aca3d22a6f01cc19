// mincore() (mm/mincore.c): which pages an access would not have to wait for.
//
// Locks: mmap_lock for read.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE, pageOffset } from '../../units.ts';
import { mincorePage } from '../filemap/fileMadvise.ts';
import type { Host } from '../host.ts';
import { isMigrationPte } from '../pagetable/migrationEntry.ts';
import { walkPtes } from '../pagetable/pagewalk.ts';
import { isHugePmd } from '../pagetable/pmd.ts';
import { isPresentPte, readPte, swapPteSlot } from '../pagetable/pte.ts';
import { swapCacheHas } from '../swap/swapCache.ts';
import type { Mm } from './mmStruct.ts';
import type { Vma } from './vma.ts';

/** mincore(2), one byte a page into `vec`: 0, -EINVAL, or -ENOMEM (a hole). */
export function* mincore(mm: Mm, start: Hva, vec: Uint8Array): Steps<number> {
  if (pageOffset(start) !== 0) return -Errno.EINVAL;
  const end = (start + vec.length * PAGE_SIZE) as Hva;
  yield* mm.host.locks.mmapReadLock(mm);
  let address = start;
  while (address < end) {
    if (points.on) yield at.list(mm.vmas.id);
    const vma = mm.vmas.find(address);
    if (vma === null) break;
    const stop = Math.min(vma.end, end) as Hva;
    yield* mincoreVma(vma, address, stop, vec.subarray((address - start) / PAGE_SIZE));
    address = stop;
  }
  yield* mm.host.locks.mmapReadUnlock(mm);
  return address < end ? -Errno.ENOMEM : 0;
}

/** mincore_walk_ops: what has no entry is looked for in the page cache. */
function* mincoreVma(vma: Vma, start: Hva, end: Hva, vec: Uint8Array): Steps {
  const { host } = vma.mm;
  const entries: Entries = new Map();
  yield* walkPtes(
    vma,
    start,
    end,
    false,
    (ptep, address) => note(host, ptep, address, entries),
    (pmdp, first, last) => noteHuge(host, pmdp, first, last, entries),
  );
  for (let address = start; address < end; address = (address + PAGE_SIZE) as Hva) {
    const pte = entries.get(address) ?? 0;
    vec[(address - start) / PAGE_SIZE] = Number(yield* isInCore(vma, address, pte));
  }
}

/** What maps each address. */
type Entries = Map<Hva, number>;

function* note(host: Host, ptep: Hpa, address: Hva, entries: Entries): Steps {
  if (points.on) yield at.pte(ptep);
  entries.set(address, readPte(host, ptep));
}

/** False: it is no huge page any more. */
function* noteHuge(host: Host, pmdp: Hpa, first: Hva, end: Hva, entries: Entries): Steps<boolean> {
  if (points.on) yield at.pte(pmdp);
  const pmd = readPte(host, pmdp);
  for (let address = first; address < end; address = (address + PAGE_SIZE) as Hva) entries.set(address, pmd);
  return isHugePmd(pmd);
}

function* isInCore(vma: Vma, address: Hva, pte: number): Steps<boolean> {
  if (pte !== 0 && (isPresentPte(pte) || isMigrationPte(pte))) return true;
  if (pte !== 0) return yield* swapCacheHas(vma.mm.host, swapPteSlot(pte));
  return vma.file !== null && (yield* mincorePage(vma.file.mapping, vma.indexOf(address)));
}
