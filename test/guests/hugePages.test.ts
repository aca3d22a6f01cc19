// Guest RAM in huge pages of the host: fewer faults, the same results, and nothing lost when they are given up.

import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/machine.ts';
import { MADV_COLLAPSE, MADV_PAGEOUT, madvise } from '../../src/mm/index.ts';
import { scheduleTimeout } from '../../src/mm/timeout.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import { MMUS } from './matrix.ts';
import { loadGuest, runGuest } from './support.ts';

const MIB = 2 ** 20;
const HUGE = 2 * MIB;

const thrasher = loadGuest('thrash', {
  equ: { BUFFER_SIZE: 7 * MIB, PASSES: 4 },
  header: { ramBytes: 8 * MIB, hostRamBytes: 32 * MIB, output: '....\n', instructions: null },
});

/**
 * Takes the huge pages of RAM apart, by a few pages swapped out, and puts them together again, until the guest has
 * stopped.
 */
function* disturb({ vmm, sched }: Machine): Steps {
  for (let round = 0; vmm.stop === null; round++) {
    yield* scheduleTimeout(sched, 400_000);
    if (vmm.stop !== null || vmm.kvm === null) return;
    const { mm } = vmm.kvm;
    const start = (vmm.ramAddress + (round & 3) * HUGE) as Hva;
    expect(yield* madvise(mm, start, 8 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    yield* scheduleTimeout(sched, 200_000);
    yield* madvise(mm, start, HUGE, MADV_COLLAPSE);
  }
}

describe.each(MMUS)('RAM in huge pages, under %s', (mmu) => {
  it('is faulted in 2 MiB at a time', () => {
    const faults = (['never', 'always'] as const).map((thp) => {
      const run = runGuest(thrasher, { mmu, thp });
      expect([run.stop.code, run.text, run.machine.check.violations]).toEqual([0, '....\n', []]);
      return run.statistics.kvm.pf_fixed!;
    });
    // One of the 2 MiB has a page in it that the VMM watches (tohost).
    expect(faults[1]! * 3).toBeLessThan(faults[0]!);
  });

  it('loses nothing while the host splits, swaps and collapses it', () => {
    const run = runGuest(thrasher, {
      mmu,
      thp: 'always',
      whenCreated: (machine) => machine.sched.spawn('disturb', disturb(machine)),
    });
    const { vm } = run.statistics;
    expect([run.stop.code, run.text, run.machine.check.violations]).toEqual([0, '....\n', []]);
    expect([vm.thp_split_page! > 3, vm.thp_collapse_alloc! > 3, vm.pswpout! > 30]).toEqual([
      true,
      true,
      true,
    ]);
  });
});
