// What the oracle and the tests see of kvm/ beyond its face.

export { Kvm } from './kvm.ts';
export { HUGE_GFNS, inspectMemslot as gfnToMemslot, type Memslot } from './memslot.ts';
export { kvmMmuNotifierOps } from './notifierClient.ts';
export type { ShadowPage } from './shadowPage.ts';
export { isShadowLeaf, isShadowPresent, isWritableSpte } from './spte.ts';
export { Request, VcpuMode } from './vcpuMode.ts';
export type { Vcpu } from './vcpuState.ts';
