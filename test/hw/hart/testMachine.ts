// A machine of one hart for tests: guest memory at 0x80000000 behind a hand-made direct root, and the least of a
// hypervisor that each MMU kind needs. Shadow tables are built on demand and thrown away at every fence and satp write.

import {
  ACCESS_FAULT,
  CodeCache,
  Exit,
  guestTranslationMode,
  Hart,
  type HartOptions,
  hartDeviceBytes,
  NO_ROOT,
  PAGE_FAULT,
} from '../../../src/hw/hart/index.ts';
import { PhysicalMemory } from '../../../src/hw/memory/index.ts';
import {
  Entry,
  type EntryAnswer,
  LEVELS,
  makePte,
  PTE_A,
  PTE_D,
  PTE_R,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
  pteIndex,
  pteIndexX4,
  ptePfn,
  type TableMemory,
  Walk,
  WalkStatus,
  walkTables,
} from '../../../src/hw/sv39/index.ts';
import { TlbDomain, type TlbGeometry } from '../../../src/hw/tlb/index.ts';
import { type Hpa, hiWord, loWord, type Pfn } from '../../../src/units.ts';

export const RAM = 0x80000000;
export const SMALL_TLB: TlbGeometry = { contexts: 4, dtlbEntries: 64, itlbEntries: 16, l2Entries: 256 };
export const ALL_FLAGS = PTE_V | PTE_R | PTE_W | PTE_X | PTE_U | PTE_A | PTE_D;

export interface TestMachineOptions extends Partial<Pick<HartOptions, 'mmu' | 'ad' | 'tlb' | 'onStaleHit'>> {
  readonly ramPages?: number;
  /** Map guest memory at the first access instead of at the start. */
  readonly lazy?: boolean;
  /** Decoded pages that are kept. */
  readonly cachedPages?: number;
}

export class TestMachine implements TableMemory {
  readonly memory: PhysicalMemory;
  readonly domain: TlbDomain;
  readonly code: CodeCache;
  readonly hart: Hart;
  readonly ramPages: number;
  readonly ramPfn: Pfn;
  readonly directRoot: Hpa;
  private nextPfn: number;
  private freeTables: Pfn[] = [];
  /** The tree that stands for the guest's tables; the hart forgets it when satp is written. */
  private shadowRoot: number = NO_ROOT;
  private readonly walk = new Walk();

  constructor(options: TestMachineOptions = {}) {
    const { mmu = 'tdp', ad = 'hardware', ramPages = 64, tlb = SMALL_TLB, lazy = false } = options;
    const tables = 64 + Math.ceil(ramPages / 512) * 4;
    this.memory = new PhysicalMemory({
      frames: ramPages + tables,
      deviceBytes: hartDeviceBytes(tlb) + 12288,
    });
    this.domain = new TlbDomain(this.memory);
    this.code = new CodeCache(this.memory, options.cachedPages);
    const { domain, code } = this;
    const checks = options.onStaleHit ? { onStaleHit: options.onStaleHit } : {};
    this.hart = new Hart({ domain, code, id: 0, mmu, ad, tlb, ...checks });
    this.nextPfn = this.memory.firstPfn;
    while (this.nextPfn % 4 !== 0) this.nextPfn++;
    this.directRoot = (this.allocFrames(4) * 4096) as Hpa;
    this.ramPages = ramPages;
    this.ramPfn = this.allocFrames(ramPages);
    if (!lazy) for (let page = 0; page < ramPages; page++) this.mapGuestPage(RAM + page * 4096);
    this.hart.reset(RAM);
    this.hart.setDirectRoot(this.directRoot);
  }

  allocFrames(count: number): Pfn {
    const first = this.nextPfn as Pfn;
    this.nextPfn += count;
    for (let pfn = first as number; pfn < this.nextPfn; pfn++) this.memory.zero(pfn as Pfn);
    return first;
  }

  /** The host address of a guest physical one in RAM, or -1. */
  hostOf(gpa: number): Hpa | -1 {
    const offset = gpa - RAM;
    if (!(offset >= 0 && offset < this.ramPages * 4096)) return -1;
    return (this.ramPfn * 4096 + offset) as Hpa;
  }

  mapGuestPage(gpa: number, flags = ALL_FLAGS): void {
    this.map(this.directRoot, true, gpa, ((this.hostOf(gpa) as number) >>> 12) as Pfn, flags);
  }

  /** Maps one page in a table tree of host frames. */
  map(root: Hpa, wide: boolean, address: number, pfn: Pfn, flags: number, leafLevel = 0): void {
    const entry = this.entryOf(root, wide, address, leafLevel);
    this.memory.write32(entry, makePte(pfn, flags));
  }

  /** Address of the entry for `address` at `leafLevel`; makes the tables above it. */
  entryOf(root: Hpa, wide: boolean, address: number, leafLevel = 0): Hpa {
    let table: number = root;
    for (let level = LEVELS - 1; ; level--) {
      const index = wide ? pteIndexX4(address, level) : pteIndex(address, level);
      const entry = (table + index * 8) as Hpa;
      if (level === leafLevel) return entry;
      if ((this.memory.read32(entry) & PTE_V) === 0) {
        this.memory.write32(entry, makePte(this.allocTable(), PTE_V));
      }
      table = ptePfn(this.memory.read32(entry)) * 4096;
    }
  }

  private allocTable(): Pfn {
    const reused = this.freeTables.pop();
    if (reused === undefined) return this.allocFrames(1);
    this.memory.zero(reused);
    return reused;
  }

  /** Writes instruction words (or any words) to guest memory. */
  load(words: readonly number[], gpa = RAM): void {
    words.forEach((word, i) => {
      this.memory.write32((this.hostOf(gpa) + i * 4) as Hpa, word);
    });
  }

  loadBytes(bytes: Uint8Array, gpa: number): void {
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(bytes.length - at, 4096 - ((gpa + at) % 4096));
      this.memory.writeBytes(this.hostOf(gpa + at) as Hpa, bytes.subarray(at, at + length));
      at += length;
    }
  }

  /** Runs up to `budget` instructions, resolving every exit that a hypervisor would; answers the exit it cannot. */
  run(budget: number): number {
    const limit = this.hart.attempted + budget;
    for (;;) {
      const left = limit - this.hart.attempted;
      if (left <= 0) return Exit.budget;
      const reason = this.hart.run(Math.min(left, this.untilTimer()));
      if (reason === Exit.mmuFault) {
        if (this.resolve() === Exit.crash) return Exit.crash;
      } else if (reason === Exit.satp || reason === Exit.sfence) {
        this.dropShadow();
      } else if (reason !== Exit.kick && reason !== Exit.timer) {
        return reason;
      }
    }
  }

  /** Instructions until the supervisor timer comes due, which no run may reach past. */
  private untilTimer(): number {
    const { timerDeadline, clock, attempted } = this.hart;
    const left = timerDeadline * clock.tick() - attempted;
    return left > 0 ? left : Number.POSITIVE_INFINITY;
  }

  /** Handles Exit.mmuFault: Exit.none, or Exit.crash. */
  resolve(): number {
    const { fault, hart } = this;
    if (!fault.paged) return this.resolveGuestPhysical(fault.gpa);
    const status = walkTables(
      guestTranslationMode(hart, fault.access),
      this,
      fault.va,
      fault.access,
      this.walk,
    );
    if (status === WalkStatus.pageFault) return this.inject(PAGE_FAULT[fault.access]);
    const host = status === WalkStatus.ok ? this.hostOf(this.walk.pa) : -1;
    if (host === -1) return this.inject(ACCESS_FAULT[fault.access]);
    this.installShadow(fault.va, (host >>> 12) as Pfn);
    return Exit.none;
  }

  get fault() {
    return this.hart.fault;
  }

  /** The guest's tables lie in guest memory. */
  readEntry(address: number, walk: Walk): EntryAnswer {
    const host = this.hostOf(address);
    if (host === -1) return Entry.accessFault;
    walk.lo = this.memory.read32(host);
    walk.hi = this.memory.read32((host + 4) as Hpa);
    return Entry.ok;
  }

  compareAndSet(address: number, _oldLo: number, _oldHi: number, newLo: number, newHi: number): EntryAnswer {
    this.memory.write64(this.hostOf(address) as Hpa, newLo, newHi);
    return Entry.ok;
  }

  private inject(cause: number): number {
    return this.hart.raise(cause, loWord(this.fault.va), hiWord(this.fault.va));
  }

  private resolveGuestPhysical(gpa: number): number {
    if (this.hostOf(gpa) === -1) return this.inject(ACCESS_FAULT[this.fault.access]);
    this.mapGuestPage(gpa);
    return Exit.none;
  }

  private installShadow(va: number, pfn: Pfn): void {
    if (this.freeTables.length + this.memory.endPfn - this.nextPfn < LEVELS) this.dropShadow();
    if (this.shadowRoot === NO_ROOT) {
      this.shadowRoot = this.allocTable() * 4096;
      this.hart.setShadowRoot(this.shadowRoot);
    }
    const { lo } = this.walk;
    const dirty = (lo & PTE_D) !== 0 ? lo & PTE_W : 0;
    this.map(this.shadowRoot as Hpa, false, va, pfn, PTE_V | (lo & (PTE_R | PTE_X | PTE_U)) | dirty);
  }

  private dropShadow(): void {
    if (this.shadowRoot !== NO_ROOT) this.freeTree(this.shadowRoot, LEVELS - 1);
    this.shadowRoot = NO_ROOT;
    this.hart.setShadowRoot(NO_ROOT);
    this.hart.flushAll();
  }

  private freeTree(table: number, level: number): void {
    for (let i = 0; level > 0 && i < 512; i++) {
      const pte = this.memory.read32((table + i * 8) as Hpa);
      if (pte !== 0) this.freeTree(ptePfn(pte) * 4096, level - 1);
    }
    this.freeTables.push((table >>> 12) as Pfn);
  }

  // State, as BigInts

  x(register: number): bigint {
    return this.pair(register * 2);
  }

  setX(register: number, value: bigint): void {
    this.hart.setX(register, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  get pc(): bigint {
    return this.pair(64);
  }

  read64(gpa: number): bigint {
    const at = this.hostOf(gpa);
    const lo = BigInt(this.memory.u32[at >>> 2]!);
    return BigInt.asUintN(64, lo | (BigInt(this.memory.u32[(at >>> 2) + 1]!) << 32n));
  }

  private pair(index: number): bigint {
    const lo = BigInt(this.hart.block[index]! >>> 0);
    return BigInt.asUintN(64, lo | (BigInt(this.hart.block[index + 1]! >>> 0) << 32n));
  }
}
