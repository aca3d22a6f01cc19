// Transparent huge pages: whether a VMA may have them (/sys/kernel/mm/transparent_hugepage; mm/huge_memory.c:
// thp_vma_allowable_order).
//
// Faults (hugeMemory.ts) and collapsing ask.

import type { Hva } from '../units.ts';
import type { Host } from './host.ts';
import { HPAGE_PMD_SIZE, hugeAlignDown } from './largeFolio.ts';
import type { Vma } from './vma.ts';
import { VM_HUGEPAGE, VM_NOHUGEPAGE, VM_UFFD_FLAGS } from './vmFlags.ts';

/** transparent_hugepage/enabled: for all memory, for what madvise() names, or for none. */
export type ThpEnabled = 'always' | 'madvise' | 'never';

/** The knobs of /sys/kernel/mm/transparent_hugepage; may be changed at any time. */
export interface ThpSettings {
  enabled: ThpEnabled;
}

/** Whether faults may map huge pages in `vma`; of anonymous memory alone. */
export const isThpAllowed = ({ thp }: Host, { flags, file }: Vma): boolean =>
  thp.enabled !== 'never' &&
  file === null &&
  (flags & (VM_NOHUGEPAGE | VM_UFFD_FLAGS)) === 0 &&
  (thp.enabled === 'always' || (flags & VM_HUGEPAGE) !== 0);

/** Whether `vma` may be collapsed: who asks for it need not have the setting for it. */
export const isCollapseAllowed = ({ flags }: Vma): boolean => (flags & (VM_NOHUGEPAGE | VM_UFFD_FLAGS)) === 0;

/** thp_vma_suitable_order(): the 2 MiB around `address` lie within `vma`. */
export function isThpSuitable(vma: Vma, address: Hva): boolean {
  const start = hugeAlignDown(address);
  return start >= vma.start && start + HPAGE_PMD_SIZE <= vma.end;
}
