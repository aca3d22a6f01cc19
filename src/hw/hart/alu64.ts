// 64-bit arithmetic on lo/hi pairs: what is too long for a line in the interpreter's switch.
//
// Called by execute.ts with the register file `x` (int32 pairs) and the index of the destination's low word. Nothing here
// allocates except a division of operands beyond 2^53, which takes BigInt.
//
// Source: RISC-V Unprivileged ISA, "M Extension". Invariant: a function reads its operands before it writes x, so the
// destination may be one of their registers.

import { fromWords, hiWord, loWord } from '../../units.ts';

const TWO_53 = 2 ** 53;

/** High word of the unsigned product of two words. */
export function mulhu32(a: number, b: number): number {
  const aLo = a & 0xffff;
  const aHi = a >>> 16;
  const bLo = b & 0xffff;
  const bHi = b >>> 16;
  const low = Math.imul(aLo, bLo) >>> 16;
  const middle = Math.imul(aHi, bLo) + low;
  const middle32 = middle >>> 0;
  const other = (Math.imul(aLo, bHi) + (middle32 & 0xffff)) >>> 0;
  return (Math.imul(aHi, bHi) + (middle32 >>> 16) + (other >>> 16)) | 0;
}

export function mul(x: Int32Array, d: number, aLo: number, aHi: number, bLo: number, bHi: number): void {
  x[d] = Math.imul(aLo, bLo);
  x[d + 1] = mulhu32(aLo, bLo) + Math.imul(aLo, bHi) + Math.imul(aHi, bLo);
}

/** High 64 bits of the unsigned 128-bit product. */
export function mulhu(x: Int32Array, d: number, aLo: number, aHi: number, bLo: number, bHi: number): void {
  const cross1Lo = Math.imul(aHi, bLo) >>> 0;
  const cross2Lo = Math.imul(aLo, bHi) >>> 0;
  const carry = (mulhu32(aLo, bLo) >>> 0) + cross1Lo + cross2Lo;
  const low =
    (Math.imul(aHi, bHi) >>> 0) +
    (mulhu32(aHi, bLo) >>> 0) +
    (mulhu32(aLo, bHi) >>> 0) +
    Math.floor(carry / 2 ** 32);
  x[d] = low | 0;
  x[d + 1] = (mulhu32(aHi, bHi) + Math.floor(low / 2 ** 32)) | 0;
}

/** mulhu less b where a is negative. */
export function mulhsu(x: Int32Array, d: number, aLo: number, aHi: number, bLo: number, bHi: number): void {
  mulhu(x, d, aLo, aHi, bLo, bHi);
  if (aHi < 0) subtract(x, d, bLo, bHi);
}

/** mulhu less b where a is negative, and less a where b is. */
export function mulh(x: Int32Array, d: number, aLo: number, aHi: number, bLo: number, bHi: number): void {
  mulhsu(x, d, aLo, aHi, bLo, bHi);
  if (bHi < 0) subtract(x, d, aLo, aHi);
}

function subtract(x: Int32Array, d: number, lo: number, hi: number): void {
  const from = x[d]!;
  x[d] = from - lo;
  x[d + 1] = x[d + 1]! - hi - (from >>> 0 < lo >>> 0 ? 1 : 0);
}

const isExact = (value: number): boolean => value < TWO_53 && value > -TWO_53;
const toBig = (lo: number, hi: number): bigint => (BigInt(hi) << 32n) | BigInt(lo >>> 0);

function putNumber(x: Int32Array, d: number, value: number): void {
  x[d] = loWord(value);
  x[d + 1] = hiWord(value);
}

function putBig(x: Int32Array, d: number, value: bigint): void {
  x[d] = Number(BigInt.asIntN(32, value));
  x[d + 1] = Number(BigInt.asIntN(32, value >> 32n));
}

/** Quotient (rounded towards 0) or remainder, signed; by zero: -1 or the dividend. */
export function divide(
  x: Int32Array,
  d: number,
  aLo: number,
  aHi: number,
  bLo: number,
  bHi: number,
  remainder: boolean,
): void {
  const a = fromWords(aLo, aHi);
  const b = fromWords(bLo, bHi);
  if ((bLo | bHi) === 0) putByZero(x, d, aLo, aHi, remainder);
  else if (isExact(a) && isExact(b)) putNumber(x, d, remainder ? a % b : Math.trunc(a / b));
  else {
    const bigA = toBig(aLo, aHi);
    const bigB = toBig(bLo, bHi);
    putBig(x, d, remainder ? bigA % bigB : bigA / bigB);
  }
}

/** The same, unsigned. */
export function divideUnsigned(
  x: Int32Array,
  d: number,
  aLo: number,
  aHi: number,
  bLo: number,
  bHi: number,
  remainder: boolean,
): void {
  const a = fromWords(aLo, aHi >>> 0);
  const b = fromWords(bLo, bHi >>> 0);
  if ((bLo | bHi) === 0) putByZero(x, d, aLo, aHi, remainder);
  else if (isExact(a) && isExact(b)) putNumber(x, d, remainder ? a % b : Math.floor(a / b));
  else {
    const bigA = BigInt.asUintN(64, toBig(aLo, aHi));
    const bigB = BigInt.asUintN(64, toBig(bLo, bHi));
    putBig(x, d, remainder ? bigA % bigB : bigA / bigB);
  }
}

function putByZero(x: Int32Array, d: number, aLo: number, aHi: number, remainder: boolean): void {
  x[d] = remainder ? aLo : -1;
  x[d + 1] = remainder ? aHi : -1;
}

/** The W forms: 32-bit operands, the result sign-extended. */
export function divideWord(x: Int32Array, d: number, a: number, b: number, remainder: boolean): void {
  const value = b === 0 ? (remainder ? a : -1) : (remainder ? a % b : a / b) | 0;
  x[d] = value;
  x[d + 1] = value >> 31;
}

export function divideWordUnsigned(x: Int32Array, d: number, a: number, b: number, remainder: boolean): void {
  const dividend = a >>> 0;
  const divisor = b >>> 0;
  const value = (b === 0 ? (remainder ? a : -1) : remainder ? dividend % divisor : dividend / divisor) | 0;
  x[d] = value;
  x[d + 1] = value >> 31;
}
