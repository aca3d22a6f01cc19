// KVM_RUN: the loop of one vCPU, from entry to exit and back (vcpu_enter_guest, kvm_mmu_page_fault).
//
// The VMM's vCPU thread calls vcpuRun() with a budget; each turn answers requests, loads the roots, lets the hart
// run, and handles its exit here or hands it to the VMM in vcpu.run.
//
// Invariants: requests are looked at after IN_GUEST_MODE is set and before the hart runs (requests.ts); every fault
// re-enters at the same instruction, which either completes, faults again or was emulated. Locks: none held across turns.

import {
  ACCESS_FAULT,
  breakReservation,
  Cause,
  clearReservation,
  EXIT_NAMES,
  Exit,
  type ExitReason,
  type Hart,
  PAGE_FAULT,
} from '../hw/hart/index.ts';
import { Access } from '../hw/sv39/index.ts';
import { accesses, at, COND_RESCHED, points, RESCHED, type Steps, smpMb } from '../sched/index.ts';
import { Errno, fromWords, type Gpa, hiWord, loWord } from '../units.ts';
import { emulateStore } from './emulate.ts';
import { grant, takeOver } from './grants.ts';
import { lendGuestPage } from './lend.ts';
import { directFault, type FaultResult, pagedFault } from './pageFault.ts';
import { breakStaleReservation, takeTurn } from './reservation.ts';
import { isMmuLoaded, kvmMmuFence, kvmMmuNewPgd, kvmMmuReload, release } from './roots.ts';
import { exitAddress, exitCause, exitGuestAddress, pageFaultError } from './traceTerms.ts';
import { Request, VcpuMode } from './vcpuMode.ts';
import type { Vcpu } from './vcpuState.ts';

/** Virtual ns that a fault takes which must be tried again. */
const RETRY_COST = 1000;
/** Exits that keep others waiting no longer than a time slice does, however slow each is. */
const EXITS_PER_TURN = 256;

/**
 * KVM_RUN for at most `budget` instructions (an instruction that traps counts too). 0 with the reason in vcpu.run, or
 * -errno: -EFAULT no host page behind guest memory, -ENOMEM the host is out of memory, -EIO swap could not be read, or the
 * process is gone.
 */
export function* vcpuRun(vcpu: Vcpu, budget: number): Steps<number> {
  const { run, hart } = vcpu;
  const limit = hart.attempted + budget;
  run.exitReason = 'none';
  run.errno = 0;
  completeMmio(vcpu);
  while (run.exitReason === 'none') {
    if (points.on) yield at.sequence(vcpu.kvm.id);
    if (vcpu.kvm.vmDead) return failed(vcpu, Errno.EIO);
    if (hart.attempted >= limit) {
      userspaceExit(vcpu, 'intr');
      break;
    }
    if (!isMmuLoaded(vcpu) && !(yield* kvmMmuReload(vcpu))) return failed(vcpu, Errno.ENOMEM);
    const { attempted } = hart;
    const reason = yield* enterGuest(vcpu, limit - attempted);
    if (reason === null) continue;
    if (reason === Exit.mmuFault) yield* handleMmuFault(vcpu);
    else yield* handleExit(vcpu, reason);
    if (run.errno !== 0) return failed(vcpu, run.errno);
    // An instruction may take any number of faults, and must not keep the CPU from others meanwhile.
    if (hart.attempted === attempted) yield RESCHED;
    else if (vcpu.stats.exits % EXITS_PER_TURN === 0) yield COND_RESCHED;
  }
  return 0;
}

function failed(vcpu: Vcpu, errno: number): number {
  vcpu.run.errno = errno;
  userspaceExit(vcpu, 'memory_fault');
  return -errno;
}

/** KVM_EXIT_* (include/uapi/linux/kvm.h); what a watched store is, no KVM has. */
const REASON_CODES = {
  none: 0,
  mmio: 6,
  intr: 10,
  hlt: 5,
  shutdown: 8,
  memory_fault: 39,
  tracked_write: 6,
} as const;

function userspaceExit(vcpu: Vcpu, reason: keyof typeof REASON_CODES): void {
  vcpu.run.exitReason = reason;
  vcpu.kvm.trace.kvm_userspace_exit?.(REASON_CODES[reason], -vcpu.run.errno, vcpu.index);
}

/** vcpu_enter_guest(): null when a request turned up at the door. */
function* enterGuest(vcpu: Vcpu, budget: number): Steps<ExitReason | null> {
  const { hart, kvm } = vcpu;
  if (points.on) yield at.vcpu(vcpu.index);
  vcpu.mode = VcpuMode.inGuest;
  smpMb(kvm.sched);
  if (points.on) yield at.vcpu(vcpu.index);
  if (vcpu.requests !== 0 && !handleRequests(vcpu)) {
    vcpu.mode = VcpuMode.outsideGuest;
    return null;
  }
  kvm.trace.kvm_entry?.(hart.pc, vcpu.index);
  const before = hart.attempted;
  if (points.on) yield at.vcpu(vcpu.index);
  takeTurn(vcpu);
  grant(vcpu);
  const reason = vcpu.debug === null ? hart.run(budget) : vcpu.debug.run(vcpu, budget);
  const released = takeOver(vcpu);
  if (points.on) accesses.observer?.release('vcpu', vcpu.index, false);
  vcpu.mode = VcpuMode.outsideGuest;
  vcpu.stats.exits++;
  const name = EXIT_NAMES[reason]!;
  vcpu.exits[name] = (vcpu.exits[name] ?? 0) + 1;
  kvm.trace.kvm_exit?.(
    hart.pc,
    exitCause(hart, reason),
    exitAddress(hart, reason),
    exitGuestAddress(hart, reason),
    0,
    vcpu.index,
    reason,
    hart.attempted - before,
  );
  if (released !== null) yield* release(vcpu, released);
  return reason;
}

/** True: go in. False: the roots must be loaded first. Preceded by at.vcpu(vcpu.index). */
function handleRequests(vcpu: Vcpu): boolean {
  if (points.on) points.check('vcpu', vcpu.index);
  if (points.on) accesses.observer?.acquire('vcpu', vcpu.index, false);
  const requests = vcpu.takeRequests();
  if ((requests & Request.tlbFlush) !== 0) {
    vcpu.stats.tlb_flush++;
    vcpu.kvm.trace.vcpu_tlb_flush?.(vcpu.index);
    vcpu.hart.flushAll();
    vcpu.pagesToFlush.length = 0;
    breakStaleReservation(vcpu);
  } else if ((requests & Request.tlbFlushPages) !== 0) {
    vcpu.kvm.trace.vcpu_tlb_flush?.(vcpu.index);
    for (const { page, frame } of vcpu.pagesToFlush.splice(0)) {
      vcpu.hart.flushPage(page);
      breakReservation(vcpu.hart, frame);
    }
  }
  return (requests & Request.freeObsoleteRoots) === 0;
}

function* handleExit(vcpu: Vcpu, reason: ExitReason): Steps {
  switch (reason) {
    case Exit.satp:
      return yield* kvmMmuNewPgd(vcpu);
    case Exit.sfence:
      return yield* handleFence(vcpu);
    case Exit.wfi:
      vcpu.stats.halt_exits++;
      if (!vcpu.hart.hasWakeup()) userspaceExit(vcpu, 'hlt');
      return;
    case Exit.timer:
      // The budget was reckoned with the old deadline.
      return userspaceExit(vcpu, 'intr');
    case Exit.crash:
      return shutDown(vcpu, crashCause(vcpu));
    default:
      return;
  }
}

function* handleFence(vcpu: Vcpu): Steps {
  const { fence } = vcpu.hart;
  if (points.on) yield at.vcpu(vcpu.index);
  clearReservation(vcpu.hart);
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
    pageFaultError(hart, fault.access),
  );
  if (points.on) yield at.lock(kvm.srcu);
  const index = kvm.srcu.enter();
  let result = fault.paged
    ? yield* pagedFault(vcpu, hart, fault.va, fault.access)
    : yield* directFault(vcpu, fault.gpa as Gpa, fault.wanted);
  if (result.kind === 'emulate') {
    stats.pf_emulate++;
    result = yield* emulateStore(vcpu, hart, result.gpa);
  } else if (result.kind === 'lend') {
    result = yield* lendGuestPage(vcpu, hart, result.gpa);
  }
  if (points.on) yield at.lock(kvm.srcu);
  kvm.srcu.leave(index);
  if (result.kind === 'retry') yield* backOff(vcpu);
  else finishFault(vcpu, hart, result);
}

/**
 * What was in the way of the fault (an open notifier range, a memslot that is being changed) is some other task's to
 * finish, and that task may wait for an event: let it run, and let time pass.
 */
function* backOff({ kvm, stats }: Vcpu): Steps {
  stats.pf_mmu_retry++;
  kvm.sched.spend(RETRY_COST);
  yield RESCHED;
}

function finishFault(vcpu: Vcpu, hart: Hart, result: FaultResult): void {
  const { run, stats } = vcpu;
  switch (result.kind) {
    case 'fixed':
      stats.pf_fixed++;
      return;
    case 'spurious':
      stats.pf_spurious++;
      return;
    case 'guestPageFault':
      stats.pf_guest++;
      inject(vcpu, PAGE_FAULT, result.address);
      return;
    case 'guestAccessFault':
      inject(vcpu, ACCESS_FAULT, result.address);
      return;
    case 'mmio':
      mmioExit(vcpu, hart, result.gpa);
      return;
    case 'error':
      run.errno = result.errno;
      run.memoryFault.gpa = result.gpa;
      return;
    default:
  }
}

/** kvm_inject_page_fault() and its access-fault kin: the access was the instruction's, even if a table was at fault. */
function inject(vcpu: Vcpu, causes: readonly number[], address: number): void {
  const { hart, kvm } = vcpu;
  const cause = causes[hart.fault.access]!;
  kvm.trace.kvm_inj_exception?.(cause, address, vcpu.index);
  if (hart.raise(cause, loWord(address), hiWord(address)) === Exit.crash) shutDown(vcpu, cause);
}

/** The guest cannot go on. */
function shutDown(vcpu: Vcpu, cause: number): void {
  vcpu.run.shutdown.cause = cause;
  userspaceExit(vcpu, 'shutdown');
}

/** Why the hart itself could not fetch a handler: no address that can be translated, or under tdp no translation. */
const crashCause = ({ hart }: Vcpu): number =>
  hart.tlb.fetchRegime.paged ? Cause.fetchPageFault : Cause.fetchAccess;

/** Nothing is mapped there: the VMM's devices answer plain loads and stores; anything else is an access fault. */
function mmioExit(vcpu: Vcpu, hart: Hart, gpa: Gpa): void {
  const { access, fault } = hart;
  const isStore = access.kind === 'store';
  const plain = fault.access !== Access.fetch && !fault.implicit && (isStore || access.kind === 'load');
  if (!plain || access.crossesPage) {
    inject(vcpu, ACCESS_FAULT, fault.va);
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
  traceMmio(vcpu, isStore ? MMIO_WRITE : MMIO_READ_UNSATISFIED);
  vcpu.mmioNeeded = true;
  userspaceExit(vcpu, 'mmio');
}

/** complete_emulated_mmio(): the VMM has answered. */
function completeMmio(vcpu: Vcpu): void {
  if (!vcpu.mmioNeeded) return;
  vcpu.mmioNeeded = false;
  const { mmio } = vcpu.run;
  if (mmio.fault) inject(vcpu, ACCESS_FAULT, vcpu.hart.fault.va);
  else if (mmio.isWrite) vcpu.hart.completeStore();
  else completeRead(vcpu);
}

function completeRead(vcpu: Vcpu): void {
  const { mmio } = vcpu.run;
  traceMmio(vcpu, MMIO_READ);
  vcpu.hart.completeLoad(mmio.lo, mmio.hi);
}

const MMIO_READ_UNSATISFIED = 0;
const MMIO_READ = 1;
const MMIO_WRITE = 2;

function traceMmio({ kvm, run: { mmio }, index }: Vcpu, type: number): void {
  const value = type === MMIO_READ_UNSATISFIED ? 0 : fromWords(mmio.lo, mmio.length === 8 ? mmio.hi : 0);
  kvm.trace.kvm_mmio?.(type, mmio.length, mmio.gpa, value, index);
}
