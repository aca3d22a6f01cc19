// Devices with MMUs of their own beside the CPU: one that mirrors by an interval notifier, one that walks the process's
// tables itself.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HmmMirror, SvaDevice, svaSynchronize } from '../../src/drivers/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  hmmRangeFault,
  MADV_PAGEOUT,
  type Mm,
  madvise,
  mmapAnonymous,
  mprotect,
  munmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/mm/index.ts';
import { MmuIntervalNotifier, MmuNotifier, mmuNotifierRegister } from '../../src/notifier/index.ts';
import { Oracle } from '../../src/oracle/index.ts';
import { randomPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { type Bench, expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from '../mm/support.ts';
import { devicesProperty } from './devices.ts';

const RW = PROT_READ | PROT_WRITE;

/** A process with four pages, of which page i holds i + 1, and a host that forgets nothing. */
function withProcess(body: (mm: Mm, base: Hva, bench: Bench) => Steps): void {
  const bench = makeBench({ frames: 64, swapSlots: 64 });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    const base = (yield* mmapAnonymous(mm, 0, 4 * PAGE_SIZE, RW, 0)) as Hva;
    for (let i = 0; i < 4; i++) yield* store(mm, pageAt(base, i), i + 1);
    yield* body(mm, base, bench);
  });
  expectNothingLeaked(bench);
}

function* store(mm: Mm, address: Hva, byte: number): Steps {
  expect(yield* copyToUser(mm, 0, address, Uint8Array.of(byte))).toBe(0);
}

function* load(mm: Mm, address: Hva): Steps<number> {
  const into = new Uint8Array(1);
  expect(yield* copyFromUser(mm, 0, address, into)).toBe(0);
  return into[0]!;
}

const pageout = (mm: Mm, base: Hva): Steps<number> => madvise(mm, base, 4 * PAGE_SIZE, MADV_PAGEOUT);

describe.each([1, 2] as const)('a mirror that invalidates in %i passes', (passes) => {
  it('reads what the process wrote, and writes what it reads, across a swap-out', () => {
    withProcess(function* (mm, base) {
      const mirror = new HmmMirror(mm, passes);
      expect(yield* mirror.open(base, 4 * PAGE_SIZE)).toBe(0);
      expect(yield* mirror.read(pageAt(base, 2))).toBe(3);
      expect(yield* mirror.write(pageAt(base, 1), 77)).toBe(0);
      expect([...mirror.entries()].length).toBeGreaterThan(0);
      expect(yield* pageout(mm, base)).toBe(0);
      expect([[...mirror.entries()], mm.swapEntries]).toEqual([[], 4]);
      expect(yield* load(mm, pageAt(base, 1))).toBe(77);
      expect(yield* mirror.read(pageAt(base, 3))).toBe(4);
      // Clean, with its slot, and writable: only the device knows that it was written.
      expect(yield* mirror.write(pageAt(base, 1), 55)).toBe(0);
      expect(yield* pageout(mm, base)).toBe(0);
      expect(yield* load(mm, pageAt(base, 1))).toBe(55);
      yield* mirror.close();
      yield* exitMm(mm);
    });
  });

  it('is told of what happens to its range only', () => {
    withProcess(function* (mm, base) {
      const mirror = new HmmMirror(mm, passes);
      expect(yield* mirror.open(pageAt(base, 1), PAGE_SIZE)).toBe(0);
      expect(yield* madvise(mm, base, PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect(mirror.invalidations).toBe(0);
      expect(yield* madvise(mm, pageAt(base, 1), PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect(mirror.invalidations).toBe(1);
      yield* mirror.close();
      yield* exitMm(mm);
    });
  });

  it('gets -EFAULT where the process has no page or may not, and after exit', () => {
    withProcess(function* (mm, base) {
      const mirror = new HmmMirror(mm, passes);
      expect(yield* mirror.open(base, 4 * PAGE_SIZE)).toBe(0);
      expect(yield* munmap(mm, base, PAGE_SIZE)).toBe(0);
      expect(yield* mirror.read(base)).toBe(-Errno.EFAULT);
      expect(yield* mprotect(mm, pageAt(base, 1), PAGE_SIZE, PROT_READ)).toBe(0);
      expect(yield* mirror.write(pageAt(base, 1), 1)).toBe(-Errno.EFAULT);
      expect(yield* mirror.read(pageAt(base, 1))).toBe(2);
      yield* exitMm(mm);
      expect(yield* mirror.read(pageAt(base, 1))).toBe(-Errno.EFAULT);
      yield* mirror.close();
    });
  });
});

describe('a look-up that an invalidation overtakes', () => {
  /** One page: the device and the process write and read it in turn while the host takes it away. */
  function play(seed: number): string[] {
    const bench = makeBench({ frames: 64, swapSlots: 64, policy: randomPolicy(seed) });
    const oracle = new Oracle(bench.host);
    let mirror: HmmMirror;
    let base: Hva;
    let mm: Mm;
    runTasks(bench, function* () {
      mm = yield* newMm(bench.host);
      base = (yield* mmapAnonymous(mm, 0, PAGE_SIZE, RW, 0)) as Hva;
      yield* store(mm, base, 1);
      mirror = new HmmMirror(mm, seed % 2 === 0 ? 1 : 2);
      expect(yield* mirror.open(base, PAGE_SIZE)).toBe(0);
      oracle.watch(mirror, 'mirror');
    });
    bench.onStep = () => oracle.checkDevices();
    const device = function* (): Steps {
      for (let i = 0; i < 3; i++) expect(yield* mirror.read(base)).toBe(1);
    };
    const host = function* (): Steps {
      for (let i = 0; i < 3; i++) expect(yield* madvise(mm, base, PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    };
    runTasks(bench, device, host);
    runTasks(bench, function* () {
      yield* mirror.close();
      yield* exitMm(mm);
    });
    return oracle.violations.map(({ invariant }) => invariant);
  }

  it('is never installed', () => {
    for (let seed = 0; seed < 60; seed++) expect({ seed, broken: play(seed) }).toEqual({ seed, broken: [] });
  });
});

describe('hmm_range_fault', () => {
  it('answers -EBUSY once the range was invalidated since read_begin', () => {
    withProcess(function* (mm, base) {
      const notifier = new MmuIntervalNotifier(1, {});
      const range = { mm, notifier, notifierSeq: 1, start: base, end: pageAt(base, 4), write: false };
      yield* mm.mmapLock.lockRead();
      expect(yield* hmmRangeFault({ ...range, pfns: [] })).toBe(-Errno.EBUSY);
      const pfns: never[] = [];
      expect(yield* hmmRangeFault({ ...range, notifierSeq: 0, pfns })).toBe(0);
      expect(pfns).toHaveLength(4);
      yield* mm.mmapLock.unlock();
      yield* exitMm(mm);
    });
  });
});

describe('a device that shares the tables', () => {
  it('sets A and D as a CPU does, so that nothing it wrote is lost', () => {
    withProcess(function* (mm, base) {
      const device = new SvaDevice(mm);
      expect(yield* device.bind()).toBe(0);
      expect(yield* pageout(mm, base)).toBe(0);
      expect(yield* device.write(base, 99)).toBe(0);
      expect(yield* pageout(mm, base)).toBe(0);
      expect([...device.entries()]).toEqual([]);
      expect(yield* device.read(base)).toBe(99);
      yield* device.unbind();
      yield* exitMm(mm);
    });
  });

  it('has a subscription for the TLB alone, which all of a process share; with ranges it is refused', () => {
    withProcess(function* (mm) {
      const devices = [new SvaDevice(mm), new SvaDevice(mm)];
      for (const device of devices) expect(yield* device.bind()).toBe(0);
      const { lock } = mm.notifierSubscriptions!;
      yield* lock.lock();
      expect(mm.notifierSubscriptions!.list.map(({ users }) => users)).toEqual([2]);
      yield* lock.unlock();
      const both = new MmuNotifier(9, {
        *invalidateRangeStart() {
          return 0;
        },
        *archInvalidateSecondaryTlbs() {},
      });
      expect(yield* mmuNotifierRegister(both, mm)).toBe(-Errno.EINVAL);
      for (const device of devices) yield* device.unbind();
      yield* svaSynchronize(mm);
      expect(mm.mmCount).toBe(1);
      yield* exitMm(mm);
    });
  });

  it('stops walking when the process exits, before its tables go', () => {
    withProcess(function* (mm, base) {
      const device = new SvaDevice(mm);
      expect(yield* device.bind()).toBe(0);
      expect(yield* device.read(base)).toBe(1);
      yield* exitMm(mm);
      expect(yield* device.read(base)).toBe(-Errno.EFAULT);
      yield* device.unbind();
    });
  });
});

describe('the oracle', () => {
  it('sees a device that was not flushed', () => {
    withProcess(function* (mm, base, { host }) {
      const oracle = new Oracle(host);
      const device = new SvaDevice(mm);
      expect(yield* device.bind()).toBe(0);
      oracle.watch(device, 'the device');
      expect(yield* device.read(base)).toBe(1);
      oracle.checkDevices();
      expect(oracle.violations).toEqual([]);
      device.flush = function* () {};
      expect(yield* munmap(mm, base, PAGE_SIZE)).toBe(0);
      oracle.checkDevices();
      expect(oracle.violations[0]).toMatchObject({ invariant: 'I1' });
      oracle.watch(device, null);
      yield* device.unbind();
      yield* exitMm(mm);
    });
  });
});

describe('CPUs and devices that use the same memory while the host swaps', () => {
  it('find what was written last, by whomever', () => {
    fc.assert(devicesProperty(40), { numRuns: 15 });
  });
});
