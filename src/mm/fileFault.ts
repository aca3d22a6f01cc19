// Faults of file and shmem mappings where nothing is mapped yet (mm/memory.c: do_fault).
//
// fault.ts comes here for a VMA with a file. A file without a page cache has no page to give: SIGBUS, as past its end.

import type { Steps } from '../sched/index.ts';
import { VM_FAULT_SIGBUS, type VmFault } from './faultTypes.ts';

/** do_fault(): VM_FAULT bits. */
export function* doFault(_vmf: VmFault): Steps<number> {
  return VM_FAULT_SIGBUS;
}
