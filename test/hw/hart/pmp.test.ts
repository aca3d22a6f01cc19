// Physical memory protection of one hart: what a set of entries permits, and what of it the TLB may keep. Whole machines
// under it: test/kvm/pmp.test.ts, and the random programs of sv39.property.test.ts.

import { beforeEach, describe, expect, it } from 'vitest';
import { Cause, OPEN_PMP, PMP_SPLIT, Pmp } from '../../../src/hw/hart/index.ts';
import { Csr, encode, Op } from '../../../src/hw/isa/index.ts';
import { Access, type AccessKind, PTE_R, PTE_W, PTE_X } from '../../../src/hw/sv39/index.ts';
import { RAM, TestMachine } from './testMachine.ts';

const RWX = PTE_R | PTE_W | PTE_X;
const PAGE = 4096;
const { load, store, fetch } = Access;

const range = (base: number, end: number, permissions: number, locked = false) => ({
  base,
  end,
  permissions,
  locked,
});

describe('entries', () => {
  const pmp = new Pmp([
    range(0x1000, 0x2000, PTE_R),
    range(0x1000, 0x4000, RWX),
    range(0x5004, 0x5008, RWX),
    range(0x6000, 0x8000, PTE_R | PTE_X, true),
  ]);

  it.each<[string, number, number, AccessKind, boolean, number]>([
    ['the first that matches decides', 0x1008, 8, store, false, 0],
    ['a later one decides where it does not match', 0x2000, 8, store, false, RWX],
    ['binds no M mode unless it is locked', 0x1008, 8, store, true, RWX],
    ['binds M mode when it is locked', 0x6000, 8, store, true, 0],
    ['permits M mode what it says when locked', 0x6000, 8, fetch, true, PTE_R | PTE_X],
    ['S and U may do nothing where none matches', 0x4000, 4, load, false, 0],
    ['M may do everything where none matches', 0x4000, 4, store, true, RWX],
    ['matches a part of the page only', 0x5004, 4, load, false, RWX | PMP_SPLIT],
    ['whoever is beside it', 0x5008, 4, load, false, 0],
    ['M beside it may', 0x5008, 4, load, true, RWX | PMP_SPLIT],
    ['must match all of an access', 0x5000, 8, load, false, 0],
    ['must match all of an access of M mode, too', 0x5000, 8, load, true, 0],
  ])('%s', (_, address, bytes, access, machine, expected) => {
    expect(pmp.allowed(address, bytes, access, machine)).toBe(expected);
  });

  it('without any, M may do everything, and S and U nothing', () => {
    const none = new Pmp([]);
    expect([none.isOpenToMachine, none.isOpen]).toEqual([true, false]);
    expect([none.allowed(RAM, 8, load, true), none.allowed(RAM, 8, load, false)]).toEqual([RWX, 0]);
  });

  it('are the same to S and U whatever is locked', () => {
    const [a, b] = [false, true].map((locked) => new Pmp([range(0, 64, PTE_R, locked)]));
    expect([a!.userKey === b!.userKey, a!.key === b!.key]).toEqual([true, false]);
    expect(OPEN_PMP.userKey).toBe('');
  });
});

describe('a hart', () => {
  const HANDLER = RAM + 0x800;
  const DATA = RAM + 2 * PAGE;
  const MPRV_USER = 1n << 17n;
  const OFF = 0n;
  const TOR = 1n << 3n;
  const NA4 = 2n << 3n;
  const NAPOT = 3n << 3n;
  const ALL = 7n;

  let machine: TestMachine;
  beforeEach(() => {
    machine = new TestMachine({ ramPages: 8 });
    write(Csr.mtvec, BigInt(HANDLER));
  });

  function execute(word: number, x5: bigint): void {
    machine.load([word]);
    machine.setX(5, x5);
    machine.hart.setPc(RAM | 0, 0);
    machine.run(1);
  }

  const write = (csr: number, value: bigint): void => execute(encode(Op.csrrw, 0, 5, 0, csr), value);

  function read(csr: number): bigint {
    execute(encode(Op.csrrs, 7, 0, 0, csr), 0n);
    return machine.x(7);
  }

  /** A load as U mode would make it, or in M mode. Null, or its trap. */
  function loadWord(address: number, user = true): { cause: bigint; tval: bigint } | null {
    const { hart } = machine;
    if (user) execute(encode(Op.csrrs, 0, 5, 0, Csr.mstatus), MPRV_USER);
    const before = hart.retired;
    execute(encode(Op.lw, 7, 5, 0, 0), BigInt(address));
    const trapped = hart.retired === before;
    execute(encode(Op.csrrc, 0, 5, 0, Csr.mstatus), MPRV_USER);
    return trapped ? { cause: read(Csr.mcause), tval: read(Csr.mtval) } : null;
  }

  const denied = (address: number) => ({ cause: BigInt(Cause.loadAccess), tval: BigInt(address) });

  it('is open to everybody after reset, as Spike is', () => {
    expect(machine.hart.pmp.isOpen).toBe(true);
    expect([read(Csr.pmpcfg0), read(Csr.pmpaddr0)]).toEqual([0x1fn, 2n ** 54n - 1n]);
    expect(loadWord(DATA)).toBeNull();
  });

  it.each<[string, bigint, bigint, bigint, number, number]>([
    ['TOR from 0', TOR, 0n, BigInt(DATA / 4), DATA - 4, DATA],
    ['TOR from the entry before', TOR << 8n, BigInt(DATA / 4), BigInt(DATA / 4 + 2), DATA + 4, DATA + 8],
    ['an empty TOR', (TOR << 8n) | (NA4 << 16n), BigInt(DATA / 4), BigInt(DATA / 4 - 4), -1, DATA - 8],
    ['NA4', NA4, BigInt(DATA / 4), 0n, DATA, DATA + 4],
    ['NAPOT of 8 bytes', NAPOT, BigInt(DATA / 4), 0n, DATA + 4, DATA + 8],
    ['NAPOT of 64 bytes', NAPOT, BigInt(DATA / 4 + 7), 0n, DATA + 60, DATA + 64],
    ['NAPOT of all', NAPOT, 2n ** 54n - 1n, 0n, DATA, -1],
    ['OFF', OFF, 2n ** 54n - 1n, 0n, -1, DATA],
  ])('%s', (_, config, address0, address1, inside, outside) => {
    const rights = config & 0xff00n ? ALL << 8n : ALL;
    const isFirst = config === TOR;
    write(Csr.pmpaddr0, isFirst ? address1 : address0);
    write(Csr.pmpaddr0 + 1, address1);
    write(Csr.pmpcfg0, config | rights);
    if (inside >= 0) expect(loadWord(inside)).toBeNull();
    if (outside >= 0) expect(loadWord(outside)).toEqual(denied(outside));
  });

  it('takes back at once what it cached', () => {
    expect(loadWord(DATA)).toBeNull();
    write(Csr.pmpcfg0, 0n);
    expect(loadWord(DATA)).toEqual(denied(DATA));
    expect(loadWord(DATA, false)).toBeNull();
    write(Csr.pmpcfg0, NAPOT | ALL);
    expect(loadWord(DATA)).toBeNull();
  });

  it('keeps no TLB entry for a page that is split, and one for a page that is whole', () => {
    write(Csr.pmpaddr0, BigInt(DATA / 4 + PAGE / 8));
    write(Csr.pmpcfg0, TOR | ALL);
    const cached = (page: number): boolean => {
      let found = false;
      machine.hart.tlb.forEach((regime, at) => {
        found ||= at === page && !regime.machine;
      });
      return found;
    };
    expect(loadWord(DATA)).toBeNull();
    expect(loadWord(DATA - PAGE)).toBeNull();
    expect([cached(DATA), cached(DATA - PAGE)]).toEqual([false, true]);
    expect(loadWord(DATA + PAGE / 2)).toEqual(denied(DATA + PAGE / 2));
  });

  it('loses nothing when a write changes nothing', () => {
    loadWord(DATA);
    const { walks } = machine.hart.stats;
    write(Csr.pmpaddr0 + 5, 1234n);
    write(Csr.pmpcfg0, NAPOT | ALL);
    loadWord(DATA);
    expect(machine.hart.stats.walks).toBe(walks);
  });
});
