// --check-tlb: a hit that the tables no longer support is reported at the access that makes it, and nothing else is.

import { beforeEach, describe, expect, it } from 'vitest';
import type { MmuKind, StaleHit } from '../../../src/hw/hart/index.ts';
import { encode, Op } from '../../../src/hw/isa/index.ts';
import { Access, PTE_A, PTE_D, PTE_W } from '../../../src/hw/sv39/index.ts';
import type { Pfn } from '../../../src/units.ts';
import { ALL_FLAGS, RAM, SMALL_TLB, TestMachine } from './testMachine.ts';

const DATA = RAM + 0x2000;
const LD = encode(Op.ld, 7, 5, 0, 0);
const SD = encode(Op.sd, 0, 5, 6, 0);

describe.each<MmuKind>(['tdp', 'shadow'])('the checker under %s', (mmu) => {
  let hits: StaleHit[];
  let machine: TestMachine;

  function build(l2Entries = 0): void {
    hits = [];
    machine = new TestMachine({
      mmu,
      ramPages: 8,
      tlb: { ...SMALL_TLB, l2Entries },
      onStaleHit: (hit) => hits.push(hit),
    });
    step(LD);
    step(SD);
  }
  beforeEach(() => build());

  function step(word: number): void {
    machine.load([word]);
    machine.setX(5, BigInt(DATA));
    machine.hart.setPc(RAM | 0, 0);
    machine.run(1);
  }

  const remap = (flags: number, pfn = (machine.ramPfn + 2) as Pfn): void =>
    machine.map(machine.directRoot, true, DATA, pfn, flags);

  it('is silent while the tables agree, also when A was cleared', () => {
    remap(ALL_FLAGS & ~PTE_A);
    step(LD);
    step(SD);
    expect(hits).toEqual([]);
  });

  it('reports a hit after the mapping went, and none after the flush', () => {
    remap(0);
    step(LD);
    expect(hits).toHaveLength(1);
    expect(hits[0]).toMatchObject({ hart: 0, kind: 'data', access: Access.load, page: DATA, walked: null });
    expect(hits[0]!.pfn).toBe(machine.ramPfn + 2);
    machine.hart.flushPage(DATA);
    step(LD);
    expect(hits).toHaveLength(1);
  });

  it('reports a hit after the frame changed, a store after W or D went, and a fetch', () => {
    remap(ALL_FLAGS, (machine.ramPfn + 3) as Pfn);
    step(LD);
    expect(hits.pop()).toMatchObject({ walked: machine.ramPfn + 3 });
    remap(ALL_FLAGS & ~PTE_W);
    step(LD);
    expect(hits).toEqual([]);
    step(SD);
    expect(hits.pop()).toMatchObject({ access: Access.store, walked: null });
    remap(ALL_FLAGS & ~PTE_D);
    step(SD);
    expect(hits.pop()).toMatchObject({ access: Access.store, walked: null });
    machine.map(machine.directRoot, true, RAM, machine.ramPfn, 0);
    step(LD);
    expect(hits.map((hit) => hit.kind)).toContain('fetch');
  });

  it('reports a hit in the second level', () => {
    build(64);
    const { first } = machine.hart.tlb;
    // What only a walk that set A found is kept there.
    remap(ALL_FLAGS & ~PTE_A);
    first.flushAll();
    step(LD);
    remap(0);
    first.flushAll();
    step(LD);
    expect(hits.map((hit) => hit.kind)).toEqual(['second']);
  });
});
