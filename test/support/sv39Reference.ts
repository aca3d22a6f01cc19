// What one access of an RV64 hart does under Sv39 and PMP, by the manual's text alone: a slow, obvious reference.
//
// Numbers are BigInt, memory is bytes, nothing is cached. Source: Privileged ISA, "Virtual Address Translation Process",
// "Physical Memory Protection"; Svade and Svadu for A and D. The section's steps are numbered in translate().

export const V = 1n;
export const R = 2n;
export const W = 4n;
export const X = 8n;
export const U = 16n;
export const G = 32n;
export const A = 64n;
export const D = 128n;

export type Kind = 'load' | 'store' | 'fetch';
export type Privilege = 'M' | 'S' | 'U';

/** What the outcome depends on besides memory. */
export interface Mode {
  readonly privilege: Privilege;
  readonly sum: boolean;
  readonly mxr: boolean;
}

const PAGE_FAULT = { fetch: 12, load: 13, store: 15 } as const;
const ACCESS_FAULT = { fetch: 1, load: 5, store: 7 } as const;

export class Fault extends Error {
  override readonly cause: number;

  constructor(cause: number) {
    super(`exception ${cause}`);
    this.cause = cause;
  }
}

/** An entry of the PMP: pmpcfg's byte and pmpaddr's bits. */
export interface PmpEntry {
  readonly config: number;
  readonly address: bigint;
}

export class Reference {
  readonly base: bigint;
  readonly bytes: Uint8Array;
  /** satp.PPN as an address, or null: bare. */
  root: bigint | null = null;
  hardwareAd = true;
  pmp: PmpEntry[] = [];
  /** Addresses of the table entries that the last translation read, from the root on. */
  path: bigint[] = [];

  constructor(base: bigint, length: number) {
    this.base = base;
    this.bytes = new Uint8Array(length);
  }

  read(address: bigint, length: number): bigint {
    const at = Number(address - this.base);
    return [...this.bytes.subarray(at, at + length)].reduceRight(
      (value, byte) => value * 256n + BigInt(byte),
      0n,
    );
  }

  write(address: bigint, length: number, value: bigint): void {
    for (let i = 0; i < length; i++) {
      this.bytes[Number(address - this.base) + i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)));
    }
  }

  hasMemory(address: bigint, length: number): boolean {
    return address >= this.base && address + BigInt(length) <= this.base + BigInt(this.bytes.length);
  }

  /** Physical address of `length` bytes within a page. Throws Fault. */
  locate(va: bigint, length: number, kind: Kind, mode: Mode): bigint {
    this.path = [];
    const pa = mode.privilege === 'M' || this.root === null ? va : this.#translate(va, kind, mode, this.root);
    if (!this.#pmpPermits(pa, length, kind, mode.privilege)) throw new Fault(ACCESS_FAULT[kind]);
    if (!this.hasMemory(pa, length)) throw new Fault(ACCESS_FAULT[kind]);
    return pa;
  }

  #translate(va: bigint, kind: Kind, mode: Mode, root: bigint): bigint {
    const fault = new Fault(PAGE_FAULT[kind]);
    if (BigInt.asIntN(39, va) !== BigInt.asIntN(64, va)) throw fault;
    // 1.
    let table = root;
    for (let level = 2n; ; level--) {
      const shift = 12n + 9n * level;
      // 2.
      const address = table + ((va >> shift) & 511n) * 8n;
      this.path.push(address);
      if (!this.#mayWalk(address, 'load')) throw new Fault(ACCESS_FAULT[kind]);
      const pte = this.read(address, 8);
      // 3.
      if ((pte & V) === 0n || (pte & (R | W)) === W || pte >> 54n !== 0n) throw fault;
      const ppn = (pte >> 10n) & (2n ** 44n - 1n);
      // 4.
      if ((pte & (R | X)) === 0n) {
        if (level === 0n || (pte & (D | A | U)) !== 0n) throw fault;
        table = ppn << 12n;
        continue;
      }
      // 5. and 6.
      if (!permits(pte, kind, mode)) throw fault;
      // 7.
      if ((ppn & ((1n << (9n * level)) - 1n)) !== 0n) throw fault;
      // 8. and 9.
      const wanted = pte | A | (kind === 'store' ? D : 0n);
      if (wanted !== pte) {
        if (!this.hardwareAd) throw fault;
        if (!this.#mayWalk(address, 'store')) throw new Fault(ACCESS_FAULT[kind]);
        this.write(address, 8, wanted);
      }
      // 10.
      const offset = (1n << shift) - 1n;
      return ((ppn << 12n) & ~offset) | (va & offset);
    }
  }

  /** Hardware's own accesses to tables are of S mode. */
  #mayWalk(address: bigint, kind: Kind): boolean {
    return this.#pmpPermits(address, 8, kind, 'S') && this.hasMemory(address, 8);
  }

  #pmpPermits(address: bigint, length: number, kind: Kind, privilege: Privilege): boolean {
    const end = address + BigInt(length);
    for (const [i, { config }] of this.pmp.entries()) {
      const [from, to] = this.#pmpRange(i);
      if (from >= end || to <= address) continue;
      if (from > address || to < end) return false;
      if (privilege === 'M' && (config & 0x80) === 0) return true;
      return (config & { load: 1, store: 2, fetch: 4 }[kind]) !== 0;
    }
    return privilege === 'M';
  }

  /** [from, to) of entry `i`. */
  #pmpRange(i: number): [bigint, bigint] {
    const { config, address } = this.pmp[i]!;
    switch ((config >> 3) & 3) {
      case 1:
        return [(this.pmp[i - 1]?.address ?? 0n) << 2n, address << 2n];
      case 2:
        return [address << 2n, (address + 1n) << 2n];
      case 3: {
        // The lowest 0 bit says how many ones lie below it.
        const size = ((address + 1n) & ~address) * 8n;
        const from = (address << 2n) & ~(size - 1n);
        return [from, from + size];
      }
      default:
        return [0n, 0n];
    }
  }
}

function permits(pte: bigint, kind: Kind, { privilege, sum, mxr }: Mode): boolean {
  const isUser = (pte & U) !== 0n;
  if (privilege === 'U' && !isUser) return false;
  if (privilege === 'S' && isUser && (kind === 'fetch' || !sum)) return false;
  if (kind === 'fetch') return (pte & X) !== 0n;
  if (kind === 'store') return (pte & W) !== 0n;
  return (pte & R) !== 0n || (mxr && (pte & X) !== 0n);
}
