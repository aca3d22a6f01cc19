// An IOMMU that shares a process's page tables with a device (SVA): it walks them itself, and has a TLB of its own
// (drivers/iommu: iommu-sva.c, arm-smmu-v3-sva.c).
//
// The device reads and writes bytes; where the tables say no, it asks for the page (a page request). There is nothing to
// invalidate but the TLB, so the client has the one callback that comes wherever CPUs are flushed, and release, after
// which the tables go and must not be walked. All devices bound to one process share a subscription (mmu_notifier_get).
//
// Invariants (reference rules 7, 37, 38): an entry permits only what the tables did since the last flush; A and D are
// set in the process's own entries, as by a CPU; after release nothing is walked. Lock: none; the TLB is hardware, one
// step at a time, and the callback runs under page table locks.

import { CpuTlb, TLB_FAULT } from '../hw/tlb/index.ts';
import { exitMm, getUserPage, type Mm, putPage } from '../mm/index.ts';
import {
  MmuNotifier,
  type MmuNotifierOps,
  mmuNotifierGet,
  mmuNotifierPut,
  mmuNotifierSynchronize,
} from '../notifier/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, Errno, type Hpa, type Hva, type Pfn } from '../units.ts';
import { type DeviceEntry, deviceTlbPoint } from './device.ts';

/** What the devices of one process have in common (struct iommu_mm_data). */
class SvaDomain extends MmuNotifier {
  readonly devices = new Set<SvaDevice>();
  freed = false;
}

/** The ops of all SVA domains: their identity is what finds the domain of a process again. */
const SVA_OPS: MmuNotifierOps = {
  *allocNotifier(mm) {
    return new SvaDomain(mm.notifierEnvironment.sched.lockId(), SVA_OPS);
  },
  *freeNotifier(domain) {
    (domain as SvaDomain).freed = true;
  },
  *release(domain) {
    for (const device of (domain as SvaDomain).devices) yield* device.stop();
  },
  *archInvalidateSecondaryTlbs(domain, _mm, start, end) {
    for (const device of (domain as SvaDomain).devices) yield* device.flush(start, end);
    if ((domain as SvaDomain).freed) bug('an SVA domain is used after it was freed');
  },
};

/** A device bound to one process. */
export class SvaDevice {
  readonly mm: Mm;
  readonly #tlb: CpuTlb;
  readonly #tlbPoint: number;
  #domain: SvaDomain | null = null;
  /** The PASID entry: may the device walk? Preceded by at.tlb(). */
  #walks = false;
  flushes = 0;

  constructor(mm: Mm, entries = 16) {
    this.mm = mm;
    this.#tlb = new CpuTlb(mm.host.memory, entries);
    this.#tlbPoint = deviceTlbPoint(mm.host.sched.lockId());
  }

  /** iommu_sva_bind_device(): takes mmap_lock. 0 or -errno. */
  *bind(): Steps<number> {
    const domain = yield* mmuNotifierGet(SVA_OPS, this.mm);
    if (typeof domain === 'number') return domain;
    this.#domain = domain as SvaDomain;
    this.#domain.devices.add(this);
    if (points.on) yield at.tlb(this.#tlbPoint);
    this.#walks = true;
    return 0;
  }

  /** iommu_sva_unbind_device(): once per bind; the device makes no accesses any more. */
  *unbind(): Steps {
    yield* this.stop();
    const domain = this.#domain!;
    domain.devices.delete(this);
    this.#domain = null;
    yield* mmuNotifierPut(domain);
  }

  /** The device reads a byte: the byte, or -EFAULT. */
  *read(address: Hva): Steps<number> {
    const reached = yield* this.#reach(address, false);
    return reached < 0 ? reached : this.mm.host.memory.read8(reached as Hpa);
  }

  /** The device writes a byte: 0 or -EFAULT. */
  *write(address: Hva, value: number): Steps<number> {
    const reached = yield* this.#reach(address, true);
    if (reached < 0) return reached;
    this.mm.host.memory.write8(reached as Hpa, value);
    return 0;
  }

  /** arm_smmu_tlb_inv_range_asid() and its sync. */
  *flush(start: Hva, end: Hva): Steps {
    if (points.on) yield at.tlb(this.#tlbPoint);
    this.flushes++;
    this.#tlb.flushRange(this.mm.id, start, end);
  }

  /** The quiet context descriptor: whatever the device asks for fails from now on. */
  *stop(): Steps {
    if (points.on) yield at.tlb(this.#tlbPoint);
    this.#walks = false;
    this.#tlb.flushAll();
  }

  /** What the device can reach without asking; for inspection. */
  *entries(): Iterable<DeviceEntry> {
    for (const { address, pfn, writable } of this.#tlb.entries()) yield { address, pfn, writable };
  }

  /** From the translation to the access is one step: the byte address, valid until the caller yields; or -EFAULT. */
  *#reach(address: Hva, write: boolean): Steps<number> {
    for (;;) {
      if (points.on) yield at.tlb(this.#tlbPoint);
      if (!this.#walks) return -Errno.EFAULT;
      const reached = this.#tlb.translate(this.mm.id, this.mm.root, address, write);
      if (reached !== TLB_FAULT) return reached;
      const error = yield* this.#pageRequest(address, write);
      if (error !== 0) return error;
    }
  }

  /** iommu_sva_handle_mm(). */
  *#pageRequest(address: Hva, write: boolean): Steps<number> {
    const { mm } = this;
    if (!mm.getNotZero()) return -Errno.EFAULT;
    const found = yield* getUserPage(mm, address, write);
    if (found >= 0) yield* putPage(mm.host, found as Pfn);
    yield* exitMm(mm);
    return found < 0 ? -Errno.EFAULT : 0;
  }
}

/** Before the driver is unloaded: every domain that was let go of has been freed when it returns. */
export const svaSynchronize = (mm: Mm): Steps => mmuNotifierSynchronize(mm.notifierEnvironment);
