// Random programs that check themselves (checkedProgram.ts): page tables, accesses through them in every mode, changes,
// fences and PMP, each operation with the outcome that the reference (sv39Reference.ts) gives.
//
// Memory that operations touch: TABLES pages of page tables and DATA pages, at the same place of every 2 MiB and 1
// GiB, so that superpages lead to them too. Data pages hold the halfword FILLER, which is half of an illegal
// instruction.
//
// What a hart may have cached is never left to chance: an access whose table entries changed since the fences that would
// cover it is preceded by one of those fences (sv39Fences.ts).

import { Random } from '../../src/sched/index.ts';
import {
  type CheckedProgram,
  checkedProgram,
  DONE,
  MSTATUS_MPP,
  MSTATUS_MPRV,
  MSTATUS_MXR,
  MSTATUS_SUM,
  NO_TRAP,
  type Operation,
  type Outcome,
  type Routine,
} from './checkedProgram.ts';
import { Sv39Fences } from './sv39Fences.ts';
import {
  A,
  D,
  Fault,
  G,
  type Kind,
  type Mode,
  type Privilege,
  R,
  Reference,
  U,
  V,
  W,
  X,
} from './sv39Reference.ts';

const RAM = 0x8000_0000n;
const REGION = RAM + 0x40000n;
const FIRST_PAGE = 0x40;
const TABLES = 7;
const DATA = 7;
const PAGES = TABLES + DATA;
const PAGE = 4096n;
const ROOTS = 2;
export const RAM_BYTES = 2 ** 20;

const FILLER = 0x0073;
const ECALL = 0x0000_0073n;
/** Offsets of a page from which code is fetched; nothing else is stored there. */
const CODE_OFFSET = 0xf00;

/** Without an address, and with one. */
const FENCES = ['fence', 'fence_page'] as const;
const ASID_FENCES = ['fence_asid', 'fence_page_asid'] as const;
const PMP_ADDRESSES = ['pmpaddr0', 'pmpaddr1', 'pmpaddr2'] as const;

/** VPN[2] and VPN[1] in use: the last VPN[2] is of a negative address. */
const VPN2 = [0, 2, 257];
const VPN1 = [0, 1];

const LOADS = { lb: 1, lh: 2, lw: 4, ld: 8 } as const;
const STORES = { sb: 1, sh: 2, sw: 4, sd: 8 } as const;
type Access = keyof typeof LOADS | keyof typeof STORES | 'amoadd' | 'amoswap' | 'lrsc';
const SIZES: Readonly<Record<Access, number>> = { ...LOADS, ...STORES, amoadd: 8, amoswap: 4, lrsc: 8 };

export interface ProgramOptions {
  readonly seed: number;
  readonly operations: number;
  readonly ad: 'hardware' | 'svade' | 'svadu';
  readonly pmp: boolean;
}

export function sv39Program(options: ProgramOptions): CheckedProgram {
  return new Generator(options).generate();
}

class Generator {
  readonly #options: ProgramOptions;
  readonly #random: Random;
  readonly #reference = new Reference(REGION, PAGES * 4096);
  readonly #fences = new Sv39Fences();
  readonly #operations: Operation[] = [];
  #asid = 0;
  /** Where a PMP entry begins or ends, from the region's start. */
  #edges: readonly number[] = [];

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    const { bytes } = this.#reference;
    for (let at = TABLES * 4096; at < bytes.length; at += 2) bytes[at] = FILLER;
    this.#reference.hardwareAd = options.ad === 'hardware';
    this.#reference.pmp = [{ config: 0x1f, address: 2n ** 54n - 1n }];
  }

  generate(): CheckedProgram {
    this.#row('fill', pageAt(PAGES), BigInt(FILLER), 0, DONE);
    this.#row('pmpaddr0', 0n, this.#reference.pmp[0]!.address, 0, DONE);
    this.#row('pmpcfg0', 0n, 0x1fn, 0, DONE);
    for (let table = 0; table < TABLES; table++) {
      for (const index of indicesOf(levelOf(table))) this.#writeEntry(table, index);
    }
    this.#switchRoot();
    while (this.#operations.length < this.#options.operations) this.#operate();
    return checkedProgram(this.#operations, pageAt(TABLES));
  }

  // Operations

  #operate(): void {
    const dice = this.#below(100);
    if (dice < 50) this.#access();
    else if (dice < 64) this.#fetch();
    else if (dice < 83) this.#writeSomeEntry();
    else if (dice < 87) this.#switchRoot();
    else if (dice < 90) this.#fence(null, null);
    else if (dice < 93) this.#setAd();
    else this.#setPmp();
  }

  #access(): void {
    const access = this.#pick(Object.keys(SIZES) as Access[]);
    const size = SIZES[access];
    const mode = this.#mode();
    const { page, offset } = this.#place(this.#offset(access), size, 8, CODE_OFFSET);
    const va = this.#addressOf(page, mode) + BigInt(offset);
    const kind: Kind = access in LOADS ? 'load' : 'store';
    const inFirst = Math.min(size, 4096 - (offset % 4096));
    this.#fenceIfDue(va, kind, mode);
    if (inFirst < size) this.#fenceIfDue(va + BigInt(inFirst), kind, mode);
    let value = BigInt(this.#below(2 ** 31)) * 0x1_0000_0001n;
    const outcome = this.#expect(() => {
      const parts: Part[] = [];
      if (access === 'lrsc') this.#locate(va, size, 'load', mode);
      for (const [at, length] of inFirst < size
        ? [
            [0, inFirst],
            [inFirst, size - inFirst],
          ]
        : [[0, size]]) {
        parts.push({ pa: this.#locate(va + BigInt(at!), length!, kind, mode), length: length! });
      }
      const old = this.#readParts(parts);
      const table = this.#tableAt(parts[0]!.pa) ?? this.#tableAt(parts.at(-1)!.pa);
      if (table !== undefined || inFirst < size) value = this.#harmless(access, old, parts[0]!.pa, table);
      if (kind === 'store') this.#writeParts(parts, stored(access, old, value));
      return access in STORES ? 0n : BigInt.asUintN(64, BigInt.asIntN(size * 8, old));
    });
    this.#row(access, va, value, (mode.privilege === 'M' ? 0 : MSTATUS_MPRV) | bitsOf(mode), outcome);
  }

  #fetch(): void {
    const mode = this.#mode(['S', 'U']);
    const anywhere = this.#below(4) === 0 ? 0xffe : CODE_OFFSET + 2 * this.#below(0x70);
    const { page, offset } = this.#place(anywhere, 2, CODE_OFFSET, 0xfe0);
    const va = this.#addressOf(page, mode) + BigInt(offset);
    this.#fenceIfDue(va, 'fetch', mode);
    if (offset === 0xffe) this.#fenceIfDue(va + 2n, 'fetch', mode);
    const outcome = this.#expect(() => {
      const low = this.#reference.read(this.#locate(va, 2, 'fetch', mode), 2);
      if ((low & 3n) !== 3n) throw new Illegal(low);
      const high = this.#reference.read(this.#locate(va + 2n, 2, 'fetch', mode), 2);
      throw new Illegal(low | (high << 16n));
    });
    const epc = BigInt.asUintN(64, va);
    const isCall = outcome.cause === 2n && outcome.tval === ECALL;
    const call = { cause: mode.privilege === 'S' ? 9n : 8n, tval: 0n, result: epc };
    this.#row('fetch', va, 0n, bitsOf(mode), isCall ? call : { ...outcome, result: epc });
  }

  #writeSomeEntry(): void {
    const table = this.#below(TABLES);
    this.#writeEntry(table, this.#pick(indicesOf(levelOf(table))));
  }

  /** By M mode, untranslated. */
  #writeEntry(table: number, index: number): void {
    const address = pageAt(table) + BigInt(index) * 8n;
    const value = this.#entry(levelOf(table), index - FIRST_PAGE);
    const mode: Mode = { privilege: 'M', sum: false, mxr: false };
    const outcome = this.#expect(() => {
      this.#writeParts([{ pa: this.#locate(address, 8, 'store', mode), length: 8 }], value);
      return 0n;
    });
    this.#row('sd', address, value, bitsOf(mode), outcome);
  }

  #switchRoot(): void {
    this.#asid = this.#below(3);
    const isBare = this.#below(8) === 0;
    const root = isBare ? null : pageAt(this.#below(ROOTS));
    this.#reference.root = root;
    if (root !== null) this.#fences.useRoot(this.#asid, root);
    const value = root === null ? 0n : (8n << 60n) | (BigInt(this.#asid) << 44n) | (root >> 12n);
    this.#row('satp', 0n, value, 0, DONE);
  }

  #setAd(): void {
    if (this.#options.ad !== 'svadu') return;
    this.#reference.hardwareAd = !this.#reference.hardwareAd;
    this.#row('menvcfg', 0n, this.#reference.hardwareAd ? 1n << 61n : 0n, 0, DONE);
    this.#fence(null, null);
  }

  /** Two random entries, and one behind them that opens all the rest. */
  #setPmp(): void {
    if (!this.#options.pmp) return;
    const entries = [0, 1].map(() => {
      const config = (this.#below(4) << 3) | this.#pick([7, 7, 5, 4, 4, 3, 1, 0]);
      const page = this.#below(this.#below(2) === 0 ? TABLES : PAGES);
      const offset = this.#pick([
        0,
        this.#below(4096),
        0x200 + this.#below(0x80),
        CODE_OFFSET + this.#below(0xe0),
      ]);
      const at = REGION / 4n + BigInt(page * 1024 + (offset >> 2));
      // Of a naturally aligned range the low ones say the size.
      const ones = 2n ** BigInt(this.#below(12)) - 1n;
      return { config, address: (config & 0x18) === 0x18 ? (at & ~(2n * ones + 1n)) | ones : at };
    });
    this.#edges = entries.map(({ address }) => Number((address << 2n) - REGION));
    entries.push({ config: 0x1f, address: 2n ** 54n - 1n });
    this.#reference.pmp = entries;
    entries.forEach(({ address }, i) => {
      this.#row(PMP_ADDRESSES[i]!, 0n, address, 0, DONE);
    });
    const config = entries.reduceRight((sum, entry) => sum * 256n + BigInt(entry.config), 0n);
    this.#row('pmpcfg0', 0n, config, 0, DONE);
    this.#fence(null, null);
  }

  // Fences

  /** Before an access to `va`: a fence, if an entry on its way changed since the last that covers it. */
  #fenceIfDue(va: bigint, kind: Kind, mode: Mode): void {
    if (mode.privilege === 'M' || this.#reference.root === null) return;
    const page = va & ~4095n;
    for (let tries = 0; this.#fences.isDue(this.#pathOf(va, kind, mode), page, this.#asid); tries++) {
      const wide = tries > 1;
      this.#fence(
        !wide && this.#below(2) === 0 ? page : null,
        !wide && this.#below(2) === 0 ? this.#asid : null,
      );
    }
  }

  #fence(page: bigint | null, asid: number | null): void {
    this.#fences.fence(page, asid);
    const routine = (asid === null ? FENCES : ASID_FENCES)[page === null ? 0 : 1];
    this.#row(routine, page ?? 0n, BigInt(asid ?? 0), 0, DONE);
  }

  /** The entries that a walk would read now; nothing is changed. */
  #pathOf(va: bigint, kind: Kind, mode: Mode): readonly bigint[] {
    const { bytes } = this.#reference;
    const before = bytes.slice();
    try {
      this.#reference.locate(va, 1, kind, mode);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
    bytes.set(before);
    return this.#reference.path;
  }

  // Effects

  #locate(va: bigint, length: number, kind: Kind, mode: Mode): bigint {
    try {
      return this.#reference.locate(BigInt.asUintN(64, va), length, kind, mode);
    } catch (error) {
      if (error instanceof Fault) throw new Trap(error.cause, va);
      throw error;
    }
  }

  #readParts(parts: readonly Part[]): bigint {
    return parts.reduceRight((sum, { pa, length }) => {
      return (sum << BigInt(8 * length)) | this.#reference.read(pa, length);
    }, 0n);
  }

  #writeParts(parts: readonly Part[], value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    for (const { pa, length } of parts) {
      const entries = [pa & ~7n, (pa + BigInt(length) - 1n) & ~7n];
      const old = entries.map((entry) => this.#reference.read(entry, 8));
      this.#reference.write(pa, length, rest);
      rest >>= BigInt(8 * length);
      entries.forEach((entry, i) => {
        this.#fences.change(entry, old[i]!, this.#reference.read(entry, 8));
      });
    }
  }

  /** The table in whose page `pa` lies, if one does. */
  #tableAt(pa: bigint): number | undefined {
    const page = Number((pa - REGION) / PAGE);
    return page < TABLES ? page : undefined;
  }

  /** What to store over a table, or where code may be fetched from: a whole entry, or what was there. */
  #harmless(access: Access, old: bigint, pa: bigint, table: number | undefined): bigint {
    if (access === 'amoadd') return 0n;
    if (table === undefined || SIZES[access] !== 8 || pa % 8n !== 0n) return old;
    // A table of any level may be taken for one of leaves: what leads to the region from above leads elsewhere there.
    const index = Number(pa % PAGE) / 8;
    const isLeaf = index >= FIRST_PAGE && index < FIRST_PAGE + PAGES;
    return this.#entry(isLeaf ? 0 : levelOf(table), this.#below(PAGES));
  }

  #expect(effect: () => bigint): Outcome {
    try {
      return { cause: NO_TRAP, tval: 0n, result: effect() };
    } catch (error) {
      if (error instanceof Illegal) return { cause: 2n, tval: error.bits, result: 0n };
      if (!(error instanceof Trap)) throw error;
      return { cause: BigInt(error.cause), tval: BigInt.asUintN(64, error.va), result: 0n };
    }
  }

  #row(routine: Routine, a1: bigint, a2: bigint, mstatus: number, outcome: Outcome): void {
    this.#operations.push({ routine, a1, a2, mstatus, ...outcome });
  }

  // Choices

  #below(limit: number): number {
    return this.#random.below(limit);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]!;
  }

  #mode(privileges: readonly Privilege[] = ['S', 'S', 'S', 'U', 'U', 'U', 'M']): Mode {
    return { privilege: this.#pick(privileges), sum: this.#below(3) > 0, mxr: this.#below(3) === 0 };
  }

  /**
   * A page of the region and where in it: `anywhere`, or close to an edge of what the PMP protects if one is in
   * [from, to) of its page. Whoever crosses the page has one behind it.
   */
  #place(anywhere: number, size: number, from: number, to: number): { page: number; offset: number } {
    const edge = this.#edges[this.#below(2)] ?? 0;
    const near = (edge % 4096) + this.#pick([-8, -4, -2, 0, 4]);
    const fits = near >= from && near + size <= to && near % size === 0 && edge < PAGES * 4096;
    if (!fits || this.#below(2) === 0) {
      return { page: this.#below(anywhere + size > 4094 ? PAGES - 1 : PAGES), offset: anywhere };
    }
    return { page: Math.floor(edge / 4096), offset: near };
  }

  /** The address of a page of the region as the mode sees it; a few are not canonical. */
  #addressOf(number: number, { privilege }: Mode): bigint {
    const page = BigInt(FIRST_PAGE + number) << 12n;
    if (privilege === 'M' || this.#reference.root === null) return RAM + page;
    const va = (BigInt(this.#pick(VPN2)) << 30n) | (BigInt(this.#pick(VPN1)) << 21n) | page;
    return this.#below(20) === 0 ? va | (1n << BigInt(39 + this.#below(24))) : BigInt.asIntN(39, va);
  }

  /** Where in its page; stores stay away from code, atomics are aligned, and some loads and stores cross the page. */
  #offset(access: Access): number {
    const size = SIZES[access];
    const isAtomic = !(access in LOADS) && !(access in STORES);
    if (isAtomic) return 8 + size * this.#below((CODE_OFFSET - 16) / size);
    if (size > 1 && this.#below(8) === 0) return 4096 - 1 - this.#below(size - 1);
    return 8 + this.#below(CODE_OFFSET - 16);
  }

  /** An entry of a table; in leaf tables, of the region's page `page`. */
  #entry(level: number, page: number): bigint {
    const dice = this.#below(100);
    if (dice < 4) return 0n;
    if (level > 0 && dice < 80) return this.#pointer(level);
    const flags = this.#flags();
    const target = this.#target(level, page);
    if (dice < 90) return (target << 10n) | flags;
    if (dice < 92) return (target << 10n) | flags | (1n << BigInt(54 + this.#below(10)));
    if (dice < 94) return ((target | 1n) << 10n) | flags;
    if (dice < 96) return ((2n ** 43n) << 10n) | flags;
    if (dice < 98) return this.#pointer(level) | this.#pick([A, D, U, G]);
    return (0x4_0000n << 10n) | flags;
  }

  #pointer(level: number): bigint {
    const tables = Array.from({ length: TABLES }, (_, i) => i);
    const next =
      level === 0 || this.#below(12) === 0 ? tables : tables.filter((table) => levelOf(table) === level - 1);
    return ((pageAt(this.#pick(next)) >> 12n) << 10n) | V;
  }

  /** PPN of a leaf: mostly one that leads to the region. */
  #target(level: number, page: number): bigint {
    if (level > 0) return RAM >> 12n;
    return (REGION >> 12n) + BigInt(this.#below(2) === 0 ? page : this.#below(PAGES));
  }

  #flags(): bigint {
    const permissions = this.#pick([R | W | X, R | W | X, R | W | X, R | W, R, R | X, X, W]);
    const used = this.#pick([A | D, A | D, A | D, A, 0n]);
    return V | permissions | used | (this.#below(2) === 0 ? U : 0n) | (this.#below(6) === 0 ? G : 0n);
  }
}

interface Part {
  readonly pa: bigint;
  readonly length: number;
}

class Trap extends Error {
  override readonly cause: number;
  readonly va: bigint;

  constructor(cause: number, va: bigint) {
    super(`exception ${cause}`);
    this.cause = cause;
    this.va = va;
  }
}

class Illegal extends Error {
  readonly bits: bigint;

  constructor(bits: bigint) {
    super('illegal instruction');
    this.bits = bits;
  }
}

const indicesOf = (level: number): readonly number[] => {
  if (level === 2) return VPN2;
  return level === 1 ? VPN1 : Array.from({ length: PAGES }, (_, i) => FIRST_PAGE + i);
};

const pageAt = (number: number): bigint => REGION + BigInt(number) * PAGE;

/** Pages 0 and 1 are roots, 2 and 3 middle tables, the rest leaf tables. */
const levelOf = (table: number): number => (table < ROOTS ? 2 : table < ROOTS + 2 ? 1 : 0);

const bitsOf = ({ privilege, sum, mxr }: Mode): number =>
  MSTATUS_MPP[privilege] | (sum ? MSTATUS_SUM : 0) | (mxr ? MSTATUS_MXR : 0);

function stored(access: Access, old: bigint, value: bigint): bigint {
  return access === 'amoadd' ? old + value : value;
}
