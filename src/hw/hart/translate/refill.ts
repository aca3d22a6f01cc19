// Refill: what translated code does about a miss of the first-level TLB, in WebAssembly: the plain walk (plainWalk.ts,
// refillWalk.ts) and the filling of the entry (refillEntry.ts).
//
// The dispatcher's module holds these functions. The dispatcher calls them when a region left for a miss; a region
// calls them itself at an access that misses often (translator.ts learns which). What the walk must know of the
// regime is in the context's header. Whatever is not plain is left to the interpreter, which finds the same state and
// does the same, or more.
//
// A function for each kind of access walks one stage, the shadow root's, and calls nothing, so that it has nothing to
// keep. Where there is a second stage it goes on in another.

import { PAGE_SHIFT } from '../../../units.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { Access, type AccessKind, SV39, SV39X4 } from '../../sv39/index.ts';
import {
  HEADER_PERMITS,
  HEADER_ROOT,
  HEADER_SECOND_PERMITS,
  HEADER_SECOND_STAGE,
  HEADER_STAGES,
  INFO_EXECUTE,
  INFO_LEVEL,
  INFO_READ,
  INFO_WRITE,
  Stages,
  type TlbGeometry,
} from '../../tlb/index.ts';
import { Local, REFILL_TYPE, RefillBody } from './refillEntry.ts';
import { GPN_BITS, GUEST_WALK_TYPE, GuestWalk } from './refillWalk.ts';
import { type Code, Type, W, type WasmFunction } from './wasm.ts';

/** The types of the functions below, and the functions, as the first of a module. */
export const REFILL_TYPES = [GUEST_WALK_TYPE, REFILL_TYPE] as const;
/** Names of the functions that refill, by access. */
export const REFILL_NAMES = ['refillLoad', 'refillStore', 'refillFetch'] as const;
const GUEST_WALK = 0;
/** Index of the function that refills for an access. */
export const refillFunction = (access: AccessKind): number => GUEST_WALK + 1 + access;
const behindFunction = (access: AccessKind): number => refillFunction(Access.fetch) + 1 + access;
/** How many functions there are. */
export const REFILL_FUNCTIONS = behindFunction(Access.fetch) + 1;

export function emitRefill(memory: PhysicalMemory, tlb: TlbGeometry): WasmFunction[] {
  const kinds = [Access.load, Access.store, Access.fetch];
  return [
    { type: 0, locals: GuestWalk.LOCALS, body: new GuestWalk(memory).write() },
    ...kinds.map((access) => ({
      type: 1,
      locals: RefillBody.LOCALS,
      body: new Refill(memory, tlb, access).write(),
      export: REFILL_NAMES[access],
    })),
    ...kinds.map((access) => ({
      type: 1,
      locals: RefillBehind.LOCALS,
      body: new RefillBehind(memory, tlb, access).write(),
    })),
  ];
}

/** One stage: Sv39 tables in frames. */
class Refill extends RefillBody {
  write(): Code {
    const { body } = this;
    const { cpu, va, entry, dtlb, page, header, table, pte, info, frame } = Local;
    this.findHeader();
    body.get(header);
    body.memory(W.i32_load, HEADER_STAGES);
    body.i32Const(Stages.first);
    body.byte(W.i32_ne);
    body.open(W.if);
    for (const parameter of [cpu, va, entry, dtlb]) body.get(parameter);
    body.byte(W.return_call);
    body.unsigned(behindFunction(this.access));
    body.byte(W.end);
    this.refuseUncanonical();
    this.takePage();
    body.get(header);
    body.memory(W.i32_load, HEADER_ROOT);
    body.set(table);
    this.walkHost({ stage: SV39, permits: HEADER_PERMITS, header, page, table, pte, info, frame });
    this.fill();
    return body;
  }
}

/** Behind the function above: by the second stage, of what the guest's own tables say where it has any. */
class RefillBehind extends RefillBody {
  static override readonly LOCALS = [...RefillBody.LOCALS, [2, Type.i32] as const];
  /** What stage one permits, and its level. */
  private readonly first = Local.writeTag + 1;
  /** The bits of the level, if it is stage one's. */
  private readonly level = Local.writeTag + 2;

  write(): Code {
    const { body } = this;
    const { page, header, table, pte, info, frame } = Local;
    this.findHeader();
    this.findGuestPage();
    body.get(header);
    body.memory(W.i32_load, HEADER_SECOND_STAGE);
    body.set(table);
    this.walkHost({
      stage: SV39X4,
      permits: HEADER_SECOND_PERMITS,
      header,
      page,
      table,
      pte,
      info,
      frame,
    });
    body.get(info);
    body.get(this.level);
    body.byte(W.i32_or);
    body.get(this.first);
    body.byte(W.i32_and);
    body.set(info);
    this.fill();
    return body;
  }

  private findGuestPage(): void {
    const { body } = this;
    const { header, page, table } = Local;
    body.get(header);
    body.memory(W.i32_load, HEADER_STAGES);
    body.tee(table);
    body.i32Const(Stages.both);
    body.byte(W.i32_eq);
    body.open(W.if);
    this.refuseUncanonical();
    body.get(header);
    this.takePage();
    body.get(page);
    body.byte(W.call);
    body.unsigned(GUEST_WALK);
    body.set(this.first);
    body.set(page);
    body.i32Const(INFO_LEVEL);
    body.set(this.level);
    body.byte(W.else);
    body.get(table);
    body.byte(W.i32_eqz);
    this.giveUpIf();
    this.refuseNoGuestAddress();
    this.takePage();
    body.i32Const(INFO_LEVEL | INFO_READ | INFO_WRITE | INFO_EXECUTE);
    body.set(this.first);
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
