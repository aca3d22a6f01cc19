// Guest memory from outside: what a guest would read.
//
// machine.ts asks for the digest of a run. Only between scheduler steps; reads, never writes.

import { type Mm, VM_SHARED } from '../mm/index.ts';
import { forEachPte, inspectFilePage, inspectPage } from '../mm/internals.ts';
import { type Hva, PAGE_SIZE } from '../units.ts';

/**
 * Page number, counted from `origin`, and bytes: of every private page that was ever touched, and of all shared ones,
 * which need not be mapped to be there. A page that is lost has no bytes.
 */
export function readPages(mm: Mm, origin: Hva, take: (bytes: Uint8Array) => void): void {
  const page = new Uint8Array(PAGE_SIZE);
  const number = new Float64Array(1);
  const takePage = (address: number, isThere: boolean): void => {
    number[0] = (address - origin) / PAGE_SIZE;
    take(new Uint8Array(number.buffer));
    if (isThere) take(page);
  };
  const shared = mm.vmas.all.filter(({ file, flags }) => file !== null && (flags & VM_SHARED) !== 0);
  forEachPte(mm, (address, pte) => {
    if (!shared.some((vma) => vma.contains(address))) takePage(address, inspectPage(mm, pte, page));
  });
  for (const { start, pages, pgoff, file } of shared) {
    for (let i = 0; i < pages; i++)
      takePage(start + i * PAGE_SIZE, inspectFilePage(file!.mapping, pgoff + i, page));
  }
}
