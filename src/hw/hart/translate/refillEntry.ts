// The filling of an entry of the first-level TLB in WebAssembly, instruction by instruction what hw/tlb/firstLevel.ts
// does: the end of every refill (refill.ts).
//
// Invariants: fills, counts and entries are exactly those of access.ts; what gives up has changed nothing. An entry's
// addend is computed here and in firstLevel.ts only, of a frame that guests may reach.

import { PAGE_SHIFT, PAGE_SIZE } from '../../../units.ts';
import { Fact, type PhysicalMemory } from '../../memory/index.ts';
import { Access, type AccessKind, addressBits, SV39 } from '../../sv39/index.ts';
import {
  CONTEXT_HEADER_BYTES,
  chunkShift,
  DTLB_ADDEND,
  DTLB_INFO,
  DTLB_READ_TAG,
  DTLB_WRITE_TAG,
  HEADER_CHUNKS,
  HEADER_FRAGMENTS,
  HEADER_OF_DATA,
  HEADER_OF_FETCHES,
  INFO_EXECUTE,
  INFO_LEVEL,
  INFO_READ,
  INFO_WRITE,
  ITLB_ADDEND,
  ITLB_INFO,
  ITLB_TAG,
  type TlbGeometry,
} from '../../tlb/index.ts';
import { BLOCK_REFILLS } from '../block.ts';
import type { FunctionType } from './module.ts';
import { WalkBody } from './refillWalk.ts';
import { Type, W } from './wasm.ts';

/**
 * (vCPU block, address, address of the entry for it, data TLB base of the context) -> host address; 0: not filled. The
 * entry does not permit the access yet, or is of another page.
 */
export const REFILL_TYPE: FunctionType = {
  params: [Type.i32, Type.i64, Type.i32, Type.i32],
  results: [Type.i32],
};

const PERMISSIONS = [INFO_READ, INFO_WRITE, INFO_EXECUTE] as const;

/** Facts of a frame that a write tag may map and does already: all that most refills have to know. */
const ORDINARY = Fact.reachable | Fact.mayBeWritten;

/** Locals of a function that refills. */
export const Local = {
  cpu: 0,
  va: 1,
  entry: 2,
  dtlb: 3,
  /** Number of the address's page. */
  page: 4,
  header: 5,
  stages: 6,
  table: 7,
  info: 8,
  facts: 9,
  pfn: 10,
  /** Number of the guest physical page, where there is a second stage. */
  gpn: 11,
  /** Then what stage one permits, and its level. */
  first: 12,
  /** The bits of the level, if it is stage one's. */
  level: 13,
  pte: 14,
  frame: 15,
  guestPage: 16,
  tag: 17,
  writeTag: 18,
} as const;

/** A function that refills for one kind of access, while it is written. */
export abstract class RefillBody extends WalkBody {
  static readonly LOCALS = [
    [10, Type.i32],
    [5, Type.i64],
  ] as const;
  protected readonly access: AccessKind;
  private readonly tlb: TlbGeometry;

  constructor(memory: PhysicalMemory, tlb: TlbGeometry, access: AccessKind) {
    super(memory);
    this.tlb = tlb;
    this.access = access;
  }

  /** Leaves the miss to the interpreter. */
  protected giveUp(): void {
    this.body.i32Const(0);
    this.body.byte(W.return);
  }

  protected findHeader(): void {
    const { body } = this;
    const half = this.access === Access.fetch ? HEADER_OF_FETCHES : HEADER_OF_DATA;
    body.get(Local.dtlb);
    body.i32Const(half - CONTEXT_HEADER_BYTES);
    body.byte(W.i32_add);
    body.set(Local.header);
  }

  protected refuseUncanonical(): void {
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

  /** Fills the entry as `info` and `frame` say, and ends the function. */
  protected fill(): void {
    const { body } = this;
    const { va, pfn, frame, facts, tag } = Local;
    this.isInfo(PERMISSIONS[this.access]);
    body.byte(W.i32_eqz);
    this.giveUpIf();
    this.refuseNoFrame(frame);
    body.get(frame);
    body.byte(W.i32_wrap_i64);
    body.tee(pfn);
    body.memory(W.i32_load8_u, this.memory.factsBase);
    body.set(facts);
    body.get(va);
    body.i64Const(-PAGE_SIZE);
    body.byte(W.i64_and);
    body.set(tag);
    if (this.access === Access.fetch) this.fillFetch();
    else this.fillData();
    this.count();
    this.hostAddress();
  }

  private fillData(): void {
    const { body } = this;
    const { facts, entry, tag, writeTag } = Local;
    body.get(tag);
    body.set(writeTag);
    body.get(facts);
    body.i32Const(ORDINARY);
    body.byte(W.i32_ne);
    this.isInfo(INFO_WRITE);
    body.byte(W.i32_eqz);
    body.byte(W.i32_or);
    body.open(W.if);
    this.refuseUnreachable();
    this.isInfo(INFO_WRITE);
    body.open(W.if);
    this.guardCode();
    body.byte(W.else);
    this.withoutWriteTag();
    body.byte(W.end);
    body.byte(W.end);
    this.markChunk(DTLB_READ_TAG);
    body.get(entry);
    body.get(tag);
    body.memory(W.i64_store, DTLB_READ_TAG);
    body.get(entry);
    body.get(writeTag);
    body.memory(W.i64_store, DTLB_WRITE_TAG);
    this.fillTranslation(DTLB_ADDEND, DTLB_INFO);
  }

  /** TlbDomain.allowWriteTag(). A store to code is the interpreter's. */
  private guardCode(): void {
    const { body } = this;
    this.isFact(Fact.hasCode);
    body.open(W.if);
    if (this.access === Access.store) this.giveUp();
    else this.withoutWriteTag();
    body.byte(W.else);
    this.note(Fact.mayBeWritten);
    body.byte(W.end);
  }

  private withoutWriteTag(): void {
    this.body.i64Const(-1);
    this.body.set(Local.writeTag);
  }

  /** TlbDomain.markCode(), unless write tags of the frame have to be searched. */
  private fillFetch(): void {
    const { body } = this;
    const { entry, tag } = Local;
    this.refuseUnreachable();
    this.isFact(Fact.mayBeWritten);
    this.giveUpIf();
    this.note(Fact.hasCode);
    this.markChunk(ITLB_TAG);
    body.get(entry);
    body.get(tag);
    body.memory(W.i64_store, ITLB_TAG);
    this.fillTranslation(ITLB_ADDEND, ITLB_INFO);
  }

  private fillTranslation(addend: number, info: number): void {
    const { body } = this;
    const { header, entry } = Local;
    body.get(entry);
    this.hostAddress();
    body.get(Local.va);
    body.byte(W.i32_wrap_i64);
    body.byte(W.i32_sub);
    body.memory(W.i32_store, addend);
    body.get(entry);
    body.get(Local.info);
    body.memory(W.i32_store, info);
    this.isInfo(INFO_LEVEL);
    body.open(W.if);
    body.get(header);
    body.i32Const(1);
    body.memory(W.i32_store, HEADER_FRAGMENTS);
    body.byte(W.end);
  }

  /** Pushes the host address to which the translation leads. */
  private hostAddress(): void {
    const { body } = this;
    body.get(Local.pfn);
    body.i32Const(PAGE_SHIFT);
    body.byte(W.i32_shl);
    body.get(Local.va);
    body.byte(W.i32_wrap_i64);
    body.i32Const(PAGE_SIZE - 1);
    body.byte(W.i32_and);
    body.byte(W.i32_or);
  }

  private count(): void {
    const { body } = this;
    const offset = BLOCK_REFILLS + 8 * this.access;
    body.get(Local.cpu);
    body.get(Local.cpu);
    body.memory(W.i64_load, offset);
    body.i64Const(1);
    body.byte(W.i64_add);
    body.memory(W.i64_store, offset);
  }

  /** Some entry of the chunk may be valid; where this one was, that is known. */
  private markChunk(tag: number): void {
    const { body } = this;
    const { entry, header } = Local;
    body.get(entry);
    body.memory(W.i64_load, tag);
    body.i64Const(-1);
    body.byte(W.i64_eq);
    body.open(W.if);
    body.get(header);
    body.get(header);
    body.memory(W.i32_load, HEADER_CHUNKS);
    body.i32Const(1);
    this.chunk();
    body.byte(W.i32_shl);
    body.byte(W.i32_or);
    body.memory(W.i32_store, HEADER_CHUNKS);
    body.byte(W.end);
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

  private refuseUnreachable(): void {
    this.isFact(Fact.reachable);
    this.body.byte(W.i32_eqz);
    this.giveUpIf();
  }

  /** Adds to the frame's facts. */
  private note(fact: number): void {
    const { body } = this;
    body.get(Local.pfn);
    body.get(Local.facts);
    body.i32Const(fact);
    body.byte(W.i32_or);
    body.memory(W.i32_store8, this.memory.factsBase);
  }

  /** Pushes some bits of the frame's facts. */
  private isFact(bits: number): void {
    this.body.get(Local.facts);
    this.body.i32Const(bits);
    this.body.byte(W.i32_and);
  }

  /** Pushes some bits of what the translation permits, and its level. */
  private isInfo(bits: number): void {
    this.body.get(Local.info);
    this.body.i32Const(bits);
    this.body.byte(W.i32_and);
  }
}
