// page-types: how many frames of the host have which flags, as the kernel's tools/mm/page-types prints it.
//
// Flags are those of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h).

import {
  PG_active,
  PG_dirty,
  PG_locked,
  PG_lru,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_uptodate,
  PG_writeback,
} from '../../mm/frames.ts';
import type { Host } from '../../mm/index.ts';
import { FrameKind } from '../../mm/internals.ts';
import { PAGE_SIZE } from '../../units.ts';

interface Kpf {
  readonly bit: number;
  readonly letter: string;
  readonly name: string;
}

const kpf = (bit: number, letter: string, name: string): Kpf => ({ bit, letter, name });

const LOCKED = kpf(0, 'L', 'locked');
const REFERENCED = kpf(2, 'R', 'referenced');
const UPTODATE = kpf(3, 'U', 'uptodate');
const DIRTY = kpf(4, 'D', 'dirty');
const LRU = kpf(5, 'l', 'lru');
const ACTIVE = kpf(6, 'A', 'active');
const WRITEBACK = kpf(8, 'W', 'writeback');
const RECLAIM = kpf(9, 'I', 'reclaim');
const BUDDY = kpf(10, 'B', 'buddy');
const MMAP = kpf(11, 'M', 'mmap');
const ANON = kpf(12, 'a', 'anonymous');
const SWAPCACHE = kpf(13, 's', 'swapcache');
const SWAPBACKED = kpf(14, 'b', 'swapbacked');
const ZERO = kpf(24, 'z', 'zero_page');
const PGTABLE = kpf(26, 'g', 'pgtable');

const BITS = 27;
const BY_PAGE_FLAG: readonly (readonly [number, Kpf])[] = [
  [PG_locked, LOCKED],
  [PG_referenced, REFERENCED],
  [PG_uptodate, UPTODATE],
  [PG_dirty, DIRTY],
  [PG_lru, LRU],
  [PG_active, ACTIVE],
  [PG_writeback, WRITEBACK],
  [PG_reclaim, RECLAIM],
  [PG_swapcache, SWAPCACHE],
  [PG_swapbacked, SWAPBACKED],
];

function flagsOf({ frames }: Host, pfn: number): Kpf[] {
  const kind = frames.kind[pfn];
  if (kind === FrameKind.free) return [BUDDY];
  if (kind === FrameKind.zeroPage) return [ZERO];
  if (kind === FrameKind.pageTable) return [PGTABLE];
  const flags = BY_PAGE_FLAG.flatMap(([flag, name]) => ((frames.flags[pfn]! & flag) !== 0 ? name : []));
  if (frames.mapcount[pfn]! > 0) flags.push(MMAP);
  if (kind === FrameKind.folio && frames.mapping[pfn]! > 0) flags.push(ANON);
  return flags.toSorted((a, b) => a.bit - b.bit);
}

export function pageTypesText(host: Host): string {
  const groups = new Map<number, { readonly flags: readonly Kpf[]; count: number }>();
  const { firstPfn, endPfn } = host.frames;
  for (let pfn: number = firstPfn; pfn < endPfn; pfn++) {
    const flags = flagsOf(host, pfn);
    const key = flags.reduce((bits, { bit }) => bits | (1 << bit), 0);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { flags, count: 1 });
    else group.count++;
  }
  const rows = [...groups]
    .toSorted(([a], [b]) => a - b)
    .map(([key, { flags, count }]) => line(`0x${key.toString(16).padStart(16, '0')}`, count, flags));
  const heading = '             flags\tpage-count       MB  symbolic-flags\t\t\tlong-symbolic-flags\n';
  return `${heading}${rows.join('')}${line('total', endPfn - firstPfn, null)}`;
}

function line(title: string, count: number, flags: readonly Kpf[] | null): string {
  const megabytes = Math.floor((count * PAGE_SIZE) / 2 ** 20);
  const numbers = `${title.padStart(18)}\t${`${count}`.padStart(10)} ${`${megabytes}`.padStart(8)}`;
  if (flags === null) return `${numbers}\n`;
  const letters = Array.from({ length: BITS }, (_, bit) => flags.find((f) => f.bit === bit)?.letter ?? '_');
  return `${numbers}  ${letters.join('')}\t${flags.map(({ name }) => name).join(',')}\n`;
}
