// Memory accesses of translated code: the inlined lookup in the data TLB, loads, stores and atomics.
//
// Called by instructions.ts. The lookup is that of hw/tlb's first level, instruction by instruction: a hit compares the
// tag with the address under a mask that keeps the low bits of a misaligned address, so that it never hits. A miss
// leaves the region before the instruction, for the dispatcher, which may refill the entry (refill.ts), or for the
// interpreter, which executes the instruction with its fill, fault or device.
//
// Invariants: nothing in a region changes the TLB but a refill in place, behind which nothing that was known of the
// TLB counts; each access does its own check: fills are the interpreter's, at the same instruction. Stores to frames
// that hold code have no write tag and so always leave.

import { PAGE_SHIFT } from '../../../units.ts';
import { Op, opOf, rdOf, rs1Of, rs2Of } from '../../isa/index.ts';
import {
  DTLB_ADDEND,
  DTLB_ENTRY_BYTES,
  DTLB_READ_TAG,
  DTLB_WRITE_TAG,
  PAGE_CACHE_ADDEND,
  PAGE_CACHE_PAGE,
} from '../../tlb/index.ts';
import { BLOCK_RESERVATION, BLOCK_RESERVATION_LENGTH } from '../block.ts';
import type { AccessGroup, Member } from './groups.ts';
import { Leave, NO_BLOCK, type Place, type RegionCode } from './regionCode.ts';
import { Type, W } from './wasm.ts';

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

/** Bytes that a load or store moves; 0 for any other instruction. */
export const accessBytes = (op: number): number => (LOADS[op] ?? STORES[op])?.[0] ?? 0;

/** How an access finds its page. */
export interface Lookup {
  /** The page cache that it goes through, if any. */
  readonly cache: number | undefined;
  /** A miss is refilled in place: it happens often here, and nothing relies on the TLB as it was before. */
  readonly refills: boolean;
}

/** A check of `address` in the TLB. */
interface Checked {
  /** Of the access, in bytes. */
  readonly size: number;
  /** Offset in an entry of the tag that permits it. */
  readonly tag: number;
  readonly place: Place;
  readonly refills: boolean;
}

/** A load or store. */
export function emitAccess(
  region: RegionCode,
  word: number,
  imm: number,
  place: Place,
  { cache, refills }: Lookup,
): void {
  const load = LOADS[opOf(word)];
  const [size, opcode] = (load ?? STORES[opOf(word)])!;
  const tag = load === undefined ? DTLB_WRITE_TAG : DTLB_READ_TAG;
  emitAddress(region, rs1Of(word), imm);
  region.code.set(region.address);
  const checked = { size, tag, place, refills };
  if (cache === undefined) emitLookup(region, checked);
  else emitCachedLookup(region, checked, cache);
  if (load === undefined) region.get(rs2Of(word));
  region.code.memory(opcode, 0);
  if (load !== undefined) region.set(rdOf(word));
}

/**
 * Pushes whether each group of a segment lies in a page that the TLB has and permits, aligned; puts the host address of
 * its first byte into the group's local.
 */
export function emitGroupCheck(region: RegionCode, groups: readonly AccessGroup[]): void {
  const { code, address, scratch, entry } = region;
  groups.forEach((group, i) => {
    emitFind(region, group.base, group.low, group.stores ? DTLB_WRITE_TAG : DTLB_READ_TAG);
    code.tee(scratch);
    code.get(address);
    code.i64Const(-4096 + group.align - 1);
    code.byte(W.i64_and);
    code.byte(W.i64_xor);
    if (group.bytes > group.align) {
      code.get(address);
      code.i64Const(group.bytes - 1);
      code.byte(W.i64_add);
      code.i64Const(-4096);
      code.byte(W.i64_and);
      code.get(scratch);
      code.byte(W.i64_xor);
      code.byte(W.i64_or);
    }
    if (i > 0) code.byte(W.i64_or);
    code.get(address);
    code.byte(W.i32_wrap_i64);
    code.get(entry);
    code.memory(W.i32_load, DTLB_ADDEND);
    code.byte(W.i32_add);
    code.set(region.group(i));
  });
  code.byte(W.i64_eqz);
}

/** A load or store in a segment that passed its check. */
export function emitMember(region: RegionCode, word: number, { group, displacement }: Member): void {
  const { code } = region;
  const load = LOADS[opOf(word)];
  if (load === undefined) {
    code.get(region.group(group));
    region.get(rs2Of(word));
    code.memory(STORES[opOf(word)]![1], displacement);
  } else if (rdOf(word) !== 0) {
    code.get(region.group(group));
    code.memory(load[1], displacement);
    region.set(rdOf(word));
  }
}

/** Distances of a W or D form's id from that of its lr. */
const SC = Op.sc_w - Op.lr_w;
const AMO = Op.amoswap_w - Op.lr_w;

/** lr, sc and the AMOs. W permission implies R in every page-table entry, so that the write tag alone decides. */
export function emitAtomic(region: RegionCode, word: number, place: Place): void {
  const { code } = region;
  const wide = opOf(word) >= Op.lr_d;
  const kind = opOf(word) - (wide ? Op.lr_d : Op.lr_w);
  const tag = kind < SC ? DTLB_READ_TAG : DTLB_WRITE_TAG;
  // A misaligned one traps, and must not fill an entry: the interpreter looks.
  emitFind(region, rs1Of(word), 0, tag);
  emitTagDiffers(region, wide ? 8 : 4);
  region.leaveBeforeIf(place);
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

/** Pushes the host address for `address`, by way of a page cache: the TLB is asked only when it is in another page. */
function emitCachedLookup(region: RegionCode, access: Checked, cache: number): void {
  const { code, address, entry, dtlb } = region;
  const at = region.pageCache(cache);
  code.get(address);
  code.i64Const(-4096 + access.size - 1);
  code.byte(W.i64_and);
  code.get(dtlb);
  code.memory(W.i64_load, at + PAGE_CACHE_PAGE);
  code.byte(W.i64_ne);
  code.expect(false);
  region.open(W.if, NO_BLOCK, Type.i32);
  emitAddend(region, access);
  code.set(entry);
  code.get(dtlb);
  code.get(address);
  code.i64Const(-4096);
  code.byte(W.i64_and);
  code.memory(W.i64_store, at + PAGE_CACHE_PAGE);
  code.get(dtlb);
  code.get(entry);
  code.memory(W.i32_store, at + PAGE_CACHE_ADDEND);
  code.get(entry);
  code.byte(W.else);
  code.get(dtlb);
  code.memory(W.i32_load, at + PAGE_CACHE_ADDEND);
  region.close();
  code.get(address);
  code.byte(W.i32_wrap_i64);
  code.byte(W.i32_add);
}

/** Pushes the addend that the TLB has for the page of `address`. */
function emitAddend(region: RegionCode, access: Checked): void {
  const { code, address, entry } = region;
  emitEntryOf(region);
  code.memory(W.i64_load, access.tag);
  emitTagDiffers(region, access.size);
  if (access.refills) {
    emitRefillOrHit(region, access);
    code.get(entry);
    code.get(address);
    code.byte(W.i32_wrap_i64);
    code.byte(W.i32_sub);
  } else {
    emitMiss(region, access);
    code.get(entry);
    code.memory(W.i32_load, DTLB_ADDEND);
  }
}

/** Pushes the host address for `address`. */
function emitLookup(region: RegionCode, access: Checked): void {
  emitEntryOf(region);
  region.code.memory(W.i64_load, access.tag);
  emitTagDiffers(region, access.size);
  if (access.refills) {
    emitRefillOrHit(region, access);
    region.code.get(region.entry);
  } else {
    emitMiss(region, access);
    emitHostAddress(region);
  }
}

/** Leaves for the dispatcher if the i32 on the stack is not 0. */
function emitMiss(region: RegionCode, { tag, place }: Checked): void {
  region.leaveBeforeIf(place, tag === DTLB_WRITE_TAG ? Leave.store : Leave.load);
}

/** Turns an entry's tag on the stack into whether it is another page's, or the access to `address` is misaligned. */
function emitTagDiffers({ code, address }: RegionCode, size: number): void {
  code.get(address);
  code.i64Const(-4096 + size - 1);
  code.byte(W.i64_and);
  code.byte(W.i64_ne);
}

/**
 * Puts the host address for `address` into `entry` instead: by a refill if the i32 on the stack is not 0. A misaligned
 * access is the interpreter's.
 */
function emitRefillOrHit(region: RegionCode, { size, tag, place }: Checked): void {
  const { code } = region;
  code.expect(false);
  region.open(W.if, NO_BLOCK);
  if (size > 1) {
    code.get(region.address);
    code.byte(W.i32_wrap_i64);
    code.i32Const(size - 1);
    code.byte(W.i32_and);
    region.leaveBeforeIf(place);
  }
  region.refill(place, tag === DTLB_WRITE_TAG);
  code.byte(W.else);
  emitHostAddress(region);
  code.set(region.entry);
  region.close();
}

/** Puts the address into `address`, that of the TLB entry which could map it into `entry`, and pushes the entry's tag. */
function emitFind(region: RegionCode, base: number, imm: number, tag: number): void {
  emitAddress(region, base, imm);
  region.code.set(region.address);
  emitEntryOf(region);
  region.code.memory(W.i64_load, tag);
}

function emitAddress(region: RegionCode, base: number, imm: number): void {
  region.get(base);
  if (imm === 0) return;
  region.code.i64Const(imm);
  region.code.byte(W.i64_add);
}

/** Puts the host address of the TLB entry for `address` into `entry`, and pushes it. */
function emitEntryOf(region: RegionCode): void {
  const { code } = region;
  code.get(region.address);
  code.byte(W.i32_wrap_i64);
  code.i32Const(PAGE_SHIFT - Math.log2(DTLB_ENTRY_BYTES));
  code.byte(W.i32_shr_u);
  code.i32Const(region.unit.tlbMask);
  code.byte(W.i32_and);
  code.get(region.dtlb);
  code.byte(W.i32_add);
  code.tee(region.entry);
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
