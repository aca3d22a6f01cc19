// Transparent huge pages: whether a VMA may have them (/sys/kernel/mm/transparent_hugepage; mm/huge_memory.c:
// thp_vma_allowable_order; mm/shmem.c: shmem_allowable_huge_orders).
//
// Faults (hugeMemory.ts, shmem.ts) and collapsing ask. Anonymous memory and shmem have settings of their own. Files with a
// disk have no huge pages (no CONFIG_READ_ONLY_THP_FOR_FS).

import { at, points, type Steps } from '../../sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../units.ts';
import type { Host } from '../host.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, hugeAlignDown } from '../page/largeFolio.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_HUGEPAGE, VM_NOHUGEPAGE } from '../vma/vmFlags.ts';

/** transparent_hugepage/enabled: for all memory, for what madvise() names, or for none. */
export type ThpEnabled = 'always' | 'madvise' | 'never';

/**
 * transparent_hugepage/shmem_enabled: as `enabled`; within_size: also without advice where all of it is within the object.
 * deny and force: whatever madvise() says.
 */
export type ShmemEnabled = 'always' | 'within_size' | 'advise' | 'never' | 'deny' | 'force';

/** What `shmemEnabled` is where shmem is to have huge pages as all memory has. */
export const SHMEM_LIKE: Readonly<Record<ThpEnabled, ShmemEnabled>> = {
  always: 'always',
  madvise: 'advise',
  never: 'never',
};

/** The knobs of /sys/kernel/mm/transparent_hugepage; may be changed at any time. */
export interface ThpSettings {
  enabled: ThpEnabled;
  shmemEnabled: ShmemEnabled;
  /** use_zero_page: who reads first gets the huge page of zeros, not one of his own. */
  useZeroPage: boolean;
}

/** hugepage_pmd_enabled(): whether there may be huge pages of any kind. */
export const hugepagePmdEnabled = ({ thp }: Host): boolean =>
  thp.enabled !== 'never' || (thp.shmemEnabled !== 'never' && thp.shmemEnabled !== 'deny');

/**
 * enum tva_type: a fault, khugepaged, or somebody who asks for it (MADV_COLLAPSE) and need not have the setting for it.
 */
export type TvaType = 'pagefault' | 'khugepaged' | 'forcedCollapse';

/**
 * thp_vma_allowable_order(): whether `vma`, which is to have `flags`, may have huge pages. Of a fault the caller goes
 * on to look whether its 2 MiB are suitable; shmem gets its huge pages from the page cache, where it is asked
 * (shmemFolio.ts).
 */
export function* thpVmaAllowableOrder(vma: Vma, flags: number, type: TvaType): Steps<boolean> {
  const { mm, file, anonVma } = vma;
  const { thp } = mm.host;
  const isForced = type === 'forcedCollapse';
  if (file === null && !isForced && !isAnonEnabled(thp, flags)) return false;
  if ((flags & VM_NOHUGEPAGE) !== 0) return false;
  if (type === 'pagefault') return file === null;
  if (!isThpSuitable(vma, (hugeAlignDown(vma.end) - HPAGE_PMD_SIZE) as Hva)) return false;
  if (file === null) return anonVma !== null;
  const { kind, inode } = file.mapping;
  if (kind !== 'shmem' || isForced) return kind === 'shmem' && thp.shmemEnabled !== 'deny';
  if (points.on) yield at.sequence(inode.id);
  return isShmemHugeAllowed(mm.host, flags, vma.pgoff, inode.size);
}

const isAnonEnabled = ({ enabled }: ThpSettings, flags: number): boolean =>
  enabled === 'always' || (enabled === 'madvise' && (flags & VM_HUGEPAGE) !== 0);

/**
 * shmem_allowable_huge_orders(): whether page `index` of an object of `size` bytes may be had as a part of a huge one;
 * `flags` are those of the VMA that wants it, 0 if it is no mapping.
 */
export function isShmemHugeAllowed({ thp }: Host, flags: number, index: number, size: number): boolean {
  if ((flags & VM_NOHUGEPAGE) !== 0 || thp.shmemEnabled === 'never' || thp.shmemEnabled === 'deny')
    return false;
  if (thp.shmemEnabled === 'always' || thp.shmemEnabled === 'force') return true;
  const next = Math.floor(index / HPAGE_PMD_NR + 1) * HPAGE_PMD_NR;
  const isWithin = Math.ceil(size / PAGE_SIZE) >= next;
  return (flags & VM_HUGEPAGE) !== 0 || (thp.shmemEnabled === 'within_size' && isWithin);
}

/** thp_vma_suitable_order(): the 2 MiB around `address` lie within `vma`, and at 2 MiB of its file. */
export function isThpSuitable(vma: Vma, address: Hva): boolean {
  const start = hugeAlignDown(address);
  const isAligned = vma.file === null || (vma.start / PAGE_SIZE - vma.pgoff) % HPAGE_PMD_NR === 0;
  return isAligned && start >= vma.start && start + HPAGE_PMD_SIZE <= vma.end;
}
