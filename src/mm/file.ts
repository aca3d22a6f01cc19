// struct file: an open file or shmem object, as mmap() is given it and VMAs keep it.
//
// Whoever maps names a file; its pages belong to its address_space (addressSpace.ts). The private and shared mappings of
// one open file have the same one, which is what lets their VMAs merge.
//
// Invariant: `count` is one for who opened it and one for each VMA; at 0 the object is gone with its pages.

import type { Steps } from '../sched/index.ts';
import { AddressSpace, evictInode } from './addressSpace.ts';
import type { Host } from './host.ts';

export class File {
  readonly mapping: AddressSpace;
  count = 1;

  constructor(mapping: AddressSpace) {
    this.mapping = mapping;
  }
}

/** A regular file that is open once, with `contents` on its disk. */
export function openRegularFile(host: Host, contents: Uint8Array): File {
  const mapping = new AddressSpace(host, 'regular', contents.length);
  mapping.disk = contents.slice();
  return new File(mapping);
}

/** get_file(). */
export function getFile(file: File | null): void {
  if (file !== null) file.count++;
}

/** fput(). May sleep: the last one takes the pages away. */
export function* fput(file: File | null): Steps {
  if (file !== null && --file.count === 0) yield* evictInode(file.mapping);
}
