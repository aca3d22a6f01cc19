// Memory operations: whole loads, stores and atomics as the architecture defines them, off the interpreter's fast path.
//
// The interpreter comes here when a first-level probe failed, and for every atomic; kvm comes back through completeX() and
// emulateStore() to finish an instruction that exited. Addresses go through access.ts.
//
// Source: RISC-V Unprivileged ISA, "Load and Store Instructions", "A Extension"; Privileged ISA, "Machine Trap Value"
// (the faulting part of a misaligned access), "Machine Cause Register" (AMO and SC report as stores). Invariants: a
// misaligned access translates both pages before it moves a byte; every store goes through PhysicalMemory; an operation
// that answers false left the trap or the exit recorded and memory and registers as they were.

import type { Hpa } from '../../units.ts';
import { Op, opOf, rdOf, rs1Of, rs2Of } from '../isa/index.ts';
import { Access, type AccessKind } from '../sv39/index.ts';
import { NOWHERE, translateData } from './access.ts';
import { amoResult } from './amo.ts';
import { Cause } from './architecture.ts';
import { BLOCK_EXIT, Exit } from './block.ts';
import type { Hart } from './hart.ts';
import { clearReservation, hasReservation, reserve } from './reservation.ts';
import { takeException } from './traps.ts';

/** Bytes by op, of every load, store and atomic. */
export const ACCESS_BYTES = new Uint8Array(256);
for (const op of [Op.lb, Op.lbu, Op.sb]) ACCESS_BYTES[op] = 1;
for (const op of [Op.lh, Op.lhu, Op.sh]) ACCESS_BYTES[op] = 2;
for (const op of [Op.lw, Op.lwu, Op.sw]) ACCESS_BYTES[op] = 4;
for (const op of [Op.ld, Op.sd]) ACCESS_BYTES[op] = 8;
for (let op = Op.lr_w as number; op <= Op.amomaxu_w; op++) ACCESS_BYTES[op] = 4;
for (let op = Op.lr_d as number; op <= Op.amomaxu_d; op++) ACCESS_BYTES[op] = 8;

/** Host addresses of an access's two parts; the second is used when it crosses a page. */
const parts = { first: 0, second: 0 };

/** Executes the load `w` at address lo/hi; false: it trapped or exited. */
export function load(hart: Hart, w: number, lo: number, hi: number): boolean {
  const bytes = ACCESS_BYTES[opOf(w)]!;
  if (!translateParts(hart, w, lo, hi, bytes, Access.load)) return false;
  const { first, second } = parts;
  const inFirst = 4096 - (lo & 4095);
  let valueLo = 0;
  let valueHi = 0;
  for (let i = bytes - 1; i >= 0; i--) {
    const at = i < inFirst ? first + i : second + i - inFirst;
    valueHi = (valueHi << 8) | (valueLo >>> 24);
    valueLo = (valueLo << 8) | hart.memory.read8(at as Hpa);
  }
  writeLoaded(hart, w, valueLo, valueHi);
  return true;
}

/** Extends a loaded value as `w` says and writes it to rd. */
export function writeLoaded(hart: Hart, w: number, lo: number, hi: number): void {
  const op = opOf(w);
  const low = extendLow(op, lo);
  hart.setX(rdOf(w), low, extendHigh(op, low, hi));
}

function extendLow(op: number, lo: number): number {
  if (op === Op.lb) return (lo << 24) >> 24;
  if (op === Op.lh) return (lo << 16) >> 16;
  if (op === Op.lbu) return lo & 0xff;
  return op === Op.lhu ? lo & 0xffff : lo;
}

function extendHigh(op: number, low: number, hi: number): number {
  if (op === Op.ld || op === Op.lr_d) return hi;
  return op === Op.lbu || op === Op.lhu || op === Op.lwu ? 0 : low >> 31;
}

/** Executes the store `w` at address lo/hi; false: it trapped or exited. */
export function store(hart: Hart, w: number, lo: number, hi: number): boolean {
  const bytes = ACCESS_BYTES[opOf(w)]!;
  if (!translateParts(hart, w, lo, hi, bytes, Access.store)) return false;
  const inFirst = 4096 - (lo & 4095);
  if (bytes <= inFirst) put(hart, w, parts.first);
  else putBytes(hart, w, bytes, inFirst);
  return true;
}

/** Stores rs2 within one page. */
function put(hart: Hart, w: number, at: number): void {
  const { memory, block } = hart;
  const source = rs2Of(w) * 2;
  const lo = block[source]!;
  const bytes = ACCESS_BYTES[opOf(w)];
  if (bytes === 8) memory.write64(at as Hpa, lo, block[source + 1]!);
  else if (bytes === 4) memory.write32(at as Hpa, lo);
  else if (bytes === 2) memory.write16(at as Hpa, lo);
  else memory.write8(at as Hpa, lo);
}

/** Stores rs2 across a page boundary. */
function putBytes(hart: Hart, w: number, bytes: number, inFirst: number): void {
  const { first, second } = parts;
  const source = rs2Of(w) * 2;
  for (let i = 0; i < bytes; i++) {
    const at = i < inFirst ? first + i : second + i - inFirst;
    hart.memory.write8(at as Hpa, hart.block[source + (i >>> 2)]! >>> (8 * (i & 3)));
  }
}

/** Translates all of an access into `parts`. */
function translateParts(
  hart: Hart,
  w: number,
  lo: number,
  hi: number,
  bytes: number,
  access: AccessKind,
): boolean {
  const crosses = (lo & 4095) + bytes > 4096;
  const inFirst = crosses ? 4096 - (lo & 4095) : bytes;
  parts.first = translateData(hart, lo, hi, inFirst, access);
  if (parts.first === NOWHERE) return exited(hart, w, lo, hi, crosses);
  if (!crosses) return true;
  const next = ((lo & ~4095) + 4096) | 0;
  const first = parts.first;
  parts.second = translateData(hart, next, (hi + (next === 0 ? 1 : 0)) | 0, bytes - inFirst, access);
  parts.first = first;
  return parts.second !== NOWHERE || exited(hart, w, lo, hi, crosses);
}

/** Records for kvm what the instruction was doing, when it was an exit that ended it. */
function exited(hart: Hart, w: number, lo: number, hi: number, crosses: boolean): false {
  if (hart.block[BLOCK_EXIT >> 2] === Exit.mmuFault) hart.access.set(hart, w, lo, hi, crosses);
  return false;
}

/** Executes lr, sc or an AMO; false: it trapped or exited. */
export function atomic(hart: Hart, w: number): boolean {
  const address = rs1Of(w) * 2;
  const lo = hart.block[address]!;
  const hi = hart.block[address + 1]!;
  const op = opOf(w);
  const reads = op === Op.lr_w || op === Op.lr_d;
  if ((lo & (ACCESS_BYTES[op]! - 1)) !== 0) {
    takeException(hart, reads ? Cause.loadMisaligned : Cause.storeMisaligned, lo, hi);
    return false;
  }
  const at = translateData(hart, lo, hi, ACCESS_BYTES[op]!, reads ? Access.load : Access.store);
  if (at === NOWHERE) return exited(hart, w, lo, hi, false);
  if (reads) loadReserved(hart, w, at);
  else atomicAt(hart, w, at);
  return true;
}

function loadReserved(hart: Hart, w: number, at: number): void {
  const memory = hart.memory;
  reserve(hart, at, ACCESS_BYTES[opOf(w)]!);
  writeLoaded(hart, w, memory.i32[at >>> 2]!, memory.i32[(at >>> 2) + 1]!);
}

/** The effect of a store, sc or AMO on the aligned datum at host address `at`. */
export function atomicAt(hart: Hart, w: number, at: number): void {
  const op = opOf(w);
  if (op === Op.sc_w || op === Op.sc_d) storeConditional(hart, w, at);
  else if (op >= Op.amoswap_w) amoAt(hart, w, at);
  else put(hart, w, at);
}

function storeConditional(hart: Hart, w: number, at: number): void {
  const holds = hasReservation(hart, at, ACCESS_BYTES[opOf(w)]!);
  clearReservation(hart);
  if (holds) put(hart, w, at);
  hart.setX(rdOf(w), holds ? 0 : 1, 0);
}

function amoAt(hart: Hart, w: number, at: number): void {
  const { block, memory } = hart;
  const wide = ACCESS_BYTES[opOf(w)] === 8;
  const lo = memory.i32[at >>> 2]!;
  const hi = wide ? memory.i32[(at >>> 2) + 1]! : lo >> 31;
  const source = rs2Of(w) * 2;
  const result = amoResult(opOf(w), lo, hi, block[source]!, block[source + 1]!);
  if (wide) memory.write64(at as Hpa, result.lo, result.hi);
  else memory.write32(at as Hpa, result.lo);
  hart.setX(rdOf(w), lo, hi);
}
