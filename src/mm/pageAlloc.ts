// The page allocator: who gets a frame, and what happens when there are none (mm/page_alloc.c).
//
// Faults, swap-in and the page tables of host and hypervisors allocate here.

import type { Steps } from '../sched/index.ts';
import type { Pfn } from '../units.ts';
import { FrameKind } from './frames.ts';
import type { Host } from './host.ts';
import { accountKernelPages, type KernelUse, KIND_OF_USE } from './kernelPages.ts';
import type { Mm } from './mmStruct.ts';
import type { Order } from './zone.ts';

function* allocPages(host: Host, order: Order, kind: FrameKind, _mm: Mm | null): Steps<number> {
  const pfn = yield* host.zone.take(order, kind);
  if (pfn !== 0) host.vmstat.pgalloc_normal += 1 << order;
  return pfn;
}

/** alloc_page() for anonymous memory: one reference, contents undefined; null when out of memory. May sleep. */
export function* allocAnonPage(host: Host, mm: Mm): Steps<Pfn | null> {
  const pfn = yield* allocPages(host, 0, FrameKind.anon, mm);
  return pfn === 0 ? null : (pfn as Pfn);
}

/** __get_free_pages(GFP_KERNEL | __GFP_ZERO): null when out of memory. May sleep. */
export function* allocKernelPages(host: Host, order: Order, use: KernelUse): Steps<Pfn | null> {
  const kind = KIND_OF_USE[use];
  const pfn = yield* allocPages(host, order, kind, null);
  if (pfn === 0) return null;
  for (let i = 0; i < 1 << order; i++) host.memory.zero((pfn + i) as Pfn);
  accountKernelPages(host, kind, 1 << order);
  return pfn as Pfn;
}
