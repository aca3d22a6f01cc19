// Walking a guest's own tables on behalf of its hart (FNAME(walk_addr)): the one walker, over guest memory.
//
// Only the shadow MMU does this; with tdp the hart walks. Entries are read by peeks; where one is not reachable the page
// is faulted in and the walk starts again. Setting A or D is an atomic write of guest memory, which dirties its page. It
// zaps nothing: what stands behind an entry without A is not mapped, without D not writable, so no spte permits too much.
//
// Invariant: the trail holds, for each level that was read, the entry as it was (the leaf: as the walk left it), so that
// the fault path can compare it again under mmu_lock. Locks: none; may sleep.

import { guestTranslationMode, type Hart } from '../hw/hart/index.ts';
import {
  Access,
  type AccessKind,
  Entry,
  type EntryAnswer,
  PTE_D,
  type TableMemory,
  Walk,
  WalkStatus,
  walkTables,
} from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { type Gfn, type Gpa, gpaToGfn } from '../units.ts';
import { faultInGuestPage, peekGuest64, pokeGuest64 } from './guestMemory.ts';
import type { Kvm } from './kvm.ts';
import { KVM_MEM_READONLY, kvmMemslots, type Memslot, searchMemslots } from './memslot.ts';
import { takeTurn } from './reservation.ts';
import { pageFaultError } from './traceTerms.ts';
import type { Vcpu } from './vcpuState.ts';

/** One entry on the way, by level. */
interface TrailEntry {
  address: Gpa;
  lo: number;
  hi: number;
}

const newTrail = (): TrailEntry[] => [0, 1, 2].map(() => ({ address: 0 as Gpa, lo: 0, hi: 0 }));

/** How the guest's translation of an access ended; a negative number: -errno of faulting in a page of the tables. */
export type GuestWalkResult = 'ok' | 'pageFault' | 'accessFault' | number;

/** struct guest_walker, one per vCPU. */
export class GuestWalk implements TableMemory {
  readonly walk = new Walk();
  /** Entries read, by level: from 2 (the root) down to walk.level. */
  readonly trail = newTrail();
  readonly #vcpu: Vcpu;
  readonly #kvm: Kvm;
  readonly #now = { lo: 0, hi: 0 };
  /** The memslots of the walk under way. */
  #slots: readonly Memslot[] = [];
  #missingForWrite = false;

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu;
    this.#kvm = vcpu.kvm;
  }

  /** The gfn of the table at `level`. */
  tableGfn(level: number): Gfn {
    return gpaToGfn(this.trail[level]!.address);
  }

  /**
   * Translates `address` as the hart's present state demands. 'ok': this.walk is valid. -EAGAIN: a memslot is being
   * changed; the caller must leave its SRCU section before it tries again.
   */
  *translate(hart: Hart, address: number, access: AccessKind): Steps<GuestWalkResult> {
    const mode = guestTranslationMode(hart, access);
    const { trace } = this.#kvm;
    trace.kvm_mmu_pagetable_walk?.(address, pageFaultError(hart, access));
    for (;;) {
      if (points.on) yield at.list(this.#kvm.id);
      this.#slots = kvmMemslots(this.#kvm);
      if (points.on) yield at.tlb(this.#kvm.sched.current.cpu);
      const status = walkTables(mode, this, address, access, this.walk);
      if (status === WalkStatus.ok) return 'ok';
      if (status === WalkStatus.pageFault || status === WalkStatus.accessFault) {
        trace.kvm_mmu_walker_error?.(pageFaultError(hart, access));
        return status === WalkStatus.pageFault ? 'pageFault' : 'accessFault';
      }
      const entry = this.walk.entryAddress as Gpa;
      const error = yield* faultInGuestPage(this.#kvm, entry, this.#missingForWrite);
      if (error !== 0) return error;
    }
  }

  /**
   * FNAME(gpte_changed): whether the entry of `level`, whose table is in `slot`, differs now from what the walk read; true
   * also if unreadable. Preceded by at.tlb(cpu).
   */
  hasChanged(level: number, slot: Memslot | null): boolean {
    const seen = this.trail[level]!;
    if (!peekGuest64(this.#kvm, slot, seen.address, this.#now)) return true;
    return this.#now.lo !== seen.lo || this.#now.hi !== seen.hi;
  }

  // Of the walker, so preceded by at.tlb(cpu).

  readEntry(address: number, walk: Walk): EntryAnswer {
    if (!this.#vcpu.hart.pmp.allowsWalk(address, Access.load)) return Entry.accessFault;
    const slot = searchMemslots(this.#slots, gpaToGfn(address as Gpa));
    if (slot === null) return Entry.accessFault;
    this.#missingForWrite = false;
    const entry = this.trail[walk.level]!;
    entry.address = address as Gpa;
    if (!peekGuest64(this.#kvm, slot, entry.address, entry)) return Entry.missing;
    walk.lo = entry.lo;
    walk.hi = entry.hi;
    return Entry.ok;
  }

  compareAndSet(address: number, oldLo: number, oldHi: number, newLo: number, newHi: number): EntryAnswer {
    if (!this.#vcpu.hart.pmp.allowsWalk(address, Access.store)) return Entry.accessFault;
    const slot = searchMemslots(this.#slots, gpaToGfn(address as Gpa));
    if (slot === null || (slot.flags & KVM_MEM_READONLY) !== 0) return Entry.accessFault;
    takeTurn(this.#vcpu);
    const answer = pokeGuest64(this.#kvm, slot, address as Gpa, oldLo, oldHi, newLo, newHi);
    if (answer === 0) return Entry.changed;
    this.#missingForWrite = answer < 0;
    if (answer < 0) return Entry.missing;
    this.trail[this.walk.level]!.lo = newLo;
    const { trace } = this.#kvm;
    trace.kvm_mmu_set_accessed_bit?.(address);
    if ((newLo & PTE_D) !== 0) trace.kvm_mmu_set_dirty_bit?.(address);
    return Entry.ok;
  }
}
