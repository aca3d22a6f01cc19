// Translation and protection in every corner: random programs that check each access against a slow, obvious reference,
// on the whole machine, with both MMUs, and with less host memory than the programs touch.

import { describe, expect, it } from 'vitest';
import type { MachineConfig } from '../../../src/machine.ts';
import type { CheckedProgram } from '../../support/checkedProgram.ts';
import { type ProgramOptions, RAM_BYTES, sv39Program } from '../../support/sv39Program.ts';
import { runGuest } from '../../vmm/guest.ts';

const LEAST = 128 * 2 ** 10;

function expectRight(program: CheckedProgram, config: Partial<MachineConfig>): void {
  const { stop } = runGuest(program.source, { ramBytes: RAM_BYTES, ...config });
  const wrong = stop.code === 0 ? null : `${stop.code}: ${program.operations[stop.code - 1]}`;
  expect({ crash: stop.crash, via: stop.via, wrong }).toEqual({ crash: null, via: 'finisher', wrong: null });
}

const programs = (count: number, options: Omit<ProgramOptions, 'seed'>): CheckedProgram[] =>
  Array.from({ length: count }, (_, seed) => sv39Program({ ...options, seed }));

describe.each(['shadow', 'tdp'] as const)('%s', (mmu) => {
  describe.each(['hardware', 'svade', 'svadu'] as const)('A and D by %s', (ad) => {
    it.each([false, true])('random programs get what the manual says, PMP changes: %s', (pmp) => {
      for (const program of programs(2, { operations: 600, ad, pmp })) {
        expectRight(program, { mmu, ad });
        expectRight(program, { mmu, ad, hostRamBytes: LEAST });
      }
    });
  });

  it('no TLB entry is stale', () => {
    for (const program of programs(1, { operations: 400, ad: 'svadu', pmp: true })) {
      expectRight(program, { mmu, ad: 'svadu', check: 'tlb', hostRamBytes: LEAST });
    }
  });
});
