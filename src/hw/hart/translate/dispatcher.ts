// The dispatcher: the WebAssembly function that goes from region to region until one must leave.
//
// Called by the translator for a vCPU block; calls regions through the only table. For each pc it checks the fetch
// TLB as a fetch would, so that no region runs where the hart could not fetch, then the vCPU's jump cache: a
// direct-mapped table of {pc i64, hpa i32, slot i32}, which the translator fills and clears. What a TLB lacks it
// refills by a plain walk (refill.ts); privileged instructions between regions it executes (privileged.ts).
//
// Invariants: a fetch that the budget does not pay for fills nothing; only this module imports the table (V8 keeps a
// copy of an imported table per instance); a slot stands in a jump cache only while its region is linked.

import { PAGE_SHIFT, PAGE_SIZE } from '../../../units.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { Access, type AccessKind } from '../../sv39/index.ts';
import {
  DTLB_ENTRY_BYTES,
  DTLB_INFO,
  DTLB_READ_TAG,
  INFO_READ,
  INFO_WRITE,
  ITLB_ADDEND,
  ITLB_ENTRY_BYTES,
  ITLB_TAG,
  type TlbGeometry,
} from '../../tlb/index.ts';
import { BLOCK_BUDGET, BLOCK_DTLB, BLOCK_ITLB, BLOCK_JUMP_CACHE, BLOCK_MISSED, BLOCK_PC } from '../block.ts';
import { encodeModule, memoryPages } from './module.ts';
import { emitPrivileged, PRIVILEGED_CALLS, PRIVILEGED_TYPE, PRIVILEGED_TYPES } from './privileged.ts';
import { emitRefill, REFILL_NAMES, REFILL_TYPES } from './refill.ts';
import { Leave } from './regionCode.ts';
import { Code, Type, W } from './wasm.ts';

export const JUMP_ENTRY_BYTES = 16;
export const JUMP_PC = 0;
export const JUMP_HPA = 8;
export const JUMP_SLOT = 12;

/** Parameters and results of a region and of the dispatcher. */
export const REGION_TYPE = { params: [Type.i32, Type.i32], results: [Type.i64] } as const;

const TYPES = [...REFILL_TYPES, ...PRIVILEGED_TYPES, REGION_TYPE] as const;
const TYPE_OF_DISPATCHER = TYPES.indexOf(PRIVILEGED_TYPE);
const TYPE_OF_REGION = TYPES.indexOf(REGION_TYPE);
const FIRST_PRIVILEGED = REFILL_NAMES.length;

const CPU = 0;
const FETCH = 1;
const JUMP = 2;
const DATA = 3;
const ENTRY = 4;
const HPA = 5;
const PC = 6;
const LOCALS = [
  [5, Type.i32],
  [1, Type.i64],
] as const;

/** Bytes of a module that exports `run(cpu): Leave`. Entry counts are powers of two. */
export function encodeDispatcher(
  memory: PhysicalMemory,
  tlb: TlbGeometry,
  jumpEntries: number,
): Uint8Array<ArrayBuffer> {
  const helpers = [...emitRefill(memory, tlb), ...emitPrivileged(tlb, REFILL_TYPES.length, FIRST_PRIVILEGED)];
  const body = new Code();
  loadBases(body);
  body.open(W.loop, Type.none);
  findFetchEntry(body, tlb.itlbEntries);
  findRegion(body, jumpEntries);
  callRegion(body, tlb, helpers.length);
  body.branch(W.br, 0);
  body.byte(W.end);
  body.byte(W.unreachable);
  const run = { type: TYPE_OF_DISPATCHER, locals: LOCALS, body, export: 'run' };
  return encodeModule({
    types: TYPES,
    memoryPages: memoryPages(memory.wasm),
    tableSlots: 1,
    functions: [...helpers, run],
  });
}

function loadBases(body: Code): void {
  const bases = [
    [FETCH, BLOCK_ITLB],
    [JUMP, BLOCK_JUMP_CACHE],
    [DATA, BLOCK_DTLB],
  ] as const;
  for (const [local, offset] of bases) {
    body.get(CPU);
    body.memory(W.i32_load, offset);
    body.set(local);
  }
  body.get(CPU);
  body.memory(W.i64_load, BLOCK_PC);
  body.set(PC);
}

/** hpa = where the fetch TLB says pc is, or leave. */
function findFetchEntry(body: Code, fetchEntries: number): void {
  body.get(PC);
  body.byte(W.i32_wrap_i64);
  body.i32Const(PAGE_SHIFT - Math.log2(ITLB_ENTRY_BYTES));
  body.byte(W.i32_shr_u);
  body.i32Const((fetchEntries - 1) * ITLB_ENTRY_BYTES);
  body.byte(W.i32_and);
  body.get(FETCH);
  body.byte(W.i32_add);
  body.tee(ENTRY);
  body.memory(W.i64_load, ITLB_TAG);
  body.get(PC);
  body.i64Const(-4096);
  body.byte(W.i64_and);
  body.byte(W.i64_ne);
  body.expect(false);
  body.open(W.if);
  refillFetch(body);
  body.byte(W.end);
  body.get(PC);
  body.byte(W.i32_wrap_i64);
  body.get(ENTRY);
  body.memory(W.i32_load, ITLB_ADDEND);
  body.byte(W.i32_add);
  body.set(HPA);
}

/** Refills the fetch TLB, or leaves. */
function refillFetch(body: Code): void {
  body.get(CPU);
  body.memory(W.i32_load, BLOCK_BUDGET);
  body.i32Const(1);
  body.byte(W.i32_lt_s);
  leaveIf(body, Leave.fetch);
  for (const argument of [CPU, PC, ENTRY, DATA]) body.get(argument);
  body.byte(W.call);
  body.unsigned(Access.fetch);
  body.byte(W.i32_eqz);
  leaveIf(body, Leave.fetch);
}

/** entry = the jump cache's entry for pc and hpa, or leave. */
function findRegion(body: Code, jumpEntries: number): void {
  body.get(PC);
  body.byte(W.i32_wrap_i64);
  body.i32Const(Math.log2(JUMP_ENTRY_BYTES) - 1);
  body.byte(W.i32_shl);
  body.i32Const((jumpEntries - 1) * JUMP_ENTRY_BYTES);
  body.byte(W.i32_and);
  body.get(JUMP);
  body.byte(W.i32_add);
  body.tee(ENTRY);
  body.memory(W.i64_load, JUMP_PC);
  body.get(PC);
  body.byte(W.i64_xor);
  body.get(ENTRY);
  body.memory(W.i32_load, JUMP_HPA);
  body.get(HPA);
  body.byte(W.i32_xor);
  body.byte(W.i64_extend_i32_u);
  body.byte(W.i64_or);
  body.byte(W.i64_eqz);
  body.byte(W.i32_eqz);
  leaveIf(body, Leave.unlinked);
}

/** pc = region(cpu, dtlb), or where it leads; an odd result is why it left, with pc in the block. `self`: the index of run(). */
function callRegion(body: Code, tlb: TlbGeometry, self: number): void {
  body.get(CPU);
  body.get(DATA);
  body.get(ENTRY);
  body.memory(W.i32_load, JUMP_SLOT);
  body.byte(W.call_indirect);
  body.unsigned(TYPE_OF_REGION);
  body.unsigned(0);
  body.tee(PC);
  body.byte(W.i32_wrap_i64);
  body.i32Const(1);
  body.byte(W.i32_and);
  body.expect(false);
  body.open(W.if);
  refillData(body, tlb, Leave.load, Access.load);
  refillData(body, tlb, Leave.store, Access.store);
  body.get(PC);
  body.i64Const(Leave.ecall);
  body.byte(W.i64_lt_u);
  body.open(W.if);
  body.get(PC);
  body.byte(W.i32_wrap_i64);
  body.byte(W.return);
  body.byte(W.end);
  executePrivileged(body, self);
  body.byte(W.end);
}

/**
 * Executes the privileged instruction for which the region left, and leaves if something is in the way. Then the
 * dispatcher begins anew: what it loads once may be different now.
 */
function executePrivileged(body: Code, self: number): void {
  body.i32Const(0);
  body.set(ENTRY);
  for (const [why, index] of PRIVILEGED_CALLS) {
    body.get(PC);
    body.i64Const(why);
    body.byte(W.i64_eq);
    body.open(W.if);
    body.get(CPU);
    body.byte(W.call);
    body.unsigned(FIRST_PRIVILEGED + index);
    body.set(ENTRY);
    body.byte(W.end);
  }
  body.get(ENTRY);
  body.open(W.if);
  body.get(ENTRY);
  body.byte(W.return);
  body.byte(W.end);
  body.get(CPU);
  body.byte(W.return_call);
  body.unsigned(self);
}

/** Where the region left for such a miss: refills the data TLB, and returns whether it could. */
function refillData(body: Code, { dtlbEntries }: TlbGeometry, miss: number, access: AccessKind): void {
  body.get(PC);
  body.i64Const(miss);
  body.byte(W.i64_eq);
  body.open(W.if);
  body.get(CPU);
  body.memory(W.i64_load, BLOCK_MISSED);
  body.tee(PC);
  body.byte(W.i32_wrap_i64);
  body.i32Const(PAGE_SHIFT - Math.log2(DTLB_ENTRY_BYTES));
  body.byte(W.i32_shr_u);
  body.i32Const((dtlbEntries - 1) * DTLB_ENTRY_BYTES);
  body.byte(W.i32_and);
  body.get(DATA);
  body.byte(W.i32_add);
  body.set(ENTRY);
  isPermitted(body, access === Access.load ? INFO_READ : INFO_WRITE);
  body.open(W.if, Type.i32);
  body.i32Const(0);
  body.byte(W.else);
  for (const argument of [CPU, PC, ENTRY, DATA]) body.get(argument);
  body.byte(W.call);
  body.unsigned(access);
  body.byte(W.end);
  body.open(W.if, Type.i32);
  body.i32Const(Leave.refilled);
  body.byte(W.else);
  body.i32Const(Leave.interpret);
  body.byte(W.end);
  body.byte(W.return);
  body.byte(W.end);
}

/** Pushes whether the entry permits the access to the address in `pc` already: something else was in the way. */
function isPermitted(body: Code, permission: number): void {
  body.get(ENTRY);
  body.memory(W.i64_load, DTLB_READ_TAG);
  body.get(PC);
  body.i64Const(-PAGE_SIZE);
  body.byte(W.i64_and);
  body.byte(W.i64_eq);
  body.open(W.if, Type.i32);
  body.get(ENTRY);
  body.memory(W.i32_load, DTLB_INFO);
  body.i32Const(permission);
  body.byte(W.i32_and);
  body.byte(W.else);
  body.i32Const(0);
  body.byte(W.end);
}

/** Leaves if the i32 on the stack is not 0. */
function leaveIf(body: Code, why: number): void {
  body.expect(false);
  body.open(W.if, Type.none);
  body.get(CPU);
  body.get(PC);
  body.memory(W.i64_store, BLOCK_PC);
  body.i32Const(why);
  body.byte(W.return);
  body.byte(W.end);
}
