// The walks of a refill, in WebAssembly: tables in frames (a shadow root, the second stage), and a guest's own
// tables, each of whose entries goes through the second stage (D2: the rules are the constants of hw/sv39/rules.ts).
//
// refill.ts puts these functions into the dispatcher's module and calls them. A walk answers a leaf, with its level
// above the bits that a valid entry has, or no leaf; what is not plain (A clear, N or PBMT set, a frame that guests
// may not reach) is no leaf.
//
// Invariant: a walk reads tables and changes nothing.

import { PAGE_SHIFT, PAGE_SIZE } from '../../../units.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import {
  addressBits,
  LEVELS,
  levelMask,
  misalignedMask,
  PTE_A,
  PTE_BYTES,
  PTE_PPN_SHIFT,
  PTE_V,
  SV39,
  SV39X4,
  TABLE_MASK,
  TABLE_VALUE,
} from '../../sv39/index.ts';
import {
  HEADER_ROOT,
  HEADER_SECOND_PERMITS,
  HEADER_SECOND_STAGE,
  INFO_READ,
  LEAF_D,
  LEAF_D_SHIFT,
  LEAF_RWXU,
  LEAF_RWXU_SHIFT,
} from '../../tlb/index.ts';
import { Code, type FunctionType, Type, W } from './wasm.ts';

/** A leaf travels with its level above the bits that a valid entry has. */
const LEVEL_SHIFT = 62;
/** No leaf: the walk found nothing. */
const NO_LEAF = 0;
/** Bits of a valid entry. */
const PTE_BITS = 54;

/** (root, address) -> leaf. */
export const WALK_HOST_TYPE: FunctionType = { params: [Type.i32, Type.i64], results: [Type.i64] };
/** (header, address) -> leaf. */
export const WALK_GUEST_TYPE: FunctionType = { params: [Type.i32, Type.i64], results: [Type.i64] };
/** Indices of the two in the module. */
export const WALK_HOST = 0;
export const WALK_GUEST = 1;

/** A function that walks, while it is written. All agree on the first two locals: what it walks for, and the address. */
export abstract class WalkBody {
  protected static readonly SELF = 0;
  protected static readonly ADDRESS = 1;
  protected readonly body = new Code();
  protected readonly memory: PhysicalMemory;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  abstract write(): Code;

  /** Ends the walk without a leaf. */
  protected abstract giveUp(): void;

  /** The entry in the local `pte` ends the walk at `level`: a leaf, or an entry that its tests refuse. */
  protected abstract atLeaf(pte: number, level: number): void;

  protected giveUpIf(): void {
    this.body.open(W.if);
    this.giveUp();
    this.body.byte(W.end);
  }

  /** Walks tables in frames, from the root whose address is in the local `table`. */
  protected walkFrames(address: number, table: number, pte: number, rootMask: () => void): void {
    const { body } = this;
    for (let level = LEVELS - 1; level >= 0; level--) {
      this.index(address, level);
      body.byte(W.i32_wrap_i64);
      if (level === LEVELS - 1) rootMask();
      else body.i32Const(levelMask(SV39, level));
      body.byte(W.i32_and);
      body.i32Const(PTE_BYTES);
      body.byte(W.i32_mul);
      body.get(table);
      body.byte(W.i32_add);
      body.memory(W.i64_load, 0);
      body.set(pte);
      this.leafUnlessTable(pte, level);
      if (level === 0) return;
      this.frameNumber(pte);
      this.isNoFrame();
      this.giveUpIf();
      this.frameNumber(pte);
      body.byte(W.i32_wrap_i64);
      body.i32Const(PAGE_SHIFT);
      body.byte(W.i32_shl);
      body.set(table);
    }
  }

  /** Pushes the address in a local shifted so that the index into a table at `level` is lowest. */
  protected index(address: number, level: number): void {
    this.body.get(address);
    this.body.i64Const(PAGE_SHIFT + 9 * level);
    this.body.byte(W.i64_shr_u);
  }

  /** Ends the walk at the entry unless it points to a table, reserved bits aside. */
  protected leafUnlessTable(pte: number, level: number): void {
    const { body } = this;
    if (level === 0) {
      this.atLeaf(pte, level);
      return;
    }
    this.bits(pte, TABLE_MASK);
    body.i32Const(TABLE_VALUE);
    body.byte(W.i32_ne);
    body.open(W.if);
    this.bits(pte, misalignedMask(level));
    this.giveUpIf();
    this.atLeaf(pte, level);
    body.byte(W.end);
  }

  /** Pushes some bits of the low word of an entry. */
  protected bits(pte: number, mask: number): void {
    this.body.get(pte);
    this.body.byte(W.i32_wrap_i64);
    this.body.i32Const(mask);
    this.body.byte(W.i32_and);
  }

  /** Gives up unless V and A are set. */
  protected requireAccessed(pte: number): void {
    this.bits(pte, PTE_V | PTE_A);
    this.body.i32Const(PTE_V | PTE_A);
    this.body.byte(W.i32_ne);
    this.giveUpIf();
  }

  /** Pushes an entry's frame number, reserved bits above it. */
  protected frameNumber(pte: number): void {
    this.body.get(pte);
    this.body.i64Const(PTE_PPN_SHIFT);
    this.body.byte(W.i64_shr_u);
  }

  /** Turns a number into whether it is no frame's; one with reserved bits is none. */
  protected isNoFrame(): void {
    const { firstPfn, endPfn } = this.memory;
    this.body.i64Const(firstPfn);
    this.body.byte(W.i64_sub);
    this.body.i64Const(endPfn - firstPfn);
    this.body.byte(W.i64_lt_u);
    this.body.byte(W.i32_eqz);
  }

  /** Pushes the number of the page to which a leaf at `level` maps the address in a local. */
  protected pageIn(pte: number, level: number, address: number): void {
    const { body } = this;
    this.frameNumber(pte);
    if (level === 0) return;
    body.get(address);
    body.i64Const(PAGE_SHIFT);
    body.byte(W.i64_shr_u);
    body.i64Const(2 ** (9 * level) - 1);
    body.byte(W.i64_and);
    body.byte(W.i64_or);
  }

  /** The same of a leaf that says its level. */
  protected pageOf(leaf: number, address: number): void {
    const { body } = this;
    body.get(leaf);
    body.i64Const(64 - PTE_BITS);
    body.byte(W.i64_shl);
    body.i64Const(64 - PTE_BITS + PTE_PPN_SHIFT);
    body.byte(W.i64_shr_u);
    body.get(address);
    body.i64Const(PAGE_SHIFT);
    body.byte(W.i64_shr_u);
    body.i64Const(1);
    this.levelOf(leaf);
    body.i64Const(9);
    body.byte(W.i64_mul);
    body.byte(W.i64_shl);
    body.i64Const(1);
    body.byte(W.i64_sub);
    body.byte(W.i64_and);
    body.byte(W.i64_or);
  }

  /** Pushes the level that a leaf says, as an i64. */
  protected levelOf(leaf: number): void {
    this.body.get(leaf);
    this.body.i64Const(LEVEL_SHIFT);
    this.body.byte(W.i64_shr_u);
  }

  /** Pushes what a leaf permits, by a table of the header in a local: info bits, none where the entry is no leaf. */
  protected permitted(leaf: number, header: number, table: number): void {
    const { body } = this;
    body.get(leaf);
    body.byte(W.i32_wrap_i64);
    body.i32Const(LEAF_RWXU_SHIFT);
    body.byte(W.i32_shr_u);
    body.i32Const(LEAF_RWXU);
    body.byte(W.i32_and);
    body.get(leaf);
    body.byte(W.i32_wrap_i64);
    body.i32Const(LEAF_D_SHIFT);
    body.byte(W.i32_shr_u);
    body.i32Const(LEAF_D);
    body.byte(W.i32_and);
    body.byte(W.i32_or);
    body.get(header);
    body.byte(W.i32_add);
    body.memory(W.i32_load8_u, table);
  }

  protected call(index: number): void {
    this.body.byte(W.call);
    this.body.unsigned(index);
  }
}

/** A function that walks and answers a leaf that has V and A, and its level; what else it is, its caller looks up. */
export abstract class LeafWalk extends WalkBody {
  protected giveUp(): void {
    this.body.i64Const(NO_LEAF);
    this.body.byte(W.return);
  }

  protected atLeaf(pte: number, level: number): void {
    const { body } = this;
    this.requireAccessed(pte);
    body.get(pte);
    body.i64Const(PTE_BITS);
    body.byte(W.i64_shr_u);
    body.i64Const(0);
    body.byte(W.i64_ne);
    this.giveUpIf();
    body.get(pte);
    body.i64Const(level);
    body.i64Const(LEVEL_SHIFT);
    body.byte(W.i64_shl);
    body.byte(W.i64_or);
    body.byte(W.return);
  }
}

/** The second stage, of a guest physical address. */
export class SecondStageWalk extends LeafWalk {
  static readonly LOCALS = [[1, Type.i64]] as const;

  write(): Code {
    const { SELF, ADDRESS } = WalkBody;
    this.walkFrames(ADDRESS, SELF, 2, () => this.body.i32Const(levelMask(SV39X4, LEVELS - 1)));
    this.body.byte(W.unreachable);
    return this.body;
  }
}

/** Tables in guest memory: each entry's address goes through the second stage. */
export class GuestWalk extends LeafWalk {
  static readonly LOCALS = [[3, Type.i64]] as const;

  write(): Code {
    const { body } = this;
    const { SELF, ADDRESS } = WalkBody;
    const [pte, table, leaf] = [2, 3, 4];
    body.get(SELF);
    body.memory(W.i64_load, HEADER_ROOT);
    body.set(table);
    for (let level = LEVELS - 1; level >= 0; level--) {
      this.index(ADDRESS, level);
      body.i64Const(levelMask(SV39, level));
      body.byte(W.i64_and);
      body.i64Const(PTE_BYTES);
      body.byte(W.i64_mul);
      body.get(table);
      body.byte(W.i64_add);
      body.set(table);
      this.reachEntry(table, leaf);
      body.memory(W.i64_load, 0);
      body.set(pte);
      this.leafUnlessTable(pte, level);
      if (level === 0) break;
      body.get(pte);
      body.i64Const(PTE_BITS);
      body.byte(W.i64_shr_u);
      body.byte(W.i32_wrap_i64);
      this.giveUpIf();
      this.frameNumber(pte);
      body.i64Const(PAGE_SHIFT);
      body.byte(W.i64_shl);
      body.set(table);
    }
    body.byte(W.unreachable);
    return body;
  }

  /** Pushes the host address of the entry whose guest physical address is in a local, or gives up. */
  private reachEntry(entry: number, leaf: number): void {
    const { body } = this;
    body.get(entry);
    body.i64Const(addressBits(SV39X4));
    body.byte(W.i64_shr_u);
    body.byte(W.i32_wrap_i64);
    this.giveUpIf();
    body.get(WalkBody.SELF);
    body.memory(W.i32_load, HEADER_SECOND_STAGE);
    body.get(entry);
    this.call(WALK_HOST);
    body.set(leaf);
    this.permitted(leaf, WalkBody.SELF, HEADER_SECOND_PERMITS);
    body.i32Const(INFO_READ);
    body.byte(W.i32_and);
    body.byte(W.i32_eqz);
    this.giveUpIf();
    this.pageOf(leaf, entry);
    this.isNoFrame();
    this.giveUpIf();
    this.pageOf(leaf, entry);
    body.byte(W.i32_wrap_i64);
    body.i32Const(PAGE_SHIFT);
    body.byte(W.i32_shl);
    body.get(entry);
    body.byte(W.i32_wrap_i64);
    body.i32Const(PAGE_SIZE - 1);
    body.byte(W.i32_and);
    body.byte(W.i32_or);
  }
}
