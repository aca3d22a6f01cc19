// Reclaim: who stays and who goes, kswapd and its watermarks, refaults.

import { describe, expect, it } from 'vitest';
import { isPresent, PTE_A } from '../../src/hw/sv39/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fileTruncate,
  getUserPage,
  type Host,
  MADV_COLD,
  type Mm,
  madvise,
  mlock,
  mmapAnonymous,
  munlock,
  PROT_READ,
  PROT_WRITE,
  putPage,
  readVmstat,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { tryToFreePages } from '../../src/mm/reclaim/directReclaim.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { FILE_PAGES, load, mapFile, playFiles, readByte, store } from './fileScene.ts';
import {
  type Bench,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
} from './support.ts';

interface Scene {
  readonly host: Host;
  readonly mm: Mm;
  readonly base: Hva;
}

function play(bench: Bench, pages: number, act: (scene: Scene) => Steps): void {
  const { host } = bench;
  let mm!: Mm;
  runTasks(bench, function* () {
    mm = yield* newMm(host);
    const base = (yield* mmapAnonymous(mm, 0, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, 0)) as Hva;
    yield* act({ host, mm, base });
  });
  expectBalanced(bench);
  runTasks(bench, () => exitMm(mm));
  expectNothingLeaked(bench);
}

function* touch({ mm, base }: Scene, page: number, value: number): Steps {
  expect(yield* copyToUser(mm, 0, pageAt(base, page), Uint8Array.of(value))).toBe(0);
}

function* expectByte({ mm, base }: Scene, page: number, value: number, cpu = 1): Steps {
  const into = new Uint8Array(1);
  expect(yield* copyFromUser(mm, cpu, pageAt(base, page), into)).toBe(0);
  expect({ page, value: into[0] }).toEqual({ page, value });
}

describe('kswapd', () => {
  it('brings the zone back above the high watermark and goes to sleep', () => {
    const bench = makeBench({ frames: 128, swapSlots: 512 });
    play(bench, 300, function* (scene) {
      for (let i = 0; i < 300; i++) yield* touch(scene, i, 1 + (i % 200));
    });
    const { host, ring } = bench;
    expect(host.vmstat.pgsteal_kswapd).toBeGreaterThan(0);
    const events = [...ring.records()]
      .map(({ event }) => event)
      .filter((event) => event.startsWith('mm_vmscan_kswapd'));
    expect(events.filter((event) => event === 'mm_vmscan_kswapd_wake').length).toBeGreaterThan(0);
    expect(events.at(-1)).toBe('mm_vmscan_kswapd_sleep');
  });

  it('spares the faulting task from reclaiming itself, if that gives it time', () => {
    const bench = makeBench({ frames: 512, swapSlots: 4096 });
    play(bench, 2000, function* (scene) {
      for (let i = 0; i < 2000; i++) {
        yield* touch(scene, i, 1 + (i % 200));
        bench.sched.spend(10_000);
        yield RESCHED;
      }
    });
    const { pgsteal_kswapd, pgsteal_direct } = bench.host.vmstat;
    expect(pgsteal_kswapd).toBeGreaterThan(pgsteal_direct);
  });
});

describe('reclaim', () => {
  it('keeps what is used all the time and takes what is used once', () => {
    const hot = 8;
    const cold = 1000;
    const bench = makeBench({ frames: 256, swapSlots: 2048 });
    play(bench, hot + cold, function* (scene) {
      for (let i = 0; i < hot; i++) yield* touch(scene, i, 100 + i);
      let hotFaults = 0;
      for (let i = hot; i < hot + cold; i++) {
        yield* touch(scene, i, 1 + (i % 90));
        for (let j = 0; j < hot; j++) {
          if (!isPresent(inspectPte(scene.mm, pageAt(scene.base, j)))) hotFaults++;
          yield* expectByte(scene, j, 100 + j, 0);
        }
      }
      const { pswpout, pgactivate } = scene.host.vmstat;
      expect(pswpout).toBeGreaterThan(cold / 2);
      expect(pgactivate).toBeGreaterThan(0);
      expect(hotFaults).toBeLessThan(hot * 2);
    });
  });

  it('runs on 32 frames', () => {
    const bench = makeBench({ frames: 32, swapSlots: 256 });
    play(bench, 100, function* (scene) {
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 100; i++) yield* touch(scene, i, round + i + 1);
        for (let i = 0; i < 100; i++) yield* expectByte(scene, i, round + i + 1);
      }
      expect(scene.host.zone.freePages).toBeGreaterThanOrEqual(scene.host.zone.watermarks.min - 1);
    });
    expect(bench.host.vmstat.oom_kill).toBe(0);
  });

  it('leaves a shadow, by which a page that comes back too soon starts out active', () => {
    const bench = makeBench({ frames: 256, swapSlots: 1024 });
    play(bench, 600, function* (scene) {
      // Pages that were active once, and are not wanted any more, keep the frames from pages that are.
      for (let i = 0; i < 100; i++) yield* touch(scene, i, 1);
      for (let i = 0; i < 100; i++) {
        const pfn = yield* getUserPage(scene.mm, pageAt(scene.base, i), false);
        yield* putPage(scene.host, pfn as Pfn);
        const again = yield* getUserPage(scene.mm, pageAt(scene.base, i), false);
        yield* putPage(scene.host, again as Pfn);
      }
      for (let round = 0; round < 4; round++)
        for (let i = 100; i < 350; i++) yield* touch(scene, i, round + 1);
    });
    const { workingset_refault_anon, workingset_activate_anon } = bench.host.vmstat;
    expect(workingset_refault_anon).toBeGreaterThan(0);
    expect(workingset_activate_anon).toBeGreaterThan(0);
  });
});

describe('MADV_COLD', () => {
  it('makes pages old and inactive, and keeps them', () => {
    const bench = makeBench({ frames: 64, swapSlots: 64 });
    play(bench, 4, function* (scene) {
      const { mm, base, host } = scene;
      for (let i = 0; i < 4; i++) yield* touch(scene, i, i + 1);
      expect(yield* madvise(mm, base, 2 * PAGE_SIZE, MADV_COLD)).toBe(0);
      const young = [0, 1, 2, 3].map((i) => (inspectPte(mm, pageAt(base, i)) & PTE_A) !== 0);
      expect(young).toEqual([false, false, true, true]);
      expect(readVmstat(host).nr_inactive_anon).toBe(4);
      for (let i = 0; i < 4; i++) yield* expectByte(scene, i, i + 1);
      expect(inspectPte(mm, base) & PTE_A).toBe(PTE_A);
    });
  });
});

describe('locked memory', () => {
  it('stays when everything else has gone; unlocked, it goes like any', () => {
    playFiles({ frames: 128, swapSlots: 256 }, function* ({ mm, file, host }) {
      const memory = (yield* mmapAnonymous(mm, 0, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0)) as Hva;
      const cached = yield* mapFile(mm, file, FILE_PAGES);
      for (let i = 0; i < 16; i++) expect(yield* store(mm, memory, i, i + 1)).toBe(0);
      for (let i = 0; i < 16; i++) expect(yield* load(mm, cached, i)).toBe(i + 1);
      const present = (base: Hva): number[] =>
        Array.from({ length: 16 }, (_, i) => i).filter((i) => isPresent(inspectPte(mm, pageAt(base, i))));
      for (const base of [memory, cached]) expect(yield* mlock(mm, base, 8 * PAGE_SIZE, 0)).toBe(0);
      for (let round = 0; round < 20; round++) yield* tryToFreePages(host, 0);
      for (const base of [memory, cached]) expect(present(base)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      for (const base of [memory, cached]) expect(yield* munlock(mm, base, 8 * PAGE_SIZE)).toBe(0);
      for (let round = 0; round < 20; round++) yield* tryToFreePages(host, 0);
      for (const base of [memory, cached]) expect(present(base)).toEqual([]);
      for (let i = 0; i < 16; i++) expect(yield* load(mm, memory, i)).toBe(i + 1);
    });
  });
});

describe('the balance between files and anonymous memory', () => {
  it('spares anonymous memory while a file is read through once', () => {
    playFiles({ frames: 128, swapSlots: 256 }, function* ({ mm, file, host }) {
      const memory = (yield* mmapAnonymous(mm, 0, 50 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0)) as Hva;
      for (let i = 0; i < 50; i++) expect(yield* store(mm, memory, i, i)).toBe(0);
      expect(yield* fileTruncate(file, 400 * PAGE_SIZE)).toBe(0);
      for (let i = 0; i < 400; i++) {
        yield* readByte(file, i);
        for (let used = 0; used < 50; used += 10) yield* load(mm, memory, used);
      }
      expect(host.vmstat.pgsteal_file).toBeGreaterThan(250);
      expect(host.vmstat.pswpout).toBeLessThan(10);
    });
  });

  it('gives file pages that are used again and again their room', () => {
    playFiles({ frames: 128, swapSlots: 256 }, function* ({ mm, file, host }) {
      const base = yield* mapFile(mm, file, FILE_PAGES);
      const memory = (yield* mmapAnonymous(mm, 0, 150 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0)) as Hva;
      const { vmstat } = host;
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 150; i++) {
          expect(yield* store(mm, memory, i, i)).toBe(0);
          expect(yield* load(mm, base, i % FILE_PAGES)).toBe((i % FILE_PAGES) + 1);
        }
      }
      expect(vmstat.pgsteal_anon).toBeGreaterThan(300);
      expect(vmstat.pgsteal_file).toBeLessThan(vmstat.pgsteal_anon / 2);
    });
  });
});
