// /proc/PID/smaps and pagemap of the process that owns a guest, as a 6.18 kernel prints them (fs/proc/task_mmu.c).
//
// Looks between scheduler steps; changes nothing. What the host does not have (hugetlbfs, huge pages of disk files) is 0.

import { PTE_A, PTE_D, PTE_SOFT0, ptePfn } from '../../hw/sv39/index.ts';
import {
  type MapsEntry,
  type Mm,
  pagemapEntry,
  readMaps,
  readPagemap,
  VM_EXEC,
  VM_HUGEPAGE,
  VM_LOCKED,
  VM_NOHUGEPAGE,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from '../../mm/index.ts';
import {
  forEachPte,
  inspectPte,
  inspectPtep,
  isDirtyMigrationPte,
  isMigrationPte,
  isPresentPte,
  isSwapPte,
  isUffdWp,
  isYoungMigrationPte,
  migrationPfn,
  swapPteSlot,
} from '../../mm/internals.ts';
import { PG_dirty, PG_ksm, PG_referenced, PG_swapbacked } from '../../mm/page/frames.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';

const KIB_PER_PAGE = PAGE_SIZE / 1024;
/** PSS_SHIFT: a share of a page is rounded down to a 4096th of a byte. */
const PSS_UNIT = 4096;

const share = (sharers: number): number => Math.floor((PAGE_SIZE * PSS_UNIT) / sharers) / (1024 * PSS_UNIT);

const hexWidth = (value: number, width: number): string =>
  BigInt.asUintN(64, BigInt(value)).toString(16).padStart(width, '0');

const NAMES = [
  'Size',
  'KernelPageSize',
  'MMUPageSize',
  'Rss',
  'Pss',
  'Pss_Dirty',
  'Shared_Clean',
  'Shared_Dirty',
  'Private_Clean',
  'Private_Dirty',
  'Referenced',
  'Anonymous',
  'KSM',
  'LazyFree',
  'AnonHugePages',
  'ShmemPmdMapped',
  'FilePmdMapped',
  'Shared_Hugetlb',
  'Private_Hugetlb',
  'Swap',
  'SwapPss',
  'Locked',
] as const;

type Sizes = Record<(typeof NAMES)[number], number>;

/** KiB by name. */
export function smapsOf(mm: Mm, vma: MapsEntry): Sizes {
  const sizes = Object.fromEntries(NAMES.map((name) => [name, 0])) as Sizes;
  sizes.Size = (vma.end - vma.start) / 1024;
  sizes.KernelPageSize = KIB_PER_PAGE;
  sizes.MMUPageSize = KIB_PER_PAGE;
  forEachPte(mm, (address, pte, level) => {
    if (address < vma.start || address >= vma.end) return;
    if (isSwapPte(pte)) {
      sizes.Swap += KIB_PER_PAGE;
      sizes.SwapPss += share(mm.host.swap?.inspect(swapPteSlot(pte)).count ?? 1);
    } else if (isMigrationPte(pte)) {
      // Nothing maps the page at present: it counts as private.
      const [isYoung, isDirty] = [isYoungMigrationPte(pte), isDirtyMigrationPte(pte)];
      addPage(mm, { page: migrationPfn(pte), mappings: 1, isHuge: false, isYoung, isDirty }, sizes);
    } else if (isPresentPte(pte) && (pte & PTE_SOFT0) === 0) {
      const page = ptePfn(pte);
      const [isYoung, isDirty] = [(pte & PTE_A) !== 0, (pte & PTE_D) !== 0];
      const mappings = mm.host.frames.pageMapcount(page);
      addPage(mm, { page, mappings, isHuge: level === 1, isYoung, isDirty }, sizes);
    }
  });
  sizes.Swap += shmemSwapped(mm, vma) * KIB_PER_PAGE;
  if ((vma.flags & VM_LOCKED) !== 0) sizes.Locked = sizes.Pss;
  return sizes;
}

/**
 * shmem_swap_usage(): pages of the object that are on swap; of a private mapping that may be written only those that it
 * has none of its own for.
 */
function shmemSwapped(mm: Mm, { start, end, flags, file, offset }: MapsEntry): number {
  if (file?.mapping.kind !== 'shmem') return 0;
  const { iPages } = file.mapping;
  const isAll = (flags & VM_SHARED) !== 0 || (flags & VM_WRITE) === 0;
  const indexes = iPages.inspectSwapped(offset, offset + (end - start) / PAGE_SIZE - 1);
  const isNone = (index: number): boolean => {
    const address = (start + (index - offset) * PAGE_SIZE) as Hva;
    const ptep = inspectPtep(mm, address);
    return inspectPte(mm, address) === 0 && (ptep === 0 || !isUffdWp(mm.host, ptep));
  };
  return indexes.filter((index) => isAll || isNone(index)).length;
}

/** One mapping of a page, present or being moved. */
interface Mapping {
  readonly page: Pfn;
  readonly mappings: number;
  readonly isHuge: boolean;
  readonly isYoung: boolean;
  readonly isDirty: boolean;
}

/** smaps_account(). */
function addPage({ host: { frames } }: Mm, { page, mappings, ...pte }: Mapping, sizes: Sizes): void {
  const pfn = frames.folioOf(page);
  const isAnon = frames.mapping[pfn]! > 0;
  const isDirty = pte.isDirty || (frames.flags[pfn]! & PG_dirty) !== 0;
  sizes.Rss += KIB_PER_PAGE;
  sizes.Pss += share(mappings);
  if (isDirty) sizes.Pss_Dirty += share(mappings);
  if (mappings > 1) sizes[isDirty ? 'Shared_Dirty' : 'Shared_Clean'] += KIB_PER_PAGE;
  else sizes[isDirty ? 'Private_Dirty' : 'Private_Clean'] += KIB_PER_PAGE;
  if (pte.isYoung || (frames.flags[pfn]! & PG_referenced) !== 0) sizes.Referenced += KIB_PER_PAGE;
  if (isAnon) sizes.Anonymous += KIB_PER_PAGE;
  if (isAnon && !isDirty && (frames.flags[pfn]! & PG_swapbacked) === 0) sizes.LazyFree += KIB_PER_PAGE;
  if ((frames.flags[pfn]! & PG_ksm) !== 0) sizes.KSM += KIB_PER_PAGE;
  if (pte.isHuge) sizes[isAnon ? 'AnonHugePages' : 'ShmemPmdMapped'] += KIB_PER_PAGE;
}

const FLAG_NAMES = [
  [VM_READ, 'rd'],
  [VM_WRITE, 'wr'],
  [VM_EXEC, 'ex'],
  [VM_SHARED, 'sh'],
  [0x10, 'mr'],
  [0x20, 'mw'],
  [0x40, 'me'],
  [0x80, 'ms'],
  [VM_LOCKED, 'lo'],
  [0x8000, 'sr'],
  [0x10000, 'rr'],
  [0x20000, 'dc'],
  [0x80000, 'lf'],
  [0x100000, 'ac'],
  [0x200000, 'nr'],
  [0x2000000, 'wf'],
  [0x8000000, 'sd'],
  [VM_HUGEPAGE, 'hg'],
  [VM_NOHUGEPAGE, 'nh'],
] as const;

export function smapsText(mm: Mm): string {
  return readMaps(mm)
    .map((vma) => {
      const sizes = smapsOf(mm, vma);
      const lines = NAMES.map(
        (name) => `${`${name}:`.padEnd(16)}${`${Math.floor(sizes[name])}`.padStart(8)} kB\n`,
      );
      const flags = FLAG_NAMES.flatMap(([bit, name]) => ((vma.flags & bit) !== 0 ? name : []));
      return `${heading(vma)}${lines.join('')}THPeligible:           0\nVmFlags: ${flags.join(' ')} \n`;
    })
    .join('');
}

function heading({ start, end, flags, file, offset }: MapsEntry): string {
  const letter = (bit: number, name: string): string => ((flags & bit) !== 0 ? name : '-');
  const rights = `${letter(VM_READ, 'r')}${letter(VM_WRITE, 'w')}${letter(VM_EXEC, 'x')}${(flags & VM_SHARED) !== 0 ? 's' : 'p'}`;
  const where = `${hexWidth(start, 8)}-${hexWidth(end, 8)} ${rights} ${hexWidth(offset * PAGE_SIZE, 8)} 00:00 0`;
  return `${where.padEnd(file === null ? 0 : 73)}${file === null ? ' ' : 'file'}\n`;
}

/** A line for each page that is there: address, the u64 of /proc/PID/pagemap, and what it says. */
export function pagemapText(mm: Mm): string {
  let text = '';
  forEachPte(mm, (address, pte) => {
    const { kind } = readPagemap(mm, address);
    if (kind === 'none') return;
    const entry = pagemapEntry(mm, address);
    text += `${hexWidth(address, 16)} ${entry.toString(16).padStart(16, '0')} ${kind} ${wordOf(kind, pte)}\n`;
  });
  return text;
}

function wordOf(kind: string, pte: number): string {
  if (kind === 'swap') return `slot ${swapPteSlot(pte)}`;
  return `pfn ${(kind === 'migration' ? migrationPfn(pte) : ptePfn(pte)).toString(16)}`;
}
