// The CLINT: software interrupts and the timer of every hart, laid out as SiFive's (and QEMU's `virt`).
//
// Attached to the bus by board.ts. It holds no timer of its own: vcpuThread.ts asks `deadline` how far a hart may run
// and calls `update` before each entry, so that an interrupt comes at the exact instruction.
//
//   0x0000 msip, 4 bytes a hart     0x4000 mtimecmp, 8 bytes a hart     0xbff8 mtime, 8 bytes
//
// mtime counts at 10 MHz of virtual time. 64-bit values are BigInt here: every access has left the guest anyway.

import type { AccessLength, Device, MmioData } from './bus.ts';

export interface ClintHost {
  /** Virtual time in ns. */
  now(): number;
  /** Sets an interrupt line (a mip bit) and wakes the hart if it waits, so that it looks at its deadline again. */
  setPending(hart: number, irq: ClintIrq, level: boolean): void;
}

export const TIMEBASE_HZ = 10_000_000;
const NS_PER_TICK = 1e9 / TIMEBASE_HZ;
/** mip bits, also interrupt numbers of a hart. */
export const MSIP = 3;
export const MTIP = 7;
export type ClintIrq = typeof MSIP | typeof MTIP;

const MTIMECMP = 0x4000;
const MTIME = 0xbff8;
const WORD = 0xffffffffn;
/** Virtual time is a double: what lies beyond 104 days never comes. */
const LAST_TIME = 2 ** 53;

export class Clint implements Device {
  readonly base: number;
  readonly size = 0x10000;
  readonly #host: ClintHost;
  readonly #harts: number;
  readonly #msip: Uint8Array;
  readonly #mtimecmp: BigUint64Array;
  /** What the guest wrote to mtime, less what the clock showed then. */
  #offset = 0n;

  constructor(base: number, harts: number, host: ClintHost) {
    this.base = base;
    this.#host = host;
    this.#harts = harts;
    this.#msip = new Uint8Array(harts);
    this.#mtimecmp = new BigUint64Array(harts).fill(2n ** 64n - 1n);
  }

  /** The `time` CSR at virtual time `now`: ticks. Exact below 2^53. */
  timeAt(now: number): number {
    const ticks = Math.floor(now / NS_PER_TICK);
    return this.#offset === 0n ? ticks : Number(BigInt.asUintN(64, BigInt(ticks) + this.#offset));
  }

  /** ns per tick while timeAt() is nothing but a division by it; 0 once the guest has set mtime. */
  get plainTick(): number {
    return this.#offset === 0n ? NS_PER_TICK : 0;
  }

  /** Sets the timer line of `hart` by the clock. */
  update(hart: number): void {
    this.#host.setPending(hart, MTIP, this.#mtime() >= this.#mtimecmp[hart]!);
  }

  /** When the timer line of `hart` will rise by itself: virtual ns, or Infinity. */
  deadline(hart: number): number {
    return this.deadlineOf(this.#mtimecmp[hart]!);
  }

  /** When the clock will show `ticks`: virtual ns, Infinity if it does already or never will. */
  deadlineOf(ticks: bigint): number {
    const remaining = Number(ticks - this.#mtime());
    if (remaining <= 0) return Number.POSITIVE_INFINITY;
    const time = (this.#clock() + remaining) * NS_PER_TICK;
    return time < LAST_TIME ? time : Number.POSITIVE_INFINITY;
  }

  read(offset: number, length: AccessLength, data: MmioData): boolean {
    if (!isRegisterAccess(offset, length)) return false;
    const value = this.#register(offset - (offset % 8)) >> (offset % 8 === 4 ? 32n : 0n);
    data.lo = Number(value & WORD) | 0;
    data.hi = length === 8 ? Number(value >> 32n) | 0 : 0;
    return true;
  }

  write(offset: number, length: AccessLength, lo: number, hi: number): boolean {
    if (!isRegisterAccess(offset, length)) return false;
    if (offset < MTIMECMP) {
      this.#writeMsip(offset / 4, lo & 1);
      return true;
    }
    const register = offset - (offset % 8);
    this.#writeRegister(register, merge(this.#register(register), offset, length, lo, hi));
    return true;
  }

  #clock(): number {
    return Math.floor(this.#host.now() / NS_PER_TICK);
  }

  #mtime(): bigint {
    return BigInt.asUintN(64, BigInt(this.#clock()) + this.#offset);
  }

  /** The 64 bits at an offset that is a multiple of 8; what is not there reads as zero. */
  #register(offset: number): bigint {
    if (offset === MTIME) return this.#mtime();
    if (offset >= MTIMECMP) return this.#mtimecmp[(offset - MTIMECMP) / 8] ?? 0n;
    const hart = offset / 4;
    return BigInt(this.#msip[hart] ?? 0) | (BigInt(this.#msip[hart + 1] ?? 0) << 32n);
  }

  #writeMsip(hart: number, level: number): void {
    if (hart >= this.#harts) return;
    this.#msip[hart] = level;
    this.#host.setPending(hart, MSIP, level === 1);
  }

  #writeRegister(offset: number, value: bigint): void {
    if (offset === MTIME) {
      this.#offset = BigInt.asUintN(64, value - BigInt(this.#clock()));
      for (let hart = 0; hart < this.#harts; hart++) this.update(hart);
      return;
    }
    const hart = (offset - MTIMECMP) / 8;
    if (hart >= this.#harts) return;
    this.#mtimecmp[hart] = value;
    this.update(hart);
  }
}

/** Words everywhere, doublewords where a register has 64 bits. */
const isRegisterAccess = (offset: number, length: AccessLength): boolean =>
  length === 4 || (length === 8 && offset >= MTIMECMP);

function merge(old: bigint, offset: number, length: AccessLength, lo: number, hi: number): bigint {
  if (length === 8) return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  return offset % 8 === 0 ? (old & ~WORD) | BigInt(lo >>> 0) : (old & WORD) | (BigInt(lo >>> 0) << 32n);
}
