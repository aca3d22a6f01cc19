// Guest memory from outside: what a guest would read.
//
// machine.ts asks for the digest of a run. Only between scheduler steps; reads, never writes.

import type { Mm } from '../mm/index.ts';
import { forEachPte, inspectPage } from '../mm/internals.ts';
import { type Hva, PAGE_SIZE } from '../units.ts';

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
