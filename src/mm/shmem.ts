// shmem: objects whose pages have no file behind them, and are swapped (mm/shmem.c).
//
// MAP_SHARED | MAP_ANONYMOUS gets one here, all to itself; fork shares it.

import { PAGE_SIZE } from '../units.ts';
import { AddressSpace } from './addressSpace.ts';
import { chargeCommit } from './commit.ts';
import { File } from './file.ts';
import type { Host } from './host.ts';
import { VM_NORESERVE } from './vmFlags.ts';

/** shmem_zero_setup(): an object of `bytes`, with one reference; null when its size cannot be charged. */
export function shmemKernelFileSetup(host: Host, bytes: number, vmFlags: number): File | null {
  const charged = (vmFlags & VM_NORESERVE) === 0 ? bytes / PAGE_SIZE : 0;
  if (!chargeCommit(host, charged)) return null;
  const mapping = new AddressSpace(host, 'shmem', bytes);
  mapping.chargedPages = charged;
  return new File(mapping);
}
