// Every translated instruction, on the operands where 64-bit arithmetic goes wrong: a loop runs it over a table of
// operands, once in the interpreter and once translated, and leaves the results in memory.

import { expect, test } from 'vitest';
import { WasmTranslator } from '../../../../src/hw/hart/translate/translator.ts';
import { Csr, ENCODINGS, encode, encodingOf, Format, Op } from '../../../../src/hw/isa/index.ts';
import { RAM, SMALL_TLB, TestMachine } from '../testMachine.ts';

const TABLE = RAM + 4096;
const PAGES = 64;
/** a, b, the result, and what stands at the address of an access. */
const ROW = 32;
const [POINTER, END, A, B, D] = [8, 9, 10, 11, 12];
const LIMITS = { instructions: 8192, units: 4, regions: 16, jumpEntries: 64 };

const VALUES = [
  0n,
  1n,
  2n,
  63n,
  -1n,
  -2n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  -0x80000000n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  0x0123456789abcdefn,
  -0x0fedcba987654321n,
];
const IMMEDIATES = [0, 1, -1, 2047, -2048, 0x555];
const SHIFTS = [0, 1, 31, 32, 63];

const ROWS = VALUES.flatMap((a) => VALUES.map((b) => [a, b] as const));

/** Runs `body`, which computes D from A and B, over all pairs of values; the results. */
function results(body: readonly number[], translated: boolean): bigint[] {
  const machine = new TestMachine({ ramPages: PAGES });
  const loop = [encode(Op.ld, A, POINTER, 0, 0), encode(Op.ld, B, POINTER, 0, 8), ...body];
  loop.push(encode(Op.sd, 0, POINTER, D, 16), encode(Op.addi, POINTER, POINTER, 0, ROW));
  loop.push(encode(Op.bne, 0, POINTER, END, -4 * loop.length), encode(Op.jal, 0, 0, 0, 0));
  machine.load(loop);
  ROWS.forEach(([a, b], row) => {
    const words = [a, b, 0n, 0x8091a2b3c4d5e6f7n].flatMap((value) => [
      Number(BigInt.asIntN(32, value)),
      Number(BigInt.asIntN(32, value >> 32n)),
    ]);
    machine.load(words, TABLE + row * ROW);
  });
  machine.setX(POINTER, BigInt(TABLE));
  machine.setX(END, BigInt(TABLE + ROWS.length * ROW));
  if (translated) {
    const options = { hotAt: 1, hubsFor: 1e9, limits: LIMITS, tlb: SMALL_TLB };
    new WasmTranslator(machine.memory, machine.code, options).attach(machine.hart);
  }
  machine.run(loop.length * ROWS.length);
  return ROWS.flatMap((_, row) => [
    machine.read64(TABLE + row * ROW + 16),
    machine.read64(TABLE + row * ROW + 24),
  ]);
}

/** Forms of an instruction that computes: all operand registers, immediates, and rd equal to a source. */
function computations(op: number): number[] {
  switch (encodingOf(op).format) {
    case Format.r:
      return [encode(op, D, A, B, 0), encode(op, D, 0, B, 0), encode(op, D, A, 0, 0), encode(op, D, A, A, 0)];
    case Format.i:
      return IMMEDIATES.flatMap((imm) => [encode(op, D, A, 0, imm), encode(op, D, 0, 0, imm)]);
    case Format.shift:
      return SHIFTS.map((shift) => encode(op, D, A, 0, shift));
    case Format.shiftw:
      return SHIFTS.filter((shift) => shift < 32).map((shift) => encode(op, D, A, 0, shift));
    case Format.u:
      return [0, 4096, -4096, -(2 ** 31), 2 ** 31 - 4096].map((imm) => encode(op, D, 0, 0, imm));
    default:
      return [];
  }
}

/** Accesses to the last quarter of the row; a store's or AMO's effect is a result too. */
function accesses(op: number): number[][] {
  switch (encodingOf(op).format) {
    case Format.load:
      return [24, 25, 26, 28].map((offset) => [encode(op, D, POINTER, 0, offset)]);
    case Format.store:
      return [24, 25, 26, 28].map((offset) => [encode(op, 0, POINTER, A, offset)]);
    case Format.amo:
    case Format.lr: {
      const address = encode(Op.addi, D, POINTER, 0, 24);
      return [
        [address, encode(op, D, D, A, 0)],
        [address, encode(op, A, D, A, 0)],
      ];
    }
    default:
      return [];
  }
}

const isComputation = (op: number): boolean => computations(op).length > 0 && op <= Op.remuw;

test.each(
  ENCODINGS.map((encoding, op) => [encoding.mnemonic, op] as const).filter(([, op]) => isComputation(op)),
)('%s computes what the interpreter computes', (_, op) => {
  const forms = computations(op);
  for (const form of forms) expect(results([form], true)).toEqual(results([form], false));
});

test.each(
  ENCODINGS.map((encoding, op) => [encoding.mnemonic, op] as const).filter(
    ([, op]) => accesses(op).length > 0,
  ),
)('%s reads and writes what the interpreter does', (_, op) => {
  for (const form of accesses(op)) expect(results(form, true)).toEqual(results(form, false));
});

test.each(['beq', 'bne', 'blt', 'bge', 'bltu', 'bgeu'] as const)(
  '%s branches when the interpreter does',
  (name) => {
    const body = [encode(Op.addi, D, 0, 0, 1), encode(Op[name], 0, A, B, 8), encode(Op.addi, D, 0, 0, 2)];
    expect(results(body, true)).toEqual(results(body, false));
  },
);

test.each([Op.sc_w, Op.sc_d])('a store conditional (%i) after its load reserved succeeds once', (sc) => {
  const lr = sc === Op.sc_w ? Op.lr_w : Op.lr_d;
  const body = [
    encode(Op.addi, D, POINTER, 0, 24),
    encode(lr, B, D, 0, 0),
    encode(sc, B, D, A, 0),
    encode(sc, D, D, B, 0),
    encode(Op.slli, D, D, 0, 1),
    encode(Op.or, D, D, B, 0),
  ];
  const found = results(body, true);
  expect(found).toEqual(results(body, false));
  expect(found[0]).toBe(2n);
});

const STORED = [
  'sscratch',
  'sepc',
  'scause',
  'stval',
  'stvec',
  'mscratch',
  'mtval',
  'scounteren',
  'medeleg',
] as const;

test.each(STORED)('%s is written, set, cleared and read as the interpreter does it', (name) => {
  const csr = Csr[name];
  const body = [
    encode(Op.csrrw, 0, A, 0, csr),
    encode(Op.csrrs, D, B, 0, csr),
    encode(Op.csrrc, B, A, 0, csr),
    encode(Op.add, D, D, B, 0),
    encode(Op.csrrsi, B, 21, 0, csr),
    encode(Op.csrrci, A, 7, 0, csr),
    encode(Op.xor, D, D, A, 0),
    encode(Op.csrrwi, A, 31, 0, csr),
    encode(Op.csrrw, A, A, 0, csr),
    encode(Op.csrrs, B, 0, 0, csr),
    encode(Op.sub, D, D, B, 0),
    encode(Op.sub, D, D, A, 0),
  ];
  expect(results(body, true)).toEqual(results(body, false));
});

test('sstatus is read with FS and SD', () => {
  const body = [
    encode(Op.lui, D, 0, 0, 0x6000),
    encode(Op.and, D, D, A, 0),
    encode(Op.csrrw, 0, D, 0, Csr.mstatus),
    encode(Op.csrrs, D, 0, 0, Csr.sstatus),
  ];
  const found = results(body, true);
  expect(found).toEqual(results(body, false));
  expect(new Set(found).size).toBeGreaterThan(1);
});
