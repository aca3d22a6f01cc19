// Refill: what translated code does about a miss of the first-level TLB, in WebAssembly: the plain walk (plainWalk.ts,
// refillWalk.ts) and the filling of the entry (hw/tlb/firstLevel.ts), instruction by instruction.
//
// The dispatcher's module holds these functions. The dispatcher calls them when a region left for a miss; a region
// calls them itself at an access that misses often (translator.ts learns which). What the walk must know of the
// regime is in the context's header. Whatever is not plain is left to the interpreter, which finds the same state and
// does the same, or more.
//
// Invariants: fills, counts and entries are exactly those of access.ts. An entry's addend is computed here and in
// firstLevel.ts only, of a frame that guests may reach.

import { PAGE_SHIFT, PAGE_SIZE } from '../../../units.ts';
import { Fact, type FactBit, type PhysicalMemory } from '../../memory/index.ts';
import { Access, type AccessKind, addressBits, LEVELS, levelMask, SV39, SV39X4 } from '../../sv39/index.ts';
import {
  CONTEXT_HEADER_BYTES,
  chunkShift,
  DTLB_ADDEND,
  DTLB_ENTRY_BYTES,
  DTLB_INFO,
  DTLB_READ_TAG,
  DTLB_WRITE_TAG,
  HEADER_CHUNKS,
  HEADER_FRAGMENTS,
  HEADER_OF_DATA,
  HEADER_OF_FETCHES,
  HEADER_PERMITS,
  HEADER_ROOT,
  HEADER_SECOND_PERMITS,
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
import {
  GuestWalk,
  SecondStageWalk,
  WALK_GUEST,
  WALK_GUEST_TYPE,
  WALK_HOST,
  WALK_HOST_TYPE,
  WalkBody,
} from './refillWalk.ts';
import { type Code, type FunctionType, Type, W, type WasmFunction } from './wasm.ts';

/** (cpu, address) -> whether the entry was filled. */
export const REFILL_TYPE: FunctionType = { params: [Type.i32, Type.i64], results: [Type.i32] };

/** The types of the functions below, and the functions, as the first of a module. */
export const REFILL_TYPES = [WALK_HOST_TYPE, WALK_GUEST_TYPE, REFILL_TYPE] as const;
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
    { type: 0, locals: SecondStageWalk.LOCALS, body: new SecondStageWalk(memory).write() },
    { type: 1, locals: GuestWalk.LOCALS, body: new GuestWalk(memory).write() },
    refill(Access.load),
    refill(Access.store),
    refill(Access.fetch),
  ];
}

const PERMISSIONS = [INFO_READ, INFO_WRITE, INFO_EXECUTE] as const;

/** Locals of a function that refills. */
const Local = {
  cpu: 0,
  va: 1,
  pte: 2,
  /** Guest physical address where there are two stages. */
  gpa: 3,
  /** Number of the frame. */
  frame: 4,
  page: 5,
  header: 6,
  entry: 7,
  stages: 8,
  table: 9,
  info: 10,
  level: 11,
  pfn: 12,
  facts: 13,
} as const;

/** The function that refills for one kind of access. */
class RefillBody extends WalkBody {
  static readonly LOCALS = [
    [4, Type.i64],
    [8, Type.i32],
  ] as const;
  private readonly tlb: TlbGeometry;
  private readonly access: AccessKind;

  constructor(memory: PhysicalMemory, tlb: TlbGeometry, access: AccessKind) {
    super(memory);
    this.tlb = tlb;
    this.access = access;
  }

  write(): Code {
    const { body } = this;
    const { cpu, stages } = Local;
    this.findHeader();
    this.findEntry();
    body.get(stages);
    body.i32Const(Stages.both);
    body.byte(W.i32_eq);
    body.open(W.if);
    this.walkBoth();
    body.byte(W.else);
    this.walkOne();
    body.byte(W.end);
    this.findFrame();
    if (this.access === Access.fetch) this.fillFetch();
    else this.fillData();
    for (const offset of [BLOCK_WALKS, BLOCK_FILLS + 8 * this.access]) {
      body.get(cpu);
      body.get(cpu);
      body.memory(W.i64_load, offset);
      body.i64Const(1);
      body.byte(W.i64_add);
      body.memory(W.i64_store, offset);
    }
    body.i32Const(1);
    return body;
  }

  /** Leaves the miss to the interpreter. */
  protected giveUp(): void {
    this.body.i32Const(0);
    this.body.byte(W.return);
  }

  private findHeader(): void {
    const { body } = this;
    const { cpu, header, stages } = Local;
    const half = this.access === Access.fetch ? HEADER_OF_FETCHES : HEADER_OF_DATA;
    body.get(cpu);
    body.memory(W.i32_load, BLOCK_DTLB);
    body.i32Const(half - CONTEXT_HEADER_BYTES);
    body.byte(W.i32_add);
    body.tee(header);
    body.memory(W.i32_load, HEADER_STAGES);
    body.tee(stages);
    body.byte(W.i32_eqz);
    this.giveUpIf();
  }

  /** Gives up where the entry is there and permits the access: something else is in the way. */
  private findEntry(): void {
    const { body, tlb, access } = this;
    const { cpu, va, page, entry } = Local;
    const isFetch = access === Access.fetch;
    const bytes = isFetch ? ITLB_ENTRY_BYTES : DTLB_ENTRY_BYTES;
    body.get(va);
    body.i64Const(-PAGE_SIZE);
    body.byte(W.i64_and);
    body.set(page);
    body.get(va);
    body.byte(W.i32_wrap_i64);
    body.i32Const(PAGE_SHIFT - Math.log2(bytes));
    body.byte(W.i32_shr_u);
    body.i32Const(((isFetch ? tlb.itlbEntries : tlb.dtlbEntries) - 1) * bytes);
    body.byte(W.i32_and);
    body.get(cpu);
    body.memory(W.i32_load, isFetch ? BLOCK_ITLB : BLOCK_DTLB);
    body.byte(W.i32_add);
    body.tee(entry);
    body.memory(W.i64_load, isFetch ? ITLB_TAG : DTLB_READ_TAG);
    body.get(page);
    body.byte(W.i64_eq);
    body.open(W.if);
    if (isFetch) {
      this.giveUp();
    } else {
      body.get(entry);
      body.memory(W.i32_load, DTLB_INFO);
      body.i32Const(PERMISSIONS[access]);
      body.byte(W.i32_and);
      this.giveUpIf();
    }
    body.byte(W.end);
  }

  // One stage: Sv39, or Sv39x4 where the address is a guest physical one

  private walkOne(): void {
    const { body } = this;
    const { va, pte, header, stages, table } = Local;
    const [first, second] = [SV39, SV39X4].map((stage) => levelMask(stage, LEVELS - 1)) as [number, number];
    this.refuseUntranslatable();
    body.get(header);
    body.memory(W.i32_load, HEADER_ROOT);
    body.set(table);
    body.open(W.block);
    this.walkFrames(va, table, pte, () => {
      body.i32Const(first);
      body.i32Const(second);
      body.get(stages);
      body.i32Const(Stages.first);
      body.byte(W.i32_eq);
      body.byte(W.select);
    });
    body.byte(W.end);
  }

  /** Sv39 addresses are sign-extended, guest physical ones zero-extended. */
  private refuseUntranslatable(): void {
    const { body } = this;
    const { va, stages } = Local;
    body.get(stages);
    body.i32Const(Stages.first);
    body.byte(W.i32_eq);
    body.open(W.if);
    this.refuseUncanonical();
    body.byte(W.else);
    body.get(va);
    body.i64Const(addressBits(SV39X4));
    body.byte(W.i64_shr_u);
    body.i64Const(0);
    body.byte(W.i64_ne);
    this.giveUpIf();
    body.byte(W.end);
  }

  private refuseUncanonical(): void {
    const { body } = this;
    const { va } = Local;
    body.get(va);
    body.i64Const(64 - addressBits(SV39));
    body.byte(W.i64_shl);
    body.i64Const(64 - addressBits(SV39));
    body.byte(W.i64_shr_s);
    body.get(va);
    body.byte(W.i64_ne);
    this.giveUpIf();
  }

  /** Sets level, info and frame, and leaves walkOne()'s block. */
  protected atLeaf(pte: number, level: number): void {
    const { body } = this;
    const { va, header, info, frame } = Local;
    this.requireAccessed(pte);
    this.permitted(pte, header, HEADER_PERMITS);
    body.set(info);
    body.i32Const(level);
    body.set(Local.level);
    this.pageIn(pte, level, va);
    body.set(frame);
    if (level > 0) body.branch(W.br, 1);
  }

  // Two stages

  private walkBoth(): void {
    const { body } = this;
    const { va, pte, header, gpa, info, level, frame } = Local;
    this.refuseUncanonical();
    body.get(header);
    body.get(va);
    this.call(WALK_GUEST);
    body.tee(pte);
    body.byte(W.i64_eqz);
    this.giveUpIf();
    this.levelOf(pte);
    body.byte(W.i32_wrap_i64);
    body.set(level);
    this.permitted(pte, header, HEADER_PERMITS);
    body.set(info);
    this.pageOf(pte, va);
    body.i64Const(PAGE_SHIFT);
    body.byte(W.i64_shl);
    body.tee(gpa);
    body.i64Const(addressBits(SV39X4));
    body.byte(W.i64_shr_u);
    body.byte(W.i32_wrap_i64);
    this.giveUpIf();
    body.get(header);
    body.memory(W.i32_load, HEADER_SECOND_STAGE);
    body.get(gpa);
    this.call(WALK_HOST);
    body.tee(pte);
    body.byte(W.i64_eqz);
    this.giveUpIf();
    this.permitted(pte, header, HEADER_SECOND_PERMITS);
    body.get(info);
    body.byte(W.i32_and);
    body.set(info);
    this.pageOf(pte, gpa);
    body.set(frame);
  }

  // The entry

  /** pfn = the frame, which guests may reach, for an access that info permits. */
  private findFrame(): void {
    const { body, memory } = this;
    const { info, frame, pfn, facts } = Local;
    body.get(info);
    body.i32Const(PERMISSIONS[this.access]);
    body.byte(W.i32_and);
    body.byte(W.i32_eqz);
    this.giveUpIf();
    body.get(frame);
    this.isNoFrame();
    this.giveUpIf();
    body.get(frame);
    body.byte(W.i32_wrap_i64);
    body.tee(pfn);
    body.memory(W.i32_load8_u, memory.factsBase);
    body.tee(facts);
    body.i32Const(Fact.reachable);
    body.byte(W.i32_and);
    body.byte(W.i32_eqz);
    this.giveUpIf();
  }

  private fillData(): void {
    const { body } = this;
    const { entry } = Local;
    body.get(entry);
    this.pageIf(INFO_READ);
    body.memory(W.i64_store, DTLB_READ_TAG);
    body.get(entry);
    this.pageIf(INFO_WRITE);
    body.memory(W.i64_store, DTLB_WRITE_TAG);
    this.guardCode();
    this.finishEntry(DTLB_ADDEND, DTLB_INFO);
  }

  /** Pushes the page's tag if info has a bit, else -1, which matches nothing. */
  private pageIf(bit: number): void {
    const { body } = this;
    body.get(Local.page);
    body.i64Const(-1);
    body.get(Local.info);
    body.i32Const(bit);
    body.byte(W.i32_and);
    body.byte(W.select);
  }

  /** TlbDomain.allowWriteTag(). */
  private guardCode(): void {
    const { body } = this;
    const { entry, info, facts } = Local;
    body.get(info);
    body.i32Const(INFO_WRITE);
    body.byte(W.i32_and);
    body.open(W.if);
    body.get(facts);
    body.i32Const(Fact.hasCode);
    body.byte(W.i32_and);
    body.open(W.if);
    body.get(entry);
    body.i64Const(-1);
    body.memory(W.i64_store, DTLB_WRITE_TAG);
    body.byte(W.else);
    this.note(Fact.mayBeWritten);
    body.byte(W.end);
    body.byte(W.end);
  }

  private note(fact: FactBit): void {
    const { body, memory } = this;
    body.get(Local.pfn);
    body.get(Local.facts);
    body.i32Const(fact);
    body.byte(W.i32_or);
    body.memory(W.i32_store8, memory.factsBase);
  }

  /** TlbDomain.markCode(), unless write tags of the frame have to be searched. */
  private fillFetch(): void {
    const { body } = this;
    const { entry, page, facts } = Local;
    body.get(facts);
    body.i32Const(Fact.mayBeWritten);
    body.byte(W.i32_and);
    this.giveUpIf();
    this.note(Fact.hasCode);
    body.get(entry);
    body.get(page);
    body.memory(W.i64_store, ITLB_TAG);
    this.finishEntry(ITLB_ADDEND, ITLB_INFO);
  }

  private finishEntry(addend: number, info: number): void {
    const { body } = this;
    const { page, header, entry, level, pfn } = Local;
    body.get(entry);
    body.get(pfn);
    body.i32Const(PAGE_SHIFT);
    body.byte(W.i32_shl);
    body.get(page);
    body.byte(W.i32_wrap_i64);
    body.byte(W.i32_sub);
    body.memory(W.i32_store, addend);
    body.get(entry);
    body.get(Local.info);
    body.get(level);
    body.byte(W.i32_or);
    body.memory(W.i32_store, info);
    body.get(level);
    body.open(W.if);
    body.get(header);
    body.i32Const(1);
    body.memory(W.i32_store, HEADER_FRAGMENTS);
    body.byte(W.end);
    body.get(header);
    body.get(header);
    body.memory(W.i32_load, HEADER_CHUNKS);
    body.i32Const(1);
    this.chunk();
    body.byte(W.i32_shl);
    body.byte(W.i32_or);
    body.memory(W.i32_store, HEADER_CHUNKS);
  }

  /** Pushes the number of the entry's chunk. */
  private chunk(): void {
    const { body, tlb } = this;
    const entries = this.access === Access.fetch ? tlb.itlbEntries : tlb.dtlbEntries;
    body.get(Local.va);
    body.byte(W.i32_wrap_i64);
    body.i32Const(PAGE_SHIFT);
    body.byte(W.i32_shr_u);
    body.i32Const(entries - 1);
    body.byte(W.i32_and);
    body.i32Const(chunkShift(entries));
    body.byte(W.i32_shr_u);
  }
}
