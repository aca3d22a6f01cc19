// /proc/<pid>/pagemap, /proc/kpageflags and /proc/kpagecount as they are read: one little-endian u64 a page
// (fs/proc/task_mmu.c: pagemap_read; fs/proc/page.c; include/uapi/linux/kernel-page-flags.h).
//
// For tools that know Linux's files. Takes no lock and announces no point: between scheduler steps only.

import { ptePfn } from '../../hw/sv39/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { inspectEntry, inspectPte, inspectPtep } from '../inspect.ts';
import {
  FrameKind,
  PG_active,
  PG_dirty,
  PG_idle,
  PG_ksm,
  PG_locked,
  PG_lru,
  PG_mlocked,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_unevictable,
  PG_uptodate,
  PG_writeback,
} from '../page/frames.ts';
import {
  isMigrationPte,
  isReadableMigrationPte,
  isWritableMigrationPte,
  migrationPfn,
} from '../pagetable/migrationEntry.ts';
import { isPresentPte, isSoftDirty, isSwapPte, isUffdWp, normalPfn, swapPteSlot } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { VM_SOFTDIRTY } from '../vma/vmFlags.ts';

const PM_SOFT_DIRTY = 1n << 55n;
const PM_MMAP_EXCLUSIVE = 1n << 56n;
const PM_UFFD_WP = 1n << 57n;
const PM_FILE = 1n << 61n;
const PM_SWAP = 1n << 62n;
const PM_PRESENT = 1n << 63n;
/** MAX_SWAPFILES_SHIFT: the type of the swap area comes first; there is one, type 0. */
const SWAP_TYPE_BITS = 5n;
/** SWP_MIGRATION_READ, of a kernel with hardware poisoning and device-private memory. */
const MIGRATION_TYPES = 25n;
/** SWP_PTE_MARKER of the same, with PTE_MARKER_UFFD_WP. */
const MARKER = 31n | (1n << SWAP_TYPE_BITS);

/** The entries of [start, start + pages * 4096), page aligned. */
export function readPagemapImage(mm: Mm, start: Hva, pages: number): Uint8Array {
  return image(pages, (i) => pagemapEntry(mm, (start + i * PAGE_SIZE) as Hva));
}

/** One u64 of pagemap; 0 for what no VMA covers. */
export function pagemapEntry(mm: Mm, address: Hva): bigint {
  const vma = mm.vmas.find(address);
  if (vma === null) return 0n;
  const pte = inspectPte(mm, address);
  const ptep = inspectPtep(mm, address);
  const softDirty = (pte !== 0 && isSoftDirty(pte)) || (vma.flags & VM_SOFTDIRTY) !== 0;
  const wp = ptep !== 0 && isUffdWp(mm.host, ptep) ? PM_UFFD_WP : 0n;
  const dirty = wp | (softDirty ? PM_SOFT_DIRTY : 0n);
  if (isMigrationPte(pte)) return PM_SWAP | dirty | migrationBits(mm, migrationPfn(pte), pte);
  if (isSwapPte(pte)) return PM_SWAP | dirty | (BigInt(swapPteSlot(pte)) << SWAP_TYPE_BITS);
  // A marker of a userfaultfd is a swap entry of a type of its own.
  if (!isPresentPte(pte)) return wp === 0n ? dirty : PM_SWAP | dirty | MARKER;
  const page = normalPfn(pte) as Pfn | 0;
  // Of a huge page that is mapped as one the first page speaks for all.
  const speaker = page !== 0 && inspectEntry(mm, address).level > 0 ? mm.host.frames.folioOf(page) : page;
  return PM_PRESENT | dirty | BigInt(ptePfn(pte)) | mappedPageBits(mm, speaker);
}

/** A page that is being moved is shown as a swap entry of a type of its own. */
function migrationBits({ host: { frames } }: Mm, pfn: Pfn, pte: number): bigint {
  const type = isWritableMigrationPte(pte) ? 2n : isReadableMigrationPte(pte) ? 0n : 1n;
  const file = frames.mapping[frames.folioOf(pfn)]! > 0 ? 0n : PM_FILE;
  return (BigInt(pfn) << SWAP_TYPE_BITS) | (MIGRATION_TYPES + type) | file;
}

function mappedPageBits({ host: { frames } }: Mm, pfn: Pfn | 0): bigint {
  if (pfn === 0) return 0n;
  const exclusive = frames.pageMapcount(pfn) === 1 ? PM_MMAP_EXCLUSIVE : 0n;
  return exclusive | (frames.mapping[frames.folioOf(pfn)]! > 0 ? 0n : PM_FILE);
}

const KPF_BUDDY = 1n << 10n;
const KPF_MMAP = 1n << 11n;
const KPF_ANON = 1n << 12n;
const KPF_COMPOUND_HEAD = 1n << 15n;
const KPF_COMPOUND_TAIL = 1n << 16n;
const KPF_NOPAGE = 1n << 20n;
const KPF_KSM = 1n << 21n;
const KPF_THP = 1n << 22n;
const KPF_ZERO_PAGE = 1n << 24n;
const KPF_IDLE = 1n << 25n;
const KPF_PGTABLE = 1n << 26n;
/** Page flags that are shown as they are. */
const KPF_OF_FLAG: readonly (readonly [number, bigint])[] = [
  [PG_locked, 1n << 0n],
  [PG_idle, KPF_IDLE],
  [PG_referenced, 1n << 2n],
  [PG_uptodate, 1n << 3n],
  [PG_dirty, 1n << 4n],
  [PG_lru, 1n << 5n],
  [PG_active, 1n << 6n],
  [PG_writeback, 1n << 8n],
  [PG_reclaim, 1n << 9n],
  [PG_swapcache, 1n << 13n],
  [PG_swapbacked, 1n << 14n],
  [PG_unevictable, 1n << 18n],
  [PG_mlocked, 1n << 33n],
];

/** The flags of `count` frames from `first`, which may be any number: KPF_NOPAGE where there is no frame. */
export const readKpageflags = (host: Host, first: number, count: number): Uint8Array =>
  image(count, (i) => kpageFlags(host, (first + i) as Pfn));

/** stable_page_flags(). */
export function kpageFlags({ frames }: Host, pfn: Pfn): bigint {
  if (!isFrame(frames, pfn)) return KPF_NOPAGE;
  const kind = frames.kind[pfn];
  if (kind === FrameKind.free) return KPF_BUDDY;
  if (kind === FrameKind.pageTable) return KPF_PGTABLE;
  if (kind === FrameKind.zeroPage) return KPF_ZERO_PAGE;
  if (kind !== FrameKind.folio) return 0n;
  const folio = frames.folioOf(pfn);
  const flags = frames.flags[folio]!;
  let bits = KPF_OF_FLAG.reduce((sum, [flag, bit]) => ((flags & flag) !== 0 ? sum | bit : sum), 0n);
  if (frames.pageMapcount(pfn) > 0) bits |= KPF_MMAP;
  if (frames.mapping[folio]! > 0) bits |= KPF_ANON;
  if ((frames.flags[folio]! & PG_ksm) !== 0) bits |= KPF_KSM;
  if (frames.order[pfn] !== 0) bits |= KPF_THP | (pfn === folio ? KPF_COMPOUND_HEAD : KPF_COMPOUND_TAIL);
  return bits;
}

/** How often each of `count` frames from `first` is mapped. */
export const readKpagecount = ({ frames }: Host, first: number, count: number): Uint8Array =>
  image(count, (i) => BigInt(isFrame(frames, first + i) ? frames.pageMapcount((first + i) as Pfn) : 0));

const isFrame = ({ firstPfn, endPfn }: Host['frames'], pfn: number): boolean =>
  pfn >= firstPfn && pfn < endPfn;

function image(count: number, entry: (index: number) => bigint): Uint8Array {
  const words = new DataView(new ArrayBuffer(count * 8));
  for (let i = 0; i < count; i++) words.setBigUint64(i * 8, entry(i), true);
  return new Uint8Array(words.buffer);
}
