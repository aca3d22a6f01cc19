// Maps of the host's frames and of its swap area: a letter for each stretch, by what most of it is.

import type { Host } from '../../mm/index.ts';
import { FrameKind } from '../../mm/internals.ts';
import { PG_active, PG_swapcache } from '../../mm/page/frames.ts';
import type { Pfn, SwapSlot } from '../../units.ts';

const LINES = 6;

/** At most six lines of `columns` letters. */
export function frameMap(host: Host, columns: number): string {
  const { firstPfn, endPfn } = host.frames;
  return mapOf(endPfn - firstPfn, columns, (i) => frameLetter(host, (firstPfn + i) as Pfn));
}

function frameLetter({ frames }: Host, pfn: Pfn): string {
  switch (frames.kind[pfn]) {
    case FrameKind.free:
      return '.';
    case FrameKind.pageTable:
      return 'g';
    case FrameKind.shadow:
      return 'S';
    case FrameKind.folio:
      return folioLetter(frames, frames.folioOf(pfn));
    default:
      return 'k';
  }
}

function folioLetter({ flags, mapping }: Host['frames'], folio: Pfn): string {
  if ((flags[folio]! & PG_swapcache) !== 0) return 's';
  if (mapping[folio]! < 0) return 'f';
  return (flags[folio]! & PG_active) !== 0 ? 'A' : 'a';
}

export function slotMap({ swap }: Host, columns: number): string {
  if (swap === null) return 'none\n';
  return mapOf(swap.totalSlots, columns, (i) => {
    const { count, cached } = swap.inspect((i + 1) as SwapSlot);
    if (cached) return 'c';
    return count > 0 ? '#' : '.';
  });
}

function mapOf(length: number, columns: number, letterOf: (index: number) => string): string {
  const cells = Math.min(length, columns * LINES);
  let text = '';
  for (let cell = 0; cell < cells; cell++) {
    const start = Math.floor((cell * length) / cells);
    const end = Math.max(start + 1, Math.floor(((cell + 1) * length) / cells));
    const counts = new Map<string, number>();
    for (let i = start; i < end; i++) counts.set(letterOf(i), (counts.get(letterOf(i)) ?? 0) + 1);
    text += [...counts].toSorted(([, a], [, b]) => b - a)[0]![0];
    if ((cell + 1) % columns === 0) text += '\n';
  }
  return text.endsWith('\n') ? text : `${text}\n`;
}
