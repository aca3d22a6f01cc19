// I1 and I5 between any two steps: nobody can reach a frame that the host no longer maps there, or write through a
// translation where the host's PTE does not permit it.
//
// A secondary MMU is told before a PTE is cleared or downgraded, and is not told again: so at every moment each of
// its translations must be one that the host's page table gives too. Sptes are looked at after each step that can
// have changed one, TLB entries then and before each instruction. A vCPU that owes a flush may keep stale entries as
// long as it runs nothing, since it flushes on its way into the guest.

import { isPresent, PTE_W, ptePfn } from '../hw/sv39/index.ts';
import { INFO_WRITE } from '../hw/tlb/index.ts';
import { gfnToMemslot, Request, VcpuMode } from '../kvm/internals.ts';
import { FrameKind, inspectPte } from '../mm/internals.ts';
import { hex, type Pfn } from '../units.ts';
import { brokenCpuTlb } from './cpuTlbs.ts';
import type { Found } from './verdict.ts';
import type { World } from './world.ts';

/** The first translation that is wrong now, or null. */
export function brokenTranslation(world: World): Found | null {
  const { kvm, mm, vm } = world;
  for (let number = 0; number < vm.ramPages; number++) {
    const slot = gfnToMemslot(kvm, world.gfn(number));
    if (slot === null) continue;
    for (const sptep of slot.rmap.sptesOf(world.gfn(number))) {
      const spte = kvm.memory.i32[sptep >>> 2]!;
      if (!isPresent(spte)) continue;
      const found = brokenSpte(spte, inspectPte(mm, world.hva(number)), number);
      if (found !== null) return found;
    }
  }
  for (const vcpu of kvm.vcpus) {
    // Who is in the guest and has not noticed its kick goes on using what it has.
    const isStill = vcpu.mode === VcpuMode.exitingGuest;
    if ((vcpu.requests & Request.tlbFlush) !== 0 && !isStill) continue;
    const found = brokenTlbEntry(world, vcpu.index);
    if (found !== null) return found;
  }
  return brokenCpuTlb(world.host);
}

function brokenSpte(spte: number, pte: number, page: number): Found | null {
  const isSame = isPresent(pte) && ptePfn(spte) === ptePfn(pte);
  if (isSame && (spte & ~pte & PTE_W) === 0) return null;
  const what = `the spte of page ${page}`;
  if (isSame) return { invariant: 'I5', message: `${what} permits writing, but the host's PTE does not` };
  const host = isPresent(pte) ? `the host's page is in ${hex(ptePfn(pte))}` : 'the host has no page there';
  return { invariant: 'I1', message: `${what} maps frame ${hex(ptePfn(spte))}, but ${host}` };
}

/** The first entry of the vCPU's TLB that the host's page table does not support, or null. */
export function brokenTlbEntry(world: World, index: number): Found | null {
  let writable: Map<Pfn, boolean> | null = null;
  let found: Found | null = null;
  world.kvm.vcpus[index]!.hart.tlb.forEach((_regime, page, frame, info) => {
    if (found !== null) return;
    writable ??= mappedFrames(world);
    const write = writable.get(frame);
    if (write !== undefined && (write || (info & INFO_WRITE) === 0)) return;
    const what = `vcpu ${index}'s TLB maps ${hex(page)} to frame ${hex(frame)}`;
    if (write !== undefined)
      found = { invariant: 'I5', message: `${what} for writing, but the host's PTE forbids it` };
    else if (world.host.frames.kind[frame] === FrameKind.free)
      found = { invariant: 'I1', message: `${what}, which is free` };
    else found = { invariant: 'I1', message: `${what}, which the host no longer maps` };
  });
  return found;
}

/** The frames that the host's page table maps to guest RAM, and whether for writing. */
function mappedFrames(world: World): Map<Pfn, boolean> {
  const writable = new Map<Pfn, boolean>();
  for (let number = 0; number < world.vm.ramPages; number++) {
    const pte = inspectPte(world.mm, world.hva(number));
    if (!isPresent(pte)) continue;
    writable.set(ptePfn(pte), (pte & PTE_W) !== 0 || writable.get(ptePfn(pte)) === true);
  }
  return writable;
}
