// read(), write(), ftruncate() and fallocate() of files (mm/filemap.c, mm/truncate.c).
//
// Without a page cache yet: they go to the disk at once.

import type { Steps } from '../sched/index.ts';
import { PAGE_SIZE } from '../units.ts';
import type { File } from './file.ts';

/** pread(): how many bytes were there. */
export function* fileRead({ mapping }: File, position: number, into: Uint8Array): Steps<number> {
  const bytes = mapping.disk.subarray(position, Math.min(position + into.length, mapping.size));
  into.set(bytes);
  return bytes.length;
}

/** pwrite(): how many bytes were written. The file grows as needed. */
export function* fileWrite({ mapping }: File, position: number, bytes: Uint8Array): Steps<number> {
  grow(mapping, position + bytes.length);
  mapping.disk.set(bytes, position);
  mapping.size = Math.max(mapping.size, position + bytes.length);
  return bytes.length;
}

/** ftruncate(): 0. */
export function* fileTruncate({ mapping }: File, size: number): Steps<number> {
  grow(mapping, size);
  mapping.disk.fill(0, size);
  mapping.size = size;
  return 0;
}

/** fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE): 0. */
export function* filePunchHole({ mapping }: File, start: number, length: number): Steps<number> {
  mapping.disk.fill(0, start, Math.min(start + length, mapping.size));
  return 0;
}

function grow(mapping: File['mapping'], size: number): void {
  if (size <= mapping.disk.length) return;
  const disk = new Uint8Array(Math.ceil(size / PAGE_SIZE) * PAGE_SIZE);
  disk.set(mapping.disk);
  mapping.disk = disk;
}
