// The walks of a refill, in WebAssembly: tables in frames (a shadow root, the second stage), and a guest's own
// tables, each of whose entries goes through the second stage (D2: the rules are the constants of hw/sv39/rules.ts).
//
// refill.ts writes functions with them. Where memory is large every access misses, and what a walk
// costs is its instructions: the more of them, the fewer misses the computer overlaps. So they reckon with page numbers
// in 32 bits, and what a leaf permits is looked up by its low byte (hw/tlb/permits.ts), V and A included.
//
// What is not plain (A clear, a reserved bit) is no leaf, and left to the interpreter.
//
// Invariants: a walk reads tables and changes nothing. An entry of a host's table that points to a table points to a
// frame, so it is not asked; where a leaf leads is asked of every one.

import { PAGE_SHIFT } from '../../../units.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import {
  addressBits,
  LEVELS,
  levelMask,
  misalignedMask,
  PTE_BYTES,
  PTE_PPN_SHIFT,
  type Stage,
  SV39,
  SV39X4,
  TABLE_MASK,
  TABLE_VALUE,
} from '../../sv39/index.ts';
import {
  HEADER_PERMITS,
  HEADER_ROOT,
  HEADER_SECOND_PERMITS,
  HEADER_SECOND_STAGE,
  INFO_READ,
  LEAF_KINDS,
} from '../../tlb/index.ts';
import { Code, W } from './wasm.ts';

const PTE_SHIFT = Math.log2(PTE_BYTES);
const INDEX_BITS = 9;
/** Bits of the number of a guest physical page. */
export const GPN_BITS = addressBits(SV39X4) - PAGE_SHIFT;

/** A walk of tables in frames: numbers of locals, and what it goes by. */
export interface HostWalk {
  readonly stage: Stage;
  /** Offset in the header of what leaves permit. */
  readonly permits: number;
  /** i32: the half of the context's header that it goes by. */
  readonly header: number;
  /** i32: the number of the page that it is for. */
  readonly page: number;
  /** i32: the address of the root; of tables on the way. */
  readonly table: number;
  /** i64, scratch. */
  readonly pte: number;
  /** i32: where the leaf's level and what it permits go. Nothing, where there is no leaf. */
  readonly info: number;
  /** i64: where the number of the frame goes, reserved bits above it. */
  readonly frame: number;
}

/** The same of the second stage. */
export const secondStage = (locals: Omit<HostWalk, 'stage' | 'permits'>): HostWalk => ({
  ...locals,
  stage: SV39X4,
  permits: HEADER_SECOND_PERMITS,
});

/** A walk of tables in guest memory: numbers of locals, of which a walk in frames uses what it has. */
export interface GuestWalk extends Omit<HostWalk, 'stage' | 'permits'> {
  /** i32: where the number of the guest physical page goes. */
  readonly gpn: number;
  /** i32: where what the leaf permits goes, and its level. Nothing, where there is none. */
  readonly first: number;
  /** i64, scratch. */
  readonly guestPage: number;
}

/** A function that walks, while it is written. */
export abstract class WalkBody {
  protected readonly body = new Code();
  protected readonly memory: PhysicalMemory;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  abstract write(): Code;

  /** Ends the function without an answer. */
  protected abstract giveUp(): void;

  protected giveUpIf(): void {
    this.body.open(W.if);
    this.giveUp();
    this.body.byte(W.end);
  }

  /** Walks from the root whose address is in `table`. */
  protected walkHost(walk: HostWalk): void {
    const { body } = this;
    const { stage, page, table, pte } = walk;
    body.open(W.block);
    for (let level = LEVELS - 1; level >= 0; level--) {
      this.entryOffset(page, level, stage);
      body.get(table);
      body.byte(W.i32_add);
      body.memory(W.i64_load, 0);
      body.set(pte);
      if (level === 0) break;
      this.isTable(pte);
      body.byte(W.i32_eqz);
      body.open(W.if);
      this.refuseMisaligned(pte, level);
      this.takeLeaf(walk, level);
      body.branch(W.br, 1);
      body.byte(W.end);
      this.frameNumber(pte);
      body.byte(W.i32_wrap_i64);
      body.i32Const(PAGE_SHIFT);
      body.byte(W.i32_shl);
      body.set(table);
    }
    this.takeLeaf(walk, 0);
    body.byte(W.end);
  }

  private takeLeaf({ pte, permits, header, page, info, frame }: HostWalk, level: number): void {
    const { body } = this;
    this.permitted(pte, header, permits);
    if (level > 0) {
      body.i32Const(level);
      body.byte(W.i32_or);
    }
    body.set(info);
    this.pageIn(pte, level, page);
    body.set(frame);
  }

  /** Pushes the offset in a table of the entry for the page whose number is in an i32 local. */
  protected entryOffset(page: number, level: number, stage: Stage): void {
    const { body } = this;
    body.get(page);
    if (level > 0) {
      body.i32Const(INDEX_BITS * level);
      body.byte(W.i32_shr_u);
    }
    body.i32Const(levelMask(stage, level));
    body.byte(W.i32_and);
    body.i32Const(PTE_SHIFT);
    body.byte(W.i32_shl);
  }

  /** Pushes whether an entry points to a table, reserved bits aside. */
  protected isTable(pte: number): void {
    this.bits(pte, TABLE_MASK);
    this.body.i32Const(TABLE_VALUE);
    this.body.byte(W.i32_eq);
  }

  protected refuseMisaligned(pte: number, level: number): void {
    this.bits(pte, misalignedMask(level));
    this.giveUpIf();
  }

  /** Pushes some bits of the low word of an entry. */
  private bits(pte: number, mask: number): void {
    this.body.get(pte);
    this.body.byte(W.i32_wrap_i64);
    this.body.i32Const(mask);
    this.body.byte(W.i32_and);
  }

  /** Pushes an entry's frame number, reserved bits above it. */
  protected frameNumber(pte: number): void {
    this.body.get(pte);
    this.body.i64Const(PTE_PPN_SHIFT);
    this.body.byte(W.i64_shr_u);
  }

  /** Gives up unless a number is a frame's; one with reserved bits is none's. */
  protected refuseNoFrame(frame: number): void {
    const { firstPfn, endPfn } = this.memory;
    this.body.get(frame);
    this.body.i64Const(firstPfn);
    this.body.byte(W.i64_sub);
    this.body.i64Const(endPfn - firstPfn);
    this.body.byte(W.i64_ge_u);
    this.giveUpIf();
  }

  /** Pushes the number of the page to which a leaf at `level` maps the page whose number is in an i32 local. */
  protected pageIn(pte: number, level: number, page: number): void {
    const { body } = this;
    this.frameNumber(pte);
    if (level === 0) return;
    body.get(page);
    body.i32Const(2 ** (INDEX_BITS * level) - 1);
    body.byte(W.i32_and);
    body.byte(W.i64_extend_i32_u);
    body.byte(W.i64_or);
  }

  /** Pushes what a leaf permits by a table of the header: info bits, none where the entry is no leaf. */
  protected permitted(pte: number, header: number, permits: number): void {
    this.bits(pte, LEAF_KINDS - 1);
    this.body.get(header);
    this.body.byte(W.i32_add);
    this.body.memory(W.i32_load8_u, permits);
  }

  /** Walks tables in guest memory, each looked for through the second stage. */
  protected walkGuest({ header, page, gpn, first, guestPage, pte, ...rest }: GuestWalk): void {
    const { body } = this;
    const second = secondStage({ header, page: gpn, pte, ...rest });
    body.get(header);
    body.memory(W.i64_load, HEADER_ROOT);
    body.i64Const(PAGE_SHIFT);
    body.byte(W.i64_shr_u);
    body.set(guestPage);
    body.open(W.block);
    for (let level = LEVELS - 1; level >= 0; level--) {
      this.takeGuestPage(guestPage, gpn);
      this.walkSecondStage(second);
      this.loadGuestEntry(second, page, level);
      body.set(pte);
      if (level > 0) {
        this.isTable(pte);
        body.byte(W.i32_eqz);
        body.open(W.if);
        this.refuseMisaligned(pte, level);
      }
      this.permitted(pte, header, HEADER_PERMITS);
      body.i32Const(level);
      body.byte(W.i32_or);
      body.set(first);
      this.pageIn(pte, level, page);
      body.set(guestPage);
      if (level === 0) break;
      body.branch(W.br, 1);
      body.byte(W.end);
      this.frameNumber(pte);
      body.set(guestPage);
    }
    body.byte(W.end);
    this.takeGuestPage(guestPage, gpn);
  }

  /** Pushes the entry of a guest's table to which the second stage has led. */
  private loadGuestEntry({ info, frame }: HostWalk, page: number, level: number): void {
    const { body } = this;
    body.get(info);
    body.i32Const(INFO_READ);
    body.byte(W.i32_and);
    body.byte(W.i32_eqz);
    this.giveUpIf();
    this.refuseNoFrame(frame);
    this.entryOffset(page, level, SV39);
    body.get(frame);
    body.byte(W.i32_wrap_i64);
    body.i32Const(PAGE_SHIFT);
    body.byte(W.i32_shl);
    body.byte(W.i32_or);
    body.memory(W.i64_load, 0);
  }

  protected walkSecondStage(walk: HostWalk): void {
    const { body } = this;
    body.get(walk.header);
    body.memory(W.i32_load, HEADER_SECOND_STAGE);
    body.set(walk.table);
    this.walkHost(walk);
  }

  /** gpn = the number of a guest physical page, reserved bits aside; gives up unless it is one. */
  private takeGuestPage(guestPage: number, gpn: number): void {
    const { body } = this;
    body.get(guestPage);
    body.i64Const(GPN_BITS);
    body.byte(W.i64_shr_u);
    body.i64Const(0);
    body.byte(W.i64_ne);
    this.giveUpIf();
    body.get(guestPage);
    body.byte(W.i32_wrap_i64);
    body.set(gpn);
  }
}
