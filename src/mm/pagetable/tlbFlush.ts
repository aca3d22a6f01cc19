// TLB flushes of host CPUs (arch/riscv/mm/tlbflush.c): request, IPI, acknowledgement.
//
// Nobody writes another CPU's TLB: a flusher queues a request with every CPU in the mm's mask and spins until each has
// flushed itself, in its IPI task, which runs whenever it is scheduled. Reclaim puts flushes off and does one for many
// pages (TlbUnmapBatch); wherever a CPU's TLB is flushed, clients that share the CPU's tables are told (rule R).
//
// Invariants: when a flush returns, no CPU holds a translation of the range from before the call. Callable under a page
// table lock: spinning is not sleeping.

import { PTE_D } from '../../hw/sv39/index.ts';
import type { CpuTlb } from '../../hw/tlb/index.ts';
import { mmuNotifierArchInvalidateSecondaryTlbs } from '../../notifier/index.ts';
import { accesses, at, BLOCKED, points, type Scheduler, type Steps, type Task } from '../../sched/index.ts';
import { TlbFlushReason } from '../../trace/index.ts';
import type { Hva } from '../../units.ts';
import type { Host } from '../host.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { isAccessible } from './pte.ts';

const EVERY_ASID = 0;
/** More pages than this are flushed as the whole address space (tlb_flush_all_threshold). */
const FLUSH_ALL_THRESHOLD = 64;
const PAGE = 4096;

interface FlushRequest {
  readonly asid: number;
  readonly start: Hva;
  readonly end: Hva;
  readonly waiter: Task;
  unacknowledged: number;
}

/** One host CPU: its TLB, and the flushes that others asked of it. */
export class HostCpu {
  readonly index: number;
  readonly tlb: CpuTlb;
  readonly #requests: FlushRequest[] = [];
  #ipiTask: Task | null = null;

  constructor(index: number, tlb: CpuTlb) {
    this.index = index;
    this.tlb = tlb;
  }

  /** Queues a request and sends the IPI. Preceded by at.tlb(index). */
  request(sched: Scheduler, request: FlushRequest): void {
    if (points.on) points.check('tlb', this.index);
    if (points.on) accesses.observer?.release('tlb', this.index, true);
    this.#requests.push(request);
    if (this.#ipiTask !== null) sched.wake(this.#ipiTask);
  }

  /** Body of the CPU's IPI task. */
  *handleIpis(host: Host): Steps {
    this.#ipiTask = host.sched.current;
    for (;;) {
      if (points.on) yield at.tlb(this.index);
      const request = this.#requests.shift();
      if (request === undefined) {
        host.sched.block('IPI');
        yield BLOCKED;
        continue;
      }
      if (points.on) accesses.observer?.acquire('tlb', this.index, false);
      this.#flush(request);
      const { asid, start, end } = request;
      host.trace.tlb_flush?.(TlbFlushReason.REMOTE_SHOOTDOWN, pagesOf(asid, start, end));
      host.vmstat.nr_tlb_remote_flush_received++;
      if (points.on) accesses.observer?.release('tlb', this.index, false);
      if (--request.unacknowledged === 0) host.sched.wake(request.waiter);
    }
  }

  #flush({ asid, start, end }: FlushRequest): void {
    if (points.on) points.check('tlb', this.index);
    if (asid === EVERY_ASID) this.tlb.flushAll();
    else if ((end - start) / PAGE > FLUSH_ALL_THRESHOLD) this.tlb.flushAsid(asid);
    else this.tlb.flushRange(asid, start, end);
  }
}

/** For traces: -1 stands for everything (TLB_FLUSH_ALL). */
const pagesOf = (asid: number, start: Hva, end: Hva): number =>
  asid === EVERY_ASID || (end - start) / PAGE > FLUSH_ALL_THRESHOLD ? -1 : (end - start) / PAGE;

function* flushCpus(host: Host, mask: number, asid: number, start: Hva, end: Hva): Steps {
  if (mask === 0) return;
  const targets = host.cpus.filter(({ index }) => (mask & (1 << index)) !== 0);
  const request = { asid, start, end, waiter: host.sched.current, unacknowledged: targets.length };
  host.vmstat.nr_tlb_remote_flush++;
  host.trace.tlb_flush?.(TlbFlushReason.REMOTE_SEND_IPI, pagesOf(asid, start, end));
  for (const cpu of targets) {
    if (points.on) yield at.tlb(cpu.index);
    cpu.request(host.sched, request);
  }
  while (request.unacknowledged > 0) {
    host.sched.block('TLB flush acknowledgement');
    yield BLOCKED;
  }
  for (const { index } of targets) if (points.on) accesses.observer?.acquire('tlb', index, true);
}

/** flush_tlb_range(): CPUs first, then secondary TLBs. */
export function* flushTlbRange(mm: Mm, start: Hva, end: Hva): Steps {
  yield* flushCpus(mm.host, mm.cpuMask, mm.id, start, end);
  if (mm.notifierSubscriptions !== null) yield* mmuNotifierArchInvalidateSecondaryTlbs(mm, start, end);
}

/** flush_tlb_page(). */
export const flushTlbPage = (mm: Mm, address: Hva): Steps =>
  flushTlbRange(mm, address, (address + PAGE) as Hva);

/** flush_tlb_mm(). */
export const flushTlbMm = (mm: Mm): Steps => flushTlbRange(mm, -(2 ** 38) as Hva, (2 ** 38) as Hva);

/** Flushes that one reclaim run has put off (current->tlb_ubc). */
export class TlbUnmapBatch {
  readonly #host: Host;
  #mask = 0;
  #required = false;
  #writable = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * set_tlb_ubc_flush_pending(): `pte` of `address` was cleared under its lock. Secondary TLBs are told at once. A clean
   * PTE needs no flush before writeback, since a CPU that still holds it must walk again before its first store.
   */
  *add(mm: Mm, address: Hva, pte: number): Steps {
    if (!isAccessible(mm, pte)) return;
    this.#mask |= mm.cpuMask;
    this.#required = true;
    if ((pte & PTE_D) !== 0) this.#writable = true;
    mm.tlbBatchPending++;
    if (mm.notifierSubscriptions !== null)
      yield* mmuNotifierArchInvalidateSecondaryTlbs(mm, address, (address + PAGE) as Hva);
  }

  /** try_to_unmap_flush(): before any of the pages is freed. */
  *flush(): Steps {
    if (!this.#required) return;
    const mask = this.#mask;
    this.#mask = 0;
    this.#required = false;
    this.#writable = false;
    yield* flushCpus(this.#host, mask, EVERY_ASID, 0 as Hva, 0 as Hva);
  }

  /** try_to_unmap_flush_dirty(): before a page is written out. */
  *flushDirty(): Steps {
    if (this.#writable) yield* this.flush();
  }
}

/**
 * flush_tlb_batched_pending(): whoever is about to rely on a PTE being gone (munmap, mprotect, mremap, madvise) must not
 * overtake reclaim, which may have cleared it without a flush. Under the page table lock.
 */
export function* flushTlbBatchedPending(mm: Mm): Steps {
  const pending = mm.tlbBatchPending;
  if (pending === mm.tlbBatchFlushed) return;
  yield* flushTlbMm(mm);
  // Flushes that reclaim puts off from now on are not covered.
  mm.tlbBatchFlushed = pending;
}
