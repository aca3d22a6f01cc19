// Single accesses of user memory by the CPU that runs: what get_user_atomic and friends are made of (pagefault_disable()).
//
// kvm's walkers use them under locks and between steps: an access either reaches the page now, or says that it would
// fault. userAccess.ts has the kind that handles the fault.
//
// Invariant: one call is one step of hardware, through the CPU's TLB and the process's own tables; nothing yields. It is
// preceded by at.tlb(cpu), of the CPU that runs.

import { TLB_FAULT } from '../../hw/tlb/index.ts';
import { points } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, hpaToPfn } from '../../units.ts';
import type { Mm } from '../vma/mmStruct.ts';

/** Byte address that an access of `address` reaches now, or TLB_FAULT. */
function reach(mm: Mm, address: Hva, write: boolean): number {
  const { cpu } = mm.host.sched.current;
  if (points.on) points.check('tlb', cpu);
  mm.cpuMask |= 1 << cpu;
  return mm.host.cpus[cpu]!.tlb.translate(mm.id, mm.root, address, write);
}

/** An aligned 64-bit load; false: it would fault. */
export function userLoad64(mm: Mm, address: Hva, into: { lo: number; hi: number }): boolean {
  const at = reach(mm, address, false);
  if (at === TLB_FAULT) return false;
  into.lo = mm.host.memory.read32(at as Hpa);
  into.hi = mm.host.memory.read32((at + 4) as Hpa);
  return true;
}

/** An aligned 64-bit compare-and-exchange: 1 done, 0 it was not `old`, -EFAULT it would fault. */
export function userCompareExchange64(
  mm: Mm,
  address: Hva,
  oldLo: number,
  oldHi: number,
  newLo: number,
  newHi: number,
): number {
  const at = reach(mm, address, true);
  if (at === TLB_FAULT) return -Errno.EFAULT;
  const { memory } = mm.host;
  if (memory.read32(at as Hpa) !== oldLo || memory.read32((at + 4) as Hpa) !== oldHi) return 0;
  memory.write64(at as Hpa, newLo, newHi);
  return 1;
}

/** The frame that an access of `address` reaches now, valid until the caller yields; -EFAULT: it would fault. */
export function userFrame(mm: Mm, address: Hva, write: boolean): number {
  const at = reach(mm, address, write);
  return at === TLB_FAULT ? -Errno.EFAULT : hpaToPfn(at as Hpa);
}
