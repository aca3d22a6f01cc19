// Frames that a kernel owns outright: page tables of the host, shadow pages of a hypervisor, other kernel memory.
//
// pageAlloc.ts allocates them; their owner frees them here. They are on no LRU, never reclaimed, and have exactly one
// reference, so freeing needs no more than the zone's lock: it is legal under spinlocks.

import { at, points, type Steps } from '../../sched/index.ts';
import { bug, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { FrameKind } from './frames.ts';
import type { Order } from './zone.ts';

/** What kernel memory is for; says which counter of /proc/vmstat shows it. */
export type KernelUse = 'pageTable' | 'shadow' | 'kernel';

export const KIND_OF_USE = {
  pageTable: FrameKind.pageTable,
  shadow: FrameKind.shadow,
  kernel: FrameKind.kernel,
} as const satisfies Record<KernelUse, FrameKind>;

/** mod_lruvec_page_state(NR_PAGETABLE or NR_SECONDARY_PAGETABLE). */
export function accountKernelPages(host: Host, kind: FrameKind, pages: number): void {
  if (kind === FrameKind.pageTable) host.vmstat.nr_page_table_pages += pages;
  else if (kind === FrameKind.shadow) host.vmstat.nr_sec_page_table_pages += pages;
}

/** free_pages(): gives back what allocKernelPages() handed out, in one piece. */
export function* freeKernelPages(host: Host, pfn: Pfn, order: Order): Steps {
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  const kind = frames.kind[pfn] as FrameKind;
  if (kind === FrameKind.free || kind === FrameKind.folio) bug('not kernel memory', { pfn, kind });
  for (let i = 0; i < 1 << order; i++) {
    const frame = (pfn + i) as Pfn;
    if (points.on) yield at.page(frame);
    if (!frames.putTestZero(frame)) bug('kernel memory freed while referenced', { pfn: frame });
  }
  accountKernelPages(host, kind, -(1 << order));
  host.vmstat.pgfree += 1 << order;
  yield* host.zone.give(pfn, order);
}
