// The walk, corner by corner, over a sparse memory of entries that can be missing or change under it.

import { describe, expect, it } from 'vitest';
import {
  Access,
  type AccessKind,
  Entry,
  type EntryAnswer,
  PTE_A,
  PTE_D,
  PTE_G,
  PTE_R,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
  SV39,
  SV39X4,
  type TableMemory,
  type TranslationMode,
  Walk,
  WalkStatus,
  walkTables,
} from '../../../src/hw/sv39/index.ts';

const RWX = PTE_R | PTE_W | PTE_X;
const AD = PTE_A | PTE_D;
const ROOT = 0x1000;
const LEVEL1 = 0x10000;
const LEVEL0 = 0x11000;

/** A sparse memory of entries, which can withhold some and change others behind the walker's back. */
class Tables implements TableMemory {
  readonly entries = new Map<number, bigint>();
  readonly missing = new Set<number>();
  readonly forbidden = new Set<number>();
  updates: number[] = [];
  beforeUpdate: (() => void) | null = null;

  readEntry(address: number, walk: Walk): EntryAnswer {
    if (this.missing.has(address)) return Entry.missing;
    if (this.forbidden.has(address)) return Entry.accessFault;
    const entry = this.entries.get(address) ?? 0n;
    walk.lo = Number(BigInt.asIntN(32, entry));
    walk.hi = Number(BigInt.asIntN(32, entry >> 32n));
    return Entry.ok;
  }

  compareAndSet(address: number, oldLo: number, _oldHi: number, newLo: number, newHi: number): EntryAnswer {
    this.beforeUpdate?.();
    const entry = this.entries.get(address) ?? 0n;
    if (Number(BigInt.asIntN(32, entry)) !== oldLo) return Entry.changed;
    if (this.missing.has(address)) return Entry.missing;
    this.entries.set(address, (BigInt(newHi >>> 0) << 32n) | BigInt(newLo >>> 0));
    this.updates.push(address);
    return Entry.ok;
  }
}

const pte = (address: number, flags: number): bigint => (BigInt(address / 4096) << 10n) | BigInt(flags);

const supervisor: TranslationMode = {
  stage: SV39,
  root: ROOT,
  user: false,
  sum: false,
  mxr: false,
  setsAccessedDirty: true,
};
const user: TranslationMode = { ...supervisor, user: true };

/** Tables in which address 0 has the given leaf at the given level; a leaf for 4 KiB maps 0x5000. */
function tablesWith(leaf: bigint, level = 0): Tables {
  const tables = new Tables();
  tables.entries.set(ROOT, level === 2 ? leaf : pte(LEVEL1, PTE_V));
  tables.entries.set(LEVEL1, level === 1 ? leaf : pte(LEVEL0, PTE_V));
  tables.entries.set(LEVEL0, leaf);
  return tables;
}

function translate(mode: TranslationMode, tables: Tables, address: number, access: AccessKind): Walk {
  const walk = new Walk();
  walkTables(mode, tables, address, access, walk);
  return walk;
}

const statusOf = (
  mode: TranslationMode,
  flags: number,
  access: AccessKind = Access.load,
  address = 0x5000,
): number => translate(mode, tablesWith(pte(address, flags)), 0, access).status;

describe('the walk', () => {
  it('follows three levels to a page and adds the offset', () => {
    const walk = translate(user, tablesWith(pte(0x5000, PTE_V | RWX | PTE_U | AD)), 0x123, Access.load);
    expect(walk).toMatchObject({ status: WalkStatus.ok, level: 0, pa: 0x5123, entryAddress: LEVEL0 });
    expect(walk).toMatchObject({
      readable: true,
      writable: true,
      executable: true,
      user: true,
      global: false,
    });
  });

  it('maps superpages, with their low address bits from the address', () => {
    const flags = PTE_V | PTE_R | PTE_A;
    const mega = translate(supervisor, tablesWith(pte(0x40200000, flags), 1), 0x1fffff, Access.load);
    expect(mega).toMatchObject({ status: WalkStatus.ok, level: 1, pa: 0x403fffff });
    const giga = translate(supervisor, tablesWith(pte(0x40000000, flags), 2), 0x3fffffff, Access.load);
    expect(giga).toMatchObject({ status: WalkStatus.ok, level: 2, pa: 0x7fffffff });
  });

  it('faults on misaligned superpages', () => {
    const flags = PTE_V | PTE_R | PTE_A;
    for (const [leaf, level] of [
      [0x40201000, 1],
      [0x40300000, 1],
      [0x40200000, 2],
      [0x40001000, 2],
    ] as const) {
      const walk = translate(supervisor, tablesWith(pte(leaf, flags), level), 0, Access.load);
      expect(walk.status, `${leaf.toString(16)} at level ${level}`).toBe(WalkStatus.pageFault);
    }
  });

  it('uses all 44 bits of a PPN', () => {
    const walk = translate(
      user,
      tablesWith(pte(2 ** 56 - 4096, PTE_V | PTE_R | PTE_U | PTE_A)),
      1,
      Access.load,
    );
    expect(walk.pa).toBe(2 ** 56 - 4095);
  });

  it('walks negative addresses through the upper half of the root, and refuses what is not canonical', () => {
    const tables = new Tables();
    tables.entries.set(ROOT + 511 * 8, pte(0x40000000, PTE_V | PTE_R | PTE_A));
    expect(translate(supervisor, tables, -(2 ** 30) + 5, Access.load)).toMatchObject({ pa: 0x40000005 });
    expect(translate(supervisor, tables, 2 ** 38, Access.load).status).toBe(WalkStatus.pageFault);
    expect(translate(supervisor, tables, -(2 ** 38) - 4096, Access.load).status).toBe(WalkStatus.pageFault);
  });

  it('has 2048 root entries for Sv39x4 and no negative address', () => {
    const direct: TranslationMode = { ...user, stage: SV39X4 };
    const tables = new Tables();
    tables.entries.set(ROOT + 2047 * 8, pte(0x40000000, PTE_V | PTE_R | PTE_U | PTE_A));
    expect(translate(direct, tables, 2 ** 41 - 1, Access.load)).toMatchObject({ pa: 0x7fffffff });
    expect(translate(direct, tables, 2 ** 41, Access.load).status).toBe(WalkStatus.pageFault);
    expect(translate(direct, tables, -1, Access.load).status).toBe(WalkStatus.pageFault);
  });
});

describe('invalid and reserved encodings fault', () => {
  it.each([
    ['V clear', PTE_R | PTE_A],
    ['W without R', PTE_V | PTE_W | PTE_A | PTE_D],
    ['W and X without R', PTE_V | PTE_W | PTE_X | AD],
    ['a table entry at the last level', PTE_V],
  ])('%s', (_name, flags) => {
    expect(statusOf(supervisor, flags)).toBe(WalkStatus.pageFault);
  });

  it.each([54n, 55n, 56n, 57n, 58n, 59n, 60n, 61n, 62n, 63n])(
    'bit %s of a leaf, and of a table entry',
    (bit) => {
      const leaf = pte(0x5000, PTE_V | PTE_R | PTE_A) | (1n << bit);
      expect(translate(supervisor, tablesWith(leaf), 0, Access.load).status).toBe(WalkStatus.pageFault);
      const tables = tablesWith(pte(0x5000, PTE_V | PTE_R | PTE_A));
      tables.entries.set(LEVEL1, pte(LEVEL0, PTE_V) | (1n << bit));
      expect(translate(supervisor, tables, 0, Access.load).status).toBe(WalkStatus.pageFault);
    },
  );

  it.each([PTE_U, PTE_A, PTE_D])('flag %i of a table entry', (flag) => {
    const tables = tablesWith(pte(0x5000, PTE_V | PTE_R | PTE_A));
    tables.entries.set(ROOT, pte(LEVEL1, PTE_V | flag));
    expect(translate(supervisor, tables, 0, Access.load).status).toBe(WalkStatus.pageFault);
  });

  it('but the two software bits do not', () => {
    expect(statusOf(supervisor, PTE_V | PTE_R | PTE_A | 0x300)).toBe(WalkStatus.ok);
  });
});

describe('permissions', () => {
  const allowed = (mode: TranslationMode, flags: number): string =>
    [Access.load, Access.store, Access.fetch]
      .map((access) => (statusOf(mode, PTE_V | AD | flags, access) === WalkStatus.ok ? 'rwx'[access] : '-'))
      .join('');

  it.each([
    ['S, supervisor page', supervisor, RWX, 'rwx'],
    ['S, user page', supervisor, RWX | PTE_U, '---'],
    ['S with SUM, user page', { ...supervisor, sum: true }, RWX | PTE_U, 'rw-'],
    ['U, user page', user, RWX | PTE_U, 'rwx'],
    ['U, supervisor page', user, RWX, '---'],
    ['U with SUM, supervisor page', { ...user, sum: true }, RWX, '---'],
    ['read-only', supervisor, PTE_R, 'r--'],
    ['read-execute', supervisor, PTE_R | PTE_X, 'r-x'],
    ['execute-only', supervisor, PTE_X, '--x'],
    ['execute-only with MXR', { ...supervisor, mxr: true }, PTE_X, 'r-x'],
    ['user execute-only with MXR, no SUM', { ...supervisor, mxr: true }, PTE_X | PTE_U, '---'],
    ['second stage, user page', { ...user, stage: SV39X4, user: false }, RWX | PTE_U, 'rwx'],
    ['second stage, supervisor page', { ...user, stage: SV39X4, user: false }, RWX, '---'],
  ] as const)('%s: %s', (_name, mode, flags, expected) => {
    expect(allowed(mode, flags)).toBe(expected);
  });

  it('reports what else the privilege may do; writable only while D is set', () => {
    const clean = translate(user, tablesWith(pte(0x5000, PTE_V | RWX | PTE_U | PTE_A)), 0, Access.load);
    expect(clean).toMatchObject({ readable: true, writable: false, executable: true });
    const mode = { ...supervisor, sum: true };
    const dirty = translate(mode, tablesWith(pte(0x5000, PTE_V | RWX | PTE_U | AD)), 0, Access.store);
    expect(dirty).toMatchObject({ readable: true, writable: true, executable: false });
  });

  it('reports G of the leaf and of the tables above', () => {
    const leaf = pte(0x5000, PTE_V | PTE_R | PTE_A | PTE_G);
    expect(translate(supervisor, tablesWith(leaf), 0, Access.load).global).toBe(true);
    const tables = tablesWith(pte(0x5000, PTE_V | PTE_R | PTE_A));
    tables.entries.set(ROOT, pte(LEVEL1, PTE_V | PTE_G));
    expect(translate(supervisor, tables, 0, Access.load).global).toBe(true);
  });
});

describe('A and D', () => {
  const clean = PTE_V | RWX;
  const svade: TranslationMode = { ...supervisor, setsAccessedDirty: false };

  it('are set in the entry by hardware: A on use, D on a store', () => {
    for (const [access, flags] of [
      [Access.load, PTE_A],
      [Access.fetch, PTE_A],
      [Access.store, AD],
    ] as const) {
      const tables = tablesWith(pte(0x5000, clean));
      const walk = translate(supervisor, tables, 0, access);
      expect(walk.lo & AD).toBe(flags);
      expect(tables.entries.get(LEVEL0)).toBe(pte(0x5000, clean | flags));
    }
  });

  it('are not written when they are set already', () => {
    const tables = tablesWith(pte(0x5000, clean | PTE_A));
    translate(supervisor, tables, 0, Access.load);
    expect(tables.updates).toEqual([]);
  });

  it('fault under Svade, and nothing is written', () => {
    expect(statusOf(svade, clean)).toBe(WalkStatus.pageFault);
    expect(statusOf(svade, clean | PTE_A)).toBe(WalkStatus.ok);
    expect(statusOf(svade, clean | PTE_A, Access.store)).toBe(WalkStatus.pageFault);
    expect(statusOf(svade, clean | AD, Access.store)).toBe(WalkStatus.ok);
  });

  it('are not set by an access that faults', () => {
    const tables = tablesWith(pte(0x5000, PTE_V | PTE_R));
    expect(translate(supervisor, tables, 0, Access.store).status).toBe(WalkStatus.pageFault);
    expect(tables.updates).toEqual([]);
  });

  it('restart the walk when the entry changed under it', () => {
    const tables = tablesWith(pte(0x5000, clean));
    tables.beforeUpdate = () => {
      tables.beforeUpdate = null;
      tables.entries.set(LEVEL0, pte(0x7000, clean));
    };
    const walk = translate(supervisor, tables, 0, Access.store);
    expect(walk).toMatchObject({ status: WalkStatus.ok, pa: 0x7000 });
    expect(tables.entries.get(LEVEL0)).toBe(pte(0x7000, clean | AD));
  });
});

describe('entries out of reach', () => {
  const leaf = pte(0x5000, PTE_V | RWX);

  it.each([ROOT, LEVEL1, LEVEL0])('a missing entry at %i ends the walk with its address', (address) => {
    const tables = tablesWith(leaf);
    tables.missing.add(address);
    const walk = translate(supervisor, tables, 0, Access.load);
    expect(walk).toMatchObject({ status: WalkStatus.missing, entryAddress: address });
    expect(tables.updates).toEqual([]);
  });

  it('an entry that is no memory is an access fault', () => {
    const tables = tablesWith(leaf);
    tables.forbidden.add(LEVEL1);
    expect(translate(supervisor, tables, 0, Access.load).status).toBe(WalkStatus.accessFault);
  });

  it('an update that cannot be made ends the walk as missing', () => {
    const tables = tablesWith(leaf);
    tables.beforeUpdate = () => tables.missing.add(LEVEL0);
    const walk = translate(supervisor, tables, 0, Access.load);
    expect(walk).toMatchObject({ status: WalkStatus.missing, entryAddress: LEVEL0 });
  });
});
