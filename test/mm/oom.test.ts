// Out of memory: who is killed, what he gets, and that his memory comes back before he has exited.

import { describe, expect, it } from 'vitest';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  getUserPage,
  type Mm,
  mmapAnonymous,
  mprotect,
  PROT_READ,
  PROT_WRITE,
} from '../../src/mm/index.ts';
import { MmuNotifier, mmuNotifierRegister, mmuNotifierUnregister } from '../../src/notifier/index.ts';
import { type Policy, randomPolicy, runPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { SecondaryMmu } from './secondaryMmu.ts';
import { expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;

/** Writes pages until that fails: how many, and the errno. */
function* writeUntilRefused(mm: Mm, base: Hva, pages: number): Steps<{ written: number; error: number }> {
  for (let written = 0; written < pages; written++) {
    const error = yield* copyToUser(mm, 0, pageAt(base, written), Uint8Array.of(1));
    if (error !== 0) return { written, error };
  }
  return { written: pages, error: 0 };
}

describe.each<[string, () => Policy]>([
  ['run to completion', runPolicy],
  ['random interleaving', () => randomPolicy(11)],
])('%s', (_name, policy) => {
  it('without swap, memory ends where the frames end: -ENOMEM for the one that has most', () => {
    const bench = makeBench({ frames: 32, policy: policy() });
    const { host } = bench;
    runTasks(bench, function* () {
      const mm = yield* newMm(host);
      const base = (yield* mmapAnonymous(mm, 0, 64 * PAGE_SIZE, RW, 0)) as Hva;
      const { written, error } = yield* writeUntilRefused(mm, base, 64);
      expect(error).toBe(-Errno.ENOMEM);
      expect(written).toBeGreaterThan(20);
      expect([mm.killed, host.vmstat.oom_kill]).toEqual([true, 1]);
      expect(yield* getUserPage(mm, base, false)).toBe(-Errno.ENOMEM);
      yield* exitMm(mm);
    });
    expectNothingLeaked(bench);
  });

  it('with swap, where frames and slots end', () => {
    const bench = makeBench({ frames: 32, swapSlots: 40, policy: policy() });
    runTasks(bench, function* () {
      const mm = yield* newMm(bench.host);
      const base = (yield* mmapAnonymous(mm, 0, 200 * PAGE_SIZE, RW, 0)) as Hva;
      const { written, error } = yield* writeUntilRefused(mm, base, 200);
      expect(error).toBe(-Errno.ENOMEM);
      expect(written).toBeGreaterThan(55);
      yield* exitMm(mm);
    });
    expectNothingLeaked(bench);
  });

  it('the biggest dies, the others live on with what it had', () => {
    const bench = makeBench({ frames: 48, policy: policy() });
    const { host } = bench;
    runTasks(bench, function* () {
      const small = yield* newMm(host);
      const big = yield* newMm(host);
      const smallBase = (yield* mmapAnonymous(small, 0, 30 * PAGE_SIZE, RW, 0)) as Hva;
      const bigBase = (yield* mmapAnonymous(big, 0, 64 * PAGE_SIZE, RW, 0)) as Hva;
      expect(yield* copyToUser(small, 0, smallBase, Uint8Array.of(42))).toBe(0);
      expect((yield* writeUntilRefused(big, bigBase, 30)).error).toBe(0);
      expect(yield* writeUntilRefused(small, pageAt(smallBase, 1), 29)).toEqual({ written: 29, error: 0 });
      expect([small.killed, big.killed]).toEqual([false, true]);
      const into = new Uint8Array(1);
      expect(yield* copyFromUser(small, 0, smallBase, into)).toBe(0);
      expect(into[0]).toBe(42);
      // What the reaper took must not read as zeros.
      expect(yield* copyFromUser(big, 1, bigBase, into)).toBe(-Errno.ENOMEM);
      yield* exitMm(big);
      yield* exitMm(small);
    });
    expectNothingLeaked(bench);
  });
});

describe('the reaper', () => {
  it('calls start without permission to sleep, and end after it, VMA by VMA from the last', () => {
    const bench = makeBench({ frames: 32 });
    runTasks(bench, function* () {
      const mm = yield* newMm(bench.host);
      const base = (yield* mmapAnonymous(mm, 0, 64 * PAGE_SIZE, RW, 0)) as Hva;
      const client = new SecondaryMmu(mm);
      const last = pageAt(base, 63);
      expect(yield* mprotect(mm, last, PAGE_SIZE, PROT_READ)).toBe(0);
      yield* client.register();
      yield* writeUntilRefused(mm, base, 63);
      const ranges = client.calls.filter(({ call }) => call === 'start' || call === 'end');
      expect(ranges.map(({ call, start, blockable }) => [call, start, blockable])).toEqual([
        ['start', last, false],
        ['end', last, false],
        ['start', base, false],
        ['end', base, false],
      ]);
      expect(mm.anonPages).toBe(0);
      yield* exitMm(mm);
      yield* client.unregister();
    });
    expectNothingLeaked(bench);
  });

  it('leaves alone what a client cannot give up at once, and tries again, in vain', () => {
    const bench = makeBench({ frames: 32 });
    let asked = 0;
    runTasks(bench, function* () {
      const mm = yield* newMm(bench.host);
      const base = (yield* mmapAnonymous(mm, 0, 64 * PAGE_SIZE, RW, 0)) as Hva;
      const stubborn = new MmuNotifier(1, {
        *invalidateRangeStart(_subscription, range) {
          if (range.blockable) return 0;
          asked++;
          return -Errno.EAGAIN;
        },
      });
      expect(yield* mmuNotifierRegister(stubborn, mm)).toBe(0);
      const { error } = yield* writeUntilRefused(mm, base, 64);
      expect(error).toBe(-Errno.ENOMEM);
      expect(mm.anonPages).toBeGreaterThan(0);
      yield* exitMm(mm);
      yield* mmuNotifierUnregister(stubborn, mm);
    });
    bench.sched.run(() => bench.sched.nextEventTime === Number.POSITIVE_INFINITY);
    expect(asked).toBeGreaterThan(0);
    expectNothingLeaked(bench);
  });
});
