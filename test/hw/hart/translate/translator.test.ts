// The life of translated code: it is linked, shared, overwritten, evicted, held back and dropped with its frame, and
// what it was translated from decides what runs.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test, vi } from 'vitest';
import { Exit, Hart } from '../../../../src/hw/hart/index.ts';
import { DEFAULT_TRANSLATOR, WasmTranslator } from '../../../../src/hw/hart/translate/translator.ts';
import { encode, Op } from '../../../../src/hw/isa/index.ts';
import type { Hpa } from '../../../../src/units.ts';
import { ALL_FLAGS, RAM, SMALL_TLB, TestMachine, type TestMachineOptions } from '../testMachine.ts';

const [A, B] = [10, 11];
const LIMITS = { instructions: 8192, units: 4, regions: 16, jumpEntries: 64 };
const add = (imm: number): number => encode(Op.addi, A, A, 0, imm);
/** Counts B down; A gains `step` each time. */
const loop = (step: number): number[] => [
  add(step),
  encode(Op.addi, B, B, 0, -1),
  encode(Op.bne, 0, B, 0, -8),
];
const stop = encode(Op.jal, 0, 0, 0, 0);

/** A machine with a translator that counts the instructions run in translated code. */
function translatedMachine(options: TestMachineOptions = {}, hotAt = 2) {
  const machine = new TestMachine({ ramPages: 64, ...options });
  const translator = new WasmTranslator(machine.memory, machine.code, {
    hotAt,
    hubsFor: 1e9,
    limits: LIMITS,
    tlb: SMALL_TLB,
  });
  translator.attach(machine.hart);
  let translated = 0;
  const enter = translator.enter.bind(translator);
  translator.enter = (hart) => {
    const before = hart.attempted;
    const reason = enter(hart);
    translated += hart.attempted - before;
    return reason;
  };
  return { machine, translator, count: () => translated };
}

/** Runs from `pc` with A = 0 and B = rounds; A afterwards. */
function runLoop(machine: TestMachine, pc: number, rounds: number): bigint {
  machine.setX(A, 0n);
  machine.setX(B, BigInt(rounds));
  machine.hart.setPc(pc | 0, 0);
  expect(machine.run(3 * rounds + 300)).toBe(Exit.budget);
  return machine.x(A);
}

test('a hot loop runs translated, all but its first rounds and the end of the budget', () => {
  const { machine, count } = translatedMachine();
  machine.load([...loop(3), stop]);
  expect(runLoop(machine, RAM, 10_000)).toBe(30_000n);
  expect(count()).toBeGreaterThan(29_000);
});

test('a loop that is translated for words is entered with doublewords', () => {
  const [C, D, E] = [12, 13, 14];
  const { machine, count } = translatedMachine();
  machine.load([
    encode(Op.xor, D, A, C, 0),
    encode(Op.add, E, E, D, 0),
    encode(Op.addiw, A, A, 0, 1),
    encode(Op.addiw, C, C, 0, 1),
    encode(Op.addi, B, B, 0, -1),
    encode(Op.bne, 0, B, 0, -20),
    stop,
  ]);
  /** The sum of A ^ C, where A is a doubleword in the first round only. */
  const sum = (a: bigint): bigint => {
    const values = { [A]: a, [B]: 1000n, [C]: 5n, [E]: 0n };
    for (const [register, value] of Object.entries(values)) machine.setX(Number(register), value);
    machine.hart.setPc(RAM | 0, 0);
    expect(machine.run(7000)).toBe(Exit.budget);
    return machine.x(E);
  };
  const ofWords = sum(0n);
  expect(sum(1n << 40n)).toBe(ofWords + (1n << 40n));
  expect(sum(0n)).toBe(ofWords);
  expect(count()).toBeGreaterThan(15_000);
});

test.each([
  ['its first instruction', 0, add(5), 50_000n],
  ['its branch', 8, encode(Op.beq, 0, B, 0, -8), 3n],
])('a loop of which the host overwrites %s does the new thing', (_, offset, word, expected) => {
  const { machine } = translatedMachine();
  machine.load([...loop(3), stop]);
  runLoop(machine, RAM, 10_000);
  machine.memory.write32((machine.hostOf(RAM) + offset) as Hpa, word);
  expect(runLoop(machine, RAM, 10_000)).toBe(expected);
});

test('a write beside the instructions of a region leaves it alone', () => {
  const { machine, count } = translatedMachine();
  machine.load([...loop(3), stop]);
  runLoop(machine, RAM, 10_000);
  machine.memory.write32((machine.hostOf(RAM) + 64) as Hpa, 1);
  const before = count();
  runLoop(machine, RAM, 1000);
  expect(count() - before).toBeGreaterThan(2990);
});

test('one address runs whatever frame it is mapped to', () => {
  const { machine } = translatedMachine();
  const other = machine.allocFrames(1);
  machine.load([...loop(3), stop]);
  for (const [i, word] of [...loop(7), stop].entries())
    machine.memory.write32((other * 4096 + i * 4) as Hpa, word);
  for (let round = 0; round < 3; round++) {
    machine.mapGuestPage(RAM);
    machine.hart.flushAll();
    expect(runLoop(machine, RAM, 1000)).toBe(3000n);
    machine.map(machine.directRoot, true, RAM, other, ALL_FLAGS);
    machine.hart.flushAll();
    expect(runLoop(machine, RAM, 1000)).toBe(7000n);
  }
});

test('a frame that is freed and filled with other code runs the other code', () => {
  const { machine } = translatedMachine();
  machine.load([...loop(3), stop]);
  runLoop(machine, RAM, 1000);
  machine.hart.flushAll();
  machine.memory.releaseCode(machine.ramPfn);
  machine.load([...loop(9), stop]);
  expect(runLoop(machine, RAM, 1000)).toBe(9000n);
});

test('more code than the cache holds is evicted and translated again', () => {
  const { machine, count } = translatedMachine();
  for (let page = 0; page < 12; page++) machine.load([...loop(page), stop], RAM + page * 4096);
  for (let round = 0; round < 3; round++) {
    for (let page = 0; page < 12; page++) {
      expect(runLoop(machine, RAM + page * 4096, 500)).toBe(BigInt(500 * page));
    }
  }
  expect(count()).toBeGreaterThan(3 * 12 * 1400);
});

test('code that is rewritten again and again is mostly left to the interpreter, until it is not', () => {
  const { machine, count } = translatedMachine();
  machine.load([...loop(3), stop]);
  const rewritten = (times: number): number => {
    const before = count();
    for (let step = 0; step < times; step++) {
      machine.memory.write32(machine.hostOf(RAM) as Hpa, add(step));
      expect(runLoop(machine, RAM, 300)).toBe(BigInt(300 * step));
    }
    return (count() - before) / (times * 900);
  };
  expect(rewritten(4)).toBeGreaterThan(0.9);
  rewritten(76);
  expect(rewritten(40)).toBeLessThan(0.3);
  const before = count();
  runLoop(machine, RAM, 100_000);
  expect(count() - before).toBeGreaterThan(250_000);
});

test('of code that is written for ever, no more modules stay than the cache holds', async () => {
  const { machine, count } = translatedMachine();
  const { Instance } = WebAssembly;
  const made: WeakRef<WebAssembly.Instance>[] = [];
  class Recorded extends Instance {
    constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
      super(module, imports);
      made.push(new WeakRef(this));
    }
  }
  Object.assign(WebAssembly, { Instance: Recorded });
  try {
    for (let step = 1; step <= 4; step++) {
      for (let page = 0; page < 60; page++) {
        machine.load([...loop(step + page), stop], RAM + page * 4096);
        expect(runLoop(machine, RAM + page * 4096, 100)).toBe(BigInt(100 * (step + page)));
      }
    }
  } finally {
    Object.assign(WebAssembly, { Instance });
  }
  expect(made.length).toBeGreaterThanOrEqual(240);
  expect(count()).toBeGreaterThan(240 * 250);
  setFlagsFromString('--expose-gc');
  // What a WeakRef was made for stays until the turn ends.
  await new Promise(setImmediate);
  (runInNewContext('gc') as () => void)();
  const alive = made.filter((instance) => instance.deref() !== undefined);
  expect(alive.length).toBeLessThanOrEqual(LIMITS.units + 2);
});

test('harts share what was translated', () => {
  const { machine, translator, count } = translatedMachine();
  machine.load([...loop(3), stop]);
  runLoop(machine, RAM, 1000);
  const { domain } = machine;
  const tlb = { contexts: 1, dtlbEntries: 64, itlbEntries: 16, l2Entries: 0 };
  const second = new Hart({ domain, code: machine.code, id: 1, mmu: 'tdp', ad: 'hardware', tlb });
  expect(machine.code.translator).toBe(translator);
  second.reset(RAM);
  second.setDirectRoot(machine.directRoot);
  second.setX(B, 1000, 0);
  const before = count();
  const compile = vi.spyOn(WebAssembly, 'Module');
  expect(second.run(3000)).toBe(Exit.budget);
  expect(compile).not.toHaveBeenCalled();
  compile.mockRestore();
  expect(second.block[A * 2]).toBe(3000);
  expect(count() - before).toBeGreaterThan(2900);
});

test('a page full of branches is translated without exhausting the stack', () => {
  const { machine, count } = translatedMachine();
  const words = Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? encode(Op.bne, 0, A, 0, 8) : add(0)));
  machine.load([
    ...words,
    encode(Op.addi, B, B, 0, -1),
    encode(Op.beq, 0, B, 0, 8),
    encode(Op.jal, 0, 0, 0, -4008),
    stop,
  ]);
  runLoop(machine, RAM, 100);
  machine.setX(B, 1000n);
  machine.hart.setPc(RAM | 0, 0);
  machine.run(500_000);
  expect(count()).toBeGreaterThan(400_000);
});

test('branches to the instruction after them do not multiply the code', () => {
  const { machine, count } = translatedMachine();
  machine.load([...new Array<number>(200).fill(encode(Op.beq, 0, A, A, 4)), ...loop(1).slice(1, 2)], RAM);
  machine.load([encode(Op.bne, 0, B, 0, -804), stop], RAM + 804);
  machine.setX(B, 1000n);
  machine.run(200_000);
  expect(count()).toBeGreaterThan(190_000);
});

test('the defaults fit a default hart', () => {
  expect(DEFAULT_TRANSLATOR.limits.jumpEntries & (DEFAULT_TRANSLATOR.limits.jumpEntries - 1)).toBe(0);
  expect(DEFAULT_TRANSLATOR.hotAt).toBeLessThan(65536);
});
