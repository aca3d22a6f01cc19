// Reading and writing folios of files (block/bio.c, fs/mpage.c: mpage_end_io).
//
// A file system says which block a folio belongs to; that the device is done is handled by the host's block I/O task
// (ioCompletions.ts).
//
// Invariants: from submission to completion a folio being written has PG_writeback, one being read PG_locked and not
// PG_uptodate; both are in the page cache, which keeps the frame. A failed write is remembered for the next fsync();
// the folio stays clean, as in Linux.

import { at, points, type Scheduler, type Steps } from '../../sched/index.ts';
import { PAGE_SIZE, type Pfn, pfnToHpa } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import type { Host } from '../host.ts';
import { folioEndRead, folioEndWriteback } from '../page/folioIo.ts';
import { PG_uptodate, PG_writeback } from '../page/frames.ts';
import type { BlockDevice, BlockRequest } from './blockDevice.ts';
import { IoCompletions } from './ioCompletions.ts';

/** Kilobytes of a page, the unit of pgpgin and pgpgout. */
const PAGE_KILOBYTES = PAGE_SIZE / 1024;

/** One request, from submission to completion; when it is handled it has become `errno` and what to do about it. */
class Bio implements BlockRequest {
  readonly mapping: AddressSpace;
  readonly pfn: Pfn;
  readonly block: number;
  readonly write: boolean;
  readonly memory: Uint8Array;
  /** A write of an extent that was unwritten so far. */
  readonly written: (() => void) | null;
  errno = 0;

  constructor(
    mapping: AddressSpace,
    pfn: Pfn,
    block: number,
    memory: Uint8Array,
    write: boolean,
    written: (() => void) | null,
  ) {
    this.mapping = mapping;
    this.pfn = pfn;
    this.block = block;
    this.memory = memory;
    this.write = write;
    this.written = written;
  }

  done(errno: number): void {
    this.errno = errno;
    this.mapping.host.blockIo.completions.add(this);
  }
}

/** The block I/O of a host. */
export class BlockIo {
  readonly completions: IoCompletions<Bio>;
  /** Where a device puts what it read, before it goes into the frame by the one way in. */
  readonly bounce = new Uint8Array(PAGE_SIZE);

  constructor(sched: Scheduler) {
    this.completions = new IoCompletions(sched, 'block I/O completion');
  }

  /** Body of the block I/O task. */
  handleCompletions(host: Host): Steps {
    return this.completions.handle((bio) =>
      bio.write ? endWrite(host, bio) : folioEndRead(host, bio.pfn, bio.errno === 0),
    );
  }
}

/** A folio that is locked on behalf of the device: unlocked, and uptodate, when it has been read. */
export function submitRead(mapping: AddressSpace, device: BlockDevice, pfn: Pfn, block: number): void {
  const { host } = mapping;
  const { bounce } = host.blockIo;
  host.vmstat.pgpgin += PAGE_KILOBYTES;
  const bio = new Bio(mapping, pfn, block, bounce, false, null);
  device.submit(bio);
  if (bio.errno === 0) host.memory.writeBytes(pfnToHpa(pfn), bounce);
}

/** A hole: nothing to be read. The folio is locked on behalf of the device. */
export function* readHole({ host }: AddressSpace, pfn: Pfn): Steps {
  if (points.on) yield at.page(pfn);
  host.memory.zero(pfn);
  host.frames.set(pfn, PG_uptodate);
  host.folioLocks.unlockForDevice(pfn);
}

/** folio_start_writeback() and submit_bio(): the folio is locked and clean. */
export function* submitWrite(
  mapping: AddressSpace,
  device: BlockDevice,
  pfn: Pfn,
  block: number,
  written: (() => void) | null,
): Steps {
  const { host } = mapping;
  if (points.on) yield at.page(pfn);
  host.frames.set(pfn, PG_writeback);
  mapping.writeback.add(host.frames.index[pfn]!);
  host.throttle.writebackInFlight++;
  host.vmstat.pgpgout += PAGE_KILOBYTES;
  const bytes = host.memory.readBytes(pfnToHpa(pfn), PAGE_SIZE);
  device.submit(new Bio(mapping, pfn, block, bytes, true, written));
}

/** end_bio_bh_io_sync(). */
function* endWrite(host: Host, { mapping, pfn, errno, written }: Bio): Steps {
  // mapping_set_error().
  if (errno !== 0) mapping.writeError = errno;
  else written?.();
  yield* folioEndWriteback(host, pfn, mapping);
}
