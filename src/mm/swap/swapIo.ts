// Reading and writing swap slots (mm/page_io.c).
//
// Reclaim writes through swapWriteout(), swap-in reads through swapReadFolio(); that the device is done is handled by the
// host's swap I/O task (ioCompletions.ts).
//
// Invariants: from submission to completion a folio being written has PG_writeback, one being read PG_locked and not
// PG_uptodate; both are in the swap cache, which keeps the frame. A failed write leaves the folio dirty and in the
// cache; a failed read leaves it not uptodate, and only whoever faults on it learns of it.

import { at, points, type Scheduler, type Steps } from '../../sched/index.ts';
import { PAGE_SIZE, type Pfn, pfnToHpa, type SwapSlot } from '../../units.ts';
import { IoCompletions } from '../ext4/ioCompletions.ts';
import type { Host } from '../host.ts';
import { folioMarkDirty, isZeroFilled } from '../page/folio.ts';
import { folioEndRead, folioEndWriteback } from '../page/folioIo.ts';
import { PG_reclaim, PG_uptodate, PG_writeback } from '../page/frames.ts';
import { folioFreeSwap, swapOf } from './swapCache.ts';
import type { SwapRequest } from './swapDevice.ts';

/** Kilobytes of a page, the unit of pgpgin and pgpgout. */
const PAGE_KILOBYTES = PAGE_SIZE / 1024;

/** One request, from submission to completion. */
class Transfer implements SwapRequest {
  readonly pfn: Pfn;
  readonly slot: SwapSlot;
  readonly write: boolean;
  readonly memory: Uint8Array;
  readonly #swapIo: SwapIo;
  errno = 0;

  constructor(swapIo: SwapIo, pfn: Pfn, slot: SwapSlot, write: boolean, memory: Uint8Array) {
    this.#swapIo = swapIo;
    this.pfn = pfn;
    this.slot = slot;
    this.write = write;
    this.memory = memory;
  }

  done(errno: number): void {
    this.errno = errno;
    this.#swapIo.completions.add(this);
  }
}

/** The swap I/O of a host, and what went wrong in it. */
export class SwapIo {
  readonly completions: IoCompletions<Transfer>;
  /** Where a device puts what it read, before it goes into the frame by the one way in. */
  readonly bounce = new Uint8Array(PAGE_SIZE);
  /** Slots whose last read failed, with its errno. */
  readonly readErrors = new Map<SwapSlot, number>();

  constructor(sched: Scheduler) {
    this.completions = new IoCompletions(sched, 'swap I/O completion');
  }

  /** Body of the swap I/O task. */
  handleCompletions(host: Host): Steps {
    return this.completions.handle((transfer) =>
      transfer.write ? endSwapWrite(host, transfer) : endSwapRead(host, transfer),
    );
  }
}

/**
 * swap_writeout(): the folio is locked, clean for I/O and in the swap cache; unlocked on return. A page whose slot nobody
 * needs any more is not written, and a page of zeros is only noted down.
 */
export function* swapWriteout(host: Host, pfn: Pfn): Steps {
  if (yield* folioFreeSwap(host, pfn)) {
    if (points.on) yield at.page(pfn);
    host.folioLocks.unlock(pfn);
    return;
  }
  const swap = swapOf(host);
  if (points.on) yield at.page(pfn);
  const slot = host.frames.private[pfn] as SwapSlot;
  const zero = isZeroFilled(host, pfn);
  if (points.on) yield at.slot(slot);
  swap.setZeroFilled(slot, zero);
  if (zero) host.vmstat.swpout_zero++;
  else {
    if (points.on) yield at.page(pfn);
    startWriteback(host, pfn);
  }
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
  if (!zero) submitWrite(host, pfn, slot);
}

/** folio_start_writeback(). Preceded by at.page(pfn). */
function startWriteback(host: Host, pfn: Pfn): void {
  host.frames.set(pfn, PG_writeback);
  host.throttle.writebackInFlight++;
  host.vmstat.pswpout++;
  host.vmstat.pgpgout += PAGE_KILOBYTES;
}

function submitWrite(host: Host, pfn: Pfn, slot: SwapSlot): void {
  const bytes = host.memory.readBytes(pfnToHpa(pfn), PAGE_SIZE);
  swapOf(host).device.submit(new Transfer(host.swapIo, pfn, slot, true, bytes));
}

/** end_swap_bio_write(). */
function* endSwapWrite(host: Host, { pfn, slot, errno }: Transfer): Steps {
  if (errno !== 0) {
    host.trace.swap_io_error?.(slot, 1, errno);
    if (points.on) yield at.page(pfn);
    folioMarkDirty(host, pfn);
    host.frames.clear(pfn, PG_reclaim);
  }
  yield* folioEndWriteback(host, pfn, null);
}

/** swap_read_folio(): the folio is new, locked for the device and in the swap cache. */
export function* swapReadFolio(host: Host, pfn: Pfn, slot: SwapSlot): Steps {
  const swap = swapOf(host);
  host.trace.swap_read_folio?.(pfn, slot);
  if (points.on) yield at.slot(slot);
  if (swap.isZeroFilled(slot)) {
    host.vmstat.swpin_zero++;
    if (points.on) yield at.page(pfn);
    host.memory.zero(pfn);
    yield* folioEndRead(host, pfn, true);
    return;
  }
  host.vmstat.pswpin++;
  host.vmstat.pgpgin += PAGE_KILOBYTES;
  const { bounce } = host.swapIo;
  const transfer = new Transfer(host.swapIo, pfn, slot, false, bounce);
  swap.device.submit(transfer);
  if (transfer.errno === 0) host.memory.writeBytes(pfnToHpa(pfn), bounce);
}

/**
 * swap_read_folio() of a synchronous device: the folio is new, locked by the caller, and uptodate afterwards if all
 * went well.
 */
export function* swapReadFolioSync(host: Host, pfn: Pfn, slot: SwapSlot): Steps {
  const { bounce, readErrors } = host.swapIo;
  const swap = swapOf(host);
  host.trace.swap_read_folio?.(pfn, slot);
  if (points.on) yield at.slot(slot);
  const isZero = swap.isZeroFilled(slot);
  let failure = 0;
  if (points.on) yield at.page(pfn);
  if (isZero) {
    host.vmstat.swpin_zero++;
    host.memory.zero(pfn);
  } else {
    host.vmstat.pswpin++;
    host.vmstat.pgpgin += PAGE_KILOBYTES;
    // In one step: the bounce buffer is everybody's.
    swap.device.submit({ write: false, slot, memory: bounce, done: (errno) => (failure = errno) });
    host.memory.writeBytes(pfnToHpa(pfn), bounce);
  }
  if (failure === 0) {
    host.frames.set(pfn, PG_uptodate);
    return;
  }
  host.trace.swap_io_error?.(slot, 0, failure);
  readErrors.set(slot, failure);
}

/** end_swap_bio_read(). */
function* endSwapRead(host: Host, { pfn, slot, errno }: Transfer): Steps {
  if (errno !== 0) {
    host.trace.swap_io_error?.(slot, 0, errno);
    host.swapIo.readErrors.set(slot, errno);
  }
  yield* folioEndRead(host, pfn, errno === 0);
}
