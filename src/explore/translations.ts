// I1 and I5 between any two steps: nobody can reach a frame that the host no longer maps there, or write through a
// translation where the host's PTE does not permit it.
//
// A secondary MMU is told before a PTE is cleared or downgraded, and is not told again: so at every moment each of
// its translations must be one that the host's page table gives too. Sptes are looked at after each step that can
// have changed one, TLB entries then and before each instruction. A vCPU that owes a flush may keep stale entries as
// long as it runs nothing, since it flushes on its way into the guest.

import { isPresent, PTE_PPN_SHIFT, PTE_W, ptePfn } from '../hw/sv39/index.ts';
import { INFO_WRITE } from '../hw/tlb/index.ts';
import { HUGE_GFNS, type Memslot, Request } from '../kvm/internals.ts';
import { FrameKind, forEachPteIn, inspectPte } from '../mm/internals.ts';
import { type Gfn, hex, type Pfn } from '../units.ts';
import { brokenCpuTlb } from './cpuTlbs.ts';
import type { Broken } from './verdict.ts';
import type { World } from './world.ts';

/** The first translation that is wrong now, or null. */
export function brokenTranslation(world: World): Broken | null {
  return brokenShadow(world) ?? brokenCpuTlb(world.host);
}

/** Of the VM's sptes and its vCPUs' TLBs. */
function brokenShadow(world: World): Broken | null {
  const kvm = world.vmOrNull;
  if (kvm === null) return null;
  for (const slot of kvm.memslots) {
    for (const gfn of slot.rmap.mappedGfns(slot.baseGfn, slot.endGfn)) {
      for (const sptep of slot.rmap.sptesOf(gfn)) {
        const found = brokenSpte(world, slot, gfn, kvm.memory.i32[sptep >>> 2]!);
        if (found !== null) return found;
      }
    }
    const found = brokenHugeSpte(world, slot);
    if (found !== null) return found;
  }
  for (const vcpu of kvm.vcpus) {
    // Who is in the guest goes on using what it has until it notices its kick.
    const owed = world.followed[vcpu.index]!.isInGuest ? 0 : vcpu.requests;
    if ((owed & Request.tlbFlush) !== 0) continue;
    const pages = (owed & Request.tlbFlushPages) !== 0 ? vcpu.pagesToFlush : [];
    const found = brokenTlbEntry(world, vcpu.index, pages);
    if (found !== null) return found;
  }
  return null;
}

/** Of those that map 2 MiB: the first page of one that is not the host's. */
function brokenHugeSpte(world: World, slot: Memslot): Broken | null {
  if (slot.hugeRmap.isEmpty) return null;
  const { kvm } = world;
  for (const sptep of slot.hugeSptesIn(slot.baseGfn, slot.endGfn)) {
    const sp = kvm.pageOfSptep(sptep);
    const first = sp.gfnOf(sp.indexOf(sptep));
    const spte = kvm.memory.i32[sptep >>> 2]!;
    for (let i = 0; i < HUGE_GFNS; i++) {
      const found = brokenSpte(world, slot, (first + i) as Gfn, spte + (i << PTE_PPN_SHIFT));
      if (found !== null) return found;
    }
  }
  return null;
}

/** Of 4 KiB, or the one that would map this page of a larger one alone. */
function brokenSpte(world: World, slot: Memslot, gfn: Gfn, spte: number): Broken | null {
  if (!isPresent(spte)) return null;
  const page = gfn - world.gfn(0);
  const pte = inspectPte(world.mm, slot.hvaOf(gfn));
  const isSame = isPresent(pte) && ptePfn(spte) === ptePfn(pte);
  if (isSame && (spte & ~pte & PTE_W) === 0) return null;
  const what = `the spte of page ${page}`;
  if (isSame) return { invariant: 'I5', message: `${what} permits writing, but the host's PTE does not` };
  const host = isPresent(pte) ? `the host's page is in ${hex(ptePfn(pte))}` : 'the host has no page there';
  return { invariant: 'I1', message: `${what} maps frame ${hex(ptePfn(spte))}, but ${host}` };
}

/** The first entry of the vCPU's TLB that the host's page table does not support, or null; those of `flushed` go first. */
export function brokenTlbEntry(
  world: World,
  index: number,
  flushed: readonly { readonly page: number }[] = [],
): Broken | null {
  let writable: Map<Pfn, boolean> | null = null;
  let found: Broken | null = null;
  world.kvm.vcpus[index]!.hart.tlb.forEach((_regime, page, frame, info) => {
    if (found !== null || flushed.some((request) => request.page === page)) return;
    if (isMappedAt(world, page, frame, (info & INFO_WRITE) !== 0)) return;
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

/** The host maps it there for a guest without tables of its own, whose RAM is where it was: no need to look at all of it. */
function isMappedAt(world: World, page: number, frame: Pfn, forWriting: boolean): boolean {
  if (page < world.page(0) || page >= world.page(world.vm.ramPages)) return false;
  const pte = inspectPte(world.mm, world.hvaOf(page));
  return isPresent(pte) && ptePfn(pte) === frame && (!forWriting || (pte & PTE_W) !== 0);
}

/** The frames that the host's page table maps to guest RAM, and whether for writing. */
function mappedFrames(world: World): Map<Pfn, boolean> {
  const writable = new Map<Pfn, boolean>();
  forEachPteIn(world.mm, world.hva(0), world.hva(world.vm.ramPages), (_address, pte) => {
    if (!isPresent(pte)) return;
    writable.set(ptePfn(pte), (pte & PTE_W) !== 0 || writable.get(ptePfn(pte)) === true);
  });
  return writable;
}
