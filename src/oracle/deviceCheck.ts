// The MMUs of devices against the host, between steps: I1 and I5 as far as a look at the tables can tell.
//
// Rule (reference rules 7, 26): no device reaches a frame that is free. Where nothing is under way on the address space
// (no notifier range open, no flush put off, no page table locked) what a device reaches is the very frame that the
// process's tables name there, and it writes only where they permit it.
//
// Called by oracle.ts; reads, never writes.

import type { DeviceEntry } from '../drivers/internals.ts';
import { isPresent, PTE_W, ptePfn } from '../hw/sv39/index.ts';
import type { Mm } from '../mm/index.ts';
import { FrameKind, inspectPte } from '../mm/internals.ts';
import { hex } from '../units.ts';
import type { Report } from './violation.ts';

/** A device that the oracle watches. */
export interface WatchedDevice {
  readonly mm: Mm;
  entries(): Iterable<DeviceEntry>;
}

export function checkDevice(device: WatchedDevice, name: string, report: Report): void {
  const { mm } = device;
  const quiet = isQuiet(mm);
  for (const { address, pfn, writable } of device.entries()) {
    const say: Report = (invariant, what) =>
      report(invariant, `${name} reaches frame ${hex(pfn)} at ${hex(address)}${what}`);
    const kind = mm.host.frames.kind[pfn];
    if (kind !== FrameKind.folio && kind !== FrameKind.zeroPage) say('I1', ', which is not memory');
    if (!quiet) continue;
    const pte = inspectPte(mm, address);
    if (!isPresent(pte)) say('I1', ', but the process has no page there');
    else if (ptePfn(pte) !== pfn) say('I1', `, but the process's page is in ${hex(ptePfn(pte))}`);
    else if (writable && (pte & PTE_W) === 0) say('I5', ' and writes, but the process may not');
  }
}

/** Nobody has changed a table and still owes somebody a flush. */
const isQuiet = ({ host, mmapLock, tlbFlushPending, notifierSubscriptions }: Mm): boolean =>
  notifierSubscriptions?.activeInvalidateRanges === 0 &&
  tlbFlushPending === 0 &&
  !mmapLock.isWriteLocked &&
  !host.pageTableLocks.some((lock) => lock?.isLocked);
