// Guest memory as the hypervisor reads and writes it: by gpa, through the VMM process's own page tables.
//
// Two kinds: steps that fault pages in and may sleep, and peeks, which are one hardware access of this CPU through the
// process's page tables and answer "not reachable now" instead of faulting (kvm_vcpu_read_guest_atomic). A peek is
// preceded by at.tlb(cpu) of the CPU that runs, so its memslot must have been looked up before.
//
// Locks: peeks may be done under mmu_lock; the others need a context that may sleep.

import { PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X } from '../hw/sv39/index.ts';
import { getUserPage, putPage, userCompareExchange64, userLoad64 } from '../mm/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { Errno, type Gfn, type Gpa, gpaToGfn, pageOffset } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { gfnToMemslot, KVM_MEM_READONLY, type Memslot } from './memslot.ts';

const RESERVED_HI = 0xffc00000 | 0;
const PPN_HI = 0x003fffff;

/** A guest-made leaf entry of a lowest-level table, as the shadow MMU reads it. */
export class GuestEntry {
  lo = 0;
  hi = 0;

  get gfn(): Gfn {
    return ((this.lo >>> 10) + (this.hi & PPN_HI) * 2 ** 22) as Gfn;
  }

  /** Valid, well-formed, and used before: what may stand behind an spte. */
  get isAccessedLeaf(): boolean {
    const { lo, hi } = this;
    if ((lo & (PTE_V | PTE_A)) !== (PTE_V | PTE_A) || (hi & RESERVED_HI) !== 0) return false;
    return (lo & (PTE_R | PTE_W)) !== PTE_W && (lo & (PTE_R | PTE_X)) !== 0;
  }

  /** Its R, W, X, U; no W while the entry is clean, so that the first store is seen (protect_clean_gpte). */
  get access(): number {
    return guestAccess(this.lo);
  }
}

export function guestAccess(lo: number): number {
  const access = lo & (PTE_R | PTE_W | PTE_X | PTE_U);
  return (lo & PTE_D) !== 0 ? access : access & ~PTE_W;
}

/** Reads entry `index` of the guest table at `gfn`, in `slot`, without sleeping; false: not reachable now. */
export function peekGuestEntry(
  kvm: Kvm,
  slot: Memslot | null,
  gfn: Gfn,
  index: number,
  into: GuestEntry,
): boolean {
  return peekGuest64(kvm, slot, (gfn * 4096 + index * 8) as Gpa, into);
}

export function peekGuest64(
  kvm: Kvm,
  slot: Memslot | null,
  address: Gpa,
  into: { lo: number; hi: number },
): boolean {
  if (slot === null || slot.invalid) return false;
  const hva = slot.hvaOf(gpaToGfn(address)) + pageOffset(address);
  return userLoad64(kvm.mm, hva as never, into);
}

/** One atomic compare-and-exchange of this CPU: 1 done, 0 changed, -EFAULT not reachable for writing now. */
export function pokeGuest64(
  kvm: Kvm,
  slot: Memslot,
  address: Gpa,
  oldLo: number,
  oldHi: number,
  newLo: number,
  newHi: number,
): number {
  if (slot.invalid || (slot.flags & KVM_MEM_READONLY) !== 0) return -Errno.EFAULT;
  const hva = slot.hvaOf(gpaToGfn(address)) + pageOffset(address);
  return userCompareExchange64(kvm.mm, hva as never, oldLo, oldHi, newLo, newHi);
}

/** Faults the page of `address` in. 0, -errno of the fault, or -EAGAIN: its memslot is being changed. */
export function* faultInGuestPage(kvm: Kvm, address: Gpa, write: boolean): Steps<number> {
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, gpaToGfn(address));
  if (slot === null || slot.invalid) return -Errno.EAGAIN;
  const page = yield* getUserPage(kvm.mm, slot.hvaOf(gpaToGfn(address)), write);
  if (page < 0) return page;
  yield* putPage(kvm.host, page as never);
  return 0;
}
