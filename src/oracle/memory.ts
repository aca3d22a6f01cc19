// Guest memory from outside: whose a frame is, and what a guest would read.
//
// machine.ts asks before a TLB entry makes a frame reachable, and for the digest of a run. Only between scheduler steps;
// reads, never writes.

import type { Host, Mm } from '../mm/index.ts';
import { FrameKind, forEachPte, inspectPage } from '../mm/internals.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../units.ts';

/** Whether the frame is a page of a process, or the zero page: all that a guest may ever reach. */
export function isProcessPage({ frames }: Host, frame: Pfn): boolean {
  const kind = frames.kind[frame];
  return kind === FrameKind.folio || kind === FrameKind.zeroPage;
}

/** Page number, counted from `origin`, and bytes of every page that was ever touched; a page that is lost has no bytes. */
export function readPages(mm: Mm, origin: Hva, take: (bytes: Uint8Array) => void): void {
  const page = new Uint8Array(PAGE_SIZE);
  const number = new Float64Array(1);
  forEachPte(mm, (address, pte) => {
    number[0] = (address - origin) / PAGE_SIZE;
    take(new Uint8Array(number.buffer));
    if (inspectPage(mm, pte, page)) take(page);
  });
}
