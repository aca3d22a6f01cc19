// A device with page tables of its own that mirror a range of a process, kept in step by an interval notifier, as
// lib/test_hmm.c, GPUs and RDMA's on-demand paging do.
//
// The device reads and writes bytes through its TLB, which it fills from its table; what is missing there is faulted in
// (collision-retry, notifier/interval.ts). Invalidation takes the range out of the table and flushes the TLB: at once, or
// in two passes, of which the second waits for the flush.
//
// Invariants (reference rules 22-24, 27, 30, 33): the table is filled only under the lock and while the sequence is that
// of before the look-up; a page that was written is dirty before its TLB entry goes; no reference is kept.
// Lock: `lock` (the "user lock") for the table; never held while faulting. The TLB is hardware: one step at a time.

import { exitMm, type HmmPfn, hmmRangeFault, type Mm, setPageDirty } from '../mm/index.ts';
import {
  MmuIntervalNotifier,
  type MmuIntervalNotifierFinish,
  type MmuIntervalNotifierOps,
  type MmuNotifierRange,
  mmuIntervalNotifierInsert,
  mmuIntervalNotifierRemove,
  mmuIntervalReadBegin,
  mmuIntervalReadRetry,
  mmuIntervalSetSeq,
} from '../notifier/index.ts';
import { at, LOCKS, Mutex, points, RESCHED, type Steps } from '../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE, pageAlignDown, pfnToHpa } from '../units.ts';
import { type DeviceEntry, deviceTlbPoint } from './device.ts';

interface TlbEntry extends HmmPfn {
  dirty: boolean;
}

/** The TLB is being flushed of a range. */
interface RangeFlush extends MmuIntervalNotifierFinish {
  readonly range: MmuNotifierRange;
}

export class HmmMirror {
  readonly mm: Mm;
  readonly #notifier: MmuIntervalNotifier;
  readonly #lock: Mutex;
  // Under #lock.
  readonly #table = new Map<Hva, HmmPfn>();
  // Preceded by at.tlb(#tlbPoint).
  readonly #tlb = new Map<Hva, TlbEntry>();
  readonly #tlbPoint: number;
  /** Look-ups that came to nothing, since the range was invalidated meanwhile. */
  collisions = 0;
  invalidations = 0;

  /** `passes`: of an invalidation. */
  constructor(mm: Mm, passes: 1 | 2) {
    const { sched } = mm.host;
    this.mm = mm;
    this.#lock = new Mutex(sched, LOCKS.driver_lock);
    const id = sched.lockId();
    this.#notifier = new MmuIntervalNotifier(id, passes === 1 ? this.#atOnce() : this.#inTwoPasses());
    this.#tlbPoint = deviceTlbPoint(id);
  }

  /** Mirrors [start, start + length) from now on: 0 or -errno. */
  open(start: Hva, length: number): Steps<number> {
    return mmuIntervalNotifierInsert(this.#notifier, this.mm, start, length);
  }

  /** The device lets go; may sleep. Nobody uses it any more. */
  *close(): Steps {
    if (points.on) yield at.tlb(this.#tlbPoint);
    this.#table.clear();
    // While the pages are still sure to be there.
    yield* this.#flushTlb(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    yield* mmuIntervalNotifierRemove(this.#notifier);
  }

  /** The device reads a byte: the byte, or -EFAULT. */
  *read(address: Hva): Steps<number> {
    const reached = yield* this.#reach(address, false);
    return reached < 0 ? reached : this.mm.host.memory.read8(reached as Hpa);
  }

  /** The device writes a byte: 0 or -EFAULT. */
  *write(address: Hva, value: number): Steps<number> {
    const reached = yield* this.#reach(address, true);
    if (reached < 0) return reached;
    this.mm.host.memory.write8(reached as Hpa, value);
    return 0;
  }

  /** What the device can reach without asking; for inspection. */
  *entries(): Iterable<DeviceEntry> {
    for (const [address, { pfn, writable }] of this.#tlb) yield { address, pfn, writable };
    for (const [address, { pfn, writable }] of this.#table) yield { address, pfn, writable };
  }

  /** From the look-up to the access is one step: the byte address, valid until the caller yields; or -EFAULT. */
  *#reach(address: Hva, write: boolean): Steps<number> {
    const page = pageAlignDown(address) as Hva;
    for (;;) {
      if (points.on) yield at.tlb(this.#tlbPoint);
      const entry = this.#tlb.get(page) ?? this.#fillTlb(page);
      if (entry !== null && (entry.writable || !write)) {
        if (write) entry.dirty = true;
        return pfnToHpa(entry.pfn) + (address - page);
      }
      const error = yield* this.#fault(page, write);
      if (error !== 0) return error;
    }
  }

  /** The device walks its table. Preceded by at.tlb(). */
  #fillTlb(page: Hva): TlbEntry | null {
    const found = this.#table.get(page);
    if (found === undefined) return null;
    const entry = { ...found, dirty: false };
    this.#tlb.set(page, entry);
    return entry;
  }

  /** dmirror_fault(): 0 or -EFAULT. */
  *#fault(page: Hva, write: boolean): Steps<number> {
    const { mm } = this;
    if (!mm.getNotZero()) return -Errno.EFAULT;
    let error = yield* this.#rangeFault(page, write);
    while (error === -Errno.EBUSY) {
      this.collisions++;
      yield RESCHED;
      error = yield* this.#rangeFault(page, write);
    }
    yield* exitMm(mm);
    return error;
  }

  /** dmirror_range_fault() of one page: 0, -EFAULT, or -EBUSY to begin anew. */
  *#rangeFault(page: Hva, write: boolean): Steps<number> {
    const { mm } = this;
    const notifier = this.#notifier;
    const { locks } = mm.host;
    const notifierSeq = yield* mmuIntervalReadBegin(notifier);
    const pfns: HmmPfn[] = [];
    const end = (page + PAGE_SIZE) as Hva;
    yield* locks.mmapReadLock(mm);
    const error = yield* hmmRangeFault({ mm, notifier, notifierSeq, start: page, end, write, pfns });
    yield* locks.mmapReadUnlock(mm);
    if (error !== 0) return error;
    yield* this.#lock.lock();
    if (points.on) yield at.sequence(notifier.id);
    const isStale = mmuIntervalReadRetry(notifier, notifierSeq);
    if (!isStale) yield* this.#install(page, pfns[0]!);
    yield* this.#lock.unlock();
    return isStale ? -Errno.EBUSY : 0;
  }

  /** A read-only entry that becomes writable is dropped, and filled anew by the next access. */
  *#install(page: Hva, found: HmmPfn): Steps {
    if (points.on) yield at.tlb(this.#tlbPoint);
    this.#table.set(page, found);
    this.#tlb.delete(page);
  }

  #atOnce(): MmuIntervalNotifierOps {
    const mirror = this;
    return {
      *invalidate(_, range, seq) {
        if (!(yield* mirror.#unmap(range, seq))) return false;
        if (points.on) yield at.tlb(mirror.#tlbPoint);
        yield* mirror.#flushTlb(range.start, range.end);
        return true;
      },
    };
  }

  /** Whoever meets an entry that another range is flushing must wait for it as well: he finds it in the TLB. */
  #inTwoPasses(): MmuIntervalNotifierOps {
    const mirror = this;
    return {
      *invalidateStart(notifier, range, seq) {
        const flush: RangeFlush = { notifier, range };
        return (yield* mirror.#unmap(range, seq)) && flush;
      },
      *invalidateFinish(finish) {
        const { start, end } = (finish as RangeFlush).range;
        if (points.on) yield at.tlb(mirror.#tlbPoint);
        yield* mirror.#flushTlb(start, end);
      },
    };
  }

  /**
   * From now on no look-up from before installs anything, and the TLB finds nothing to fill itself with. False: somebody
   * has the lock, and it must not be waited for.
   */
  *#unmap({ start, end, blockable }: MmuNotifierRange, seq: number): Steps<boolean> {
    if (blockable) yield* this.#lock.lock();
    else if (!(yield* this.#lock.tryLock())) return false;
    this.invalidations++;
    if (points.on) yield at.sequence(this.#notifier.id);
    mmuIntervalSetSeq(this.#notifier, seq);
    if (points.on) yield at.tlb(this.#tlbPoint);
    for (const page of this.#table.keys()) if (page >= start && page < end) this.#table.delete(page);
    yield* this.#lock.unlock();
    return true;
  }

  /** Preceded by at.tlb(). */
  *#flushTlb(start: number, end: number): Steps {
    const pages = [...this.#tlb.keys()].filter((page) => page >= start && page < end);
    for (const [index, page] of pages.entries()) {
      if (index > 0) {
        if (points.on) yield at.tlb(this.#tlbPoint);
      }
      yield* this.#flushPage(page);
    }
  }

  /** A dirty entry stays until its page is dirty: who else flushes it finds it, and does not return before. Preceded by at.tlb(). */
  *#flushPage(page: Hva): Steps {
    for (;;) {
      const entry = this.#tlb.get(page);
      if (!entry?.dirty) {
        this.#tlb.delete(page);
        return;
      }
      if (points.on) yield at.page(entry.pfn);
      if (entry.dirty) setPageDirty(this.mm.host, entry.pfn);
      entry.dirty = false;
      if (points.on) yield at.tlb(this.#tlbPoint);
    }
  }
}
