// Load immediate: the instructions that build a constant in a register.
//
// Called for `li`, and for `la` of a constant. Chooses what GNU as chooses (riscv_load_const), so that the same source
// gives the same bytes.

import { Op } from '../hw/isa/index.ts';
import type { Assembly } from './assembly.ts';

/** Emits the shortest usual sequence for a signed 64-bit value: addi; lui, addiw; or those, then slli and addi pairs. */
export function loadImmediate(a: Assembly, rd: number, value: bigint, index: number): void {
  if (BigInt.asIntN(12, value) === value) a.emit(Op.addi, rd, 0, 0, Number(value), index);
  else build(a, rd, value, index);
}

/** Recurses at most three times: each level takes twelve bits or more off the value. */
function build(a: Assembly, rd: number, value: bigint, index: number): void {
  const low = BigInt.asIntN(12, value);
  if (BigInt.asIntN(32, value) === value) {
    buildWord(a, rd, Number(value), Number(low), index);
    return;
  }
  let upper = BigInt.asIntN(64, value - low);
  let shift = 12n;
  while (((upper >> shift) & 1n) === 0n) shift++;
  upper >>= shift;
  build(a, rd, upper, index);
  a.emit(Op.slli, rd, rd, 0, Number(shift), index);
  if (low !== 0n) a.emit(Op.addi, rd, rd, 0, Number(low), index);
}

function buildWord(a: Assembly, rd: number, value: number, low: number, index: number): void {
  const high = (value - low) | 0;
  if (high !== 0) a.emit(Op.lui, rd, 0, 0, high, index);
  if (low !== 0 || high === 0) a.emit(Op.addiw, rd, high === 0 ? 0 : rd, 0, low, index);
}
