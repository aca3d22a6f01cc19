// The face of kvm/: a VM, its memslots, its vCPUs, and KVM_RUN.

export type { Kvm, KvmOptions } from './kvm.ts';
export { KVM_MEM_READONLY, Memslot, type UserMemoryRegion } from './memslot.ts';
export { kvmSetMemoryRegion } from './memslots.ts';
export { defaultMaxMmuPages } from './recycle.ts';
export { kvmVcpuKick } from './requests.ts';
export { deviceStored } from './reservation.ts';
export type { VcpuStats, VmStats } from './stats.ts';
export { trackWrites } from './trackWrite.ts';
export { vcpuRun } from './vcpu.ts';
export type { ExitReason as KvmExitReason, GuestDebug, KvmRun, Vcpu } from './vcpuState.ts';
export { createVm, destroyVm } from './vm.ts';
