// A guest whose process has a memory limit of its own: it swaps within that while the host has memory to spare, its
// data is exact, and a process beside it notices nothing.

import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/machine.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  type Host,
  type Mm,
  mmapAnonymous,
  PROT_READ,
  PROT_WRITE,
} from '../../src/mm/index.ts';
import { inspectPte, isPresentPte } from '../../src/mm/internals.ts';
import { scheduleTimeout } from '../../src/mm/timeout.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import { MMUS } from './matrix.ts';
import { loadGuest, runGuest } from './support.ts';

const KIB = 2 ** 10;
const RW = PROT_READ | PROT_WRITE;
const BESIDE_PAGES = 64;

const thrasher = loadGuest('thrash', {
  equ: { BUFFER_SIZE: 1024 * KIB, PASSES: 2 },
  header: { ramBytes: 2048 * KIB, hostRamBytes: 4096 * KIB, output: '..\n', instructions: null },
});

/**
 * A process with no business of its own: writes its pages once, and finds them where they were until the guest has
 * stopped.
 */
function* beside({ host, vmm }: Machine, seen: { least: number }): Steps {
  const mm = (yield* host.createMm())!;
  const base = (yield* mmapAnonymous(mm, 0, BESIDE_PAGES * PAGE_SIZE, RW, 0)) as Hva;
  const content = new Uint8Array(BESIDE_PAGES * PAGE_SIZE).map((_, i) => (i * 7) >> 3);
  expect(yield* copyToUser(mm, 0, base, content)).toBe(0);
  while (vmm.stop === null) {
    seen.least = Math.min(seen.least, residentPages(mm, base));
    yield* scheduleTimeout(host.sched, 500_000);
  }
  const found = new Uint8Array(content.length);
  expect(yield* copyFromUser(mm, 0, base, found)).toBe(0);
  expect(Buffer.compare(found, content)).toBe(0);
  yield* exitMm(mm);
}

function residentPages(mm: Mm, base: Hva): number {
  let pages = 0;
  for (let i = 0; i < BESIDE_PAGES; i++)
    pages += Number(isPresentPte(inspectPte(mm, (base + i * PAGE_SIZE) as Hva)));
  return pages;
}

/** Pages that reclaim has looked at for everybody's sake. */
const globalScans = ({ vmstat }: Host): number => vmstat.pgscan_kswapd + vmstat.pgscan_direct;

describe.each(MMUS)('under %s', (mmu) => {
  it.each(['anonymous', 'shmem', 'file'] as const)('the thrasher in its limit, RAM %s', (ramBacking) => {
    const seen = { least: BESIDE_PAGES };
    const { machine, stop, text, statistics } = runGuest(thrasher, {
      mmu,
      ramBacking,
      memoryMaxBytes: 384 * KIB,
      whenCreated: (created) => created.sched.spawn('beside', beside(created, seen)),
    });
    expect([stop.code, text, machine.check.violations]).toEqual([0, '..\n', []]);
    const { 'memory.peak': peak, max, oom, pgsteal } = statistics.memcg!;
    expect([peak, oom, seen.least, globalScans(machine.host)]).toEqual([96, 0, BESIDE_PAGES, 0]);
    expect(max).toBeGreaterThan(10);
    expect(pgsteal).toBeGreaterThan(300);
    // There was memory for all of it.
    expect(machine.host.zone.peakPages).toBeLessThan(machine.host.zone.managedPages / 2);
  });

  it('without swap it is out of memory, alone', () => {
    const seen = { least: BESIDE_PAGES };
    const { stop, statistics } = runGuest(thrasher, {
      mmu,
      swap: null,
      memoryMaxBytes: 384 * KIB,
      whenCreated: (created) => created.sched.spawn('beside', beside(created, seen)),
    });
    expect(stop.crash).toBe(
      "out of memory while running the guest: its memory cgroup's limit leaves no frame and no swap slot to spare",
    );
    expect(statistics.memcg).toMatchObject({ 'memory.peak': 96, oom_kill: 1 });
    expect(seen.least).toBe(BESIDE_PAGES);
  });
});
