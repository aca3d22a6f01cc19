// page-types: how many frames of the host have which flags, as the kernel's tools/mm/page-types prints it.
//
// Flags are those of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h).

import { type Host, kpageFlags } from '../../mm/index.ts';
import { PAGE_SIZE, type Pfn } from '../../units.ts';

interface Kpf {
  readonly bit: number;
  readonly letter: string;
  readonly name: string;
}

const kpf = (bit: number, letter: string, name: string): Kpf => ({ bit, letter, name });

const BITS = 27;
/** In the order of the bits. */
const KPF: readonly Kpf[] = [
  kpf(0, 'L', 'locked'),
  kpf(2, 'R', 'referenced'),
  kpf(3, 'U', 'uptodate'),
  kpf(4, 'D', 'dirty'),
  kpf(5, 'l', 'lru'),
  kpf(6, 'A', 'active'),
  kpf(8, 'W', 'writeback'),
  kpf(9, 'I', 'reclaim'),
  kpf(10, 'B', 'buddy'),
  kpf(11, 'M', 'mmap'),
  kpf(12, 'a', 'anonymous'),
  kpf(13, 's', 'swapcache'),
  kpf(14, 'b', 'swapbacked'),
  kpf(24, 'z', 'zero_page'),
  kpf(26, 'g', 'pgtable'),
];

export function pageTypesText(host: Host): string {
  const groups = new Map<number, number>();
  const { firstPfn, endPfn } = host.frames;
  for (let pfn: number = firstPfn; pfn < endPfn; pfn++) {
    const bits = Number(kpageFlags(host, pfn as Pfn));
    groups.set(bits, (groups.get(bits) ?? 0) + 1);
  }
  const rows = [...groups]
    .toSorted(([a], [b]) => a - b)
    .map(([bits, count]) => line(`0x${bits.toString(16).padStart(16, '0')}`, count, flagsOf(bits)));
  const heading = '             flags\tpage-count       MB  symbolic-flags\t\t\tlong-symbolic-flags\n';
  return `${heading}${rows.join('')}${line('total', endPfn - firstPfn, null)}`;
}

const flagsOf = (bits: number): readonly Kpf[] => KPF.filter(({ bit }) => (bits & (1 << bit)) !== 0);

function line(title: string, count: number, flags: readonly Kpf[] | null): string {
  const megabytes = Math.floor((count * PAGE_SIZE) / 2 ** 20);
  const numbers = `${title.padStart(18)}\t${`${count}`.padStart(10)} ${`${megabytes}`.padStart(8)}`;
  if (flags === null) return `${numbers}\n`;
  const letters = Array.from({ length: BITS }, (_, bit) => flags.find((f) => f.bit === bit)?.letter ?? '_');
  return `${numbers}  ${letters.join('')}\t${flags.map(({ name }) => name).join(',')}\n`;
}
