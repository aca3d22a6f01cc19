// The words for a guest that cannot go on, for the stop record.
//
// Called by vcpuThread.ts and vmm.ts with what KVM_RUN reported. One line each; addresses in hexadecimal.

import type { Vcpu } from '../kvm/index.ts';
import type { MemCgroup } from '../mm/index.ts';
import { Errno, hex } from '../units.ts';

const EXCEPTIONS: Readonly<Record<number, string>> = {
  0: 'instruction address misaligned',
  1: 'instruction access fault',
  2: 'illegal instruction',
  3: 'breakpoint',
  4: 'load address misaligned',
  5: 'load access fault',
  6: 'store address misaligned',
  7: 'store access fault',
  8: 'environment call from U mode',
  9: 'environment call from S mode',
  11: 'environment call from M mode',
  12: 'instruction page fault',
  13: 'load page fault',
  15: 'store page fault',
};

/** Exit reason shutdown: a trap whose handler cannot be fetched. */
export function crashReport({ index, run, hart }: Vcpu): string {
  const { cause } = run.shutdown;
  const exception = EXCEPTIONS[cause] ?? `exception ${cause}`;
  return `hart ${index}: ${exception} at the first instruction of its trap handler, ${hex(hart.pc)}`;
}

/** KVM_RUN, or an access of a device, failed with -errno. */
export function memoryReport({ kvm, run }: Vcpu, error: number): string {
  const { swapError } = kvm.mm;
  if (error === -Errno.EIO && swapError !== null) {
    return `swap I/O error: slot ${swapError.slot} could not be read (errno ${swapError.errno})`;
  }
  if (error === -Errno.ENOSPC)
    return 'no room for another shadow page: all that there may be are roots in use';
  if (error === -Errno.EFAULT) return `no host page behind guest memory at ${hex(run.memoryFault.gpa)}`;
  return outOfMemoryReport('running the guest', error, kvm.mm.memcg);
}

/** `memcg`: of the process, or null. */
export function outOfMemoryReport(activity: string, error: number, memcg: MemCgroup | null): string {
  const who = memcg !== null && memcg.events.oom > 0 ? "its memory cgroup's limit leaves" : 'the host has';
  if (error === -Errno.ENOMEM)
    return `out of memory while ${activity}: ${who} no frame and no swap slot to spare`;
  return `error ${-error} while ${activity}`;
}
