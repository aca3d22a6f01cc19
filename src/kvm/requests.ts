// Requests, kicks and acknowledgements: nobody writes another CPU's TLB (kvm_make_all_cpus_request, LOCK sec. 4).
//
// Whoever zapped sptes makes a request of each vCPU and kicks those that are in the guest; a vCPU looks at its requests
// after it has set IN_GUEST_MODE and before the hart runs, so either it sees the request or the kick reaches it:
//
//     requester                        vCPU
//     requests |= flush                mode = IN_GUEST_MODE
//     smp_mb()                         smp_mb()
//     mode == IN_GUEST_MODE? kick      requests? handle
//     wait until it has left           run

import { accesses, at, points, RESCHED, type Steps, smpMb } from '../sched/index.ts';
import type { Pfn } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { Request, VcpuMode } from './vcpuMode.ts';
import type { Vcpu } from './vcpuState.ts';

/** kvm_make_all_cpus_request() with KVM_REQUEST_WAIT: returns when every vCPU has left the guest at least once. */
export function* kvmMakeAllCpusRequest(kvm: Kvm, request: number): Steps {
  for (const vcpu of kvm.vcpus) {
    if (points.on) yield at.vcpu(vcpu.index);
    if (points.on) accesses.observer?.release('vcpu', vcpu.index, true);
    vcpu.makeRequest(request);
    if (request !== Request.freeObsoleteRoots) kvm.trace.vcpu_flush_request?.(vcpu.index);
    smpMb(kvm.sched);
    if (vcpu.exitingGuestMode() === VcpuMode.inGuest) vcpu.hart.kick();
  }
  for (const vcpu of kvm.vcpus) {
    if (points.on) yield at.vcpu(vcpu.index);
    while (vcpu.mode === VcpuMode.exitingGuest) {
      yield RESCHED;
      if (points.on) yield at.vcpu(vcpu.index);
    }
    if (points.on) accesses.observer?.acquire('vcpu', vcpu.index, true);
  }
}

/** kvm_flush_remote_tlbs(). */
export function* kvmFlushRemoteTlbs(kvm: Kvm): Steps {
  kvm.stats.remote_tlb_flush_requests++;
  kvm.stats.remote_tlb_flush++;
  yield* kvmMakeAllCpusRequest(kvm, Request.tlbFlush);
}

/** More pages than this cost more than a whole flush (KVM_RISCV_VCPU_MAX_HFENCE). */
const MAX_PAGES_TO_FLUSH = 64;

/**
 * kvm_flush_remote_tlbs_range(), of the one guest virtual `page` that a translation to `frame` was of: nothing else
 * in a TLB may have come from the spte that went.
 */
export function* kvmFlushRemoteTlbsPage(kvm: Kvm, page: number, frame: Pfn): Steps {
  for (const vcpu of kvm.vcpus) {
    if (points.on) yield at.vcpu(vcpu.index);
    if (vcpu.pagesToFlush.length >= MAX_PAGES_TO_FLUSH) return yield* kvmFlushRemoteTlbs(kvm);
    vcpu.pagesToFlush.push({ page, frame });
  }
  kvm.stats.remote_tlb_flush_requests++;
  kvm.stats.remote_tlb_flush++;
  yield* kvmMakeAllCpusRequest(kvm, Request.tlbFlushPages);
}

/** kvm_vcpu_kick() and wake-up: an interrupt line changed. May be called by an event, between steps. */
export function kvmVcpuKick(vcpu: Vcpu): void {
  if (vcpu.mode === VcpuMode.inGuest) vcpu.hart.kick();
  vcpu.waitQueue.wakeAll();
}
