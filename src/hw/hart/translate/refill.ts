// Refill: what translated code does about a miss of the first-level TLB, in WebAssembly: the plain walk (plainWalk.ts) and
// the filling of the entry (hw/tlb/firstLevel.ts), instruction by instruction.
//
// The dispatcher's module holds these functions. The dispatcher calls them when a region left for a miss; a region calls
// them itself at an access that misses often (translator.ts learns which). The rules of the walk are the constants of hw/sv39/rules.ts; what the walk must know of the regime is in the context's
// header. Whatever is not plain is left to the interpreter, which finds the same state and does the same, or more.
//
// Invariants: fills, counts and entries are exactly those of access.ts. An entry's addend is computed here and in
// firstLevel.ts only, of a frame that guests may reach.

import { PAGE_SHIFT, PAGE_SIZE } from '../../../units.ts';
import { Fact, type FactBit, type PhysicalMemory } from '../../memory/index.ts';
import {
  Access,
  type AccessKind,
  addressBits,
  LEAF_BITS,
  LEVELS,
  leafMask,
  leafValue,
  levelMask,
  misalignedMask,
  PTE_A,
  PTE_BYTES,
  PTE_D,
  PTE_PPN_SHIFT,
  PTE_V,
  RESERVED_HI,
  RW_MASK,
  RW_RESERVED,
  SV39,
  SV39X4,
  TABLE_MASK,
  TABLE_VALUE,
} from '../../sv39/index.ts';
import {
  CONTEXT_HEADER_BYTES,
  DTLB_ADDEND,
  DTLB_ENTRY_BYTES,
  DTLB_INFO,
  DTLB_READ_TAG,
  DTLB_WRITE_TAG,
  HEADER_FRAGMENTS,
  HEADER_LEAF,
  HEADER_OF_DATA,
  HEADER_OF_FETCHES,
  HEADER_ROOT,
  HEADER_SECOND_STAGE,
  HEADER_STAGES,
  INFO_EXECUTE,
  INFO_READ,
  INFO_WRITE,
  ITLB_ADDEND,
  ITLB_ENTRY_BYTES,
  ITLB_INFO,
  ITLB_TAG,
  Stages,
  type TlbGeometry,
} from '../../tlb/index.ts';
import { BLOCK_DTLB, BLOCK_FILLS, BLOCK_ITLB, BLOCK_WALKS } from '../block.ts';
import { secondStageMode } from '../mmu.ts';
import { Code, type FunctionType, Type, W, type WasmFunction } from './wasm.ts';

/** A leaf travels with its level above the bits that a valid entry has. */
const LEVEL_SHIFT = 62;
/** No leaf: the walk found nothing. */
const NO_LEAF = 0;

/** (root, address, mask of the root's index) -> leaf. */
const WALK_HOST_TYPE: FunctionType = { params: [Type.i32, Type.i64, Type.i32], results: [Type.i64] };
/** (root in guest memory, address, root of the second stage) -> leaf. */
const WALK_GUEST_TYPE: FunctionType = { params: [Type.i64, Type.i64, Type.i32], results: [Type.i64] };
/** (cpu, address) -> whether the entry was filled. */
export const REFILL_TYPE: FunctionType = { params: [Type.i32, Type.i64], results: [Type.i32] };

/** The types of the functions below, and the functions, as the first of a module. */
export const REFILL_TYPES = [WALK_HOST_TYPE, WALK_GUEST_TYPE, REFILL_TYPE] as const;
const WALK_HOST = 0;
const WALK_GUEST = 1;
/** Names of the functions that refill, by access. */
export const REFILL_NAMES = ['refillLoad', 'refillStore', 'refillFetch'] as const;
/** Index of the function that refills for an access. */
export const refillFunction = (access: AccessKind): number => WALK_GUEST + 1 + access;

export function emitRefill(memory: PhysicalMemory, tlb: TlbGeometry): WasmFunction[] {
  const refill = (access: AccessKind): WasmFunction => ({
    type: 2,
    locals: RefillBody.LOCALS,
    body: new RefillBody(memory, tlb, access).write(),
    export: REFILL_NAMES[access],
  });
  return [
    { type: 0, locals: HOST_LOCALS, body: hostWalk(memory) },
    { type: 1, locals: GUEST_LOCALS, body: guestWalk(memory) },
    refill(Access.load),
    refill(Access.store),
    refill(Access.fetch),
  ];
}

// Walks

const ROOT = 0;
const ADDRESS = 1;
/** Of walkHost: mask of the root's index; of walkGuest: the root of the second stage. */
const THIRD = 2;
const PTE = 3;
const TABLE = 4;
const HOST_LOCALS = [
  [1, Type.i64],
  [1, Type.i32],
] as const;
const GUEST_LOCALS = [
  [2, Type.i64],
  [1, Type.i64],
] as const;
/** Of walkGuest: the table's guest physical address, and the leaf of the second stage. */
const GUEST_TABLE = 4;
const LEAF = 5;

/** Walks tables that lie in frames. */
function hostWalk(memory: PhysicalMemory): Code {
  const body = new Code();
  body.get(ROOT);
  body.set(TABLE);
  for (let level = LEVELS - 1; level >= 0; level--) {
    emitIndex(body, level);
    body.byte(W.i32_wrap_i64);
    if (level === LEVELS - 1) body.get(THIRD);
    else body.i32Const(levelMask(SV39, level));
    body.byte(W.i32_and);
    body.i32Const(PTE_BYTES);
    body.byte(W.i32_mul);
    body.get(TABLE);
    body.byte(W.i32_add);
    body.memory(W.i64_load, 0);
    body.set(PTE);
    emitLeafOrNothing(body, level);
    if (level === 0) break;
    emitFrameNumber(body);
    emitIsNoFrame(body, memory);
    returnIf(body, NO_LEAF);
    emitFrameNumber(body);
    body.byte(W.i32_wrap_i64);
    body.i32Const(PAGE_SHIFT);
    body.byte(W.i32_shl);
    body.set(TABLE);
  }
  body.byte(W.unreachable);
  return body;
}

/** Walks tables that lie in guest memory: each entry's address goes through the second stage. */
function guestWalk(memory: PhysicalMemory): Code {
  const body = new Code();
  body.get(ROOT);
  body.set(GUEST_TABLE);
  for (let level = LEVELS - 1; level >= 0; level--) {
    emitIndex(body, level);
    body.i64Const(levelMask(SV39, level));
    body.byte(W.i64_and);
    body.i64Const(PTE_BYTES);
    body.byte(W.i64_mul);
    body.get(GUEST_TABLE);
    body.byte(W.i64_add);
    body.set(GUEST_TABLE);
    emitReachEntry(body, memory);
    body.memory(W.i64_load, 0);
    body.set(PTE);
    emitLeafOrNothing(body, level);
    if (level === 0) break;
    emitFrameNumber(body);
    body.i64Const(PAGE_SHIFT);
    body.byte(W.i64_shl);
    body.set(GUEST_TABLE);
  }
  body.byte(W.unreachable);
  return body;
}

/** Pushes the host address of the guest's table entry at GUEST_TABLE, or returns NO_LEAF. */
function emitReachEntry(body: Code, memory: PhysicalMemory): void {
  emitSecondStage(body, THIRD, GUEST_TABLE);
  body.set(LEAF);
  emitPermits(body, () => body.get(LEAF), Access.load);
  body.byte(W.i32_eqz);
  returnIf(body, NO_LEAF);
  emitPageOf(body, LEAF, GUEST_TABLE);
  emitIsNoFrame(body, memory);
  returnIf(body, NO_LEAF);
  emitPageOf(body, LEAF, GUEST_TABLE);
  body.byte(W.i32_wrap_i64);
  body.i32Const(PAGE_SHIFT);
  body.byte(W.i32_shl);
  body.get(GUEST_TABLE);
  body.byte(W.i32_wrap_i64);
  body.i32Const(PAGE_SIZE - 1);
  body.byte(W.i32_and);
  body.byte(W.i32_or);
}

/** Pushes the leaf that the second stage at the root in a local has for the guest physical address in another. */
function emitSecondStage(body: Code, root: number, address: number): void {
  body.get(root);
  body.get(address);
  body.i32Const(levelMask(SV39X4, LEVELS - 1));
  body.byte(W.call);
  body.unsigned(WALK_HOST);
}

/** Pushes the address shifted so that the index into a table at `level` is lowest. */
function emitIndex(body: Code, level: number): void {
  body.get(ADDRESS);
  body.i64Const(PAGE_SHIFT + 9 * level);
  body.byte(W.i64_shr_u);
}

/** Returns the leaf, or NO_LEAF, unless the entry points to a table; at level 0 always. */
function emitLeafOrNothing(body: Code, level: number): void {
  if (level > 0) {
    emitBits(body);
    body.i32Const(TABLE_MASK);
    body.byte(W.i32_and);
    body.i32Const(TABLE_VALUE);
    body.byte(W.i32_ne);
    emitHasReserved(body);
    body.byte(W.i32_or);
    body.open(W.if);
  }
  emitIsNoLeaf(body, level);
  returnIf(body, NO_LEAF);
  body.get(PTE);
  body.i64Const(level);
  body.i64Const(LEVEL_SHIFT);
  body.byte(W.i64_shl);
  body.byte(W.i64_or);
  body.byte(W.return);
  if (level > 0) body.byte(W.end);
}

/** Pushes whether the entry is anything but a valid and aligned leaf. */
function emitIsNoLeaf(body: Code, level: number): void {
  emitHas(body, PTE_V);
  body.byte(W.i32_eqz);
  emitHas(body, LEAF_BITS);
  body.byte(W.i32_eqz);
  body.byte(W.i32_or);
  emitBits(body);
  body.i32Const(RW_MASK);
  body.byte(W.i32_and);
  body.i32Const(RW_RESERVED);
  body.byte(W.i32_eq);
  body.byte(W.i32_or);
  emitHasReserved(body);
  body.byte(W.i32_or);
  if (level === 0) return;
  emitHas(body, misalignedMask(level));
  body.byte(W.i32_or);
}

/** Pushes the low word of the entry. */
function emitBits(body: Code): void {
  body.get(PTE);
  body.byte(W.i32_wrap_i64);
}

function emitHas(body: Code, bits: number): void {
  emitBits(body);
  body.i32Const(bits);
  body.byte(W.i32_and);
}

function emitHasReserved(body: Code): void {
  body.get(PTE);
  body.i64Const(32);
  body.byte(W.i64_shr_u);
  body.byte(W.i32_wrap_i64);
  body.i32Const(RESERVED_HI);
  body.byte(W.i32_and);
  body.i32Const(0);
  body.byte(W.i32_ne);
}

/** Pushes the PPN of the entry, which is valid. */
function emitFrameNumber(body: Code): void {
  body.get(PTE);
  body.i64Const(PTE_PPN_SHIFT);
  body.byte(W.i64_shr_u);
}

/** Pushes whether the i64 on the stack is no frame's number. */
function emitIsNoFrame(body: Code, { firstPfn, endPfn }: PhysicalMemory): void {
  body.i64Const(firstPfn);
  body.byte(W.i64_sub);
  body.i64Const(endPfn - firstPfn);
  body.byte(W.i64_lt_u);
  body.byte(W.i32_eqz);
}

/** Pushes the number of the page to which a leaf maps an address, both in locals. */
function emitPageOf(body: Code, leaf: number, address: number): void {
  body.get(leaf);
  body.i64Const(64 - LEVEL_SHIFT);
  body.byte(W.i64_shl);
  body.i64Const(64 - LEVEL_SHIFT + PTE_PPN_SHIFT);
  body.byte(W.i64_shr_u);
  body.get(address);
  body.i64Const(PAGE_SHIFT);
  body.byte(W.i64_shr_u);
  // Pages within the leaf: 9 bits for each level.
  body.i64Const(1);
  body.get(leaf);
  body.i64Const(LEVEL_SHIFT);
  body.byte(W.i64_shr_u);
  body.i64Const(9);
  body.byte(W.i64_mul);
  body.byte(W.i64_shl);
  body.i64Const(1);
  body.byte(W.i64_sub);
  body.byte(W.i64_and);
  body.byte(W.i64_or);
}

const SECOND_STAGE = secondStageMode(0);

/** What a leaf of the second stage must have for an access, A and D included. */
function emitPermits(body: Code, leaf: () => void, access: AccessKind): void {
  const dirty = PTE_A | (access === Access.store ? PTE_D : 0);
  leaf();
  body.byte(W.i32_wrap_i64);
  body.i32Const(leafMask(SECOND_STAGE, access) | dirty);
  body.byte(W.i32_and);
  body.i32Const(leafValue(SECOND_STAGE, access) | dirty);
  body.byte(W.i32_eq);
}

function returnIf(body: Code, leaf: number): void {
  body.open(W.if);
  body.i64Const(leaf);
  body.byte(W.return);
  body.byte(W.end);
}

// Filling

const CPU = 0;
const VA = 1;
const FIRST = 2;
const SECOND = 3;
/** Guest physical address where there are two stages. */
const GPA = 4;
const PAGE = 5;
const HEADER = 6;
const ENTRY = 7;
const STAGES = 8;
const INFO = 9;
const PFN = 10;
const FACTS = 11;

const PERMISSIONS = [INFO_READ, INFO_WRITE, INFO_EXECUTE] as const;
const ACCESSES = [Access.load, Access.store, Access.fetch] as const;

/** The function that refills for one kind of access. */
class RefillBody {
  static readonly LOCALS = [
    [4, Type.i64],
    [6, Type.i32],
  ] as const;
  private readonly body = new Code();
  private readonly memory: PhysicalMemory;
  private readonly tlb: TlbGeometry;
  private readonly access: AccessKind;

  constructor(memory: PhysicalMemory, tlb: TlbGeometry, access: AccessKind) {
    this.memory = memory;
    this.tlb = tlb;
    this.access = access;
  }

  write(): Code {
    const { body } = this;
    this.findHeader();
    this.refuseUntranslatable();
    this.findEntry();
    this.walkFirst();
    this.requirePermission(FIRST, true);
    this.infoOf(FIRST, true);
    body.set(INFO);
    this.walkSecond();
    this.findFrame();
    if (this.access === Access.fetch) this.fillFetch();
    else this.fillData();
    this.count(BLOCK_WALKS);
    this.count(BLOCK_FILLS + 8 * this.access);
    body.i32Const(1);
    return body;
  }

  private findHeader(): void {
    const { body } = this;
    const half = this.access === Access.fetch ? HEADER_OF_FETCHES : HEADER_OF_DATA;
    body.get(CPU);
    body.memory(W.i32_load, BLOCK_DTLB);
    body.i32Const(half - CONTEXT_HEADER_BYTES);
    body.byte(W.i32_add);
    body.tee(HEADER);
    body.memory(W.i32_load, HEADER_STAGES);
    body.tee(STAGES);
    body.byte(W.i32_eqz);
    this.declineIf();
  }

  /** Sv39 addresses are sign-extended, guest physical ones zero-extended. */
  private refuseUntranslatable(): void {
    const { body } = this;
    body.get(STAGES);
    body.i32Const(Stages.second);
    body.byte(W.i32_eq);
    body.open(W.if, Type.i32);
    body.get(VA);
    body.i64Const(addressBits(SV39X4));
    body.byte(W.i64_shr_u);
    body.i64Const(0);
    body.byte(W.i64_ne);
    body.byte(W.else);
    body.get(VA);
    body.i64Const(64 - addressBits(SV39));
    body.byte(W.i64_shl);
    body.i64Const(64 - addressBits(SV39));
    body.byte(W.i64_shr_s);
    body.get(VA);
    body.byte(W.i64_ne);
    body.byte(W.end);
    this.declineIf();
  }

  /** Declines where the entry is there and permits the access: something else is in the way. */
  private findEntry(): void {
    const { body, tlb, access } = this;
    const isFetch = access === Access.fetch;
    const bytes = isFetch ? ITLB_ENTRY_BYTES : DTLB_ENTRY_BYTES;
    body.get(VA);
    body.i64Const(-PAGE_SIZE);
    body.byte(W.i64_and);
    body.set(PAGE);
    body.get(VA);
    body.byte(W.i32_wrap_i64);
    body.i32Const(PAGE_SHIFT - Math.log2(bytes));
    body.byte(W.i32_shr_u);
    body.i32Const(((isFetch ? tlb.itlbEntries : tlb.dtlbEntries) - 1) * bytes);
    body.byte(W.i32_and);
    body.get(CPU);
    body.memory(W.i32_load, isFetch ? BLOCK_ITLB : BLOCK_DTLB);
    body.byte(W.i32_add);
    body.tee(ENTRY);
    body.memory(W.i64_load, isFetch ? ITLB_TAG : DTLB_READ_TAG);
    body.get(PAGE);
    body.byte(W.i64_eq);
    if (!isFetch) {
      body.get(ENTRY);
      body.memory(W.i32_load, DTLB_INFO);
      body.i32Const(PERMISSIONS[access]);
      body.byte(W.i32_and);
      body.i32Const(0);
      body.byte(W.i32_ne);
      body.byte(W.i32_and);
    }
    this.declineIf();
  }

  /** FIRST = the leaf of stage one, or of the only stage. */
  private walkFirst(): void {
    const { body } = this;
    this.hasBothStages();
    body.open(W.if, Type.i64);
    body.get(HEADER);
    body.memory(W.i64_load, HEADER_ROOT);
    body.get(VA);
    body.get(HEADER);
    body.memory(W.i32_load, HEADER_SECOND_STAGE);
    body.byte(W.call);
    body.unsigned(WALK_GUEST);
    body.byte(W.else);
    body.get(HEADER);
    body.memory(W.i32_load, HEADER_ROOT);
    body.get(VA);
    body.i32Const(levelMask(SV39, LEVELS - 1));
    body.i32Const(levelMask(SV39X4, LEVELS - 1));
    body.get(STAGES);
    body.i32Const(Stages.first);
    body.byte(W.i32_eq);
    body.byte(W.select);
    body.byte(W.call);
    body.unsigned(WALK_HOST);
    body.byte(W.end);
    body.set(FIRST);
  }

  /** Where there are two stages: SECOND = the leaf of where FIRST leads, and INFO is what both permit. */
  private walkSecond(): void {
    const { body } = this;
    this.hasBothStages();
    body.open(W.if);
    emitPageOf(body, FIRST, VA);
    body.i64Const(PAGE_SHIFT);
    body.byte(W.i64_shl);
    body.tee(GPA);
    body.i64Const(addressBits(SV39X4));
    body.byte(W.i64_shr_u);
    body.byte(W.i64_eqz);
    body.byte(W.i32_eqz);
    this.declineIf();
    body.get(HEADER);
    body.memory(W.i32_load, HEADER_SECOND_STAGE);
    body.get(GPA);
    body.i32Const(levelMask(SV39X4, LEVELS - 1));
    body.byte(W.call);
    body.unsigned(WALK_HOST);
    body.set(SECOND);
    this.requirePermission(SECOND, false);
    this.infoOf(SECOND, false);
    body.i32Const(~(PERMISSIONS[0] | PERMISSIONS[1] | PERMISSIONS[2]));
    body.byte(W.i32_or);
    body.get(INFO);
    body.byte(W.i32_and);
    body.set(INFO);
    body.byte(W.end);
  }

  private hasBothStages(): void {
    this.body.get(STAGES);
    this.body.i32Const(Stages.both);
    this.body.byte(W.i32_eq);
  }

  /** Declines unless the leaf permits the access and has A. */
  private requirePermission(leaf: number, isFirst: boolean): void {
    const { body } = this;
    this.permits(leaf, this.access, isFirst);
    body.get(leaf);
    body.byte(W.i32_wrap_i64);
    body.i32Const(PTE_A);
    body.byte(W.i32_and);
    body.byte(W.i32_eqz);
    body.byte(W.i32_eqz);
    body.byte(W.i32_and);
    body.byte(W.i32_eqz);
    this.declineIf();
  }

  /** Pushes whether a leaf permits an access, by the rules of the regime or of the second stage. */
  private permits(leaf: number, access: AccessKind, isFirst: boolean): void {
    const { body } = this;
    if (!isFirst) {
      emitPermits(body, () => body.get(leaf), access);
      return;
    }
    body.get(leaf);
    body.byte(W.i32_wrap_i64);
    body.get(HEADER);
    body.memory(W.i32_load, HEADER_LEAF + 8 * access);
    body.byte(W.i32_and);
    body.get(HEADER);
    body.memory(W.i32_load, HEADER_LEAF + 8 * access + 4);
    body.byte(W.i32_eq);
  }

  /** Pushes the info bits that a leaf stands for. */
  private infoOf(leaf: number, isFirst: boolean): void {
    const { body } = this;
    body.get(leaf);
    body.i64Const(LEVEL_SHIFT);
    body.byte(W.i64_shr_u);
    body.byte(W.i32_wrap_i64);
    for (const access of ACCESSES) {
      this.permits(leaf, access, isFirst);
      body.i32Const(PERMISSIONS[access]);
      body.byte(W.i32_mul);
      body.byte(W.i32_or);
    }
  }

  /** PFN = the frame, which guests may reach. */
  private findFrame(): void {
    const { body, memory } = this;
    this.hasBothStages();
    body.open(W.if, Type.i64);
    emitPageOf(body, SECOND, GPA);
    body.byte(W.else);
    emitPageOf(body, FIRST, VA);
    body.byte(W.end);
    body.tee(GPA);
    emitIsNoFrame(body, memory);
    this.declineIf();
    body.get(GPA);
    body.byte(W.i32_wrap_i64);
    body.tee(PFN);
    body.memory(W.i32_load8_u, memory.factsBase);
    body.tee(FACTS);
    body.i32Const(Fact.reachable);
    body.byte(W.i32_and);
    body.byte(W.i32_eqz);
    this.declineIf();
  }

  private fillData(): void {
    const { body } = this;
    body.get(ENTRY);
    this.pageIf(INFO_READ);
    body.memory(W.i64_store, DTLB_READ_TAG);
    body.get(ENTRY);
    this.pageIf(INFO_WRITE);
    body.memory(W.i64_store, DTLB_WRITE_TAG);
    this.guardCode();
    this.finishEntry(DTLB_ADDEND, DTLB_INFO);
  }

  /** Pushes the page's tag if INFO has a bit, else -1, which matches nothing. */
  private pageIf(bit: number): void {
    const { body } = this;
    body.get(PAGE);
    body.i64Const(-1);
    body.get(INFO);
    body.i32Const(bit);
    body.byte(W.i32_and);
    body.byte(W.select);
  }

  /** TlbDomain.allowWriteTag(). */
  private guardCode(): void {
    const { body } = this;
    body.get(INFO);
    body.i32Const(INFO_WRITE);
    body.byte(W.i32_and);
    body.open(W.if);
    body.get(FACTS);
    body.i32Const(Fact.hasCode);
    body.byte(W.i32_and);
    body.open(W.if);
    body.get(ENTRY);
    body.i64Const(-1);
    body.memory(W.i64_store, DTLB_WRITE_TAG);
    body.byte(W.else);
    this.note(Fact.mayBeWritten);
    body.byte(W.end);
    body.byte(W.end);
  }

  private note(fact: FactBit): void {
    const { body, memory } = this;
    body.get(PFN);
    body.get(FACTS);
    body.i32Const(fact);
    body.byte(W.i32_or);
    body.memory(W.i32_store8, memory.factsBase);
  }

  /** TlbDomain.markCode(), unless write tags of the frame have to be searched. */
  private fillFetch(): void {
    const { body } = this;
    body.get(FACTS);
    body.i32Const(Fact.mayBeWritten);
    body.byte(W.i32_and);
    this.declineIf();
    this.note(Fact.hasCode);
    body.get(ENTRY);
    body.get(PAGE);
    body.memory(W.i64_store, ITLB_TAG);
    this.finishEntry(ITLB_ADDEND, ITLB_INFO);
  }

  private finishEntry(addend: number, info: number): void {
    const { body } = this;
    body.get(ENTRY);
    body.get(PFN);
    body.i32Const(PAGE_SHIFT);
    body.byte(W.i32_shl);
    body.get(PAGE);
    body.byte(W.i32_wrap_i64);
    body.byte(W.i32_sub);
    body.memory(W.i32_store, addend);
    body.get(ENTRY);
    body.get(INFO);
    body.memory(W.i32_store, info);
    body.get(FIRST);
    body.i64Const(LEVEL_SHIFT);
    body.byte(W.i64_shr_u);
    body.byte(W.i64_eqz);
    body.byte(W.i32_eqz);
    body.open(W.if);
    body.get(HEADER);
    body.i32Const(1);
    body.memory(W.i32_store, HEADER_FRAGMENTS);
    body.byte(W.end);
  }

  private count(offset: number): void {
    const { body } = this;
    body.get(CPU);
    body.get(CPU);
    body.memory(W.i64_load, offset);
    body.i64Const(1);
    body.byte(W.i64_add);
    body.memory(W.i64_store, offset);
  }

  /** Leaves the miss to the interpreter if the i32 on the stack is not 0. */
  private declineIf(): void {
    const { body } = this;
    body.open(W.if);
    body.i32Const(0);
    body.byte(W.return);
    body.byte(W.end);
  }
}
