// Memory in the log: bytes of views and typed arrays, and whole pages of buffers that are copied or cleared by the page.
//
// Invariant: a page is copied once in a run, before its first change as a whole; its copies are reused.

import { Kind, PAGE, record, undo } from './log.ts';

const byteViews = new WeakMap<DataView, Uint8Array>();

/** The bytes of a DataView; the same array each time. */
export function bytesOf(view: DataView): Uint8Array {
  let bytes = byteViews.get(view);
  if (bytes === undefined) {
    bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    byteViews.set(view, bytes);
  }
  return bytes;
}

/** Elements of a typed array. */
export const sizeOf = (target: ArrayBufferView): number => (target as Uint8Array).length;

/** Elements `from` to `to` - 1 are about to change. */
export function recordTyped(target: ArrayBufferView, from: number, to = sizeOf(target)): void {
  if ((to - from) * MOST_BYTES_OF_ELEMENT >= PAGE && recordPages(target as Uint8Array, from, to)) return;
  record(target, Kind.typed, from, (target as Uint8Array).slice(from, to));
}

// Whole pages

const MOST_BYTES_OF_ELEMENT = 8;

/** A buffer of which whole pages were written at once. */
interface Pages {
  readonly bytes: Uint8Array;
  /** By page: the run in which it was copied last, and the copy; the copies are reused. */
  readonly copiedIn: Int32Array;
  readonly copies: Uint8Array[];
}

const pagesOfBuffers = new WeakMap<ArrayBufferLike, Pages>();

function pagesOf(buffer: ArrayBufferLike): Pages {
  let pages = pagesOfBuffers.get(buffer);
  if (pages === undefined) {
    const bytes = new Uint8Array(buffer);
    pages = { bytes, copiedIn: new Int32Array(Math.ceil(bytes.length / PAGE)), copies: [] };
    pagesOfBuffers.set(buffer, pages);
  }
  return pages;
}

/** Elements `from` to `to` - 1 are about to change. False: there is no whole page among them, and nothing is recorded. */
function recordPages(target: Uint8Array, from: number, to: number): boolean {
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT: width } = target;
  const start = byteOffset + from * width;
  const end = byteOffset + Math.min(to * width, byteLength);
  const first = Math.ceil(start / PAGE);
  const last = Math.floor(end / PAGE);
  if (first >= last) return false;
  const pages = pagesOf(buffer);
  recordBytes(pages.bytes, start, first * PAGE);
  for (let page = first; page < last; page++) recordPage(pages, page);
  recordBytes(pages.bytes, last * PAGE, end);
  return true;
}

function recordBytes(bytes: Uint8Array, from: number, to: number): void {
  if (from < to) record(bytes, Kind.typed, from, bytes.slice(from, to));
}

function recordPage({ bytes, copiedIn, copies }: Pages, page: number): void {
  if (copiedIn[page] === undo.run) {
    // All of it goes back to what it was when it was copied, whatever was written since.
    record(bytes, Kind.kept, page, null);
    return;
  }
  copiedIn[page] = undo.run;
  copies[page] ??= new Uint8Array(PAGE);
  copies[page].set(bytes.subarray(page * PAGE, (page + 1) * PAGE));
  record(bytes, Kind.page, page, copies[page]);
}
