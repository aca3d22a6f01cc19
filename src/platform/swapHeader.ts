// The header page of a swap file (slot 0), by which Umbra knows its own files again.
//
//   0 magic "UMBRASWP"   8 version u32   12 page size u32   16 slots u32   (little endian, the rest zero)

import { PAGE_SIZE } from '../units.ts';

const MAGIC = 'UMBRASWP';
const VERSION = 1;

export function swapHeader(slots: number): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  page.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(page.buffer);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, PAGE_SIZE, true);
  view.setUint32(16, slots, true);
  return page;
}

/** `page`: as much as the file had, up to a page. */
export function isSwapHeader(page: Uint8Array): boolean {
  if (page.length < PAGE_SIZE) return false;
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const magic = String.fromCharCode(...page.subarray(0, MAGIC.length));
  return magic === MAGIC && view.getUint32(8, true) === VERSION && view.getUint32(12, true) === PAGE_SIZE;
}
