// A vCPU thread of the VMM: KVM_RUN in a loop, and what user space does about each exit.
//
// vmm.ts spawns one per hart. A run ends at the next multiple of the quantum in the hart's own instruction count, or at
// the next event in virtual time (Vmm.grant), so that timer interrupts are exact and how the caller slices a run
// never matters.
//
// Invariants: a halted hart sleeps until an interrupt that it has enabled is pending. Every exit gives the CPU away: a
// quantum full of exits takes long, and whoever waits for the machine to pause must not.

import { type Vcpu, vcpuRun } from '../kvm/index.ts';
import { RESCHED, type Steps } from '../sched/index.ts';
import type { AccessLength } from './bus.ts';
import { crashReport, memoryReport } from './crash.ts';
import { crashed } from './stop.ts';
import type { Vmm } from './vmm.ts';

/** Body of the task; ends when the machine stops. */
export function* vcpuThread(vmm: Vmm, vcpu: Vcpu): Steps {
  let halted = false;
  for (;;) {
    vmm.checkLimit();
    yield* attendDevices(vmm, vcpu);
    if (vmm.stop !== null) return;
    if (halted && !vcpu.hart.hasWakeup()) {
      yield* sleep(vmm, vcpu);
      continue;
    }
    const budget = vmm.grant(vcpu);
    if (budget === 0) {
      yield* vmm.waitForGrant(vcpu);
      continue;
    }
    const error = yield* vcpuRun(vcpu, budget);
    vmm.settle(vcpu);
    halted = vcpu.run.exitReason === 'hlt';
    if (error !== 0) vmm.stopWith(crashed(memoryReport(vcpu, error)));
    else handleExit(vmm, vcpu);
    yield RESCHED;
  }
}

function handleExit(vmm: Vmm, vcpu: Vcpu): void {
  const { run } = vcpu;
  switch (run.exitReason) {
    case 'mmio':
      answerMmio(vmm, vcpu);
      return;
    case 'tracked_write':
      vmm.board.htif?.stored(run.trackedWrite.gpa, run.trackedWrite.length);
      return;
    case 'shutdown':
      vmm.stopWith(crashed(crashReport(vcpu)));
      return;
    default:
  }
}

function answerMmio(vmm: Vmm, vcpu: Vcpu): void {
  const { mmio } = vcpu.run;
  const { bus } = vmm.board;
  const length = mmio.length as AccessLength;
  const answered = mmio.isWrite
    ? bus.write(mmio.gpa, length, mmio.lo, mmio.hi)
    : bus.read(mmio.gpa, length, mmio);
  mmio.fault = !answered;
}

/** Brings the timer line up to date and does what HTIF has due. */
function* attendDevices(vmm: Vmm, vcpu: Vcpu): Steps {
  const { clint, htif } = vmm.board;
  clint.update(vcpu.index);
  if (htif === null || vmm.sched.now < htif.dueAt) return;
  const error = yield* htif.look();
  if (error !== 0) vmm.stopWith(crashed(memoryReport(vcpu, error)));
}

/** Waits for an interrupt line or the hart's own deadline; stops the machine when neither can come. */
function* sleep(vmm: Vmm, vcpu: Vcpu): Steps {
  vmm.setAlarm(vcpu);
  if (vmm.nobodyCanWake()) {
    vmm.stopWith(crashed('all harts wait for an interrupt that cannot come'));
    return;
  }
  yield* vcpu.waitQueue.until(() => vmm.stop !== null || vmm.isAwake(vcpu));
}
