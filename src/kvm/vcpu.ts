// KVM_RUN: the loop of one vCPU, from entry to exit and back (vcpu_enter_guest, kvm_mmu_page_fault).
//
// The VMM's vCPU thread calls vcpuRun() with a budget; each turn answers requests, loads the roots, lets the hart run, and
// handles its exit here or hands it to the VMM in vcpu.run.
//
// Invariants: requests are looked at after IN_GUEST_MODE is set and before the hart runs (requests.ts); every fault
// re-enters at the same instruction, which either completes, faults again or was emulated. Locks: none held across turns.

import { Cause, EXIT_NAMES, Exit, type ExitReason, type Hart } from '../hw/hart/index.ts';
import { Access, type AccessKind } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { Errno, type Gpa, hiWord, loWord, PAGE_SIZE, pageOffset } from '../units.ts';
import { emulateCrossingStore, emulateStore } from './emulate.ts';
import { RetPf } from './mmu.ts';
import { directFault, type FaultResult, pagedFault } from './pageFault.ts';
import { kvmMmuFence, kvmMmuNewPgd, kvmMmuReload } from './roots.ts';
import { unprotectGfn } from './trackWrite.ts';
import { Request, VcpuMode } from './vcpuMode.ts';
import type { Vcpu } from './vcpuState.ts';

const ACCESS_FAULT = [Cause.loadAccess, Cause.storeAccess, Cause.fetchAccess] as const;
const PAGE_FAULT = [Cause.loadPageFault, Cause.storePageFault, Cause.fetchPageFault] as const;

/**
 * KVM_RUN for at most `budget` instructions (an instruction that traps counts too). 0 with the reason in vcpu.run, or
 * -errno: -EFAULT no host page behind guest memory, -ENOMEM the host is out of memory, -EIO swap could not be read.
 */
export function* vcpuRun(vcpu: Vcpu, budget: number): Steps<number> {
  const { run, hart } = vcpu;
  const limit = hart.attempted + budget;
  completeMmio(vcpu);
  run.exitReason = 'none';
  run.errno = 0;
  while (run.exitReason === 'none') {
    if (hart.attempted >= limit) {
      userspaceExit(vcpu, 'intr');
      break;
    }
    if (!(yield* kvmMmuReload(vcpu))) return failed(vcpu, Errno.ENOMEM);
    const reason = yield* enterGuest(vcpu, limit - hart.attempted);
    if (reason === null) continue;
    yield* handleExit(vcpu, reason);
    if (run.errno !== 0) return failed(vcpu, run.errno);
  }
  return 0;
}

function failed(vcpu: Vcpu, errno: number): number {
  vcpu.run.errno = errno;
  userspaceExit(vcpu, 'memory_fault');
  return -errno;
}

const REASON_CODES = {
  none: 0,
  mmio: 0,
  intr: 1,
  hlt: 2,
  shutdown: 3,
  memory_fault: 4,
  tracked_write: 0,
} as const;

function userspaceExit(vcpu: Vcpu, reason: keyof typeof REASON_CODES): void {
  vcpu.run.exitReason = reason;
  vcpu.kvm.trace.kvm_userspace_exit?.(vcpu.index, REASON_CODES[reason], vcpu.run.errno);
}

/** vcpu_enter_guest(): null when a request turned up at the door. */
function* enterGuest(vcpu: Vcpu, budget: number): Steps<ExitReason | null> {
  const { hart, kvm } = vcpu;
  if (points.on) yield at.vcpu(vcpu.index);
  vcpu.mode = VcpuMode.inGuest;
  if (points.on) yield at.vcpu(vcpu.index);
  if (vcpu.requests !== 0 && !handleRequests(vcpu)) {
    vcpu.mode = VcpuMode.outsideGuest;
    return null;
  }
  // Another hart may have stored to what this one reserved.
  if (kvm.lastInGuest !== vcpu) hart.clearReservation();
  kvm.lastInGuest = vcpu;
  kvm.trace.kvm_entry?.(vcpu.index, hart.pc);
  const before = hart.attempted;
  if (points.on) yield at.vcpu(vcpu.index);
  const reason = hart.run(budget);
  vcpu.mode = VcpuMode.outsideGuest;
  vcpu.stats.exits++;
  const name = EXIT_NAMES[reason];
  vcpu.exits[name] = (vcpu.exits[name] ?? 0) + 1;
  kvm.trace.kvm_exit?.(vcpu.index, reason, hart.pc, hart.attempted - before);
  return reason;
}

/** True: go in. False: the roots must be loaded first. */
function handleRequests(vcpu: Vcpu): boolean {
  const requests = vcpu.requests;
  vcpu.requests = 0;
  if ((requests & Request.tlbFlush) !== 0) {
    vcpu.stats.tlb_flush++;
    vcpu.kvm.trace.kvm_tlb_flush?.(vcpu.index);
    vcpu.hart.flushAll();
  }
  return (requests & Request.freeObsoleteRoots) === 0;
}

function* handleExit(vcpu: Vcpu, reason: ExitReason): Steps {
  switch (reason) {
    case Exit.mmuFault:
      return yield* handleMmuFault(vcpu);
    case Exit.satp:
      return yield* kvmMmuNewPgd(vcpu);
    case Exit.sfence:
      return yield* handleFence(vcpu);
    case Exit.wfi:
      vcpu.stats.halt_exits++;
      if (!vcpu.hart.hasWakeup()) userspaceExit(vcpu, 'hlt');
      return;
    case Exit.crash:
      return userspaceExit(vcpu, 'shutdown');
    default:
      return;
  }
}

function* handleFence(vcpu: Vcpu): Steps {
  const { fence } = vcpu.hart;
  vcpu.hart.clearReservation();
  if (fence.page === null) vcpu.hart.flushAll();
  else vcpu.hart.flushPage(fence.page);
  yield* kvmMmuFence(vcpu, fence);
}

function* handleMmuFault(vcpu: Vcpu): Steps {
  const { hart, kvm, stats } = vcpu;
  const { fault } = hart;
  stats.pf_taken++;
  kvm.trace.kvm_page_fault?.(
    vcpu.index,
    hart.pc,
    fault.paged ? fault.va : fault.gpa,
    fault.access,
    kvm.mmuInvalidateSeq,
    kvm.mmuInvalidateInProgress,
  );
  vcpu.lastRetPf = RetPf.retry;
  const index = yield* kvm.srcu.readLock();
  const result = fault.paged
    ? yield* pagedFault(vcpu, hart, fault.va, fault.access)
    : yield* directFault(vcpu, fault.gpa as Gpa, fault.wanted);
  yield* finishFault(vcpu, hart, result);
  yield* kvm.srcu.readUnlock(index);
}

function* finishFault(vcpu: Vcpu, hart: Hart, result: FaultResult): Steps {
  const { stats } = vcpu;
  switch (result.kind) {
    case 'retry':
      if (vcpu.lastRetPf === RetPf.fixed) stats.pf_fixed++;
      else if (vcpu.lastRetPf === RetPf.spurious) stats.pf_spurious++;
      else stats.pf_mmu_retry++;
      return;
    case 'guestPageFault':
      stats.pf_guest++;
      return inject(vcpu, PAGE_FAULT);
    case 'guestAccessFault':
      return inject(vcpu, ACCESS_FAULT);
    case 'mmio':
      return mmioExit(vcpu, hart, result.gpa);
    case 'emulate':
      stats.pf_emulate++;
      return yield* emulate(vcpu, hart, result.gpa);
    default:
      vcpu.run.errno = result.errno;
      vcpu.run.memoryFault.gpa = result.gpa;
  }
}

/** kvm_inject_page_fault() and its access-fault kin: the access was the instruction's, even if a table was at fault. */
function inject(vcpu: Vcpu, causes: readonly number[]): void {
  const { hart, kvm } = vcpu;
  const { va, access } = hart.fault;
  const cause = causes[access]!;
  kvm.trace.kvm_inj_exception?.(vcpu.index, cause, va);
  if (hart.raise(cause, loWord(va), hiWord(va)) === Exit.crash) userspaceExit(vcpu, 'shutdown');
}

/** Nothing is mapped there: the VMM's devices answer plain loads and stores; anything else is an access fault. */
function mmioExit(vcpu: Vcpu, hart: Hart, gpa: Gpa): void {
  const { access, fault } = hart;
  const isStore = access.kind === 'store';
  const plain = fault.access !== Access.fetch && !fault.implicit && (isStore || access.kind === 'load');
  if (!plain || access.crossesPage) {
    inject(vcpu, ACCESS_FAULT);
    return;
  }
  const { mmio } = vcpu.run;
  mmio.gpa = gpa;
  mmio.length = access.bytes;
  mmio.isWrite = isStore;
  mmio.lo = isStore ? access.lo : 0;
  mmio.hi = isStore ? access.hi : 0;
  mmio.fault = false;
  vcpu.stats.mmio_exits++;
  vcpu.kvm.trace.kvm_mmio?.(Number(isStore), access.bytes, gpa, mmio.lo >>> 0);
  vcpu.mmioNeeded = true;
  userspaceExit(vcpu, 'mmio');
}

/** complete_emulated_mmio(): the VMM has answered. */
function completeMmio(vcpu: Vcpu): void {
  if (!vcpu.mmioNeeded) return;
  vcpu.mmioNeeded = false;
  const { mmio } = vcpu.run;
  if (mmio.fault) inject(vcpu, ACCESS_FAULT);
  else if (mmio.isWrite) vcpu.hart.completeStore();
  else vcpu.hart.completeLoad(mmio.lo, mmio.hi);
}

/** RET_PF_EMULATE. */
function* emulate(vcpu: Vcpu, hart: Hart, gpa: Gpa): Steps {
  const gfn = Math.floor(gpa / PAGE_SIZE);
  // An implicit store (A/D of a guest table) to a tracked page: only the tables themselves can give way.
  if (hart.fault.implicit || (hart.access.crossesPage && !vcpu.kvm.watchedGfns.has(gfn as never))) {
    yield* unprotectGfn(vcpu.kvm, gfn as never);
    return;
  }
  const error = hart.access.crossesPage
    ? yield* emulateCrossing(vcpu, hart)
    : yield* emulateStore(vcpu, hart, gpa);
  if (error === 0) return;
  vcpu.run.errno = -error;
  vcpu.run.memoryFault.gpa = gpa;
}

/** A store into a watched page that begins or ends in another page. */
function* emulateCrossing(vcpu: Vcpu, hart: Hart): Steps<number> {
  const start = hart.access.va;
  const first = yield* translateStore(vcpu, hart, start);
  const second =
    first === null ? null : yield* translateStore(vcpu, hart, start - pageOffset(start) + PAGE_SIZE);
  if (first === null || second === null) return 0;
  return yield* emulateCrossingStore(vcpu, hart, { first, second });
}

/** Guest physical address of a byte that is to be stored to; null: the guest was given a fault. */
function* translateStore(vcpu: Vcpu, hart: Hart, address: number): Steps<Gpa | null> {
  if (!hart.fault.paged) return address as Gpa;
  const result = yield* vcpu.guestWalk.translate(hart, address, Access.store as AccessKind);
  if (result === 'ok') return vcpu.guestWalk.walk.pa as Gpa;
  hart.fault.va = address;
  inject(vcpu, result === 'pageFault' ? PAGE_FAULT : ACCESS_FAULT);
  return null;
}
