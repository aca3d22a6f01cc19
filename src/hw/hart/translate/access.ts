// Memory accesses of translated code: the inlined lookup in the data TLB, loads, stores and atomics.
//
// Called by instructions.ts. The lookup is that of hw/tlb's first level, instruction by instruction: a hit compares the
// tag with the address under a mask that keeps the low bits of a misaligned address, so that it never hits. A miss
// leaves the region before the instruction, which the interpreter then executes, with its fill, fault or device.
//
// Invariants: nothing in a region changes the TLB, and each access does its own check: fills are the interpreter's, at
// the same instruction. Stores to frames that hold code have no write tag and so always leave.

import { PAGE_SHIFT } from '../../../units.ts';
import { Op, opOf, rdOf, rs1Of, rs2Of } from '../../isa/index.ts';
import { DTLB_ADDEND, DTLB_ENTRY_BYTES, DTLB_READ_TAG, DTLB_WRITE_TAG } from '../../tlb/index.ts';
import { BLOCK_RESERVATION, BLOCK_RESERVATION_LENGTH } from '../block.ts';
import type { Place, RegionCode } from './regionCode.ts';
import { W } from './wasm.ts';

const LOADS: Readonly<Record<number, readonly [size: number, opcode: number]>> = {
  [Op.lb]: [1, W.i64_load8_s],
  [Op.lh]: [2, W.i64_load16_s],
  [Op.lw]: [4, W.i64_load32_s],
  [Op.ld]: [8, W.i64_load],
  [Op.lbu]: [1, W.i64_load8_u],
  [Op.lhu]: [2, W.i64_load16_u],
  [Op.lwu]: [4, W.i64_load32_u],
};

const STORES: Readonly<Record<number, readonly [size: number, opcode: number]>> = {
  [Op.sb]: [1, W.i64_store8],
  [Op.sh]: [2, W.i64_store16],
  [Op.sw]: [4, W.i64_store32],
  [Op.sd]: [8, W.i64_store],
};

export function emitLoad(region: RegionCode, word: number, imm: number, place: Place): void {
  const [size, opcode] = LOADS[opOf(word)]!;
  emitLookup(region, rs1Of(word), imm, size, DTLB_READ_TAG, place);
  if (rdOf(word) === 0) return;
  emitHostAddress(region);
  region.code.memory(opcode, 0);
  region.set(rdOf(word));
}

export function emitStore(region: RegionCode, word: number, imm: number, place: Place): void {
  const [size, opcode] = STORES[opOf(word)]!;
  emitLookup(region, rs1Of(word), imm, size, DTLB_WRITE_TAG, place);
  emitHostAddress(region);
  region.get(rs2Of(word));
  region.code.memory(opcode, 0);
}

/** Distances of a W or D form's id from that of its lr. */
const SC = Op.sc_w - Op.lr_w;
const AMO = Op.amoswap_w - Op.lr_w;

/** lr, sc and the AMOs. W permission implies R in every page-table entry, so that the write tag alone decides. */
export function emitAtomic(region: RegionCode, word: number, place: Place): void {
  const { code } = region;
  const wide = opOf(word) >= Op.lr_d;
  const kind = opOf(word) - (wide ? Op.lr_d : Op.lr_w);
  emitLookup(region, rs1Of(word), 0, wide ? 8 : 4, kind < SC ? DTLB_READ_TAG : DTLB_WRITE_TAG, place);
  emitHostAddress(region);
  code.set(region.entry);
  if (kind < SC) emitLoadReserved(region, rdOf(word), wide);
  else if (kind < AMO) emitStoreConditional(region, word, wide);
  else emitAmo(region, word, kind - AMO, wide);
}

/** Of the datum whose host address is in `entry`, as the two below. */
function emitLoadReserved(region: RegionCode, rd: number, wide: boolean): void {
  const { code, cpu, entry } = region;
  code.get(cpu);
  code.get(entry);
  code.memory(W.i32_store, BLOCK_RESERVATION);
  code.get(cpu);
  code.i32Const(wide ? 8 : 4);
  code.memory(W.i32_store, BLOCK_RESERVATION_LENGTH);
  code.get(entry);
  code.memory(wide ? W.i64_load : W.i64_load32_s, 0);
  region.set(rd);
}

function emitStoreConditional(region: RegionCode, word: number, wide: boolean): void {
  const { code, cpu, entry, scratch } = region;
  code.get(cpu);
  code.memory(W.i32_load, BLOCK_RESERVATION);
  code.get(entry);
  code.byte(W.i32_eq);
  code.get(cpu);
  code.memory(W.i32_load, BLOCK_RESERVATION_LENGTH);
  code.i32Const(wide ? 8 : 4);
  code.byte(W.i32_eq);
  code.byte(W.i32_and);
  code.byte(W.i64_extend_i32_u);
  code.set(scratch);
  code.get(cpu);
  code.i32Const(-1);
  code.memory(W.i32_store, BLOCK_RESERVATION);
  code.get(scratch);
  code.byte(W.i32_wrap_i64);
  code.open(W.if);
  code.get(entry);
  region.get(rs2Of(word));
  code.memory(wide ? W.i64_store : W.i64_store32, 0);
  code.byte(W.end);
  code.get(scratch);
  code.byte(W.i64_eqz);
  code.byte(W.i64_extend_i32_u);
  region.set(rdOf(word));
}

/** `kind` is the distance from amoswap. */
function emitAmo(region: RegionCode, word: number, kind: number, wide: boolean): void {
  const { code, scratch, entry } = region;
  code.get(entry);
  code.memory(wide ? W.i64_load : W.i64_load32_s, 0);
  code.set(scratch);
  code.get(entry);
  emitCombine(region, kind, rs2Of(word), wide);
  code.memory(wide ? W.i64_store : W.i64_store32, 0);
  code.get(scratch);
  region.set(rdOf(word));
}

/** By distance from amoswap: the operation, or for min and max the comparison that keeps the old value. */
const AMO_OPCODES = [
  undefined,
  W.i64_add,
  W.i64_xor,
  W.i64_and,
  W.i64_or,
  W.i64_lt_s,
  W.i64_gt_s,
  W.i64_lt_u,
  W.i64_gt_u,
] as const;
const AMO_MIN = 5;

/** Pushes what the AMO stores, from the old value in `scratch` and rs2. A W form compares sign-extended words. */
function emitCombine(region: RegionCode, kind: number, rs2: number, wide: boolean): void {
  const { code, scratch } = region;
  const operand = (): void => {
    region.get(rs2);
    if (!wide) code.byte(W.i64_extend32_s);
  };
  if (kind === 0) {
    region.get(rs2);
    return;
  }
  code.get(scratch);
  if (kind < AMO_MIN) {
    region.get(rs2);
  } else {
    operand();
    code.get(scratch);
    operand();
  }
  code.byte(AMO_OPCODES[kind]!);
  if (kind >= AMO_MIN) code.byte(W.select);
}

/**
 * Puts the address into `address` and the host address of the TLB entry that maps it into `entry`, or leaves the region.
 */
function emitLookup(
  region: RegionCode,
  base: number,
  imm: number,
  size: number,
  tag: number,
  place: Place,
): void {
  const { code } = region;
  region.get(base);
  if (imm !== 0) {
    code.i64Const(imm);
    code.byte(W.i64_add);
  }
  code.tee(region.address);
  code.byte(W.i32_wrap_i64);
  code.i32Const(PAGE_SHIFT - Math.log2(DTLB_ENTRY_BYTES));
  code.byte(W.i32_shr_u);
  code.i32Const(region.unit.tlbMask);
  code.byte(W.i32_and);
  code.get(region.dtlb);
  code.byte(W.i32_add);
  code.tee(region.entry);
  code.memory(W.i64_load, tag);
  code.get(region.address);
  code.i64Const(-4096 + size - 1);
  code.byte(W.i64_and);
  code.byte(W.i64_ne);
  region.leaveBeforeIf(place);
}

/** Pushes the host byte address that the entry found maps the address to. */
function emitHostAddress(region: RegionCode): void {
  const { code } = region;
  code.get(region.address);
  code.byte(W.i32_wrap_i64);
  code.get(region.entry);
  code.memory(W.i32_load, DTLB_ADDEND);
  code.byte(W.i32_add);
}
