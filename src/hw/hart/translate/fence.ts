// sfence.vma in WebAssembly: fenceTranslations() of translationOrders.ts and the first level's part of it
// (hw/tlb/firstLevel.ts), where no exit is due. The second level hears of it by missedFlushes.ts.
//
// The dispatcher's module holds these functions; privileged.ts says when they are called.
//
// Source: RISC-V Privileged ISA, "Supervisor Memory-Management Fence Instruction".

import { PAGE_SHIFT, PAGE_SIZE } from '../../../units.ts';
import { addressBits, SV39 } from '../../sv39/index.ts';
import {
  CONTEXT_HEADER_BYTES,
  chunkShift,
  contextBytes,
  DTLB_ENTRY_BYTES,
  DTLB_READ_TAG,
  DTLB_WRITE_TAG,
  HEADER_CHUNKS,
  HEADER_FRAGMENTS,
  HEADER_OF_DATA,
  HEADER_OF_FETCHES,
  HEADER_SPACE,
  ITLB_ENTRY_BYTES,
  ITLB_TAG,
  TLB_HEADER_BYTES,
  type TlbGeometry,
} from '../../tlb/index.ts';
import { MSTATUS_TVM } from '../architecture.ts';
import {
  BLOCK_FLUSHES,
  BLOCK_GRANT,
  BLOCK_MISSED_FLUSHES,
  BLOCK_RESERVATION,
  BLOCK_TLB,
  Grant,
} from '../block.ts';
import { ALL_PAGES, FLUSH_BYTES, FLUSH_PAGE, FLUSH_SCOPE, MAX_FLUSHES, Scope } from '../missedFlushes.ts';
import type { FunctionType, WasmFunction } from './module.ts';
import { PrivilegedBody } from './privilegedBody.ts';
import { type Code, Type, W } from './wasm.ts';

/** (bank's half of the header, first entry, bytes of a chunk) -> (). */
export const CLEAR_TYPE: FunctionType = { params: [Type.i32, Type.i32, Type.i32], results: [] };

const ASID_MASK = 0xffff;

/** Empties a bank, of which the header says which chunks may hold something. */
export function emitClear(type: number): WasmFunction {
  const [header, at, bytes, chunks] = [0, 1, 2, 3];
  const body = new PrivilegedBody().code;
  body.get(header);
  body.memory(W.i32_load, HEADER_CHUNKS);
  body.set(chunks);
  body.open(W.loop);
  body.get(chunks);
  body.i32Const(1);
  body.byte(W.i32_and);
  body.open(W.if);
  body.get(at);
  body.i32Const(-1);
  body.get(bytes);
  body.memoryFill();
  body.byte(W.end);
  body.get(at);
  body.get(bytes);
  body.byte(W.i32_add);
  body.set(at);
  body.get(chunks);
  body.i32Const(1);
  body.byte(W.i32_shr_u);
  body.tee(chunks);
  body.branch(W.br_if, 0);
  body.byte(W.end);
  for (const field of [HEADER_CHUNKS, HEADER_FRAGMENTS]) {
    body.get(header);
    body.i32Const(0);
    body.memory(W.i32_store, field);
  }
  return { type, locals: [[1, Type.i32]], body };
}

const Local = { page: 1, word: 2, scope: 3, context: 4, left: 5, entry: 6 } as const;

/** What differs between the data and the fetch half of a context. */
interface BankShape {
  readonly half: number;
  /** From the context's first byte. */
  readonly first: number;
  readonly entries: number;
  readonly entryBytes: number;
  readonly tags: readonly number[];
}

export class FenceBody extends PrivilegedBody {
  static readonly LOCALS = [
    [1, Type.i64],
    [5, Type.i32],
  ] as const;
  private readonly tlb: TlbGeometry;
  private readonly clear: number;
  private readonly settle: number;

  /** `clear` and `settle`: indices of functions of the module. */
  constructor(tlb: TlbGeometry, clear: number, settle: number) {
    super();
    this.tlb = tlb;
    this.clear = clear;
    this.settle = settle;
  }

  write(): Code {
    this.refuseUnpaid();
    this.refuseUser();
    this.refuseSupervisorIf(MSTATUS_TVM);
    this.loadWord();
    this.code.set(Local.word);
    this.findScope();
    this.findPage();
    this.noteForSecondLevel();
    this.code.get(this.cpu);
    this.code.i32Const(-1);
    this.code.memory(W.i32_store, BLOCK_RESERVATION);
    this.flushContexts();
    this.retire();
    this.tailCall(this.settle);
    return this.code;
  }

  private findScope(): void {
    const { code } = this;
    const { word, scope } = Local;
    this.has(BLOCK_GRANT, Grant.all);
    code.open(W.if);
    this.register(word, 'rs2');
    code.byte(W.i32_wrap_i64);
    code.i32Const(ASID_MASK);
    code.byte(W.i32_and);
    code.i32Const(Scope.paged);
    this.names(word, 'rs2');
    code.byte(W.select);
    code.set(scope);
    code.byte(W.else);
    this.has(BLOCK_GRANT, Grant.fence);
    code.byte(W.i32_eqz);
    this.refuseIf();
    code.i32Const(Scope.every);
    code.set(scope);
    code.byte(W.end);
  }

  private findPage(): void {
    const { code } = this;
    const { word, page } = Local;
    const unused = 64 - addressBits(SV39);
    this.register(word, 'rs1');
    code.i64Const(-PAGE_SIZE);
    code.byte(W.i64_and);
    code.tee(page);
    code.i64Const(unused);
    code.byte(W.i64_shl);
    code.i64Const(unused);
    code.byte(W.i64_shr_s);
    code.get(page);
    code.byte(W.i64_ne);
    this.refuseIf();
    code.get(page);
    code.i64Const(ALL_PAGES);
    this.names(word, 'rs1');
    code.byte(W.select);
    code.set(page);
  }

  private noteForSecondLevel(): void {
    const { code, cpu } = this;
    const { page, scope, entry, left } = Local;
    code.get(cpu);
    code.memory(W.i32_load, BLOCK_MISSED_FLUSHES);
    code.tee(left);
    code.i32Const(MAX_FLUSHES);
    code.byte(W.i32_eq);
    this.refuseIf();
    code.get(left);
    code.i32Const(FLUSH_BYTES);
    code.byte(W.i32_mul);
    code.get(cpu);
    code.byte(W.i32_add);
    code.tee(entry);
    code.get(page);
    code.memory(W.i64_store, BLOCK_FLUSHES + FLUSH_PAGE);
    code.get(entry);
    code.get(scope);
    code.memory(W.i32_store, BLOCK_FLUSHES + FLUSH_SCOPE);
    code.get(cpu);
    code.get(left);
    code.i32Const(1);
    code.byte(W.i32_add);
    code.memory(W.i32_store, BLOCK_MISSED_FLUSHES);
  }

  private flushContexts(): void {
    const { code, cpu, tlb } = this;
    const { context, left } = Local;
    code.get(cpu);
    code.memory(W.i32_load, BLOCK_TLB);
    code.i32Const(TLB_HEADER_BYTES);
    code.byte(W.i32_add);
    code.set(context);
    code.i32Const(tlb.contexts);
    code.set(left);
    code.open(W.loop);
    this.flushBank({
      half: HEADER_OF_DATA,
      first: CONTEXT_HEADER_BYTES,
      entries: tlb.dtlbEntries,
      entryBytes: DTLB_ENTRY_BYTES,
      tags: [DTLB_READ_TAG, DTLB_WRITE_TAG],
    });
    this.flushBank({
      half: HEADER_OF_FETCHES,
      first: CONTEXT_HEADER_BYTES + tlb.dtlbEntries * DTLB_ENTRY_BYTES,
      entries: tlb.itlbEntries,
      entryBytes: ITLB_ENTRY_BYTES,
      tags: [ITLB_TAG],
    });
    code.get(context);
    code.i32Const(contextBytes(tlb));
    code.byte(W.i32_add);
    code.set(context);
    code.get(left);
    code.i32Const(1);
    code.byte(W.i32_sub);
    code.tee(left);
    code.branch(W.br_if, 0);
    code.byte(W.end);
  }

  private flushBank(bank: BankShape): void {
    const { code } = this;
    const { context, page } = Local;
    this.isConcerned(bank);
    code.open(W.if);
    code.get(context);
    code.memory(W.i32_load, bank.half + HEADER_FRAGMENTS);
    code.get(page);
    code.i64Const(ALL_PAGES);
    code.byte(W.i64_eq);
    code.byte(W.i32_or);
    code.open(W.if);
    this.clearBank(bank);
    code.byte(W.else);
    this.clearEntry(bank);
    code.byte(W.end);
    code.byte(W.end);
  }

  /** Pushes whether the flush concerns a bank, and there is something in it. */
  private isConcerned({ half }: BankShape): void {
    const { code } = this;
    const { context, scope } = Local;
    code.get(scope);
    code.i32Const(1);
    code.byte(W.i32_add);
    code.get(context);
    code.memory(W.i32_load, half + HEADER_SPACE);
    code.byte(W.i32_eq);
    code.get(scope);
    code.i32Const(Scope.paged);
    code.byte(W.i32_eq);
    code.byte(W.i32_or);
    code.get(context);
    code.memory(W.i32_load, half + HEADER_SPACE);
    code.i32Const(0);
    code.byte(W.i32_ne);
    code.byte(W.i32_and);
    code.get(scope);
    code.i32Const(Scope.every);
    code.byte(W.i32_eq);
    code.byte(W.i32_or);
    code.get(context);
    code.memory(W.i32_load, half + HEADER_CHUNKS);
    code.i32Const(0);
    code.byte(W.i32_ne);
    code.byte(W.i32_and);
  }

  private clearBank({ half, first, entries, entryBytes }: BankShape): void {
    const { code } = this;
    const { context } = Local;
    code.get(context);
    code.i32Const(half);
    code.byte(W.i32_add);
    code.get(context);
    code.i32Const(first);
    code.byte(W.i32_add);
    code.i32Const(entryBytes << chunkShift(entries));
    code.byte(W.call);
    code.unsigned(this.clear);
  }

  /** Takes away the tags of the page. */
  private clearEntry({ first, entries, entryBytes, tags }: BankShape): void {
    const { code } = this;
    const { context, page, entry } = Local;
    code.get(page);
    code.byte(W.i32_wrap_i64);
    code.i32Const(PAGE_SHIFT - Math.log2(entryBytes));
    code.byte(W.i32_shr_u);
    code.i32Const((entries - 1) * entryBytes);
    code.byte(W.i32_and);
    code.get(context);
    code.byte(W.i32_add);
    code.set(entry);
    for (const tag of tags) {
      code.get(entry);
      code.i64Const(-1);
      code.get(entry);
      code.memory(W.i64_load, first + tag);
      code.get(entry);
      code.memory(W.i64_load, first + tag);
      code.get(page);
      code.byte(W.i64_eq);
      code.byte(W.select);
      code.memory(W.i64_store, first + tag);
    }
  }
}
