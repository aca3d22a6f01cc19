// LR/SC between harts: a store-conditional must fail if another hart stored to what was reserved.
//
// A hart knows its reservation, but not what the others store. So a hart that gets its turn after another had it loses its
// reservation (the architecture allows that at any time). Running is a turn, and so is what the hypervisor does to guest
// memory in a hart's name: emulated stores, A and D of the guest's tables. zap.ts breaks what a frame's next owner must
// not inherit.
//
// Invariant: nothing yields between taking the turn and the accesses that it is taken for.

import type { Vcpu } from './vcpuState.ts';

/** Directly before the hart runs, or something is stored in its name. */
export function takeTurn(vcpu: Vcpu): void {
  const { kvm, hart } = vcpu;
  if (kvm.lastTurn === vcpu) return;
  hart.clearReservation();
  kvm.lastTurn = vcpu;
}
