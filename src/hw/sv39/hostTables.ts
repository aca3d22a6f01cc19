// Tables that lie in host frames: what hardware reads and updates in place when it walks a kernel's own tables.
//
// Used by every walk of mm's, kvm's shadow and kvm's second-stage tables; a guest's tables are reached through another
// TableMemory (hw/hart/mmu.ts, kvm), which in the end reads frames by this one.
//
// Where the walker has Svrsw60t59b, as the host's CPUs do, bits 59 and 60 of an entry are software's: a walk neither sees
// nor changes them. Guests have no such thing, and for them these bits are reserved. PeekTables are the same for who
// only wants to know what a walk would find.
//
// Invariant: a table outside the frames is a kernel's mistake, so it is a bug and not a fault.

import { bug, type Hpa } from '../../units.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { Entry, type EntryAnswer, type TableMemory, type Walk } from './walker.ts';

export class HostTables implements TableMemory {
  private readonly memory: PhysicalMemory;
  /** Of the high word of entries: not hardware's. */
  readonly #softwareHi: number;

  constructor(memory: PhysicalMemory, softwareHi = 0) {
    this.memory = memory;
    this.#softwareHi = softwareHi;
  }

  readEntry(address: number, walk: Walk): EntryAnswer {
    if (!this.memory.isFrame(Math.floor(address / 4096))) bug('walk: table outside the frames', { address });
    const at = address >>> 2;
    walk.lo = this.memory.i32[at]!;
    walk.hi = this.memory.i32[at + 1]! & ~this.#softwareHi;
    return Entry.ok;
  }

  compareAndSet(address: number, oldLo: number, oldHi: number, newLo: number, newHi: number): EntryAnswer {
    const at = address >>> 2;
    const hi = this.memory.i32[at + 1]!;
    if (this.memory.i32[at] !== oldLo || (hi & ~this.#softwareHi) !== oldHi) return Entry.changed;
    this.memory.write64(address as Hpa, newLo, newHi | (hi & this.#softwareHi));
    return Entry.ok;
  }
}

/** A walk here sets no A and no D, and ends as if it had. */
export class PeekTables extends HostTables {
  /** Addresses of the entries that were read, newest last. */
  readonly entries: number[] = [];
  /** The walk would have set A or D. */
  sets = false;

  /** Before a walk. */
  begin(): void {
    this.entries.length = 0;
    this.sets = false;
  }

  override readEntry(address: number, walk: Walk): EntryAnswer {
    this.entries.push(address);
    return super.readEntry(address, walk);
  }

  override compareAndSet(): EntryAnswer {
    this.sets = true;
    return Entry.ok;
  }
}
