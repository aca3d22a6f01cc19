// LR/SC between harts: a store-conditional must fail if another hart stored to what was reserved.
//
// A hart knows its reservation, but not what the others store. So a hart that gets its turn after another had it
// loses its reservation (the architecture allows that at any time). Running is a turn, and so is what the hypervisor
// does to guest memory in a hart's name: emulated stores, A and D of the guest's tables. A device that stores is a
// turn, too, and nobody's (Zalrsc: an SC fails if a device wrote the bytes since the LR). zap.ts breaks what a
// frame's next owner must not inherit.
//
// A translation that goes, or loses W, takes with it what is reserved in its frame: at once where the caller says so,
// and when the hart flushes, since until then it may reserve through what its TLB still holds.
//
// Invariant: nothing yields between taking the turn and the accesses that it is taken for.

import { breakReservation, clearReservation } from '../hw/hart/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import type { Pfn } from '../units.ts';
import type { Kvm } from './kvm.ts';
import type { Vcpu } from './vcpuState.ts';

/** Directly before the hart runs, or something is stored in its name. */
export function takeTurn(vcpu: Vcpu): void {
  const { kvm, hart } = vcpu;
  if (kvm.lastTurn === vcpu) return;
  clearReservation(hart);
  kvm.lastTurn = vcpu;
}

/** The VMM has stored to guest memory: no reservation outlives it. */
export function deviceStored(kvm: Kvm): void {
  kvm.lastTurn = null;
}

/** An spte of `frames` from `frame` on went or lost its W, and a flush is owed: no reservation there outlives it. */
export function* owesFlushOf(kvm: Kvm, frame: Pfn, frames: number): Steps {
  for (const vcpu of kvm.vcpus) {
    if (points.on) yield at.vcpu(vcpu.index);
    for (let i = 0; i < frames; i++) vcpu.staleFrames.add((frame + i) as Pfn);
  }
}

/** The hart has flushed. Preceded by at.vcpu(vcpu.index). */
export function breakStaleReservation({ hart, staleFrames }: Vcpu): void {
  for (const frame of staleFrames) breakReservation(hart, frame);
  staleFrames.clear();
}
