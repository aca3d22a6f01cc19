// A small host to test the memory manager on: build it, run tasks on it to their end, check that nothing leaked.

import { expect } from 'vitest';
import { PhysicalMemory } from '../../src/hw/memory/index.ts';
import {
  Host,
  MemorySwapDevice,
  type Mm,
  readVmstat,
  reclaimSwapCache,
  type SwapDevice,
} from '../../src/mm/index.ts';
import { FrameKind, forEachPte, isPresentPte } from '../../src/mm/internals.ts';
import { normalPfn } from '../../src/mm/pagetable/pte.ts';
import { LRU_TYPES } from '../../src/mm/reclaim/lru.ts';
import { shrinkHugeZeroFolio } from '../../src/mm/thp/hugeZero.ts';
import { type Policy, runPolicy, Scheduler, type Steps } from '../../src/sched/index.ts';
import { Trace, TraceRing } from '../../src/trace/index.ts';
import { bug, type Hva, PAGE_SIZE } from '../../src/units.ts';

/** More steps than any test needs. */
const MAX_STEPS = 20_000_000;

export interface BenchOptions {
  readonly frames: number;
  /** Usable slots; 0 for a host without swap. */
  readonly swapSlots?: number;
  readonly device?: SwapDevice;
  readonly cpus?: number;
  readonly policy?: Policy;
}

export interface Bench {
  readonly host: Host;
  readonly sched: Scheduler;
  readonly trace: Trace;
  readonly ring: TraceRing;
  /** Called between two steps of runTasks(). */
  onStep?: () => void;
}

export function makeBench({ frames, swapSlots = 0, device, cpus = 2, policy }: BenchOptions): Bench {
  const memory = new PhysicalMemory({ frames, deviceBytes: 4096 });
  const sched = new Scheduler(policy ?? runPolicy());
  const trace = new Trace(sched);
  const ring = new TraceRing(1 << 14);
  trace.attachRing(ring);
  const swap = device ?? (swapSlots > 0 ? new MemorySwapDevice(swapSlots + 1) : null);
  const host = new Host({ memory, sched, trace: trace.points, swap, cpus });
  host.start();
  return { host, sched, trace, ring };
}

/** Runs the bodies, one task each, until all have ended. */
export function runTasks(bench: Bench, ...bodies: (() => Steps)[]): void {
  const { sched } = bench;
  let running = bodies.length;
  bodies.forEach((body, index) => {
    sched.spawn(
      `test/${index}`,
      (function* () {
        yield* body();
        running--;
      })(),
    );
  });
  const limit = sched.steps + MAX_STEPS;
  const idle = sched.run(() => {
    bench.onStep?.();
    return running === 0 || sched.steps > limit;
  });
  if (running > 0 && idle === 'idle') {
    const blocked = sched.describeBlocked().join('; ');
    throw new Error(`livelock: a test takes for ever. ${blocked}`);
  }
  if (idle !== 'idle') {
    const waiting = sched.tasks.map((task) => `${task.name}: ${task.waitingFor}`);
    throw new Error(`deadlock: ${waiting.join('; ')}`);
  }
}

/** Lets the host's own threads finish what they are at: I/O, reclaim. */
export function settle({ sched, host }: Bench): void {
  sched.run(
    () =>
      host.throttle.writebackInFlight === 0 &&
      sched.nextEventTime === Number.POSITIVE_INFINITY &&
      sched.tasks.every((task) => task.state === 'blocked'),
  );
}

export function* newMm(host: Host): Steps<Mm> {
  return (yield* host.createMm()) ?? bug('no memory for an mm');
}

export const pageAt = (base: number, page: number): Hva => (base + page * PAGE_SIZE) as Hva;

/** What /proc/vmstat says of pages in use. */
const SIZES = [
  'nr_anon_pages',
  'nr_mapped',
  'nr_file_pages',
  'nr_dirty',
  'nr_shmem',
  'nr_writeback',
  'nr_mlock',
  'nr_unevictable',
  'nr_page_table_pages',
  'nr_sec_page_table_pages',
];

/** Every frame, slot, reference and counter is back where it was before anything ran. */
export function expectNothingLeaked(bench: Bench): void {
  const { host } = bench;
  runTasks(bench, function* () {
    yield* reclaimSwapCache(host);
    yield* shrinkHugeZeroFolio(host);
  });
  settle(bench);
  const { frames } = host;
  for (let pfn = frames.firstPfn; pfn < frames.endPfn; pfn++) {
    const expected = pfn === host.zeroPfn ? FrameKind.zeroPage : FrameKind.free;
    expect({ pfn, kind: frames.kind[pfn], mapcount: frames.mapcount[pfn] }).toEqual({
      pfn,
      kind: expected,
      mapcount: 0,
    });
    expect(frames.refcount[pfn]).toBe(pfn === host.zeroPfn ? 1 : 0);
  }
  expect(host.zone.freePages).toBe(host.zone.managedPages);
  expect(host.mms).toEqual([]);
  expect(host.anonVmas.byId.size).toBe(0);
  expect(host.addressSpaces.byId.size).toBe(0);
  for (const type of LRU_TYPES) {
    const { lruvec, nrIsolated } = host;
    expect([lruvec.inactive(type), lruvec.active(type), nrIsolated[type]]).toEqual([0, 0, 0]);
  }
  const vmstat = readVmstat(host);
  for (const name of SIZES) expect({ name, pages: vmstat[name] }).toEqual({ name, pages: 0 });
  expect(host.swap?.freeSlots ?? 0).toBe(host.swap?.totalSlots ?? 0);
  expect(host.swap?.cachedPages ?? 0).toBe(0);
}

/** What is mapped, counted and referenced agrees, once the host has finished what it is at. */
export function expectBalanced(bench: Bench): void {
  settle(bench);
  const { host } = bench;
  const mapped = new Map<number, number>();
  const swapped = new Map<number, number>();
  for (const mm of host.mms) {
    let present = 0;
    let swapEntries = 0;
    forEachPte(mm, (_address, pte) => {
      if (!isPresentPte(pte)) {
        swapEntries++;
        swapped.set(pte >>> 11, (swapped.get(pte >>> 11) ?? 0) + 1);
        return;
      }
      // Zeros are counted by nobody.
      const pfn = normalPfn(pte);
      if (pfn === 0) return;
      present++;
      mapped.set(pfn, (mapped.get(pfn) ?? 0) + 1);
    });
    const counted = mm.anonPages + mm.filePages + mm.shmemPages;
    expect({ present, swapEntries }).toEqual({ present: counted, swapEntries: mm.swapEntries });
  }
  const { frames } = host;
  for (let pfn = frames.firstPfn; pfn < frames.endPfn; pfn++) {
    const mapcount = frames.pageMapcount(pfn);
    expect({ pfn, mapcount }).toEqual({ pfn, mapcount: mapped.get(pfn) ?? 0 });
  }
  for (const { index, tlb } of host.cpus) {
    for (const { pfn } of tlb.entries())
      expect({ cpu: index, pfn, kind: frames.kind[pfn] }).not.toMatchObject({ kind: FrameKind.free });
  }
  for (const [slot, count] of swapped) expect(host.swap?.inspect(slot as never).count).toBe(count);
}

export const traceOf = ({ ring }: Bench): unknown[] => [...ring.records()];
