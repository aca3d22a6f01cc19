// A guest's memory from outside: what a debugger and the views read between two scheduler steps.
//
// Reads through memslots, the process's tables, frames, the swap cache and the swap device. Nothing is faulted in, no A
// bit is set, no TLB is asked or filled, so that looking changes nothing. Pages that were never touched read as zeros.

import { guestTranslationMode, type Hart, PRV_M, satpIsPaged } from '../../hw/hart/index.ts';
import {
  Access,
  Entry,
  type EntryAnswer,
  type TableMemory,
  type TranslationMode,
  Walk,
  WalkStatus,
  walkTables,
} from '../../hw/sv39/index.ts';
import type { Kvm } from '../../kvm/index.ts';
import { gfnToMemslot, type Memslot } from '../../kvm/internals.ts';
import { inspectPage, inspectPte, touchForStore } from '../../mm/internals.ts';
import {
  type Gpa,
  gpaToGfn,
  type Hpa,
  type Hva,
  PAGE_SIZE,
  pageAlignDown,
  pageOffset,
  pfnToHpa,
} from '../../units.ts';

/** An entry that a walk read: its level, guest physical address and bits. */
export interface WalkedEntry {
  readonly level: number;
  readonly address: number;
  readonly lo: number;
  readonly hi: number;
}

export interface GuestTranslation {
  /** Null: the guest's tables map nothing there. */
  readonly gpa: Gpa | null;
  /** Root first; empty where the guest does not translate. */
  readonly trail: readonly WalkedEntry[];
}

export class GuestView {
  readonly kvm: Kvm;

  constructor(kvm: Kvm) {
    this.kvm = kvm;
  }

  slotOf(gpa: Gpa): Memslot | null {
    return gfnToMemslot(this.kvm, gpaToGfn(gpa));
  }

  /** Where the page of `gpa` lies in the process; null: no memory there. */
  hvaOf(gpa: Gpa): Hva | null {
    return this.slotOf(gpa)?.hvaOf(gpaToGfn(gpa)) ?? null;
  }

  /** `length` bytes, or null where there is no memory, or a page that cannot be read from the swap device. */
  readPhysical(gpa: Gpa, length: number): Uint8Array | null {
    return byPage(gpa, length, (address) => this.#page(address as Gpa));
  }

  /** As the hart's loads would see it now, permissions aside. */
  readVirtual(hart: Hart, gva: number, length: number): Uint8Array | null {
    return byPage(gva, length, (address) => {
      const { gpa } = this.translate(hart, address);
      return gpa === null ? null : this.#page(pageAlignDown(gpa) as Gpa);
    });
  }

  /** Writes where the host has a page that the process may write; false: nothing was written. */
  writeVirtual(hart: Hart, gva: number, bytes: Uint8Array): boolean {
    const frames: Hpa[] = [];
    for (let page = pageAlignDown(gva); page < gva + bytes.length; page += PAGE_SIZE) {
      const { gpa } = this.translate(hart, page);
      const frame = gpa === null ? null : this.#writableFrame(pageAlignDown(gpa) as Gpa);
      if (frame === null) return false;
      frames.push(frame);
    }
    let done = 0;
    for (const frame of frames) {
      const offset = pageOffset(gva + done);
      const length = Math.min(bytes.length - done, PAGE_SIZE - offset);
      this.kvm.memory.writeBytes((frame + offset) as Hpa, bytes.subarray(done, done + length));
      done += length;
    }
    return true;
  }

  translate(hart: Hart, gva: number): GuestTranslation {
    if (hart.privilege === PRV_M || !satpIsPaged(hart)) {
      return { gpa: gva >= 0 && gva < 2 ** 56 ? (gva as Gpa) : null, trail: [] };
    }
    const tables = new PeekedTables(this);
    const walk = new Walk();
    const mode = { ...guestTranslationMode(hart, Access.load), ...PERMISSIVE };
    const status = walkTables(mode, tables, gva, Access.load, walk);
    return { gpa: status === WalkStatus.ok ? (walk.pa as Gpa) : null, trail: tables.trail };
  }

  #page(gpa: Gpa): Uint8Array | null {
    const hva = this.hvaOf(gpa);
    if (hva === null) return null;
    const bytes = new Uint8Array(PAGE_SIZE);
    const pte = inspectPte(this.kvm.mm, hva);
    return pte === 0 || inspectPage(this.kvm.mm, pte, bytes) ? bytes : null;
  }

  /** The store's A and D go into the process's PTE, as the CPU's own would. */
  #writableFrame(gpa: Gpa): Hpa | null {
    const hva = this.hvaOf(gpa);
    if (hva === null) return null;
    const frame = touchForStore(this.kvm.mm, hva);
    return frame === null ? null : pfnToHpa(frame);
  }
}

/** Whatever the privilege: a debugger may look. */
const PERMISSIVE: Partial<TranslationMode> = { user: false, sum: true, mxr: true, setsAccessedDirty: true };

/** Guest tables that are read by peeks; A and D are set nowhere. */
class PeekedTables implements TableMemory {
  readonly trail: WalkedEntry[] = [];
  readonly #view: GuestView;

  constructor(view: GuestView) {
    this.#view = view;
  }

  readEntry(address: number, walk: Walk): EntryAnswer {
    const bytes = this.#view.readPhysical(address as Gpa, 8);
    if (bytes === null) return Entry.accessFault;
    const words = new DataView(bytes.buffer, bytes.byteOffset);
    walk.lo = words.getInt32(0, true);
    walk.hi = words.getInt32(4, true);
    this.trail.push({ level: walk.level, address, lo: walk.lo, hi: walk.hi });
    return Entry.ok;
  }

  compareAndSet(): EntryAnswer {
    return Entry.ok;
  }
}

/** Bytes that may lie on several pages; null if one of them has none. */
function byPage(
  start: number,
  length: number,
  pageAt: (address: number) => Uint8Array | null,
): Uint8Array | null {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const page = pageAt(pageAlignDown(start + done));
    if (page === null) return null;
    const offset = pageOffset(start + done);
    const part = page.subarray(offset, offset + length - done);
    bytes.set(part, done);
    done += part.length;
  }
  return bytes;
}
