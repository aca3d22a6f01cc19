// A random guest twice, in the interpreter and with a translator, sliced in different ways: a property that the test
// checks a few hundred times and the soak `equivalence` as often as one likes.

import fc from 'fast-check';
import { expect } from 'vitest';
import { BLOCK_BUDGET, BLOCK_DTLB, BLOCK_JUMP_CACHE } from '../../../../src/hw/hart/block.ts';
import { Exit } from '../../../../src/hw/hart/index.ts';
import {
  jumpCacheBytes,
  type TranslatorOptions,
  WasmTranslator,
} from '../../../../src/hw/hart/translate/translator.ts';
import {
  CONTEXT_HEADER_BYTES,
  contextBytes,
  pageCachesOffset,
  TLB_HEADER_BYTES,
  type TlbGeometry,
  tlbBytes,
} from '../../../../src/hw/tlb/index.ts';
import { SMALL_TLB, TestMachine } from '../testMachine.ts';
import { loadGuest, type RandomGuest, randomGuest } from './randomGuest.ts';

const LIMITS = { instructions: 8192, units: 6, regions: 24, jumpEntries: 64 };

type Hot = Pick<TranslatorOptions, 'hotAt' | 'hubsFor'>;

/** A machine with the program loaded, and a log of its exits other than the ends of slices. */
class Runner {
  readonly machine: TestMachine;
  readonly log: string[] = [];
  crashed = false;

  constructor(guest: RandomGuest, mmu: 'shadow' | 'tdp', lazy: boolean, hot: Hot | null) {
    this.machine = new TestMachine({ ramPages: 16, mmu, lazy });
    loadGuest(this.machine, guest);
    if (hot !== null) translate(this.machine, hot);
    this.logExits();
  }

  /** Runs exactly that many instructions, handling exits like a hypervisor, unless the guest crashes. */
  run(instructions: number): void {
    const { hart } = this.machine;
    const limit = hart.attempted + instructions;
    while (hart.attempted < limit && !this.crashed) {
      this.crashed = this.machine.run(limit - hart.attempted) === Exit.crash;
    }
  }

  /** What must be equal after every slice. */
  get state(): unknown {
    const { hart } = this.machine;
    return [
      this.crashed,
      hart.attempted,
      hart.retired,
      hart.stats,
      this.log,
      [...hart.block.subarray(0, 66)],
    ];
  }

  /** The part of the state that changes with every instruction. */
  get counts(): number[] {
    const { hart } = this.machine;
    return [hart.attempted, hart.retired, this.log.length, ...hart.block.subarray(0, 66)];
  }

  private logExits(): void {
    const { hart } = this.machine;
    const run = hart.run.bind(hart);
    hart.run = (budget) => {
      const reason = run(budget);
      const { access, va } = hart.fault;
      if (reason !== Exit.budget) this.log.push(`${reason} after ${hart.attempted}: ${access} ${va}`);
      return reason;
    };
  }
}

function translate(machine: TestMachine, hot: Hot): void {
  const options = { ...hot, limits: LIMITS, tlb: SMALL_TLB };
  expect(jumpCacheBytes(options)).toBeLessThan(2048);
  new WasmTranslator(machine.memory, machine.code, options).attach(machine.hart);
}

/** The words of memory, frames and device area, that differ, but for what is the translator's own and what slices make of a run. */
export function difference(a: TestMachine, b: TestMachine, tlb = SMALL_TLB): string[] {
  const found: string[] = [];
  const jumpCache = b.hart.block[BLOCK_JUMP_CACHE >> 2]!;
  const deviceEnd = a.memory.firstPfn * 4096;
  for (let at = 0; at < a.memory.u8.length; at += 4) {
    const field = at - b.hart.base;
    if ((at >= jumpCache && at < deviceEnd) || field === BLOCK_JUMP_CACHE) continue;
    if (isPageCache(tlb, at - b.hart.tlb.first.base)) continue;
    if (field >= BLOCK_BUDGET && field < BLOCK_DTLB) continue;
    const [x, y] = [a.memory.u32[at >>> 2]!, b.memory.u32[at >>> 2]!];
    if (x !== y) found.push(`${at.toString(16)}: ${x.toString(16)} and ${y.toString(16)}`);
  }
  return found;
}

/** Whether a page cache is at an offset from a first-level TLB. */
function isPageCache(tlb: TlbGeometry, offset: number): boolean {
  if (offset < TLB_HEADER_BYTES || offset >= tlbBytes(tlb)) return false;
  const inContext = (offset - TLB_HEADER_BYTES) % contextBytes(tlb);
  return inContext >= CONTEXT_HEADER_BYTES + pageCachesOffset(tlb);
}

/** For ever, until it has run a while, and never. */
const hubsFor = fc.constantFrom(1e9, 1e9, 300, 0);

const slice = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 200, max: 2000 }));

/** After each pair of slices registers, CSRs, counts, statistics and exits are the same; memory and TLBs at the end. */
export const equivalenceProperty = () =>
  fc.property(
    randomGuest,
    fc.array(fc.tuple(slice, slice), { minLength: 1, maxLength: 6, size: 'max' }),
    fc.constantFrom<'shadow' | 'tdp'>('shadow', 'tdp'),
    fc.boolean(),
    fc.record({ hotAt: fc.constantFrom(1, 1, 3, 20), hubsFor }),
    (guest, slices, mmu, lazy, hot) => {
      const interpreted = new Runner(guest, mmu, lazy, null);
      const translated = new Runner(guest, mmu, lazy, hot);
      for (const [first, second] of slices) {
        interpreted.run(first + second);
        translated.run(first);
        translated.run(second);
        expect(translated.state).toEqual(interpreted.state);
      }
      expect(difference(interpreted.machine, translated.machine)).toEqual([]);
    },
  );

/** Budgets that a case of everyBudgetProperty goes through, one after the other. */
const BUDGETS = 100;

/** Runs of every length in a row, around the shortest that translated code is entered for and beyond. */
export const everyBudgetProperty = () =>
  fc.property(
    randomGuest,
    fc.integer({ min: 200, max: 900 }),
    fc.constantFrom<'shadow' | 'tdp'>('shadow', 'tdp'),
    fc.record({ hotAt: fc.constantFrom(1, 3), hubsFor }),
    (guest, shortest, mmu, hot) => {
      const interpreted = new Runner(guest, mmu, false, null);
      const translated = new Runner(guest, mmu, false, hot);
      for (let budget = shortest; budget < shortest + BUDGETS; budget++) {
        interpreted.run(budget);
        translated.run(budget);
        expect([budget, ...translated.counts]).toEqual([budget, ...interpreted.counts]);
      }
      expect(translated.state).toEqual(interpreted.state);
      expect(difference(interpreted.machine, translated.machine)).toEqual([]);
    },
  );
