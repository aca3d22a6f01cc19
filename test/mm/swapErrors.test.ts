// A swap device that fails: a write error costs memory and nothing else, a read error hits only who needs the page.

import { describe, expect, it } from 'vitest';
import { isPresent } from '../../src/hw/sv39/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  getUserPage,
  MADV_PAGEOUT,
  MemorySwapDevice,
  type Mm,
  madvise,
  mmapAnonymous,
  munmap,
  PROT_READ,
  PROT_WRITE,
  type SwapDevice,
  type SwapRequest,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { tryToFreePages } from '../../src/mm/reclaim/directReclaim.ts';
import type { Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { type Bench, expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const PAGES = 8;
const ENOSPC = 28;

/** Fails what `fails` says, with its errno; a failed read leaves garbage behind. */
class FailingDevice implements SwapDevice {
  readonly slots = 65;
  readonly #inner = new MemorySwapDevice(65);
  fails: (request: SwapRequest) => number = () => 0;

  submit(request: SwapRequest): void {
    const errno = this.fails(request);
    if (errno === 0) {
      this.#inner.submit(request);
      return;
    }
    if (!request.write) request.memory.fill(0xee);
    request.done(errno);
  }
}

interface Scene {
  readonly bench: Bench;
  readonly device: FailingDevice;
  readonly mm: Mm;
  readonly base: Hva;
}

/** Pages 0 to 7 hold 1 to 8. */
function play(act: (scene: Scene) => Steps): void {
  const device = new FailingDevice();
  const bench = makeBench({ frames: 64, device });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    const base = (yield* mmapAnonymous(mm, 0, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, 0)) as Hva;
    for (let i = 0; i < PAGES; i++) yield* copyToUser(mm, 0, pageAt(base, i), Uint8Array.of(i + 1));
    yield* act({ bench, device, mm, base });
    yield* exitMm(mm);
  });
  expectNothingLeaked(bench);
}

/** Swaps all pages out and, where the device lets it, out of the swap cache too. */
function* evict({ bench: { host }, mm, base }: Scene): Steps {
  yield* madvise(mm, base, PAGES * PAGE_SIZE, MADV_PAGEOUT);
  while (host.throttle.writebackInFlight > 0) yield* host.throttle.waitForWriteback();
  // Twice: what the first round finds used goes to the active list, which the second one turns to.
  for (let round = 0; round < 2; round++) while ((yield* tryToFreePages(host, 0)) > 0);
}

function* read({ mm, base }: Scene, page: number): Steps<number> {
  const into = new Uint8Array(1);
  const error = yield* copyFromUser(mm, 0, pageAt(base, page), into);
  return error !== 0 ? error : into[0]!;
}

describe('a read error', () => {
  it('is -EIO for who faults, names slot and errno, and hits nobody else', () => {
    play(function* (scene) {
      const { bench, device, mm, base } = scene;
      yield* evict(scene);
      const slot = inspectPte(mm, pageAt(base, 3)) >>> 11;
      device.fails = (request) => (!request.write && request.slot === slot ? Errno.ENXIO : 0);
      for (let i = 0; i < PAGES; i++) expect(yield* read(scene, i)).toBe(i === 3 ? -Errno.EIO : i + 1);
      expect(mm.swapError).toEqual({ slot, errno: Errno.ENXIO });
      expect(yield* getUserPage(mm, pageAt(base, 3), true)).toBe(-Errno.EIO);
      expect(isPresent(inspectPte(mm, pageAt(base, 3)))).toBe(false);
      const errors = [...bench.ring.records()].filter(({ event }) => event === 'swap_io_error');
      expect(errors.map(({ fields }) => fields)).toContainEqual({ slot, write: 0, errno: Errno.ENXIO });
    });
  });

  it('is forgotten with the page', () => {
    play(function* (scene) {
      const { device, mm, base } = scene;
      yield* evict(scene);
      device.fails = ({ write }) => (write ? 0 : Errno.EIO);
      expect(yield* read(scene, 0)).toBe(-Errno.EIO);
      yield* munmap(mm, base, PAGE_SIZE);
      device.fails = () => 0;
      expect(yield* mmapAnonymous(mm, base, PAGE_SIZE, PROT_READ | PROT_WRITE, 0x10)).toBe(base);
      expect(yield* read(scene, 0)).toBe(0);
      for (let i = 1; i < PAGES; i++) expect(yield* read(scene, i)).toBe(i + 1);
    });
  });
});

describe('a write error', () => {
  it('keeps the page in memory, dirty, until a later write succeeds', () => {
    play(function* (scene) {
      const { bench, device } = scene;
      device.fails = ({ write }) => (write ? ENOSPC : 0);
      yield* evict(scene);
      expect(bench.host.vmstat.pgsteal_anon).toBe(0);
      expect(bench.host.vmstat.pswpout).toBeGreaterThanOrEqual(PAGES);
      for (let i = 0; i < PAGES; i++) expect(yield* read(scene, i)).toBe(i + 1);
      expect(bench.host.vmstat.pswpin).toBe(0);
      device.fails = () => 0;
      yield* evict(scene);
      for (let i = 0; i < PAGES; i++) expect(yield* read(scene, i)).toBe(i + 1);
      expect(bench.host.vmstat.pswpin).toBe(PAGES);
    });
  });
});
