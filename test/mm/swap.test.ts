// Pages on their way out and back in: what is written, what is not, who keeps what.

import { describe, expect, it } from 'vitest';
import { isPresent, PTE_D, PTE_W, ptePfn } from '../../src/hw/sv39/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  getUserPage,
  type Host,
  MADV_PAGEOUT,
  type Mm,
  madvise,
  mmapAnonymous,
  PROT_READ,
  PROT_WRITE,
  putPage,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { isSwapPte } from '../../src/mm/pagetable/pte.ts';
import { tryToFreePages } from '../../src/mm/reclaim/directReclaim.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { type Bench, expectNothingLeaked, makeBench, newMm, pageAt, runTasks, settle } from './support.ts';

const RW = PROT_READ | PROT_WRITE;

interface Scene {
  readonly host: Host;
  readonly mm: Mm;
  readonly base: Hva;
}

/** Runs the acts one after the other, each once the I/O of the one before has ended. */
function play(bench: Bench, pages: number, ...acts: ((scene: Scene) => Steps)[]): void {
  const { host } = bench;
  let scene!: Scene;
  runTasks(bench, function* () {
    const mm = yield* newMm(host);
    const base = (yield* mmapAnonymous(mm, 0, pages * PAGE_SIZE, RW, 0)) as Hva;
    scene = { host, mm, base };
  });
  for (const act of acts) {
    runTasks(bench, () => act(scene));
    settle(bench);
  }
  runTasks(bench, () => exitMm(scene.mm));
  expectNothingLeaked(bench);
}

const write = (page: number, value: number) =>
  function* ({ mm, base }: Scene): Steps {
    expect(yield* copyToUser(mm, 0, pageAt(base, page), Uint8Array.of(value))).toBe(0);
  };

const expectByte = (page: number, value: number) =>
  function* ({ mm, base }: Scene): Steps {
    const into = new Uint8Array(1);
    expect(yield* copyFromUser(mm, 0, pageAt(base, page), into)).toBe(0);
    expect(into[0]).toBe(value);
  };

const pageout = function* ({ mm, base }: Scene): Steps {
  expect(yield* madvise(mm, base, PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
};

/** Under pressure, what is clean and unused leaves the swap cache too. */
const evict = function* (scene: Scene): Steps {
  yield* pageout(scene);
  yield* waitForWriteback(scene.host);
  while ((yield* tryToFreePages(scene.host, 0)) > 0);
};

function* waitForWriteback({ throttle }: Host): Steps {
  while (throttle.writebackInFlight > 0) yield* throttle.waitForWriteback();
}

const small = (): Bench => makeBench({ frames: 64, swapSlots: 32 });

describe('a written page', () => {
  it('goes to a slot and comes back, a major fault', () => {
    const bench = small();
    play(bench, 1, write(0, 42), evict, function* ({ host, mm, base }) {
      expect(isSwapPte(inspectPte(mm, base))).toBe(true);
      expect([mm.anonPages, mm.swapEntries]).toEqual([0, 1]);
      expect([host.vmstat.pswpout, host.vmstat.pgmajfault]).toEqual([1, 0]);
      yield* expectByte(0, 42)({ host, mm, base });
      expect([host.vmstat.pswpin, host.vmstat.pgmajfault]).toEqual([1, 1]);
    });
  });

  it('that is wanted back while it is being written is not read', () => {
    play(
      small(),
      1,
      function* (scene) {
        yield* write(0, 42)(scene);
        yield* pageout(scene);
        expect(scene.host.throttle.writebackInFlight).toBe(1);
        yield* expectByte(0, 42)(scene);
      },
      function* ({ host }) {
        expect([host.vmstat.pswpin, host.vmstat.pgmajfault]).toEqual([0, 0]);
        yield* [];
      },
    );
  });

  it('is dropped again without I/O as long as nobody writes to it', () => {
    const bench = small();
    play(
      bench,
      1,
      write(0, 42),
      evict,
      expectByte(0, 42),
      evict,
      expectByte(0, 42),
      function* ({ host, mm, base }) {
        expect([host.vmstat.pswpout, host.vmstat.pswpin]).toEqual([1, 2]);
        expect(inspectPte(mm, base) & (PTE_W | PTE_D)).toBe(PTE_W);
        yield* [];
      },
    );
  });

  it('that is dropped clean is in no TLB when its frame is free', () => {
    const bench = small();
    play(bench, 1, write(0, 42), evict, expectByte(0, 42), function* (scene) {
      const { host, base } = scene;
      const cached = () => host.cpus[0]!.tlb.entries().some(({ address }) => address === base);
      expect(cached()).toBe(true);
      yield* evict(scene);
      expect(host.vmstat.pswpout).toBe(1);
      expect(cached()).toBe(false);
    });
  });

  it('is written again once it was written to', () => {
    const bench = small();
    play(
      bench,
      1,
      write(0, 1),
      evict,
      expectByte(0, 1),
      write(0, 2),
      evict,
      expectByte(0, 2),
      function* ({ host }) {
        expect(host.vmstat.pswpout).toBe(2);
        yield* [];
      },
    );
  });

  it('gives its slot back when a writer is the only user', () => {
    const bench = small();
    play(bench, 1, write(0, 1), evict, write(0, 2), function* ({ host }) {
      expect(host.swap!.freeSlots).toBe(host.swap!.totalSlots);
      yield* [];
    });
  });
});

describe('a page of zeros', () => {
  it('takes a slot but no I/O', () => {
    const bench = small();
    play(bench, 1, write(0, 7), write(0, 0), pageout, expectByte(0, 0), function* ({ host }) {
      expect([host.vmstat.pswpout, host.vmstat.swpout_zero]).toEqual([0, 1]);
      expect([host.vmstat.pswpin, host.vmstat.swpin_zero]).toEqual([0, 1]);
      yield* [];
    });
  });

  it('that is filled later is written', () => {
    const bench = small();
    play(bench, 1, write(0, 7), write(0, 0), evict, expectByte(0, 0), write(0, 9), evict, expectByte(0, 9));
  });
});

describe('a page that somebody holds', () => {
  it('is unmapped but stays in memory until it is put', () => {
    const bench = small();
    let held = 0 as Pfn;
    play(
      bench,
      1,
      write(0, 42),
      function* ({ mm, base }) {
        held = (yield* getUserPage(mm, base, true)) as Pfn;
      },
      pageout,
      pageout,
      function* (scene) {
        const { host, mm, base } = scene;
        expect(isSwapPte(inspectPte(mm, base))).toBe(true);
        expect(host.memory.u8[held * PAGE_SIZE]).toBe(42);
        host.memory.u8[held * PAGE_SIZE] = 43;
        yield* expectByte(0, 43)(scene);
        expect(ptePfn(inspectPte(mm, base))).toBe(held);
        yield* putPage(host, held);
      },
    );
  });
});

describe('without swap', () => {
  it('nothing goes anywhere', () => {
    const bench = makeBench({ frames: 64 });
    play(bench, 1, write(0, 42), pageout, function* ({ mm, base }) {
      expect(isPresent(inspectPte(mm, base))).toBe(true);
      yield* expectByte(0, 42)({ host: bench.host, mm, base });
    });
  });
});

describe('readahead', () => {
  it('brings in neighbours that were swapped out together, and grows while they are used', () => {
    const bench = makeBench({ frames: 2048, swapSlots: 512 });
    play(
      bench,
      128,
      function* (scene) {
        for (let i = 0; i < 128; i++) yield* write(i, i + 1)(scene);
        expect(yield* madvise(scene.mm, scene.base, 128 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      },
      evict,
      function* (scene) {
        for (let i = 0; i < 128; i++) yield* expectByte(i, i + 1)(scene);
        const { swap_ra, swap_ra_hit, pgmajfault, pswpin } = scene.host.vmstat;
        expect(pswpin).toBe(128);
        expect(pgmajfault + swap_ra).toBe(128);
        expect(swap_ra_hit).toBe(swap_ra);
        expect(pgmajfault).toBeLessThan(48);
      },
    );
  });

  it('reads single pages on a tiny host', () => {
    const bench = small();
    play(
      bench,
      8,
      function* (scene) {
        for (let i = 0; i < 8; i++) yield* write(i, i + 1)(scene);
        yield* madvise(scene.mm, scene.base, 8 * PAGE_SIZE, MADV_PAGEOUT);
      },
      function* (scene) {
        yield* madvise(scene.mm, scene.base, 8 * PAGE_SIZE, MADV_PAGEOUT);
        for (let i = 0; i < 8; i++) yield* expectByte(i, i + 1)(scene);
        expect(scene.host.vmstat.swap_ra).toBe(0);
      },
    );
  });
});
