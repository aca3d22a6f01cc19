// Guest RAM that is a shared mapping: of a shmem object that is swapped, and of a file that is written back. The guest
// checks its data all the time while the host does to the pages what hosts do to files.

import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/machine.ts';
import {
  fileTruncate,
  MADV_COLD,
  MADV_PAGEOUT,
  MS_SYNC,
  madvise,
  msync,
  vfsFsync,
} from '../../src/mm/index.ts';
import { scheduleTimeout } from '../../src/mm/timeout.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import { MMUS, problemsOf } from './matrix.ts';
import { loadGuest, runGuest, startGuest } from './support.ts';

const KIB = 2 ** 10;
const RAM = 2048 * KIB;

const thrasher = loadGuest('thrash', {
  equ: { BUFFER_SIZE: 1024 * KIB, PASSES: 2 },
  header: { ramBytes: RAM, hostRamBytes: 384 * KIB, output: '..\n', instructions: null },
});
/** Behind page tables of its own. */
const paged = loadGuest('sort', {
  equ: { COUNT: 65_536, ROUNDS: 1, PAGING: 1 },
  header: { instructions: null },
});

const BACKINGS = ['shmem', 'file'] as const;

/** Now and then, until the guest has stopped: writeback, aging and reclaim of a part of RAM. */
function* disturb({ vmm, sched, host }: Machine): Steps {
  for (let round = 0; vmm.stop === null; round++) {
    yield* scheduleTimeout(sched, 200_000);
    if (vmm.stop !== null || vmm.kvm === null) return;
    const { mm } = vmm.kvm;
    const part = (vmm.ramAddress + ((round * 37) % 480) * PAGE_SIZE) as Hva;
    if (round % 5 === 0) expect(yield* vfsFsync(vmm.ramFile!.mapping)).toBe(0);
    else if (round % 5 === 1) host.flusher.wake();
    else if (round % 5 === 2) expect(yield* msync(mm, part, 16 * PAGE_SIZE, MS_SYNC)).toBe(0);
    else expect(yield* madvise(mm, part, 16 * PAGE_SIZE, round % 5 === 3 ? MADV_PAGEOUT : MADV_COLD)).toBe(0);
  }
}

describe.each(MMUS)('under %s', (mmu) => {
  describe.each(BACKINGS)('RAM of %s', (ramBacking) => {
    it('is as good as any: the thrasher passes on a host that it does not fit in', () => {
      const run = runGuest(thrasher, { mmu, ramBacking });
      const { vm } = run.statistics;
      expect([run.stop.code, run.text, run.machine.check.violations]).toEqual([0, '..\n', []]);
      expect(vm.pgsteal_file! > 500).toBe(ramBacking === 'file');
      expect(vm.pswpout! > 500).toBe(ramBacking === 'shmem');
      expect([vm.nr_shmem! > 0, vm.nr_anon_pages]).toEqual([ramBacking === 'shmem', 0]);
    });

    it('loses nothing while the host writes it back, ages and reclaims it', () => {
      const run = runGuest(thrasher, {
        mmu,
        ramBacking,
        vcpus: 2,
        hostRamBytes: 768 * KIB,
        whenCreated: (machine) => machine.sched.spawn('disturb', disturb(machine)),
      });
      expect([run.stop.code, run.text, run.machine.check.violations]).toEqual([0, '..\n', []]);
      expect(run.statistics.notifier.invalidate_range_start).toBeGreaterThan(500);
    });

    it('holds the page tables of a guest, too', () => {
      expect(problemsOf(paged, runGuest(paged, { mmu, ramBacking, hostRamBytes: 4 * RAM }))).toEqual([]);
    });

    it('that is cut off stops the guest, and nobody else', () => {
      const started = startGuest(thrasher, { mmu, ramBacking, hostRamBytes: 2 * RAM });
      const { machine } = started;
      started.runSlice(() => machine.instructions > 200_000);
      machine.sched.spawn(
        'truncate',
        (function* () {
          expect(yield* fileTruncate(machine.vmm.ramFile!, 64 * KIB)).toBe(0);
        })(),
      );
      const run = started.finish();
      expect(run.stop.crash).not.toBeNull();
      expect(run.machine.check.violations).toEqual([]);
    });
  });
});
