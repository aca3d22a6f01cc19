// The TLB of a host CPU: it walks on a miss, sets A and D as hardware does, and keeps what nobody has flushed.

import { beforeEach, describe, expect, it } from 'vitest';
import { PhysicalMemory } from '../../../src/hw/memory/index.ts';
import { makePte, PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, pteIndex } from '../../../src/hw/sv39/index.ts';
import { CpuTlb, TLB_FAULT } from '../../../src/hw/tlb/index.ts';
import type { Hpa, Hva, Pfn } from '../../../src/units.ts';

const ASID = 7;
const ADDRESS = 0x40001000 as Hva;
const RW = PTE_V | PTE_U | PTE_R | PTE_W;

let memory: PhysicalMemory;
let tlb: CpuTlb;
let root: Hpa;
let leaf: Hpa;
let page: Pfn;

const frame = (n: number): Pfn => (memory.firstPfn + n) as Pfn;
const setLeaf = (pte: number): void => memory.write64(leaf, pte, 0);
const access = (write: boolean, address = ADDRESS): number => tlb.translate(ASID, root, address, write);

/** Tables for ADDRESS in frames 0 to 2, its page in frame 3. */
beforeEach(() => {
  memory = new PhysicalMemory({ frames: 8, deviceBytes: 0 });
  tlb = new CpuTlb(memory, 16);
  root = (frame(0) * 4096) as Hpa;
  page = frame(3);
  for (const level of [2, 1]) {
    const entry = (frame(2 - level) * 4096 + pteIndex(ADDRESS, level) * 8) as Hpa;
    memory.write64(entry, makePte(frame(3 - level), PTE_V), 0);
  }
  leaf = (frame(2) * 4096 + pteIndex(ADDRESS, 0) * 8) as Hpa;
});

describe('a miss', () => {
  it('faults when there is no entry', () => {
    expect(access(false)).toBe(TLB_FAULT);
  });

  it('translates and sets A for a load, A and D for a store', () => {
    setLeaf(makePte(page, RW));
    expect(access(false, (ADDRESS + 5) as Hva)).toBe(page * 4096 + 5);
    expect(memory.read32(leaf)).toBe(makePte(page, RW | PTE_A));
    expect(access(true)).toBe(page * 4096);
    expect(memory.read32(leaf)).toBe(makePte(page, RW | PTE_A | PTE_D));
  });

  it('faults on a store to a read-only page and keeps the load working', () => {
    setLeaf(makePte(page, RW & ~PTE_W));
    expect(access(false)).toBe(page * 4096);
    expect(access(true)).toBe(TLB_FAULT);
    expect(access(false)).toBe(page * 4096);
  });
});

describe('an entry', () => {
  it('outlives its PTE until it is flushed', () => {
    setLeaf(makePte(page, RW));
    access(true);
    setLeaf(0);
    expect(access(true)).toBe(page * 4096);
    tlb.flushRange(ASID, ADDRESS, (ADDRESS + 4096) as Hva);
    expect(access(true)).toBe(TLB_FAULT);
  });

  it('that was filled clean does not let a store through once the PTE is gone', () => {
    setLeaf(makePte(page, RW));
    access(false);
    setLeaf(0);
    expect(access(true)).toBe(TLB_FAULT);
  });

  it('belongs to one address space', () => {
    setLeaf(makePte(page, RW));
    access(false);
    setLeaf(0);
    expect(tlb.translate(ASID + 1, root, ADDRESS, false)).toBe(TLB_FAULT);
  });

  it('is listed with what it permits', () => {
    setLeaf(makePte(page, RW));
    access(true);
    expect(tlb.entries()).toEqual([{ asid: ASID, address: ADDRESS, pfn: page, writable: true }]);
  });
});

describe('a flush', () => {
  beforeEach(() => {
    setLeaf(makePte(page, RW));
    access(true);
    setLeaf(0);
  });

  it('of another range or address space changes nothing', () => {
    tlb.flushRange(ASID, (ADDRESS + 4096) as Hva, (ADDRESS + 8192) as Hva);
    tlb.flushRange(ASID + 1, ADDRESS, (ADDRESS + 4096) as Hva);
    tlb.flushAsid(ASID + 1);
    expect(access(false)).toBe(page * 4096);
  });

  it('of the address space, or of everything, drops it', () => {
    tlb.flushAsid(ASID);
    expect(access(false)).toBe(TLB_FAULT);
    setLeaf(makePte(page, RW));
    access(false);
    setLeaf(0);
    tlb.flushAll();
    expect(access(false)).toBe(TLB_FAULT);
  });
});
