// Decoded pages and the translator's seam: self-modifying code is seen at once, and whoever translates is told of it all.

import { beforeEach, describe, expect, it } from 'vitest';
import {
  CodeCache,
  type CodePage,
  Exit,
  Hart,
  hartDeviceBytes,
  type Translator,
} from '../../../src/hw/hart/index.ts';
import { encode, Op } from '../../../src/hw/isa/index.ts';
import { Fact, PhysicalMemory } from '../../../src/hw/memory/index.ts';
import { TlbDomain } from '../../../src/hw/tlb/index.ts';
import type { Hpa, Pfn } from '../../../src/units.ts';
import { ALL_FLAGS, RAM, SMALL_TLB, TestMachine } from './testMachine.ts';

const addi = (rd: number, imm: number): number => encode(Op.addi, rd, rd, 0, imm);
const NOP = addi(0, 0);

let machine: TestMachine;
beforeEach(() => {
  machine = new TestMachine({ ramPages: 8 });
});

function runAt(gpa: number, instructions: number): void {
  machine.hart.setPc(gpa | 0, 0);
  expect(machine.run(instructions)).toBe(Exit.budget);
}

describe('self-modifying code', () => {
  it.each([
    ['sw', Op.sw, encode(Op.addi, 1, 1, 0, 100), 4],
    ['sd', Op.sd, encode(Op.addi, 1, 1, 0, 100), 4],
    ['amoswap.w', Op.amoswap_w, encode(Op.addi, 1, 1, 0, 100), 4],
  ])('%s changes the very next instruction', (_name, op, word, offset) => {
    for (let round = 0; round < 3; round++) {
      machine.load([encode(op, 0, 5, 6, 0), addi(1, 1), NOP, NOP]);
      machine.setX(1, 0n);
      machine.setX(5, BigInt(RAM + offset));
      machine.setX(6, BigInt(word >>> 0) | (BigInt(NOP) << 32n));
      runAt(RAM, 2);
      expect(machine.x(1)).toBe(100n);
    }
  });

  it('a single byte of either half changes the instruction, and its neighbours stay decoded', () => {
    machine.load([addi(1, 1), addi(2, 2), addi(3, 3)], RAM + 0x100);
    runAt(RAM + 0x100, 3);
    const page = machine.code.peek(machine.ramPfn)!;
    for (const byte of [0, 1, 2, 3]) {
      machine.load([encode(Op.sb, 0, 5, 6, 0)]);
      machine.setX(5, BigInt(RAM + 0x104 + byte));
      machine.setX(6, BigInt((addi(2, 2) >>> (8 * byte)) & 255));
      runAt(RAM, 1);
      expect(page.words[0x104]).toBe(0);
      expect(page.words[0x108]).not.toBe(0);
      runAt(RAM + 0x100, 3);
      expect(page.words[0x104]).not.toBe(0);
    }
    expect([1, 2, 3].map((i) => machine.x(i))).toEqual([5n, 10n, 15n]);
  });

  it('a write from outside the hart is seen too', () => {
    machine.load([addi(1, 1)]);
    runAt(RAM, 1);
    machine.memory.write32(machine.hostOf(RAM) as Hpa, addi(1, 7));
    runAt(RAM, 1);
    expect(machine.x(1)).toBe(8n);
  });

  it('through an alias of the page', () => {
    const alias = 0x40000000;
    machine.map(machine.directRoot, true, alias, machine.ramPfn, ALL_FLAGS);
    machine.load([addi(1, 1), encode(Op.sw, 0, 5, 6, 0), addi(1, 1)]);
    machine.setX(5, BigInt(alias + 8));
    machine.setX(6, BigInt(addi(1, 50)));
    runAt(RAM, 3);
    expect(machine.x(1)).toBe(51n);
    machine.setX(6, BigInt(addi(1, 70)));
    runAt(RAM, 3);
    expect(machine.x(1)).toBe(122n);
  });

  it('after the frame was stored to before it was ever fetched from', () => {
    machine.load([encode(Op.sw, 0, 5, 6, 0), NOP]);
    machine.setX(5, BigInt(RAM + 0x1000));
    machine.setX(6, BigInt(addi(1, 1)));
    runAt(RAM, 1);
    runAt(RAM + 0x1000, 1);
    machine.setX(6, BigInt(addi(1, 10)));
    runAt(RAM, 1);
    runAt(RAM + 0x1000, 1);
    expect(machine.x(1)).toBe(11n);
  });

  it('in either half of an instruction that crosses a page', () => {
    const cross = RAM + 0x1ffe;
    const put = (word: number): void => {
      machine.memory.write16(machine.hostOf(cross) as Hpa, word & 0xffff);
      machine.memory.write16(machine.hostOf(cross + 2) as Hpa, word >>> 16);
    };
    put(addi(1, 1));
    runAt(cross, 1);
    put(addi(1, 20));
    runAt(cross, 1);
    put(addi(2, 20));
    runAt(cross, 1);
    expect([machine.x(1), machine.x(2)]).toEqual([21n, 20n]);
    expect(machine.pc).toBe(BigInt(cross + 4));
  });

  it('a crossing jump to itself loops, and ends with the budget', () => {
    const cross = RAM + 0x1ffe;
    const word = encode(Op.jal, 0, 0, 0, 0);
    machine.memory.write16(machine.hostOf(cross) as Hpa, word & 0xffff);
    machine.memory.write16(machine.hostOf(cross + 2) as Hpa, word >>> 16);
    runAt(cross, 1000);
    expect(machine.pc).toBe(BigInt(cross));
  });

  it('a released frame is decoded anew', () => {
    machine.load([addi(1, 1)]);
    runAt(RAM, 1);
    const page = machine.code.peek(machine.ramPfn)!;
    machine.memory.releaseCode(machine.ramPfn);
    expect(page.words[0]).toBe(0);
    expect(machine.memory.is(Fact.hasCode, machine.ramPfn)).toBe(false);
  });
});

describe('pages', () => {
  it('are bounded, the oldest goes first', () => {
    const memory = new PhysicalMemory({ frames: 4, deviceBytes: 0 });
    const small = new CodeCache(memory, 2);
    const frames = [0, 1, 2].map((i) => (memory.firstPfn + i) as Pfn);
    const pages = frames.map((pfn) => small.page(pfn));
    expect(small.peek(frames[0]!)).toBeNull();
    expect(small.page(frames[2]!)).toBe(pages[2]);
    expect(small.page(frames[0]!)).not.toBe(pages[0]);
    expect(small.peek(frames[1]!)).toBeNull();
  });
});

/** Translates nothing; records what it is told, and takes over entry points for a few instructions if asked. */
class Recorder implements Translator {
  readonly hotAt = 10;
  readonly hot: number[] = [];
  readonly invalidated: number[][] = [];
  readonly made: Pfn[] = [];
  readonly entered: bigint[] = [];
  readonly harts: Hart[] = [];
  readonly machine: TestMachine;

  constructor(m: TestMachine) {
    this.machine = m;
  }
  attach(hart: Hart): void {
    this.harts.push(hart);
  }
  enter(): boolean {
    this.entered.push(this.machine.pc);
    return true;
  }
  noteHot(page: CodePage, offset: number): void {
    this.hot.push(offset);
    page.words[offset]! |= 0x80000000;
  }
  pageMade(page: CodePage): void {
    this.made.push(page.pfn);
  }
  invalidate(pfn: Pfn, offset: number, length: number): void {
    this.invalidated.push([pfn, offset, length]);
  }
}

describe('a translator', () => {
  let recorder: Recorder;
  beforeEach(() => {
    recorder = new Recorder(machine);
    machine.code.translator = recorder;
  });

  it('hears once of each loop head that gets hot, and is entered at every later jump to it', () => {
    machine.load([NOP, addi(1, 1), NOP, encode(Op.jal, 0, 0, 0, -8)]);
    runAt(RAM, 1 + 3 * 10 + 1);
    expect(recorder.hot).toEqual([4]);
    expect(recorder.entered).toEqual([BigInt(RAM)]);
    recorder.entered.length = 0;
    machine.run(3 * 5);
    expect(recorder.entered).toEqual([BigInt(RAM + 8), ...Array(5).fill(BigInt(RAM + 4))]);
    expect(machine.x(1)).toBe(16n);
  });

  it('hears of places where pages are entered', () => {
    machine.load([encode(Op.jal, 0, 0, 0, 0x1010)]);
    machine.load([encode(Op.jal, 0, 0, 0, -0x1010)], RAM + 0x1010);
    runAt(RAM, 25);
    expect(new Set(recorder.hot)).toEqual(new Set([0, 0x10]));
  });

  it('never keeps the interpreter from making progress', () => {
    machine.load([encode(Op.jal, 0, 0, 0, 0)]);
    runAt(RAM, 1000);
    expect(machine.hart.retired).toBe(1000);
  });

  it('hears of every write to code, and of pages made anew', () => {
    machine.load([encode(Op.sh, 0, 5, 6, 0)]);
    machine.setX(5, BigInt(RAM + 0x20));
    runAt(RAM, 1);
    expect(recorder.made).toEqual([machine.ramPfn]);
    expect(recorder.invalidated).toEqual([[machine.ramPfn, 0x20, 2]]);
  });

  it('meets each hart of the host when it is built', () => {
    const memory = new PhysicalMemory({ frames: 4, deviceBytes: 2 * hartDeviceBytes(SMALL_TLB) });
    const shared = { domain: new TlbDomain(memory), code: new CodeCache(memory), tlb: SMALL_TLB };
    shared.code.translator = recorder;
    const harts = [0, 1].map((id) => new Hart({ ...shared, id, mmu: 'tdp', ad: 'svade' }));
    expect(recorder.harts).toEqual(harts);
  });
});
