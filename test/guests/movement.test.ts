// A guest that checks its data while the host moves its memory about for ever: every page migrated over and over, memory
// compacted, mappings taken away for NUMA hints; with the least host memory, so that it is swapped as well, and with
// plenty.

import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/machine.ts';
import {
  changeProtNuma,
  compactMemory,
  type Mm,
  migrateUserPages,
  pageIdleBitmapWrite,
} from '../../src/mm/index.ts';
import { scheduleTimeout } from '../../src/mm/timeout.ts';
import type { Steps } from '../../src/sched/index.ts';
import type { Hva } from '../../src/units.ts';
import { MMUS, plentyFor, problemsOf } from './matrix.ts';
import { loadGuest, runGuest, startGuest } from './support.ts';

const KIB = 2 ** 10;

const thrasher = loadGuest('thrash', {
  equ: { BUFFER_SIZE: 1024 * KIB, PASSES: 2 },
  header: { ramBytes: 2048 * KIB, hostRamBytes: 640 * KIB, output: '..\n', instructions: null },
});
/** Behind tables of its own. */
const sorter = loadGuest('sort', {
  equ: { COUNT: 65_536, ROUNDS: 1, PAGING: 1 },
  header: { instructions: null },
});

/** Done over and over, to all of a guest's RAM; and the counters that show it. */
interface Movement {
  readonly act: (machine: Machine, mm: Mm, start: Hva, bytes: number) => Steps<unknown>;
  readonly shows: readonly string[];
}

const MOVEMENTS: Readonly<Record<string, Movement>> = {
  migrated: {
    act: (_, mm, start, bytes) => migrateUserPages(mm, start, bytes),
    shows: ['pgmigrate_success'],
  },
  compacted: {
    *act({ host }, mm, start, bytes) {
      // To the end of memory, and anywhere again.
      yield* compactMemory(host);
      yield* migrateUserPages(mm, start, bytes / 2);
    },
    shows: ['pgmigrate_success', 'compact_isolated'],
  },
  hinted: {
    *act({ host }, mm, start, bytes) {
      host.sysctl.numaMisplaced = !host.sysctl.numaMisplaced;
      yield* changeProtNuma(mm, start, bytes);
    },
    shows: ['numa_pte_updates', 'numa_hint_faults', 'numa_pages_migrated'],
  },
  aged: {
    act: ({ host }) =>
      pageIdleBitmapWrite(host, 0, new Uint8Array(8 * Math.ceil(host.frames.endPfn / 64)).fill(255)),
    shows: ['clear_young'],
  },
};

/** A task that does it for ever, a while of virtual time apart. */
const forEver =
  ({ act }: Movement) =>
  (machine: Machine): void => {
    const { sched, vmm, config } = machine;
    const { mm } = vmm.kvm!;
    const body = function* (): Steps {
      while (machine.stop === null) {
        yield* act(machine, mm, vmm.ramAddress as Hva, config.ramBytes);
        yield* scheduleTimeout(sched, 200_000);
      }
    };
    sched.spawn('mover', body(), 0);
  };

describe.each(MMUS)('under %s', (mmu) => {
  describe.each(Object.keys(MOVEMENTS))('a guest whose memory is %s for ever', (name) => {
    const movement = MOVEMENTS[name]!;

    it.each([
      ['thrash', 'the least', thrasher],
      ['thrash', 'plenty of', thrasher],
      ['sort', 'plenty of', sorter],
    ])('finds its data: %s, with %s memory', (_, memory, program) => {
      const hostRamBytes = memory === 'the least' ? program.header.hostRamBytes : plentyFor(program.header);
      const run = runGuest(program, { mmu, hostRamBytes, whenCreated: forEver(movement) });
      // Not all of it has to be swapped: where pages lie on the LRU is another matter here.
      const problems = problemsOf(program, run).filter((problem) => !problem.startsWith('never swapped'));
      expect(problems).toEqual([]);
      const counters = { ...run.statistics.vm, ...run.statistics.notifier };
      for (const counter of movement.shows)
        expect({ counter, value: counters[counter] }).toSatisfy(isPositive);
    });
  });
});

it('a kvm that hears of no migration is caught by I1', () => {
  const { machine, runSlice } = startGuest(thrasher, {
    hostRamBytes: plentyFor(thrasher.header),
    whenCreated: (created) => {
      const { ops } = created.vmm.kvm!.notifier!;
      delete ops.invalidateRangeStart;
      delete ops.invalidateRangeEnd;
      forEver(MOVEMENTS.migrated!)(created);
    },
  });
  runSlice(() => machine.check.violations.length > 0);
  expect(machine.check.violations[0]).toMatchObject({ invariant: 'I1' });
});

const isPositive = ({ value }: { readonly value?: number | undefined }): boolean => (value ?? 0) > 0;
