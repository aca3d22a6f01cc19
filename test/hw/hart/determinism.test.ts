// One machine, many ways to run it: slices, cached or dropped decoded pages, and the TLB's checker give one result.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MmuKind } from '../../../src/hw/hart/index.ts';
import { Csr, ENCODINGS, encode, OP_COUNT, Op } from '../../../src/hw/isa/index.ts';
import type { Hpa } from '../../../src/units.ts';
import { RAM, TestMachine } from './testMachine.ts';

const HANDLER = RAM + 0x2000;
const DATA = RAM + 0x1000;
const TABLES = RAM + 0x4000;
const WORDS = 48;

/** Skips the instruction that trapped, by its own length, and comes back in the mode that it came from. */
const handler = [
  encode(Op.csrrw, 31, 31, 0, Csr.mscratch),
  encode(Op.csrrs, 30, 0, 0, Csr.mepc),
  encode(Op.addi, 30, 30, 0, 4),
  encode(Op.csrrw, 0, 30, 0, Csr.mepc),
  encode(Op.csrrw, 31, 31, 0, Csr.mscratch),
  encode(Op.mret, 0, 0, 0, 0),
];

/** Instructions that mostly work: registers x0 to x15, addresses near the pointers in x8 to x11. */
const instruction = fc
  .record({
    op: fc.integer({ min: 1, max: OP_COUNT - 1 }),
    rd: fc.integer({ min: 0, max: 7 }),
    rs1: fc.integer({ min: 0, max: 15 }),
    rs2: fc.integer({ min: 0, max: 15 }),
    imm: fc.integer({ min: -2048, max: 2047 }),
    near: fc.integer({ min: -2, max: 12 }),
  })
  .map(({ op, rd, rs1, rs2, imm, near }) => {
    const name = ENCODINGS[op]!.mnemonic;
    if (/^(b(eq|ne|lt|ge)|jal$)/.test(name)) return encode(op, rd, rs1, rs2, near * 2);
    if (/^([ls][bhwd]u?|jalr|lr|sc|amo)/.test(name)) return encode(op, rd, 8 + (rs1 & 3), rs2, imm & 0x3f);
    if (name.startsWith('csr')) return encode(op, rd, rs1, 0, CSRS[rs2]!);
    return encode(op, rd, rs1, rs2, imm);
  });

const CSRS = [
  Csr.mstatus,
  Csr.sstatus,
  Csr.mscratch,
  Csr.sscratch,
  Csr.mcycle,
  Csr.minstret,
  Csr.mie,
  Csr.mip,
  Csr.sepc,
  Csr.scause,
  Csr.mcountinhibit,
  Csr.menvcfg,
  Csr.satp,
  Csr.medeleg,
  Csr.cycle,
  Csr.mcounteren,
];

const program = fc.array(
  fc.oneof({ weight: 12, arbitrary: instruction }, { weight: 1, arbitrary: fc.integer() }),
  {
    minLength: WORDS,
    maxLength: WORDS,
  },
);

interface Way {
  readonly mmu: MmuKind;
  readonly slice: number;
  readonly cachedPages?: number;
  readonly check?: boolean;
}

const STEPS = 600;

/** Runs the program one way and describes all that a guest or a host could see. */
function outcome(words: readonly number[], way: Way): unknown {
  const stale: unknown[] = [];
  const machine = new TestMachine({
    mmu: way.mmu,
    ramPages: 16,
    lazy: true,
    ...(way.cachedPages ? { cachedPages: way.cachedPages } : {}),
    ...(way.check ? { onStaleHit: (hit) => stale.push(hit) } : {}),
  });
  const { hart, memory } = machine;
  hart.clock = { timeAt: (ns) => ns, origin: () => 0, tick: () => 1 };
  machine.load([encode(Op.csrrw, 0, 12, 0, Csr.mtvec)]);
  machine.load(handler, HANDLER);
  machine.setX(12, BigInt(HANDLER));
  machine.run(1);
  machine.load([...words, encode(Op.jal, 0, 0, 0, -4 * WORDS)]);
  for (const gigabyte of [0, 2]) {
    memory.write32((machine.hostOf(TABLES) + gigabyte * 8) as Hpa, (RAM >>> 2) | 0xcf);
  }
  for (let register = 1; register < 16; register++)
    machine.setX(register, BigInt(register) * 0x9e3779b97f4a7c15n);
  machine.setX(8, BigInt(DATA + 4080));
  machine.setX(9, BigInt(RAM + 16));
  machine.setX(10, BigInt(DATA));
  machine.setX(11, BigInt(DATA + 64));
  machine.setX(5, (8n << 60n) | BigInt(TABLES / 4096));
  hart.setPc(RAM | 0, 0);
  const stops: number[] = [];
  for (let left = STEPS; left > 0; ) {
    const before = hart.attempted;
    const reason = machine.run(Math.min(way.slice, left));
    left -= hart.attempted - before;
    if (reason !== 1) stops.push(reason, hart.attempted);
    if (reason === 6) break;
  }
  return {
    stops,
    stale,
    block: [...hart.block.subarray(0, 66), ...hart.block.subarray(80)],
    attempted: hart.attempted,
    retired: hart.retired,
    stats: { ...hart.stats },
    memory: Buffer.from(memory.u8.subarray(machine.ramPfn * 4096)).toString('base64'),
  };
}

describe.each<MmuKind>(['tdp', 'shadow'])('under %s, random programs', (mmu) => {
  const equals = (one: Way, other: Way, numRuns: number): void =>
    fc.assert(
      fc.property(program, (words) => {
        expect(outcome(words, other)).toEqual(outcome(words, one));
      }),
      { seed: 11, numRuns },
    );

  it('do the same in one run and instruction by instruction', () => {
    equals({ mmu, slice: STEPS }, { mmu, slice: 1 }, 150);
  });

  it('do the same in one run and in uneven slices', () => {
    equals({ mmu, slice: STEPS }, { mmu, slice: 7 }, 100);
  });

  it('do the same whether decoded pages are kept or dropped at once', () => {
    equals({ mmu, slice: STEPS }, { mmu, slice: STEPS, cachedPages: 1 }, 100);
  });

  it('do the same with the TLB checker on, which finds nothing', () => {
    equals({ mmu, slice: STEPS }, { mmu, slice: STEPS, check: true }, 60);
  });
});

describe('the budget', () => {
  it('is exact in straight lines, loops, jumps, traps and page crossings', () => {
    const machine = new TestMachine({ ramPages: 4 });
    const words = [encode(Op.addi, 1, 1, 0, 1), encode(Op.bne, 0, 1, 0, -4)];
    machine.load([...words, encode(Op.jal, 0, 0, 0, -4 * WORDS)]);
    let total = 0;
    for (const budget of [1, 2, 3, 10, 1, 999, 100_000]) {
      machine.hart.run(budget);
      total += budget;
      expect([machine.hart.attempted, machine.hart.budgetLeft]).toEqual([total, 0]);
      expect(machine.x(1)).toBe(BigInt(Math.ceil(total / 2)));
    }
  });
});
