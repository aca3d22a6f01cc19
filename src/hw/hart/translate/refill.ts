// Refill: what translated code does about a miss of the first-level TLB, in WebAssembly: the plain walk (plainWalk.ts,
// refillWalk.ts) and the filling of the entry (refillEntry.ts).
//
// The dispatcher's module holds these functions. The dispatcher calls them when a region left for a miss; a region
// calls them itself at an access that misses often (translator.ts learns which). What the walk must know of the
// regime is in the context's header. Whatever is not plain is left to the interpreter, which finds the same state and
// does the same, or more.
//
// There is one for each kind of access. It calls nothing, so that it has nothing to keep.

import { PAGE_SHIFT } from '../../../units.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { Access, SV39 } from '../../sv39/index.ts';
import {
  HEADER_PERMITS,
  HEADER_ROOT,
  HEADER_STAGES,
  INFO_EXECUTE,
  INFO_LEVEL,
  INFO_READ,
  INFO_WRITE,
  Stages,
  type TlbGeometry,
} from '../../tlb/index.ts';
import type { WasmFunction } from './module.ts';
import { Local, REFILL_TYPE, RefillBody } from './refillEntry.ts';
import { GPN_BITS, secondStage } from './refillWalk.ts';
import { type Code, W } from './wasm.ts';

/** The types of the functions below, and the functions, as the first of a module. */
export const REFILL_TYPES = [REFILL_TYPE] as const;
/** Names of the functions that refill, by access: that is their order in the module, too. */
export const REFILL_NAMES = ['refillLoad', 'refillStore', 'refillFetch'] as const;

export const emitRefill = (memory: PhysicalMemory, tlb: TlbGeometry): WasmFunction[] =>
  [Access.load, Access.store, Access.fetch].map((access) => ({
    type: 0,
    locals: Refill.LOCALS,
    body: new Refill(memory, tlb, access).write(),
    export: REFILL_NAMES[access],
  }));

class Refill extends RefillBody {
  write(): Code {
    const { body } = this;
    const { header, page, stages } = Local;
    this.findHeader();
    body.get(Local.va);
    body.i64Const(PAGE_SHIFT);
    body.byte(W.i64_shr_u);
    body.byte(W.i32_wrap_i64);
    body.set(page);
    body.get(header);
    body.memory(W.i32_load, HEADER_STAGES);
    body.tee(stages);
    body.i32Const(Stages.first);
    body.byte(W.i32_eq);
    body.open(W.if);
    this.walkFirst();
    body.byte(W.else);
    this.walkSecond();
    body.byte(W.end);
    this.fill();
    return body;
  }

  /** Sv39 tables in frames. */
  private walkFirst(): void {
    const { body } = this;
    const { header, page, table, pte, info, frame } = Local;
    this.refuseUncanonical();
    body.get(header);
    body.memory(W.i32_load, HEADER_ROOT);
    body.set(table);
    this.walkHost({ stage: SV39, permits: HEADER_PERMITS, header, page, table, pte, info, frame });
  }

  /** The second stage, of what the guest's own tables say where it has any. */
  private walkSecond(): void {
    const { body } = this;
    const { header, gpn, table, pte, info, frame, first, level } = Local;
    this.findGuestPage();
    this.walkSecondStage(secondStage({ header, page: gpn, table, pte, info, frame }));
    body.get(info);
    body.get(level);
    body.byte(W.i32_or);
    body.get(first);
    body.byte(W.i32_and);
    body.set(info);
  }

  private findGuestPage(): void {
    const { body } = this;
    const { stages, page, gpn, first, level } = Local;
    body.get(stages);
    body.i32Const(Stages.both);
    body.byte(W.i32_eq);
    body.open(W.if);
    this.refuseUncanonical();
    this.walkGuest(Local);
    body.i32Const(INFO_LEVEL);
    body.set(level);
    body.byte(W.else);
    body.get(stages);
    body.byte(W.i32_eqz);
    this.giveUpIf();
    this.refuseNoGuestAddress();
    body.get(page);
    body.set(gpn);
    body.i32Const(INFO_LEVEL | INFO_READ | INFO_WRITE | INFO_EXECUTE);
    body.set(first);
    body.byte(W.end);
  }

  private refuseNoGuestAddress(): void {
    const { body } = this;
    body.get(Local.va);
    body.i64Const(GPN_BITS + PAGE_SHIFT);
    body.byte(W.i64_shr_u);
    body.i64Const(0);
    body.byte(W.i64_ne);
    this.giveUpIf();
  }
}
