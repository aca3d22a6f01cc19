// One code base for running and for exploring: with the points on, the schedule that never pre-empts is run mode itself,
// event for event, on a whole machine whose guest is swapped out under its feet.

import { describe, expect, it } from 'vitest';
import { MADV_DONTNEED, MADV_PAGEOUT, madvise, readVmstat } from '../../src/mm/index.ts';
import { type Policy, Random, RESCHED, runPolicy, type Steps } from '../../src/sched/index.ts';
import { TraceRing } from '../../src/trace/index.ts';
import { decodeRecord, RECORD_WORDS } from '../../src/trace/ring.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { GuestHart, PHYSICAL, SUPERVISOR } from '../support/guestHart.ts';
import { entryFor, KERNEL_PAGE, leafEntry, linkTables } from '../support/guestTables.ts';
import { withoutPreemption } from '../support/tasks.ts';
import { RAM, TestVm } from '../support/testVm.ts';

const RAM_PAGES = 96;
const FRAMES = 80;
const TABLES = { root: RAM + PAGE_SIZE, middle: RAM + 2 * PAGE_SIZE, leaf: RAM + 3 * PAGE_SIZE };
const FIRST_DATA = 4;
const ACCESSES = 120;

/** A hart that loads and stores all over RAM; through tables, which are swapped out too, if `paged`. */
function* accesses(vm: TestVm, index: number, paged: boolean): Steps {
  const hart = new GuestHart(vm.kvm.vcpus[index]!);
  const random = new Random(index + 1);
  yield* hart.reset();
  if (paged) yield* hart.satp(TABLES.root);
  for (let i = 0; i < ACCESSES; i++) {
    const page = FIRST_DATA + random.below(RAM_PAGES - FIRST_DATA);
    const address = (paged ? 0 : RAM) + page * PAGE_SIZE + 8 * random.below(PAGE_SIZE / 8);
    const mode = paged ? SUPERVISOR : PHYSICAL;
    if (random.below(2) === 0) yield* hart.store(address, i, mode);
    else yield* hart.load(address, mode);
    if (paged && i % 16 === 15) yield* hart.fence();
  }
}

/** Virtual page n is page n of RAM. */
function* makeTables(vm: TestVm): Steps {
  const write = (gpa: number, entry: bigint): Steps => vm.write64(gpa, entry);
  for (const table of Object.values(TABLES)) yield* vm.write(table, new Uint8Array(PAGE_SIZE));
  yield* linkTables(write, TABLES, 0);
  for (let page = FIRST_DATA; page < RAM_PAGES; page++)
    yield* write(leafEntry(TABLES, page * PAGE_SIZE), entryFor(RAM + page * PAGE_SIZE, KERNEL_PAGE));
}

/** The process takes pages away while the guest runs. */
function* advise(vm: TestVm): Steps {
  for (let i = 0; i < 12; i++) {
    const page = FIRST_DATA + 7 * i;
    const advice = i % 3 === 0 ? MADV_DONTNEED : MADV_PAGEOUT;
    yield* madvise(vm.mm, vm.hvaOf(RAM + page * PAGE_SIZE), 4 * PAGE_SIZE, advice);
    yield RESCHED;
  }
}

interface Run {
  /** Every event from the first on, with its time and its task. */
  readonly trace: readonly string[];
  readonly steps: number;
  readonly time: number;
  readonly vmstat: Readonly<Record<string, number>>;
  readonly kvm: object;
}

function run(policy: Policy, mmu: 'shadow' | 'tdp'): Run {
  const trace: string[] = [];
  const ring = new TraceRing(256, (words) => {
    for (let at = 0; at < words.length; at += RECORD_WORDS)
      trace.push(JSON.stringify(decodeRecord(words, at)));
  });
  const vm = new TestVm({
    policy,
    mmu,
    harts: 2,
    frames: FRAMES,
    ramPages: RAM_PAGES,
    swapSlots: 256,
    checkEvery: Number.POSITIVE_INFINITY,
  });
  vm.trace.attachRing(ring);
  vm.run({ tables: () => makeTables(vm) });
  vm.run({
    'vcpu/0': () => accesses(vm, 0, false),
    'vcpu/1': () => accesses(vm, 1, true),
    advise: () => advise(vm),
  });
  const { kvm } = vm;
  vm.finish();
  ring.flush();
  const { steps, now: time } = vm.sched;
  return { trace, steps, time, vmstat: readVmstat(vm.host), kvm: kvm.stats };
}

const firstDifference = (a: readonly string[], b: readonly string[]) => {
  const at = a.findIndex((event, i) => event !== b[i]);
  return at < 0 && a.length === b.length ? null : { at, before: a.slice(at - 3, at), a: a[at], b: b[at] };
};

describe.each(['shadow', 'tdp'] as const)('the schedule that never pre-empts, under %s', (mmu) => {
  it.each([1, 2, 3])('has the trace of run mode, seed %i', (seed) => {
    const running = run(runPolicy(seed), mmu);
    const exploring = run(withoutPreemption(seed), mmu);
    expect(firstDifference(running.trace, exploring.trace)).toBeNull();
    expect({ ...exploring, steps: running.steps }).toEqual(running);
    // It stopped at points, and the guest was swapped.
    expect(exploring.steps).toBeGreaterThan(10 * running.steps);
    expect(running.vmstat.pswpout).toBeGreaterThan(50);
    expect(running.vmstat.pswpin).toBeGreaterThan(50);
  });
});
