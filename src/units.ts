// Units: the branded numbers that name every address space, and every conversion between them.
//
// Stands under all rooms and imports nothing. A value of one unit is minted here (or by the owner of the array
// that it indexes) and nowhere else, so that a gfn can never be used where a pfn is meant.
//
// Invariants: a Gva or Hva is canonical Sv39, a number in [-2^38, 2^38); a Gpa is below 2^56, a Gfn below 2^44; an
// Hpa and a Pfn are 32-bit (the host's memory is one WebAssembly.Memory). No bit operators on Gva, Hva, Gpa, Gfn.

declare const unit: unique symbol;
type Branded<Name extends string> = number & { readonly [unit]: Name };

/** Guest virtual address, in bytes, canonical: [-2^38, 2^38). */
export type Gva = Branded<'Gva'>;
/** Guest physical address, in bytes: [0, 2^56). */
export type Gpa = Branded<'Gpa'>;
/** Guest frame number: Gpa / 4096, [0, 2^44). */
export type Gfn = Branded<'Gfn'>;
/** Host virtual address in a simulated host process, in bytes: [-2^38, 2^38). */
export type Hva = Branded<'Hva'>;
/** Host physical address: a byte offset into the host's WebAssembly.Memory, [0, 2^32). */
export type Hpa = Branded<'Hpa'>;
/** Host frame number: Hpa / 4096, [0, 2^20). */
export type Pfn = Branded<'Pfn'>;
/** Offset of a page-sized slot in the swap area: [1, 2^21); slot 0 is the header. */
export type SwapSlot = Branded<'SwapSlot'>;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const PTES_PER_PAGE = 512;
/** Bytes mapped by one leaf at each level: 4 KiB, 2 MiB, 1 GiB. */
export const LEVEL_BYTES = [4096, 2 ** 21, 2 ** 30] as const;

const VA_LIMIT = 2 ** 38;
const PA_LIMIT = 2 ** 56;

/** Canonical Sv39: bits 63..39 equal bit 38 (Privileged ISA, "Sv39"). */
export const isCanonical = (address: number): boolean => address >= -VA_LIMIT && address < VA_LIMIT;

export function gva(address: number): Gva {
  if (!isCanonical(address)) throw new RangeError(`gva out of range: ${address}`);
  return address as Gva;
}

export function hva(address: number): Hva {
  if (!isCanonical(address)) throw new RangeError(`hva out of range: ${address}`);
  return address as Hva;
}

export function gpa(address: number): Gpa {
  if (!(address >= 0 && address < PA_LIMIT)) throw new RangeError(`gpa out of range: ${address}`);
  return address as Gpa;
}

export const gfn = (frame: number): Gfn => frame as Gfn;
export const pfn = (frame: number): Pfn => frame as Pfn;
export const hpa = (address: number): Hpa => address as Hpa;
export const swapSlot = (slot: number): SwapSlot => slot as SwapSlot;

export const gpaToGfn = (address: Gpa): Gfn => Math.floor(address / PAGE_SIZE) as Gfn;
export const gfnToGpa = (frame: Gfn): Gpa => (frame * PAGE_SIZE) as Gpa;
export const pfnToHpa = (frame: Pfn): Hpa => (frame * PAGE_SIZE) as Hpa;
export const hpaToPfn = (address: Hpa): Pfn => (address >>> PAGE_SHIFT) as Pfn;

/** Byte offset within a page; also right for negative addresses. */
export const pageOffset = (address: number): number => ((address % PAGE_SIZE) + PAGE_SIZE) % PAGE_SIZE;
export const pageAlignDown = (address: number): number => address - pageOffset(address);
export const pageAlignUp = (address: number): number => pageAlignDown(address + PAGE_SIZE - 1);

/** Low and high 32-bit words (signed) of an integer below 2^53 in magnitude, two's complement. */
export const loWord = (value: number): number => value | 0;
export const hiWord = (value: number): number => Math.floor(value / 2 ** 32) | 0;
/** The number that two signed words stand for; exact while its magnitude is below 2^53. */
export const fromWords = (lo: number, hi: number): number => hi * 2 ** 32 + (lo >>> 0);

/** 64-bit words as people write addresses: "0x80000000"; negative numbers as 64-bit two's complement. */
export const hex = (value: number): string =>
  `0x${(value < 0 ? BigInt.asUintN(64, BigInt(value)) : BigInt(value)).toString(16)}`;

/** What only Umbra can cause: a broken invariant. Exit code 70. */
export class UmbraBug extends Error {
  override readonly name = 'UmbraBug';
  #details: Readonly<Record<string, unknown>>;
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.#details = details;
  }

  get details(): Readonly<Record<string, unknown>> {
    return this.#details;
  }

  /** Adds what whoever threw could not know (scheduler: task and step; cli: the replay command); what it said stands. */
  addDetails(details: Readonly<Record<string, unknown>>): void {
    this.#details = { ...details, ...this.#details };
  }
}

export function bug(message: string, details?: Readonly<Record<string, unknown>>): never {
  throw new UmbraBug(message, details);
}

/** errno values (include/uapi/asm-generic/errno-base.h, errno.h); kernel functions return them negated. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
} as const;
