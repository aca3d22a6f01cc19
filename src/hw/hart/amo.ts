// AMO: what an atomic memory operation stores, given the old value and the source register.
//
// Called by memoryOps.ts, which reads, stores and writes rd.
//
// Source: RISC-V Unprivileged ISA, "Atomic Memory Operations". Invariant: of a word operation only `lo` counts.

import { Op } from '../isa/index.ts';
import { Word64 } from './word64.ts';

const result = new Word64();

/** The value to store; the object is reused by the next call. */
export function amoResult(op: number, lo: number, hi: number, sourceLo: number, sourceHi: number): Word64 {
  switch (op) {
    case Op.amoadd_w:
    case Op.amoadd_d:
      add(lo, hi, sourceLo, sourceHi);
      break;
    case Op.amoxor_w:
    case Op.amoxor_d:
      result.set(lo ^ sourceLo, hi ^ sourceHi);
      break;
    case Op.amoand_w:
    case Op.amoand_d:
      result.set(lo & sourceLo, hi & sourceHi);
      break;
    case Op.amoor_w:
    case Op.amoor_d:
      result.set(lo | sourceLo, hi | sourceHi);
      break;
    default:
      if (keepsOld(op, lo, hi, sourceLo, sourceHi)) result.set(lo, hi);
      else result.set(sourceLo, sourceHi);
  }
  return result;
}

function add(lo: number, hi: number, sourceLo: number, sourceHi: number): void {
  const sum = (lo + sourceLo) | 0;
  result.set(sum, hi + sourceHi + (sum >>> 0 < lo >>> 0 ? 1 : 0));
}

/** Minimum and maximum keep the old value where it is the right one; swap never does. */
function keepsOld(op: number, lo: number, hi: number, sourceLo: number, sourceHi: number): boolean {
  switch (op) {
    case Op.amomin_w:
      return lo <= sourceLo;
    case Op.amomax_w:
      return lo >= sourceLo;
    case Op.amominu_w:
      return lo >>> 0 <= sourceLo >>> 0;
    case Op.amomaxu_w:
      return lo >>> 0 >= sourceLo >>> 0;
    case Op.amomin_d:
      return isLess(hi, lo, sourceHi, sourceLo);
    case Op.amomax_d:
      return isLess(sourceHi, sourceLo, hi, lo);
    case Op.amominu_d:
      return isLess(hi >>> 0, lo, sourceHi >>> 0, sourceLo);
    case Op.amomaxu_d:
      return isLess(sourceHi >>> 0, sourceLo, hi >>> 0, lo);
    default:
      return false;
  }
}

const isLess = (aHi: number, aLo: number, bHi: number, bLo: number): boolean =>
  aHi < bHi || (aHi === bHi && aLo >>> 0 < bLo >>> 0);
