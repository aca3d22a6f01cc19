// sfence.vma in translated code: for each address and ASID that it can name it leaves the TLB as the interpreter does, and
// what it takes away is gone.

import { expect, test } from 'vitest';
import { csrOffset, PRV_S } from '../../../../src/hw/hart/index.ts';
import { updateContext } from '../../../../src/hw/hart/regimes.ts';
import { WasmTranslator } from '../../../../src/hw/hart/translate/translator.ts';
import { Csr, encode, Op } from '../../../../src/hw/isa/index.ts';
import { PTE_G, PTE_U, PTE_V, pteIndex } from '../../../../src/hw/sv39/index.ts';
import { ALL_FLAGS, RAM, SMALL_TLB, TestMachine } from '../testMachine.ts';
import { difference } from './equivalence.ts';

const LIMITS = { instructions: 8192, units: 6, regions: 24, jumpEntries: 64 };
const [ROOT, MIDDLE, LEAF] = [RAM + 0x8000, RAM + 0x9000, RAM + 0xa000];
/**
 * Beside that of the code, a page each for loads and stores, for both, and one that is global; and one that nothing
 * touches.
 */
const [LOADED, STORED, BOTH, GLOBAL, OTHER] = [1, 2, 3, 4, 5].map((page) => RAM + page * 4096) as [
  number,
  number,
  number,
  number,
  number,
];
/** The same pages by way of a megapage. */
const MEGAPAGE = 2 ** 21;
const [L, S, B, G, N, FIRST, SECOND, PAGE, ASID, T] = [8, 9, 18, 19, 20, 21, 22, 23, 24, 5] as const;

const touch = [
  encode(Op.ld, T, L, 0, 0),
  encode(Op.sd, 0, S, T, 0),
  encode(Op.ld, T, B, 0, 0),
  encode(Op.sd, 0, B, T, 0),
  encode(Op.ld, T, G, 0, 0),
];
const satp = (register: number): number => encode(Op.csrrw, 0, register, 0, Csr.satp);

/** N times: everything is touched in both address spaces, then comes the fence; then it spins. */
function program(fence: number): number[] {
  const round = [satp(FIRST), ...touch, satp(SECOND), ...touch, fence, encode(Op.addi, N, N, 0, -1)];
  return [...round, encode(Op.bne, 0, N, 0, -4 * round.length), encode(Op.jal, 0, 0, 0, 0)];
}

interface Case {
  /** The page that rs1 names; null: x0. */
  readonly page: number | null;
  /** What rs2 names; null: x0. */
  readonly asid: number | null;
  /** From the addresses of the pages to those that are used, but for code and what is global. */
  readonly shift: number;
}

const ROUNDS = 60;

/** Runs to where it spins, the fence being the last that had to do with the TLB but for fetches. */
function run(machine: TestMachine, { page, asid, shift }: Case): void {
  const { hart } = machine;
  const put = (table: number, address: number, level: number, target: number, flags: number): void =>
    machine.load([(target / 4096) * 1024 + flags, 0], table + pteIndex(address, level) * 8);
  const leaf = ALL_FLAGS & ~PTE_U;
  put(ROOT, RAM, 2, MIDDLE, PTE_V);
  put(MIDDLE, RAM, 1, LEAF, PTE_V);
  put(MIDDLE, RAM + MEGAPAGE, 1, RAM, leaf);
  for (const each of [RAM, LOADED, STORED, BOTH]) put(LEAF, each, 0, each, leaf);
  put(LEAF, GLOBAL, 0, GLOBAL, leaf | PTE_G);
  machine.load(program(encode(Op.sfence_vma, 0, page === null ? 0 : PAGE, asid === null ? 0 : ASID, 0)));
  const space = (asid: number): bigint => (8n << 60n) | (BigInt(asid) << 44n) | BigInt(ROOT / 4096);
  const values = [
    [L, LOADED + shift],
    [S, STORED + shift],
    [B, BOTH + shift],
    [G, GLOBAL],
    [N, ROUNDS],
    [PAGE, (page ?? 0) + (page === GLOBAL || page === RAM ? 0 : shift) + 0x123],
    [ASID, asid ?? 0],
  ] as const;
  for (const [register, value] of values) machine.setX(register, BigInt(value));
  machine.setX(FIRST, space(1));
  machine.setX(SECOND, space(2));
  hart.block[csrOffset('satp') >> 2] = ROOT / 4096;
  hart.block[(csrOffset('satp') >> 2) + 1] = 8 << 28;
  hart.privilege = PRV_S;
  updateContext(hart);
  machine.run(ROUNDS * 20 + 1000);
  expect(machine.x(N)).toBe(0n);
}

const pages = [null, RAM, LOADED, STORED, BOTH, GLOBAL, OTHER];
const asids = [null, 1, 2, 3];
const cases = [0, MEGAPAGE].flatMap((shift) =>
  pages.flatMap((page) => asids.map((asid): Case => ({ page, asid, shift }))),
);

test.each(cases)('a fence of page $page, ASID $asid, addresses $shift on', (c) => {
  const [interpreted, translated] = [0, 1].map(() => new TestMachine({ mmu: 'tdp' })) as [
    TestMachine,
    TestMachine,
  ];
  const translator = new WasmTranslator(translated.memory, translated.code, {
    hotAt: 1,
    hubsFor: 1e9,
    limits: LIMITS,
    tlb: SMALL_TLB,
  });
  translator.attach(translated.hart);
  let entered = 0;
  const enter = translator.enter.bind(translator);
  translator.enter = (hart) => {
    entered++;
    return enter(hart);
  };
  run(interpreted, c);
  run(translated, c);
  // Else the fences were the interpreter's.
  expect(entered).toBeLessThan(ROUNDS / 2);
  expect(translated.hart.stats).toEqual(interpreted.hart.stats);
  expect(difference(interpreted, translated)).toEqual([]);
});
