// Translation through the guest's own tables: both MMU kinds give the guest the same machine; what differs is who walks,
// and so what exits and who sets A and D where.

import { describe, expect, it } from 'vitest';
import { guestSetsAccessedDirty } from '../../../src/hw/hart/guestState.ts';
import {
  type AdScheme,
  Cause,
  Exit,
  type MmuKind,
  NO_ROOT,
  PRV_S,
  PRV_U,
} from '../../../src/hw/hart/index.ts';
import { Csr, encode, Op } from '../../../src/hw/isa/index.ts';
import {
  Access,
  makePte,
  PTE_A,
  PTE_D,
  PTE_R,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
  pteIndex,
} from '../../../src/hw/sv39/index.ts';
import type { Hpa, Pfn } from '../../../src/units.ts';
import { ALL_FLAGS, RAM, TestMachine } from './testMachine.ts';

const CODE = RAM;
const HANDLER = RAM + 0x1000;
const DATA = RAM + 0x4000;
const ROOT = RAM + 0x10000;
const AD = PTE_A | PTE_D;
const KINDS: MmuKind[] = ['tdp', 'shadow'];

/** A guest with Sv39 tables at ROOT: code at its own address, all else by map(). */
class PagedGuest {
  readonly machine: TestMachine;
  private nextTable = ROOT + 0x1000;

  constructor(mmu: MmuKind, ad: AdScheme = 'hardware') {
    this.machine = new TestMachine({ mmu, ad, ramPages: 64 });
    this.map(CODE, CODE, PTE_V | PTE_R | PTE_X | AD);
    this.machine.load([encode(Op.csrrw, 0, 5, 0, Csr.satp), encode(Op.csrrw, 0, 6, 0, Csr.mtvec)]);
    this.machine.setX(5, (8n << 60n) | BigInt(ROOT / 4096));
    this.machine.setX(6, BigInt(HANDLER));
    expect(this.machine.run(2)).toBe(Exit.budget);
  }

  get hart() {
    return this.machine.hart;
  }

  /** Guest physical address of the entry for `va`; makes the tables above it. */
  entry(va: number, leafLevel = 0): number {
    let table = ROOT;
    for (let level = 2; ; level--) {
      const at = table + pteIndex(va, level) * 8;
      if (level === leafLevel) return at;
      if (this.read(at) === 0) {
        this.write(at, makePte((this.nextTable / 4096) as Pfn, PTE_V));
        this.nextTable += 4096;
      }
      table = Math.floor(this.read(at) / 1024) * 4096;
    }
  }

  map(va: number, gpa: number, flags: number, level = 0): void {
    this.write(this.entry(va, level), (gpa / 4096) * 1024 + flags);
  }

  flagsOf(va: number): number {
    return this.read(this.entry(va)) & 0x3ff;
  }

  private read(gpa: number): number {
    return this.machine.memory.read32(this.machine.hostOf(gpa) as Hpa);
  }

  private write(gpa: number, pte: number): void {
    this.machine.memory.write32(this.machine.hostOf(gpa) as Hpa, pte);
  }

  /** One instruction at CODE with x5 = address, x6 = value; exits resolved. The trap's cause, or null. */
  step(word: number, address: number, value = 0n, privilege = PRV_S): number | null {
    this.machine.load([word], CODE);
    return this.go(CODE, address, value, privilege);
  }

  go(pc: number, address = 0, value = 0n, privilege = PRV_S): number | null {
    const { machine, hart } = this;
    const before = hart.attempted - hart.retired;
    machine.setX(5, BigInt(address));
    machine.setX(6, value);
    hart.setPc(pc | 0, Math.floor(pc / 2 ** 32));
    hart.privilege = privilege;
    hart.setDirectRoot(machine.directRoot);
    expect(machine.run(1)).toBe(Exit.budget);
    return hart.attempted - hart.retired === before ? null : this.csr(Csr.mcause);
  }

  csr(number: number): number {
    const { machine, hart } = this;
    machine.load([encode(Op.csrrs, 8, 0, 0, number)], HANDLER);
    hart.setPc(HANDLER | 0, 0);
    hart.privilege = 3;
    hart.setDirectRoot(machine.directRoot);
    hart.run(1);
    return Number(BigInt.asIntN(64, machine.x(8)));
  }

  setStatus(bits: number): void {
    this.machine.load([encode(Op.csrrw, 0, 5, 0, Csr.mstatus)], HANDLER);
    this.machine.setX(5, BigInt(bits));
    this.hart.setPc(HANDLER | 0, 0);
    this.hart.privilege = 3;
    this.hart.setDirectRoot(this.machine.directRoot);
    this.hart.run(1);
  }

  fence(address: number | null = null): void {
    expect(this.step(encode(Op.sfence_vma, 0, address === null ? 0 : 5, 0, 0), address ?? 0)).toBeNull();
  }
}

const LD = encode(Op.ld, 7, 5, 0, 0);
const SD = encode(Op.sd, 0, 5, 6, 0);
const AMO = encode(Op.amoadd_d, 7, 5, 6, 0);

describe.each(KINDS)('a paged guest under %s', (mmu) => {
  it('reads and writes through its tables, at low, high and superpage addresses', () => {
    const guest = new PagedGuest(mmu);
    for (const [va, level] of [
      [0x1000, 0],
      [-4096, 0],
      [2 ** 38 - 4096, 0],
      [-(2 ** 38), 0],
      [0x40200000 + (DATA % 2 ** 21), 1],
    ] as const) {
      guest.map(va - (level ? DATA % 2 ** 21 : 0), level ? RAM : DATA, PTE_V | PTE_R | PTE_W | AD, level);
      expect(guest.step(SD, va + 8, 0x1234n)).toBeNull();
      expect(guest.machine.read64(DATA + 8)).toBe(0x1234n);
      expect(guest.step(LD, va + 8)).toBeNull();
      expect(guest.machine.x(7)).toBe(0x1234n);
      guest.machine.memory.zero(((guest.machine.hostOf(DATA) as number) / 4096) as Pfn);
    }
  });

  it.each([
    ['an unmapped page', 0, LD, PRV_S, Cause.loadPageFault],
    ['an unmapped page (store)', 0, SD, PRV_S, Cause.storePageFault],
    ['an unmapped page (AMO)', 0, AMO, PRV_S, Cause.storePageFault],
    ['a read-only page', PTE_V | PTE_R | AD, SD, PRV_S, Cause.storePageFault],
    ['a read-only page (AMO)', PTE_V | PTE_R | AD, AMO, PRV_S, Cause.storePageFault],
    ['a user page without SUM', PTE_V | PTE_R | PTE_U | AD, LD, PRV_S, Cause.loadPageFault],
    ['an execute-only page', PTE_V | PTE_X | AD, LD, PRV_S, Cause.loadPageFault],
  ])('faults on %s', (_name, flags, word, privilege, cause) => {
    const guest = new PagedGuest(mmu);
    if (flags !== 0) guest.map(0x5000, DATA, flags);
    expect(guest.step(word, 0x5018, 1n, privilege)).toBe(cause);
    expect(guest.csr(Csr.mtval)).toBe(0x5018);
    expect(guest.csr(Csr.mepc)).toBe(CODE);
  });

  it('faults on addresses that are not canonical, with all their bits as trap value', () => {
    const guest = new PagedGuest(mmu);
    for (const address of [2 ** 38, -(2 ** 38) - 8, 2 ** 52]) {
      expect(guest.step(LD, address)).toBe(Cause.loadPageFault);
      expect(guest.csr(Csr.mtval)).toBe(address);
      expect(guest.step(SD, address)).toBe(Cause.storePageFault);
      expect(guest.go(address)).toBe(Cause.fetchPageFault);
      expect([guest.csr(Csr.mtval), guest.csr(Csr.mepc)]).toEqual([address, address]);
    }
  });

  it('faults on memory that does not exist with access faults: data, code and tables', () => {
    const guest = new PagedGuest(mmu);
    guest.map(0x5000, 0x1000_0000, PTE_V | PTE_R | PTE_W | PTE_X | AD);
    expect(guest.step(LD, 0x5000)).toBe(Cause.loadAccess);
    expect(guest.step(SD, 0x5000)).toBe(Cause.storeAccess);
    expect(guest.go(0x5000)).toBe(Cause.fetchAccess);
    expect(guest.csr(Csr.mtval)).toBe(0x5000);
    guest.map(2 ** 30, 0x1000_0000, PTE_V, 2);
    expect(guest.step(LD, 2 ** 30)).toBe(Cause.loadAccess);
    guest.map(2 ** 31 - 2 ** 30, 2 ** 54, PTE_V, 2);
    expect(guest.step(SD, 2 ** 30)).toBe(Cause.storeAccess);
  });

  it('obeys SUM, MXR and MPRV at once, without a fence', () => {
    const guest = new PagedGuest(mmu);
    guest.map(0x5000, DATA, PTE_V | PTE_R | PTE_W | PTE_U | AD);
    guest.map(0x6000, DATA, PTE_V | PTE_X | AD);
    const SUM = 1 << 18;
    const MXR = 1 << 19;
    const MPRV = 1 << 17;
    for (let round = 0; round < 2; round++) {
      guest.setStatus(0);
      expect(guest.step(LD, 0x5000)).toBe(Cause.loadPageFault);
      expect(guest.step(LD, 0x5000, 0n, PRV_S)).toBe(Cause.loadPageFault);
      guest.setStatus(SUM);
      expect(guest.step(LD, 0x5000)).toBeNull();
      expect(guest.step(LD, 0x6000)).toBe(Cause.loadPageFault);
      guest.setStatus(MXR);
      expect(guest.step(LD, 0x6000)).toBeNull();
      expect(guest.step(LD, 0x5000)).toBe(Cause.loadPageFault);
      guest.setStatus(MPRV | (PRV_S << 11));
      expect(guest.step(LD, 0x5000, 0n, 3)).toBe(Cause.loadPageFault);
      guest.setStatus(MPRV | (PRV_U << 11));
      expect(guest.step(LD, 0x5000, 0n, 3)).toBeNull();
      guest.setStatus(MPRV | (3 << 11));
      expect(guest.step(LD, DATA, 0n, 3)).toBeNull();
    }
  });

  it('sees SUM from the instruction after the one that sets it', () => {
    const guest = new PagedGuest(mmu);
    const { machine, hart } = guest;
    guest.map(0x5000, DATA, PTE_V | PTE_R | PTE_W | PTE_U | AD);
    machine.load(
      [encode(Op.csrrs, 0, 6, 0, Csr.sstatus), LD, encode(Op.csrrc, 0, 6, 0, Csr.sstatus), LD],
      CODE,
    );
    expect(guest.go(CODE, 0x5000, 1n << 18n)).toBeNull();
    expect(machine.run(2)).toBe(Exit.budget);
    expect(machine.pc).toBe(BigInt(CODE + 12));
    expect(machine.run(1)).toBe(Exit.budget);
    expect(hart.pc).toBe(HANDLER);
  });

  it('keeps U and S apart for fetches', () => {
    const guest = new PagedGuest(mmu);
    guest.machine.load([encode(Op.addi, 0, 0, 0, 0)], DATA);
    guest.map(0x5000, DATA, PTE_V | PTE_X | PTE_U | AD);
    guest.map(0x6000, DATA, PTE_V | PTE_X | AD);
    guest.setStatus(1 << 18);
    for (let round = 0; round < 2; round++) {
      expect(guest.go(0x5000, 0, 0n, PRV_U)).toBeNull();
      expect(guest.go(0x5000, 0, 0n, PRV_S)).toBe(Cause.fetchPageFault);
      expect(guest.go(0x6000, 0, 0n, PRV_S)).toBeNull();
      expect(guest.go(0x6000, 0, 0n, PRV_U)).toBe(Cause.fetchPageFault);
    }
  });

  it('sees a changed mapping after the fence of its page, or of everything', () => {
    for (const fenced of [0x5000, null]) {
      const guest = new PagedGuest(mmu);
      guest.machine.memory.write32(guest.machine.hostOf(DATA) as Hpa, 1);
      guest.machine.memory.write32(guest.machine.hostOf(DATA + 4096) as Hpa, 2);
      guest.map(0x5000, DATA, PTE_V | PTE_R | AD);
      guest.step(LD, 0x5000);
      expect(guest.machine.x(7)).toBe(1n);
      guest.map(0x5000, DATA + 4096, PTE_V | PTE_R | AD);
      guest.fence(fenced);
      guest.step(LD, 0x5000);
      expect(guest.machine.x(7)).toBe(2n);
    }
  });

  it('fetches an instruction that crosses into another page by two translations', () => {
    const guest = new PagedGuest(mmu);
    const word = encode(Op.addi, 7, 0, 0, 99);
    guest.machine.memory.write16(guest.machine.hostOf(DATA + 4094) as Hpa, word & 0xffff);
    guest.machine.memory.write16(guest.machine.hostOf(DATA + 0x3000) as Hpa, word >>> 16);
    guest.map(0x5000, DATA, PTE_V | PTE_X | AD);
    expect(guest.go(0x5ffe)).toBe(Cause.fetchPageFault);
    expect([guest.csr(Csr.mtval), guest.csr(Csr.mepc)]).toEqual([0x6000, 0x5ffe]);
    guest.map(0x6000, DATA + 0x3000, PTE_V | PTE_X | AD);
    guest.fence();
    expect(guest.go(0x5ffe)).toBeNull();
    expect([guest.machine.x(7), guest.machine.pc]).toEqual([99n, 0x6002n]);
  });

  it.each([
    ['hardware', true],
    ['svade', false],
    ['svadu', false],
  ] as const)('--ad %s at reset', (ad, sets) => {
    const guest = new PagedGuest(mmu, ad);
    guest.map(0x5000, DATA, PTE_V | PTE_R | PTE_W);
    expect(guest.step(LD, 0x5000)).toBe(sets ? null : Cause.loadPageFault);
    expect(guest.flagsOf(0x5000) & AD).toBe(sets ? PTE_A : 0);
    guest.map(0x5000, DATA, PTE_V | PTE_R | PTE_W | PTE_A);
    guest.fence();
    expect(guest.step(LD, 0x5000)).toBeNull();
    expect(guest.flagsOf(0x5000) & AD).toBe(PTE_A);
    expect(guest.step(SD, 0x5000)).toBe(sets ? null : Cause.storePageFault);
    expect(guest.flagsOf(0x5000) & AD).toBe(sets ? AD : PTE_A);
  });

  it('--ad svadu follows menvcfg.ADUE', () => {
    const guest = new PagedGuest(mmu, 'svadu');
    guest.map(0x5000, DATA, PTE_V | PTE_R | PTE_W);
    expect(guest.step(SD, 0x5000)).toBe(Cause.storePageFault);
    guest.machine.load([encode(Op.csrrw, 0, 5, 0, Csr.menvcfg)], HANDLER);
    expect(guest.go(HANDLER, 2 ** 61, 0n, 3)).toBeNull();
    expect(guestSetsAccessedDirty(guest.hart)).toBe(true);
    expect(guest.step(SD, 0x5000)).toBeNull();
    expect(guest.flagsOf(0x5000) & AD).toBe(AD);
  });
});

describe('the shadow MMU', () => {
  it('exits for satp and sfence.vma after they retired, and walks nothing until it is given a root', () => {
    const { machine } = new PagedGuest('shadow');
    const { hart } = machine;
    machine.load([encode(Op.csrrw, 0, 5, 0, Csr.satp), encode(Op.sfence_vma, 0, 6, 7, 0)]);
    machine.setX(5, (8n << 60n) | (3n << 44n) | 0x80010n);
    machine.setX(6, 0x12345n);
    machine.setX(7, 0x1_0003n);
    hart.setPc(CODE | 0, 0);
    hart.privilege = 3;
    hart.setDirectRoot(machine.directRoot);
    hart.setShadowRoot(machine.allocFrames(1) * 4096);
    expect(hart.run(5)).toBe(Exit.satp);
    expect([hart.budgetLeft, hart.shadowRoot, machine.pc]).toEqual([4, NO_ROOT, BigInt(CODE + 4)]);
    expect(hart.run(4)).toBe(Exit.sfence);
    expect(hart.fence).toMatchObject({ page: 0x12000, asid: 3 });
    expect(hart.budgetLeft).toBe(3);
  });

  it('gives null for the operands of a fence that are x0, and no exit for an address that is none', () => {
    const { machine } = new PagedGuest('shadow');
    machine.load([encode(Op.sfence_vma, 0, 0, 0, 0), encode(Op.sfence_vma, 0, 6, 0, 0)]);
    machine.setX(6, 2n ** 63n);
    machine.hart.setPc(CODE | 0, 0);
    expect(machine.hart.run(2)).toBe(Exit.sfence);
    expect(machine.hart.fence).toMatchObject({ page: null, asid: null });
    expect(machine.hart.run(1)).toBe(Exit.budget);
  });

  it('sets A and D in the shadow entry by use, and leaves the guest entry to kvm', () => {
    const guest = new PagedGuest('shadow', 'svade');
    const { machine, hart } = guest;
    guest.map(0x5000, DATA, PTE_V | PTE_R | PTE_W | AD);
    const shadow = (machine.allocFrames(1) * 4096) as Hpa;
    const spte = machine.entryOf(shadow, false, 0x5000);
    machine.map(shadow, false, CODE, machine.ramPfn, PTE_V | PTE_R | PTE_X);
    machine.memory.write32(spte, makePte((machine.ramPfn + 4) as Pfn, PTE_V | PTE_R | PTE_W));
    hart.setShadowRoot(shadow);
    expect(guest.step(LD, 0x5000)).toBeNull();
    expect(machine.memory.read32(spte) & AD).toBe(PTE_A);
    expect(guest.step(SD, 0x5000)).toBeNull();
    expect(machine.memory.read32(spte) & AD).toBe(AD);
  });

  it('says whether the shadow or the direct root lacks the translation', () => {
    const { machine } = new PagedGuest('shadow');
    const { hart } = machine;
    machine.load([LD]);
    machine.setX(5, 0x5000n);
    hart.setPc(CODE | 0, 0);
    hart.privilege = PRV_S;
    hart.setDirectRoot(machine.directRoot);
    expect(hart.run(1)).toBe(Exit.mmuFault);
    expect(hart.fault).toMatchObject({ paged: true, va: CODE, access: Access.fetch });
    hart.privilege = 3;
    hart.setDirectRoot(machine.directRoot);
    expect(hart.run(1)).toBe(Exit.mmuFault);
    expect(hart.fault).toMatchObject({ paged: false, va: 0x5000, gpa: 0x5000, access: Access.load });
  });
});

describe('the two-stage MMU', () => {
  it('exits for a guest table that the second stage lacks, as an implicit load of its entry', () => {
    const guest = new PagedGuest('tdp');
    const { machine, hart } = guest;
    guest.map(0x5000, DATA, PTE_V | PTE_R | AD);
    machine.mapGuestPage(Math.floor(guest.entry(0x5000) / 4096) * 4096, 0);
    machine.load([SD], CODE);
    machine.setX(5, 0x5000n);
    hart.setPc(CODE | 0, 0);
    hart.privilege = PRV_S;
    hart.setDirectRoot(machine.directRoot);
    expect(hart.run(1)).toBe(Exit.mmuFault);
    expect(hart.fault).toMatchObject({
      va: 0x5000,
      access: Access.store,
      gpa: guest.entry(0x5000),
      wanted: Access.load,
      implicit: true,
    });
  });

  it('exits for an A/D update of a table that the second stage write-protects, as an implicit store', () => {
    const guest = new PagedGuest('tdp');
    const { machine, hart } = guest;
    guest.map(0x5000, DATA, PTE_V | PTE_R);
    machine.mapGuestPage(Math.floor(guest.entry(0x5000) / 4096) * 4096, ALL_FLAGS & ~PTE_W);
    machine.load([LD], CODE);
    machine.setX(5, 0x5000n);
    hart.setPc(CODE | 0, 0);
    hart.privilege = PRV_S;
    hart.setDirectRoot(machine.directRoot);
    expect(hart.run(1)).toBe(Exit.mmuFault);
    expect(hart.fault).toMatchObject({ access: Access.load, wanted: Access.store, implicit: true });
    expect(guest.flagsOf(0x5000) & PTE_A).toBe(0);
  });

  it('sets A and D of the second stage: dirty the pages stored to, tables included, accessed all others', () => {
    const guest = new PagedGuest('tdp');
    const { machine } = guest;
    guest.map(0x5000, DATA, PTE_V | PTE_R | PTE_W);
    guest.map(0x6000, DATA + 4096, PTE_V | PTE_R);
    const table = Math.floor(guest.entry(0x5000) / 4096) * 4096;
    const pages = [DATA, DATA + 4096, table, ROOT];
    for (const page of pages) machine.mapGuestPage(page, ALL_FLAGS & ~AD);
    machine.hart.flushAll();
    expect(guest.step(LD, 0x6000)).toBeNull();
    expect(guest.step(SD, 0x5000)).toBeNull();
    const flags = pages.map(
      (page) => machine.memory.read32(machine.entryOf(machine.directRoot, true, page)) & AD,
    );
    expect(flags).toEqual([AD, PTE_A, AD, PTE_A]);
  });

  it('needs both stages to permit an access', () => {
    const guest = new PagedGuest('tdp');
    guest.map(0x5000, DATA, PTE_V | PTE_R | PTE_W | PTE_X | AD);
    guest.machine.mapGuestPage(DATA, PTE_V | PTE_R | PTE_U);
    expect(guest.step(LD, 0x5000)).toBeNull();
    guest.machine.load([SD], CODE);
    guest.machine.setX(5, 0x5000n);
    guest.hart.setPc(CODE | 0, 0);
    guest.hart.privilege = PRV_S;
    guest.hart.setDirectRoot(guest.machine.directRoot);
    expect(guest.hart.run(1)).toBe(Exit.mmuFault);
    expect(guest.hart.fault).toMatchObject({ gpa: DATA, wanted: Access.store, implicit: false });
  });

  it('keeps address spaces apart by ASID and switches between them without a flush', () => {
    const guest = new PagedGuest('tdp');
    guest.map(0x5000, DATA, PTE_V | PTE_R | AD);
    const satp = (asid: number): bigint => (8n << 60n) | (BigInt(asid) << 44n) | BigInt(ROOT / 4096);
    const use = (asid: number): void => {
      guest.machine.load([encode(Op.csrrw, 0, 6, 0, Csr.satp)], HANDLER);
      expect(guest.go(HANDLER, 0, satp(asid), 3)).toBeNull();
    };
    const walksOf = (act: () => void): number => {
      const before = guest.hart.stats.walks;
      act();
      return guest.hart.stats.walks - before;
    };
    const load = (): void => expect(guest.step(LD, 0x5000)).toBeNull();
    expect(walksOf(load)).toBe(2);
    use(1);
    expect(walksOf(load)).toBe(2);
    use(0);
    expect(walksOf(load)).toBe(0);
    guest.machine.load([encode(Op.sfence_vma, 0, 0, 6, 0)], CODE);
    expect(guest.go(CODE, 0, 1n)).toBeNull();
    expect(walksOf(load)).toBe(0);
    use(1);
    expect(walksOf(load)).toBe(2);
  });
});
