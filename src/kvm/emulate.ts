// Emulated stores: what a guest writes where no spte may be writable, because a guest table or a watched page is there
// (kvm_mmu_page_fault's RET_PF_EMULATE; the emulator's write path).
//
// vcpu.ts calls it in the SRCU section of the fault. Each store is one access of this CPU through the VMM process's page
// tables, and what depends on the written page is zapped before mmu_lock is released. Where a memslot is being changed
// nothing is stored; the guest tries again.
//
// Invariant: a store is performed whole or not at all, but for one across two pages when the host fails it half way.
// Locks: takes mmu_lock for write; may sleep.

import type { Hart } from '../hw/hart/index.ts';
import { Access } from '../hw/sv39/index.ts';
import { getUserPage, putPage, userFrame } from '../mm/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { type Gpa, gpaToGfn, type Hpa, PAGE_SIZE, type Pfn, pageOffset, pfnToHpa } from '../units.ts';
import { gfnToMemslot, KVM_MEM_READONLY, type Memslot } from './memslot.ts';
import { type FaultResult, RETRY, walkFailure } from './pageFault.ts';
import { takeTurn } from './reservation.ts';
import { kvmTrackWriteLocked } from './trackWrite.ts';
import type { Vcpu } from './vcpuState.ts';

const DONE: FaultResult = { kind: 'done' };

/** Does for the hart what the fault at `gpa` kept it from: a store, AMO or SC, or the update of a table's A and D. */
export function* emulateStore(vcpu: Vcpu, hart: Hart, gpa: Gpa): Steps<FaultResult> {
  vcpu.stats.insn_emulation++;
  if (hart.fault.implicit) return yield* emulateTableUpdate(vcpu, hart);
  if (hart.access.crossesPage) return yield* emulateCrossingStore(vcpu, hart);
  if (points.on) yield at.list(vcpu.kvm.id);
  const slot = gfnToMemslot(vcpu.kvm, gpaToGfn(gpa));
  if (slot === null || slot.invalid) return RETRY;
  const target = { slot, gpa, length: hart.access.bytes };
  const error = yield* storeToGuest(vcpu, target, (frame) => hart.emulateStore(frame));
  return error === 0 ? DONE : { kind: 'error', errno: -error, gpa };
}

/** tdp: the entry lies in a watched page, where hardware cannot set A or D. A walk in software can. */
function* emulateTableUpdate({ guestWalk }: Vcpu, hart: Hart): Steps<FaultResult> {
  const { va, access } = hart.fault;
  const result = yield* guestWalk.translate(hart, va, access);
  return walkFailure(guestWalk, result, va) ?? DONE;
}

/** Where a store within one page goes. */
interface Target {
  readonly slot: Memslot;
  readonly gpa: Gpa;
  /** Bytes. */
  readonly length: number;
}

/** A store that begins in one page and ends in the next: both are found before a byte is stored. */
function* emulateCrossingStore(vcpu: Vcpu, hart: Hart): Steps<FaultResult> {
  const { va, lo, hi, bytes: size } = hart.access;
  const inFirst = PAGE_SIZE - pageOffset(va);
  const first = yield* locateStore(vcpu, hart, va, inFirst);
  if ('kind' in first) return first;
  const second = yield* locateStore(vcpu, hart, va + inFirst, size - inFirst);
  if ('kind' in second) return second;
  const value = new DataView(new ArrayBuffer(8));
  value.setInt32(0, lo, true);
  value.setInt32(4, hi, true);
  for (const [target, from] of [
    [first, 0],
    [second, inFirst],
  ] as const) {
    const bytes = new Uint8Array(value.buffer, from, target.length);
    const error = yield* storeToGuest(vcpu, target, (frame) =>
      vcpu.kvm.memory.writeBytes((frame + pageOffset(target.gpa)) as Hpa, bytes),
    );
    if (error !== 0) return { kind: 'error', errno: -error, gpa: target.gpa };
  }
  hart.completeStore();
  return DONE;
}

/** The part of a store at `address`, as the guest's tables, its PMP and the memslots have it. */
function* locateStore(vcpu: Vcpu, hart: Hart, address: number, length: number): Steps<Target | FaultResult> {
  const { guestWalk } = vcpu;
  let gpa = address;
  if (hart.tlb.dataRegime.paged) {
    const result = yield* guestWalk.translate(hart, address, Access.store);
    const failure = walkFailure(guestWalk, result, address);
    if (failure !== null) return failure;
    gpa = guestWalk.walk.pa;
  }
  const { paged, machine } = hart.tlb.dataRegime;
  if (hart.pmp.allowed(gpa, length, Access.store, !paged && machine) === 0) {
    return { kind: 'guestAccessFault', address };
  }
  if (points.on) yield at.list(vcpu.kvm.id);
  const slot = gfnToMemslot(vcpu.kvm, gpaToGfn(gpa as Gpa));
  if (slot === null || (slot.flags & KVM_MEM_READONLY) !== 0) return { kind: 'guestAccessFault', address };
  return slot.invalid ? RETRY : { slot, gpa: gpa as Gpa, length };
}

/** kvm_vcpu_write_guest() within one page: `store` moves the bytes, given the frame. 0, or -errno of faulting it in. */
function* storeToGuest(vcpu: Vcpu, target: Target, store: (frame: Hpa) => void): Steps<number> {
  const { kvm } = vcpu;
  const hva = target.slot.hvaOf(gpaToGfn(target.gpa));
  for (;;) {
    yield* kvm.mmuLock.lockWrite();
    if (points.on) yield at.tlb(kvm.sched.current.cpu);
    // One hardware access: translation and store are not separated by anything.
    const frame = userFrame(kvm.mm, hva, true);
    if (frame >= 0) {
      takeTurn(vcpu);
      store(pfnToHpa(frame as Pfn));
      yield* kvmTrackWriteLocked(kvm, target.gpa, target.length);
    }
    yield* kvm.mmuLock.unlock();
    if (frame >= 0) break;
    const page = yield* getUserPage(kvm.mm, hva, true);
    if (page < 0) return page;
    yield* putPage(kvm.host, page as Pfn);
  }
  reportIfWatched(vcpu, target);
  return 0;
}

function reportIfWatched({ kvm, run }: Vcpu, { gpa, length }: Target): void {
  if (!kvm.watchedGfns.has(gpaToGfn(gpa))) return;
  run.exitReason = 'tracked_write';
  run.trackedWrite.gpa = gpa;
  run.trackedWrite.length = length;
}
