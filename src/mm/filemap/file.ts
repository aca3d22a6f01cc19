// struct file: an open file or shmem object, as mmap() is given it and VMAs keep it.
//
// Whoever maps names a file; its pages belong to its address_space (addressSpace.ts). The private and shared mappings of
// one open file have the same one, which is what lets their VMAs merge.
//
// Invariant: `count` is one for who opened it and one for each VMA; at 0 the object is gone with its pages.

import type { Steps } from '../../sched/index.ts';
import type { AddressSpace } from './addressSpace.ts';

export class File {
  readonly mapping: AddressSpace;
  count = 1;

  constructor(mapping: AddressSpace) {
    this.mapping = mapping;
  }
}

/** get_file(). */
export function getFile(file: File | null): void {
  if (file !== null) file.count++;
}

/** fput(). May sleep: the last one takes the pages away. */
export function* fput(file: File | null): Steps {
  if (file !== null && --file.count === 0) yield* file.mapping.ops.evict(file.mapping);
}
