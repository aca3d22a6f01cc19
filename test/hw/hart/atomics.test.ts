// LR, SC and the AMOs against their formulas, and what makes a reservation fall.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { breakReservation, Cause, clearReservation, Exit } from '../../../src/hw/hart/index.ts';
import { encode, Op } from '../../../src/hw/isa/index.ts';
import type { Hpa, Pfn } from '../../../src/units.ts';
import { RAM, TestMachine } from './testMachine.ts';

const DATA = RAM + 0x2000;
const u = BigInt.asUintN;
const s = BigInt.asIntN;

type Combine = (old: bigint, source: bigint, bits: number) => bigint;
const AMO: Record<string, Combine> = {
  amoswap: (_old, source) => source,
  amoadd: (old, source) => old + source,
  amoxor: (old, source) => old ^ source,
  amoand: (old, source) => old & source,
  amoor: (old, source) => old | source,
  amomin: (old, source, bits) => (s(bits, old) < s(bits, source) ? old : source),
  amomax: (old, source, bits) => (s(bits, old) > s(bits, source) ? old : source),
  amominu: (old, source, bits) => (u(bits, old) < u(bits, source) ? old : source),
  amomaxu: (old, source, bits) => (u(bits, old) > u(bits, source) ? old : source),
};

let machine: TestMachine;
beforeEach(() => {
  machine = new TestMachine({ ramPages: 8 });
});

function step(op: number, address: number, value: bigint, rd = 7): number {
  machine.load([encode(op, rd, 5, 6, 0)]);
  machine.setX(5, BigInt(address));
  machine.setX(6, value);
  machine.hart.setPc(RAM | 0, 0);
  return machine.hart.run(1);
}

const dataFrame = (): Pfn => ((machine.hostOf(DATA) as number) >>> 12) as Pfn;

const put = (value: bigint): void =>
  machine.memory.write64(
    machine.hostOf(DATA) as Hpa,
    Number(BigInt.asIntN(32, value)),
    Number(BigInt.asIntN(32, value >> 32n)),
  );

const word = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, 2n ** 64n - 1n),
);

describe('AMO', () => {
  it.each(Object.entries(AMO))('%s', (name, combine) => {
    fc.assert(
      fc.property(word, word, fc.constantFrom(5, 6, 7, 0), (old, source, rd) => {
        for (const [suffix, bits] of [
          ['w', 32],
          ['d', 64],
        ] as const) {
          put(old);
          step(Op[`${name}_${suffix}` as keyof typeof Op], DATA, source, rd);
          const result = u(bits, combine(u(bits, old), u(bits, source), bits));
          expect(machine.read64(DATA)).toBe(bits === 64 ? result : ((old >> 32n) << 32n) | result);
          expect(machine.x(rd)).toBe(rd === 0 ? 0n : u(64, s(bits, old)));
        }
      }),
      { seed: 7, numRuns: 60 },
    );
  });
});

describe('misaligned', () => {
  it.each([
    ['lr.w', Op.lr_w, 2, Cause.loadMisaligned],
    ['lr.d', Op.lr_d, 4, Cause.loadMisaligned],
    ['sc.w', Op.sc_w, 1, Cause.storeMisaligned],
    ['amoadd.d', Op.amoadd_d, 4, Cause.storeMisaligned],
  ])('%s traps before it translates', (_name, op, offset, cause) => {
    expect(step(op, offset, 0n)).toBe(Exit.budget);
    expect(machine.hart.stats.walks).toBe(1);
    machine.load([encode(Op.csrrs, 8, 0, 0, 0x342), encode(Op.csrrs, 9, 0, 0, 0x343)], RAM + 0x100);
    machine.hart.setPc((RAM + 0x100) | 0, 0);
    machine.hart.run(2);
    expect([machine.x(8), machine.x(9)]).toEqual([BigInt(cause), BigInt(offset)]);
  });
});

describe('load-reserved and store-conditional', () => {
  /** Whether the sc after `between` stored. */
  function succeeds(between: () => void, lr: number = Op.lr_w, sc: number = Op.sc_w, at = DATA): boolean {
    put(0x1_80000000n);
    step(lr, DATA, 0n);
    between();
    step(sc, at, 77n);
    expect(machine.x(7) === 0n).toBe(u(32, machine.read64(at)) === 77n);
    return machine.x(7) === 0n;
  }

  it('lr.w sign-extends, lr.d does not need to', () => {
    put(0x1_80000000n);
    step(Op.lr_w, DATA, 0n);
    expect(machine.x(7)).toBe(0xffffffff_80000000n);
    step(Op.lr_d, DATA, 0n);
    expect(machine.x(7)).toBe(0x1_80000000n);
  });

  it('store when nothing came between', () => {
    expect(succeeds(() => {})).toBe(true);
    expect(succeeds(() => {}, Op.lr_d, Op.sc_d)).toBe(true);
  });

  it.each<[string, () => void]>([
    ['the reservation was cleared', () => clearReservation(machine.hart)],
    ['its frame was broken', () => breakReservation(machine.hart, dataFrame())],
    ['the guest fenced', () => step(Op.sfence_vma, 0, 0n)],
    ['another sc came', () => step(Op.sc_w, DATA + 64, 0n)],
    ['another lr came', () => step(Op.lr_w, DATA + 64, 0n)],
  ])('fail when %s', (_name, between) => {
    expect(succeeds(between)).toBe(false);
  });

  it.each<[string, () => void]>([
    ['the TLB was flushed', () => machine.hart.flushAll()],
    ['the page was flushed', () => machine.hart.flushPage(DATA)],
    ['the root was flushed', () => machine.hart.flushRoot(machine.directRoot)],
    ['another frame was broken', () => breakReservation(machine.hart, (dataFrame() + 1) as Pfn)],
  ])('store although %s', (_name, between) => {
    expect(succeeds(between)).toBe(true);
  });

  it('fail at another address, of another width, and the second time', () => {
    expect(succeeds(() => {}, Op.lr_w, Op.sc_w, DATA + 4)).toBe(false);
    expect(succeeds(() => {}, Op.lr_w, Op.sc_d)).toBe(false);
    expect(succeeds(() => {}, Op.lr_d, Op.sc_w)).toBe(false);
    expect(succeeds(() => {})).toBe(true);
    step(Op.sc_w, DATA, 5n);
    expect(machine.x(7)).toBe(1n);
  });

  it('compare the physical address: an alias of the page holds the reservation', () => {
    const alias = 0x40000000;
    machine.map(machine.directRoot, true, alias, (machine.ramPfn + 2) as never, 0xdf);
    put(0n);
    step(Op.lr_w, DATA, 0n);
    step(Op.sc_w, alias, 5n);
    expect(machine.x(7)).toBe(0n);
    expect(machine.read64(DATA)).toBe(5n);
  });
});
