// What /proc/<pid>/maps, smaps and pagemap say of an address space (fs/proc/task_mmu.c).
//
// For tools that look at a process from outside: scripts, tests. Takes no lock and announces no point: between scheduler
// steps only.

import { ptePfn } from '../../hw/sv39/index.ts';
import type { Hva } from '../../units.ts';
import type { File } from '../filemap/file.ts';
import { inspectPte } from '../inspect.ts';
import { isMigrationPte } from '../pagetable/migrationEntry.ts';
import { isPresentPte, isSwapPte, normalPfn } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';

/** One line of /proc/<pid>/smaps. */
export interface MapsEntry {
  readonly start: Hva;
  readonly end: Hva;
  /** vm_flags. */
  readonly flags: number;
  /** Null: anonymous. */
  readonly file: File | null;
  /** In pages; 0 for private anonymous memory. */
  readonly offset: number;
}

export const readMaps = (mm: Mm): MapsEntry[] =>
  mm.vmas.all.map(({ start, end, flags, file, pgoff }) => ({
    start,
    end,
    flags,
    file,
    offset: file === null ? 0 : pgoff,
  }));

/** One entry of /proc/<pid>/pagemap. */
export interface PagemapEntry {
  readonly kind: 'none' | 'swap' | 'migration' | 'zero' | 'anon' | 'file';
  /** PM_MMAP_EXCLUSIVE: nobody else maps the page. */
  readonly exclusive: boolean;
}

export function readPagemap(mm: Mm, address: Hva): PagemapEntry {
  const pte = inspectPte(mm, address);
  if (isSwapPte(pte)) return { kind: 'swap', exclusive: false };
  if (isMigrationPte(pte)) return { kind: 'migration', exclusive: false };
  if (!isPresentPte(pte)) return { kind: 'none', exclusive: false };
  if (normalPfn(pte) === 0) return { kind: 'zero', exclusive: false };
  const { frames } = mm.host;
  const pfn = ptePfn(pte);
  const kind = frames.mapping[frames.folioOf(pfn)]! > 0 ? 'anon' : 'file';
  return { kind, exclusive: frames.pageMapcount(pfn) === 1 };
}
