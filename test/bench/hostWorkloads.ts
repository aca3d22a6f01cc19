// What processes make a host do, with no notifier registered: faults and unmapping, fork and copy on write, reclaim.
//
// notifierSites.ts bundles this file with the sources as they are and without the notifiers' sites. A workload keeps its
// process, and does the same work each time that it is called.

import { createHost } from '../../src/machine.ts';
import {
  exitMm,
  fork,
  type Host,
  MADV_PAGEOUT,
  MemorySwapDevice,
  type Mm,
  madvise,
  mmapAnonymous,
  munmap,
  PROT_READ,
  PROT_WRITE,
  userStore8,
} from '../../src/mm/index.ts';
import type { Steps } from '../../src/sched/index.ts';
import { bug, type Hva, PAGE_SIZE } from '../../src/units.ts';

const MIB = 2 ** 20;
const RW = PROT_READ | PROT_WRITE;
/** Few, so that a run is a millisecond or two, which the computer's other business spares more often than not. */
const PAGES = 96;

function run(host: Host, body: Steps): void {
  const task = host.sched.spawn('workload', body);
  host.sched.run(() => task.state === 'done');
  if (task.state !== 'done') bug('a workload did not end');
}

function* touch(mm: Mm, base: Hva, pages: number, byte: number): Steps {
  for (let page = 0; page < pages; page++) {
    const result = yield* userStore8(mm, 0, (base + page * PAGE_SIZE) as Hva, byte);
    if (result !== 0) bug('a store failed', { result });
  }
}

function makeProcess(hostRamBytes: number): { readonly host: Host; readonly mm: Mm } {
  const host = createHost({ hostRamBytes, swap: new MemorySwapDevice(64 * PAGES), cpus: 1, seed: 1 });
  let made: Mm | null = null;
  run(
    host,
    (function* () {
      made = yield* host.createMm();
    })(),
  );
  return { host, mm: made ?? bug('no mm') };
}

function* mapped(mm: Mm): Steps<Hva> {
  return (yield* mmapAnonymous(mm, 0, PAGES * PAGE_SIZE, RW, 0)) as Hva;
}

function* faultAndUnmap(mm: Mm): Steps {
  const base = yield* mapped(mm);
  yield* touch(mm, base, PAGES, 1);
  yield* munmap(mm, base, PAGES * PAGE_SIZE);
}

function* forkAndCopy(mm: Mm): Steps {
  const base = yield* mapped(mm);
  yield* touch(mm, base, PAGES, 1);
  const child = yield* fork(mm);
  if (typeof child === 'number') bug('fork failed', { error: child });
  yield* touch(mm, base, PAGES, 2);
  yield* exitMm(child);
  yield* munmap(mm, base, PAGES * PAGE_SIZE);
}

function* reclaimAndBack(mm: Mm): Steps {
  const base = yield* mapped(mm);
  yield* touch(mm, base, PAGES, 1);
  yield* madvise(mm, base, PAGES * PAGE_SIZE, MADV_PAGEOUT);
  yield* touch(mm, base, PAGES, 2);
  yield* munmap(mm, base, PAGES * PAGE_SIZE);
}

/** By name: makes one, to be called again and again. */
export const WORKLOADS: Readonly<Record<string, () => () => void>> = {
  'fault and unmap': () => repeatable(4 * MIB, faultAndUnmap),
  'fork and copy': () => repeatable(4 * MIB, forkAndCopy),
  'reclaim by advice': () => repeatable(4 * MIB, reclaimAndBack),
  'reclaim by need': () => repeatable(MIB / 4, faultAndUnmap),
};

function repeatable(hostRamBytes: number, body: (mm: Mm) => Steps): () => void {
  const { host, mm } = makeProcess(hostRamBytes);
  return () => run(host, body(mm));
}
