// Every computational instruction against its formula in BigInt.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encode, Op, type OpName } from '../../../src/hw/isa/index.ts';
import { RAM, TestMachine } from './testMachine.ts';

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
const s64 = (v: bigint): bigint => BigInt.asIntN(64, v);
const u32 = (v: bigint): bigint => BigInt.asUintN(32, v);
const s32 = (v: bigint): bigint => BigInt.asIntN(32, v);
const flag = (condition: boolean): bigint => (condition ? 1n : 0n);

type Binary = (a: bigint, b: bigint) => bigint;

const divide = (a: bigint, b: bigint): bigint => (b === 0n ? -1n : a / b);
const remainder = (a: bigint, b: bigint): bigint => (b === 0n ? a : a % b);

const REGISTER: Partial<Record<OpName, Binary>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  sll: (a, b) => a << (b & 63n),
  slt: (a, b) => flag(s64(a) < s64(b)),
  sltu: (a, b) => flag(a < b),
  xor: (a, b) => a ^ b,
  srl: (a, b) => a >> (b & 63n),
  sra: (a, b) => s64(a) >> (b & 63n),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  addw: (a, b) => s32(a + b),
  subw: (a, b) => s32(a - b),
  sllw: (a, b) => s32(a << (b & 31n)),
  srlw: (a, b) => s32(u32(a) >> (b & 31n)),
  sraw: (a, b) => s32(a) >> (b & 31n),
  mul: (a, b) => a * b,
  mulh: (a, b) => (s64(a) * s64(b)) >> 64n,
  mulhsu: (a, b) => (s64(a) * b) >> 64n,
  mulhu: (a, b) => (a * b) >> 64n,
  div: (a, b) => divide(s64(a), s64(b)),
  divu: divide,
  rem: (a, b) => remainder(s64(a), s64(b)),
  remu: remainder,
  mulw: (a, b) => s32(a * b),
  divw: (a, b) => s32(divide(s32(a), s32(b))),
  divuw: (a, b) => s32(divide(u32(a), u32(b))),
  remw: (a, b) => s32(remainder(s32(a), s32(b))),
  remuw: (a, b) => s32(remainder(u32(a), u32(b))),
};

/** `b` is the sign-extended immediate, or the shift amount. */
const IMMEDIATE: Partial<Record<OpName, Binary>> = {
  addi: REGISTER.add!,
  slti: REGISTER.slt!,
  sltiu: REGISTER.sltu!,
  xori: REGISTER.xor!,
  ori: REGISTER.or!,
  andi: REGISTER.and!,
  addiw: REGISTER.addw!,
};

const SHIFT: Partial<Record<OpName, Binary>> = {
  slli: REGISTER.sll!,
  srli: REGISTER.srl!,
  srai: REGISTER.sra!,
  slliw: REGISTER.sllw!,
  srliw: REGISTER.srlw!,
  sraiw: REGISTER.sraw!,
};

const BRANCH: Partial<Record<OpName, (a: bigint, b: bigint) => boolean>> = {
  beq: (a, b) => a === b,
  bne: (a, b) => a !== b,
  blt: (a, b) => s64(a) < s64(b),
  bge: (a, b) => s64(a) >= s64(b),
  bltu: (a, b) => a < b,
  bgeu: (a, b) => a >= b,
};

/** Words that sit at the edges of every width, or anywhere. */
const word = fc.oneof(
  fc.constantFrom(...[0n, 1n, 2n, 31n, 32n, 63n, 64n].flatMap((n) => [n, u64(-n)])),
  fc.constantFrom(...[15n, 16n, 31n, 32n, 47n, 48n, 52n, 53n, 54n, 62n, 63n].flatMap(aroundPowerOf2)),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
  fc.bigInt({ min: -1000n, max: 1000n }).map(u64),
);

function aroundPowerOf2(n: bigint): bigint[] {
  const power = 2n ** n;
  return [power - 1n, power, power + 1n, u64(-power), u64(-power - 1n), u64(1n - power)];
}

const machine = new TestMachine({ ramPages: 8 });

/** Executes one instruction at RAM with x5 = a, x6 = b. */
function step(instruction: number, a: bigint, b: bigint): void {
  machine.load([instruction]);
  machine.setX(5, a);
  machine.setX(6, b);
  machine.setX(7, 0x5555_5555_5555_5555n);
  machine.hart.setPc(RAM | 0, 0);
  expect(machine.run(1)).toBe(1);
}

const seeded = { seed: 3, numRuns: 400 };

describe('register-register instructions', () => {
  it.each(Object.entries(REGISTER) as [OpName, Binary][])('%s', (name, formula) => {
    fc.assert(
      fc.property(word, word, fc.constantFrom(5, 6, 7), (a, b, rd) => {
        step(encode(Op[name], rd, 5, 6, 0), a, b);
        expect(machine.x(rd)).toBe(u64(formula(a, b)));
        expect(machine.pc).toBe(BigInt(RAM + 4));
      }),
      seeded,
    );
  });
});

describe('register-immediate instructions', () => {
  it.each(Object.entries(IMMEDIATE) as [OpName, Binary][])('%s', (name, formula) => {
    fc.assert(
      fc.property(word, fc.integer({ min: -2048, max: 2047 }), fc.constantFrom(5, 7), (a, imm, rd) => {
        step(encode(Op[name], rd, 5, 0, imm), a, 0n);
        expect(machine.x(rd)).toBe(u64(formula(a, u64(BigInt(imm)))));
      }),
      seeded,
    );
  });

  it.each(Object.entries(SHIFT) as [OpName, Binary][])('%s, by every amount', (name, formula) => {
    const amounts = name.endsWith('w') ? 32 : 64;
    fc.assert(
      fc.property(word, (a) => {
        for (let amount = 0; amount < amounts; amount++) {
          step(encode(Op[name], 7, 5, 0, amount), a, 0n);
          expect(machine.x(7)).toBe(u64(formula(a, BigInt(amount))));
        }
      }),
      { seed: 3, numRuns: 20 },
    );
  });
});

describe('upper immediates', () => {
  it.each([0, 0x1000, 0x7ffff000, 0x80000000 | 0, -4096])('lui and auipc of %i', (imm) => {
    step(encode(Op.lui, 7, 0, 0, imm), 0n, 0n);
    expect(machine.x(7)).toBe(u64(BigInt(imm)));
    step(encode(Op.auipc, 7, 0, 0, imm), 0n, 0n);
    expect(machine.x(7)).toBe(u64(BigInt(RAM) + BigInt(imm)));
  });
});

describe('branches', () => {
  it.each(Object.entries(BRANCH) as [OpName, (a: bigint, b: bigint) => boolean][])('%s', (name, formula) => {
    fc.assert(
      fc.property(word, fc.oneof(word, fc.constant(null)), (a, other) => {
        const b = other ?? a;
        step(encode(Op[name], 0, 5, 6, 64), a, b);
        expect(machine.pc).toBe(BigInt(RAM + (formula(a, b) ? 64 : 4)));
      }),
      seeded,
    );
  });
});

describe('x0', () => {
  it.each(
    Object.keys({ ...REGISTER, ...IMMEDIATE, ...SHIFT, lui: 1, auipc: 1, jal: 1, jalr: 1 }) as OpName[],
  )('is not written by %s', (name) => {
    step(encode(Op[name], 0, 5, 6, 8), BigInt(RAM), 77n);
    expect(machine.x(0)).toBe(0n);
    step(encode(Op.addi, 7, 0, 0, 0), 0n, 0n);
    expect(machine.x(7)).toBe(0n);
  });
});

describe('jumps', () => {
  it('jal links and goes both ways, within and out of the page', () => {
    for (const offset of [8, 2, -4096, 4096, 0x1000 + 6]) {
      machine.load([encode(Op.jal, 1, 0, 0, offset)], RAM + 0x1000);
      machine.hart.setPc((RAM + 0x1000) | 0, 0);
      machine.run(1);
      expect(machine.pc).toBe(BigInt(RAM + 0x1000 + offset));
      expect(machine.x(1)).toBe(BigInt(RAM + 0x1004));
    }
  });

  it('jalr clears bit 0, adds the immediate, and may link the register it jumps by', () => {
    for (const [base, imm] of [
      [RAM + 0x2001, 4],
      [RAM + 0x101, -1],
      [RAM + 0x40, 0],
    ] as const) {
      step(encode(Op.jalr, 5, 5, 0, imm), BigInt(base), 0n);
      expect(machine.pc).toBe(BigInt(base + imm) & ~1n);
      expect(machine.x(5)).toBe(BigInt(RAM + 4));
    }
  });

  it('compressed instructions advance, and link, by two bytes', () => {
    const cAddi = 0x0385;
    const cJalr = 0x9282;
    machine.load([cAddi | (cJalr << 16)]);
    machine.setX(5, BigInt(RAM + 0x101));
    machine.setX(7, 41n);
    machine.hart.setPc(RAM | 0, 0);
    machine.run(1);
    expect([machine.x(7), machine.pc]).toEqual([42n, BigInt(RAM + 2)]);
    machine.run(1);
    expect([machine.x(1), machine.pc]).toEqual([BigInt(RAM + 4), BigInt(RAM + 0x100)]);
  });

  it('links carry over a 4 GiB boundary of the address space', () => {
    const far = new TestMachine({ ramPages: 2 });
    const page = 2 ** 32 - 4096;
    far.map(far.directRoot, true, page, far.ramPfn, 0xdf);
    far.map(far.directRoot, true, 2 ** 32, (far.ramPfn + 1) as never, 0xdf);
    far.load([encode(Op.jal, 1, 0, 0, 4)], RAM + 4092);
    far.load([encode(Op.auipc, 2, 0, 0, -4096), encode(Op.jal, 3, 0, 0, -4100)], RAM + 4096);
    far.hart.setPc(-4, 0);
    far.run(2);
    expect(far.x(1)).toBe(2n ** 32n);
    expect(far.x(2)).toBe(2n ** 32n - 4096n);
    far.run(1);
    expect(far.x(3)).toBe(2n ** 32n + 8n);
    expect(far.pc).toBe(2n ** 32n - 4096n);
  });
});
