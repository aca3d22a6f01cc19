// Memory cgroups: what is charged to whom, that a limit is kept by those who have it and felt by nobody else, and what is
// promised to a cgroup when the host itself is short.

import { describe, expect, it } from 'vitest';
import { isPresent, ptePfn } from '../../src/hw/sv39/index.ts';
import {
  exitMm,
  fileRead,
  fork,
  fput,
  type Host,
  MADV_COLLAPSE,
  MAP_FIXED,
  type MemCgroup,
  type Mm,
  madvise,
  memoryHighWrite,
  memoryMaxWrite,
  memoryReclaimWrite,
  mmapAnonymous,
  munmap,
  PROT_READ,
  PROT_WRITE,
  readMemCgroup,
  shrinkAllMemory,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { folioMemcg } from '../../src/mm/memcg/memcontrol.ts';
import { scheduleTimeout } from '../../src/mm/timeout.ts';
import { checkCharges } from '../../src/oracle/hostCheck.ts';
import { type Policy, randomPolicy, runPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { load, mapFile, memfd, playFiles, store } from './fileScene.ts';
import {
  type Bench,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
} from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const HOST = { frames: 256, swapSlots: 256 };
const HUGE = 2 ** 21;
const HUGE_BASE = 0x4000_0000 as Hva;

/** A cgroup that may have `max` pages. */
function makeGroup(host: Host, max: number, name = 'test'): MemCgroup {
  const memcg = host.memcgs.create(name);
  if (typeof memcg === 'number') throw new Error(`no cgroup: ${memcg}`);
  memcg.memory.max = max;
  return memcg;
}

function* newMmIn(host: Host, memcg: MemCgroup | null): Steps<Mm> {
  const mm = yield* newMm(host);
  mm.memcg = memcg;
  return mm;
}

function* mapPages(mm: Mm, pages: number): Steps<Hva> {
  return (yield* mmapAnonymous(mm, 0, pages * PAGE_SIZE, RW, 0)) as Hva;
}

function* fill(mm: Mm, base: Hva, pages: number, value = 1): Steps {
  for (let i = 0; i < pages; i++) expect(yield* store(mm, base, i, (value + i) & 255)).toBe(0);
}

function* expectFilled(mm: Mm, base: Hva, pages: number, value = 1): Steps {
  for (let i = 0; i < pages; i++) expect(yield* load(mm, base, i)).toBe((value + i) & 255);
}

const residentPages = (mm: Mm, base: Hva, pages: number): number =>
  Array.from({ length: pages }, (_, i) => inspectPte(mm, pageAt(base, i))).filter(isPresent).length;

function expectCharged({ host }: Bench): void {
  const found: string[] = [];
  checkCharges(host, (_invariant, message) => found.push(message));
  expect(found).toEqual([]);
}

/** After each step: no more is charged than may be. */
function keepLimit(bench: Bench, { memory }: MemCgroup): void {
  bench.onStep = () => {
    if (memory.usage > memory.max) throw new Error(`${memory.usage} of ${memory.max} pages are charged`);
  };
}

/** As expectNothingLeaked(), and nobody is charged for anything. */
function expectNothingCharged(bench: Bench): void {
  expectNothingLeaked(bench);
  for (const { memory, swap } of bench.host.memcgs.all) expect([memory.usage, swap.usage]).toEqual([0, 0]);
}

describe.each<[string, () => Policy]>([
  ['run to completion', runPolicy],
  ['random interleaving', () => randomPolicy(5)],
])('%s', (_name, policy) => {
  it('memory.max: who has it swaps within it, the other on the host keeps every page', () => {
    const bench = makeBench({ ...HOST, policy: policy() });
    const { host } = bench;
    const memcg = makeGroup(host, 24);
    keepLimit(bench, memcg);
    const done = { outside: false };
    runTasks(
      bench,
      function* () {
        const mm = yield* newMmIn(host, memcg);
        const base = yield* mapPages(mm, 80);
        yield* fill(mm, base, 80);
        yield* expectFilled(mm, base, 80);
        expectCharged(bench);
        expect(residentPages(mm, base, 80)).toBeLessThanOrEqual(24);
        const reading = readMemCgroup(memcg);
        expect([reading['memory.peak'], reading.oom, reading.oom_kill]).toEqual([24, 0, 0]);
        expect(reading['memory.swap.current']).toBeGreaterThanOrEqual(56);
        expect(reading.max).toBeGreaterThan(0);
        expect(reading.pgfault).toBeGreaterThanOrEqual(160 - 24);
        expect(reading.pgmajfault).toBeGreaterThan(0);
        expect(reading.pgsteal).toBeGreaterThanOrEqual(56);
        yield* exitMm(mm);
        done.outside = true;
      },
      function* () {
        const mm = yield* newMmIn(host, null);
        const base = yield* mapPages(mm, 60);
        yield* fill(mm, base, 60, 100);
        while (!done.outside) {
          yield* expectFilled(mm, base, 60, 100);
          expect(residentPages(mm, base, 60)).toBe(60);
          yield* scheduleTimeout(host.sched, 10_000);
        }
        yield* exitMm(mm);
      },
    );
    // Nobody but the cgroup reclaimed, and of nobody else.
    const { pgscan_direct, pgscan_kswapd, allocstall_normal } = host.vmstat;
    expect([pgscan_direct, pgscan_kswapd, allocstall_normal, host.lruvec.stat.pgscan]).toEqual([0, 0, 0, 0]);
    expectNothingCharged(bench);
  });

  it('without a slot left, the OOM killer takes the biggest of the cgroup, not of the host', () => {
    const bench = makeBench({ ...HOST, policy: policy() });
    const { host } = bench;
    const memcg = makeGroup(host, 32);
    memcg.swap.max = 8;
    runTasks(bench, function* () {
      const outside = yield* newMmIn(host, null);
      const [small, big] = [yield* newMmIn(host, memcg), yield* newMmIn(host, memcg)];
      const outsideBase = yield* mapPages(outside, 100);
      const [smallBase, bigBase] = [yield* mapPages(small, 20), yield* mapPages(big, 40)];
      yield* fill(outside, outsideBase, 100);
      yield* fill(big, bigBase, 30);
      yield* fill(small, smallBase, 20, 7);
      expect([outside.killed, small.killed, big.killed]).toEqual([false, false, true]);
      expect(memcg.events).toMatchObject({ oom: 1, oom_kill: 1 });
      expect(memcg.events.swap_max).toBeGreaterThan(0);
      expect(memcg.swap.peak).toBe(8);
      yield* expectFilled(small, smallBase, 20, 7);
      yield* expectFilled(outside, outsideBase, 100);
      expect(yield* store(big, bigBase, 39, 1)).toBe(-Errno.ENOMEM);
      for (const mm of [outside, small, big]) yield* exitMm(mm);
    });
    expectNothingCharged(bench);
  });

  it('threads at the limit charge no page twice, and lose none', () => {
    const bench = makeBench({ ...HOST, cpus: 3, policy: policy() });
    const { host } = bench;
    const memcg = makeGroup(host, 16);
    let mm!: Mm;
    let base!: Hva;
    runTasks(bench, function* () {
      mm = yield* newMmIn(host, memcg);
      base = yield* mapPages(mm, 48);
    });
    keepLimit(bench, memcg);
    const thread = (cpu: number) =>
      function* (): Steps {
        for (let round = 0; round < 3; round++)
          for (let i = cpu; i < 48; i += 3) {
            if (round > 0) expect(yield* load(mm, base, i, cpu)).toBe(i + round - 1);
            expect(yield* store(mm, base, i, i + round, cpu)).toBe(0);
          }
      };
    runTasks(bench, thread(0), thread(1), thread(2));
    expectCharged(bench);
    expectBalanced(bench);
    runTasks(bench, () => exitMm(mm));
    expectNothingCharged(bench);
  });
});

describe('who is charged', () => {
  it('is who touches a page of a file first, until its frame is freed', () => {
    playFiles(HOST, function* ({ host, file, mm, bench }) {
      const [first, second] = [makeGroup(host, 64, 'first'), makeGroup(host, 64, 'second')];
      mm.memcg = first;
      const other = yield* newMmIn(host, second);
      const base = yield* mapFile(mm, file, 8);
      for (let i = 0; i < 8; i++) expect(yield* load(mm, base, i)).toBe(i + 1);
      const charged = first.memory.usage;
      expect(charged).toBeGreaterThanOrEqual(8);
      const otherBase = yield* mapFile(other, file, 8);
      for (let i = 0; i < 8; i++) expect(yield* load(other, otherBase, i)).toBe(i + 1);
      expect([first.memory.usage, second.memory.usage]).toEqual([charged, 0]);
      expect(yield* munmap(mm, base, 8 * PAGE_SIZE)).toBe(0);
      expect(first.memory.usage).toBe(charged);
      // read(2) of nobody's: the root.
      expect(yield* fileRead(file, 0, new Uint8Array(16 * PAGE_SIZE))).toBe(16 * PAGE_SIZE);
      expect([first.memory.usage, second.memory.usage]).toEqual([charged, 0]);
      yield* exitMm(other);
      yield* memoryReclaimWrite(host, first, charged);
      expect(first.memory.usage).toBe(0);
      expectCharged(bench);
    });
  });

  it('of shmem alike; and of the slot, and of the page that comes back, who had it before', () => {
    playFiles(HOST, function* ({ host, mm, bench }) {
      const [first, second] = [makeGroup(host, 64, 'first'), makeGroup(host, 64, 'second')];
      const file = yield* memfd(host, 8);
      const other = yield* newMmIn(host, second);
      mm.memcg = first;
      const base = yield* mapFile(mm, file, 8);
      const otherBase = yield* mapFile(other, file, 8);
      yield* fill(mm, base, 8);
      expect(yield* memoryReclaimWrite(host, first, 8)).toBe(0);
      expect([first.memory.usage, first.swap.usage, second.memory.usage]).toEqual([0, 8, 0]);
      yield* expectFilled(other, otherBase, 8);
      expect([first.memory.usage, first.swap.usage, second.memory.usage]).toEqual([8, 0, 0]);
      expectCharged(bench);
      yield* exitMm(other);
      yield* fput(file);
    });
  });

  it('is a child like its parent, for its copies', () => {
    playFiles(HOST, function* ({ host, mm }) {
      mm.memcg = makeGroup(host, 64);
      const base = yield* mapPages(mm, 4);
      yield* fill(mm, base, 4);
      const child = (yield* fork(mm)) as Mm;
      expect(child.memcg).toBe(mm.memcg);
      expect(mm.memcg.memory.usage).toBe(4);
      yield* fill(child, base, 4, 50);
      expect(mm.memcg.memory.usage).toBe(8);
      yield* exitMm(child);
      expect(mm.memcg.memory.usage).toBe(4);
    });
  });

  it('is not the process that a page is shared with: its use does not keep the page in', () => {
    playFiles(HOST, function* ({ host, mm }) {
      const memcg = makeGroup(host, 64);
      const file = yield* memfd(host, 4);
      const outside = yield* newMmIn(host, null);
      mm.memcg = memcg;
      const base = yield* mapFile(mm, file, 4);
      const outsideBase = yield* mapFile(outside, file, 4);
      yield* fill(mm, base, 4);
      const pfn = ptePfn(inspectPte(mm, base));
      expect(folioMemcg(host, pfn)).toBe(memcg);
      expect(yield* munmap(mm, base, 4 * PAGE_SIZE)).toBe(0);
      yield* expectFilled(outside, outsideBase, 4);
      // Young in the other's tables, which are not asked: all go in one pass.
      expect(yield* memoryReclaimWrite(host, memcg, 4)).toBe(0);
      expect([memcg.memory.usage, memcg.lruvec.stat.pgactivate]).toEqual([0, 0]);
      yield* expectFilled(outside, outsideBase, 4);
      yield* exitMm(outside);
      yield* fput(file);
    });
  });
});

describe('the other limits', () => {
  it('memory.swap.max 0: what is anonymous stays, and what is of files goes', () => {
    playFiles(HOST, function* ({ host, mm, file }) {
      const memcg = makeGroup(host, 24);
      memcg.swap.max = 0;
      mm.memcg = memcg;
      const anon = yield* mapPages(mm, 16);
      const base = yield* mapFile(mm, file, 16);
      yield* fill(mm, anon, 16);
      for (let i = 0; i < 16; i++) expect(yield* load(mm, base, i)).toBe(i + 1);
      expect([residentPages(mm, anon, 16), memcg.swap.peak, memcg.events.oom]).toEqual([16, 0, 0]);
      expect(memcg.memory.peak).toBe(24);
    });
  });

  it('memory.high: reclaims, gives the page, and makes wait who does not stop', () => {
    playFiles(HOST, function* ({ host, mm, bench }) {
      const memcg = makeGroup(host, Number.POSITIVE_INFINITY);
      mm.memcg = memcg;
      yield* memoryHighWrite(host, memcg, 16);
      const base = yield* mapPages(mm, 64);
      yield* fill(mm, base, 64);
      expect(memcg.events).toMatchObject({ max: 0, oom: 0 });
      expect(memcg.events.high).toBeGreaterThan(0);
      expect(memcg.memory.peak).toBeLessThan(24);
      yield* expectFilled(mm, base, 64);
      // Nothing that could be reclaimed, but what has its slot: ever longer waits, but every page.
      memcg.swap.max = memcg.swap.usage;
      const more = yield* mapPages(mm, 64);
      const before = bench.sched.now;
      yield* fill(mm, more, 64);
      expect(memcg.memory.usage).toBeGreaterThanOrEqual(64);
      expect(bench.sched.now - before).toBeGreaterThan(1e9);
    });
  });

  it('memory.max written below what there is: reclaimed before it returns, or somebody is killed', () => {
    playFiles(HOST, function* ({ host, mm, bench }) {
      const memcg = makeGroup(host, 64);
      mm.memcg = memcg;
      const base = yield* mapPages(mm, 48);
      yield* fill(mm, base, 48);
      yield* memoryMaxWrite(host, memcg, 12);
      expect(memcg.memory.usage).toBeLessThanOrEqual(12);
      expect(memcg.events.oom_kill).toBe(0);
      expectCharged(bench);
      yield* expectFilled(mm, base, 48);
      // What is written to gives its slot back, and gets none again.
      memcg.swap.max = 0;
      yield* fill(mm, base, 12);
      yield* memoryMaxWrite(host, memcg, 2);
      expect([memcg.events.oom_kill, mm.killed]).toEqual([1, true]);
      expect(memcg.memory.usage).toBeLessThanOrEqual(2);
    });
  });

  it('memory.reclaim: so many pages, or -EAGAIN', () => {
    playFiles(HOST, function* ({ host, mm }) {
      const memcg = makeGroup(host, 64);
      mm.memcg = memcg;
      const base = yield* mapPages(mm, 20);
      yield* fill(mm, base, 20);
      expect(yield* memoryReclaimWrite(host, memcg, 8)).toBe(0);
      expect(memcg.memory.usage).toBeLessThanOrEqual(12);
      expect(yield* memoryReclaimWrite(host, memcg, 100)).toBe(-Errno.EAGAIN);
      expect(memcg.memory.usage).toBe(0);
      yield* expectFilled(mm, base, 20);
    });
  });

  it('memory.reclaim: takes little more than was asked for, a quarter of what is left at a time', () => {
    const bench = playFiles({ frames: 1200, swapSlots: 600 }, function* ({ host, mm }) {
      const memcg = makeGroup(host, Number.POSITIVE_INFINITY);
      mm.memcg = memcg;
      const base = yield* mapPages(mm, 500);
      yield* fill(mm, base, 500);
      expect(yield* memoryReclaimWrite(host, memcg, 400)).toBe(0);
      expect(memcg.memory.usage).toBeGreaterThanOrEqual(500 - 400 - host.swapClusterMax);
      expect(memcg.memory.usage).toBeLessThanOrEqual(100);
    });
    expectNothingCharged(bench);
  });

  it("who reclaims in his cgroup splits its huge pages that are mapped in part, and nobody else's", () => {
    const bench = playFiles({ frames: 2700, swapSlots: 64 }, function* ({ host }) {
      host.thp.enabled = 'always';
      const groups = [makeGroup(host, 1024), makeGroup(host, 1024, 'other'), null];
      const mms: Mm[] = [];
      for (const memcg of groups) {
        const process = yield* newMmIn(host, memcg);
        expect(yield* mmapAnonymous(process, HUGE_BASE, HUGE, RW, MAP_FIXED)).toBe(HUGE_BASE);
        // What holds zeros would come free as well.
        for (let page = 0; page < 512; page++) expect(yield* store(process, HUGE_BASE, page, 1)).toBe(0);
        expect(yield* munmap(process, pageAt(HUGE_BASE, 1), 100 * PAGE_SIZE)).toBe(0);
        mms.push(process);
      }
      const usage = (): number[] => groups.map((memcg) => memcg?.memory.usage ?? 0);
      expect([usage(), host.frames.large.deferredSplit.size]).toEqual([[512, 512, 0], 3]);
      const own = groups[0]!;
      // One folio is too little for who hardly presses.
      expect(yield* host.shrinkers.shrinkSlab(own, 1)).toBe(0);
      expect(yield* host.shrinkers.shrinkSlab(own, 0)).toBe(100);
      expect([usage(), host.frames.large.deferredSplit.size]).toEqual([[412, 512, 0], 2]);
      expect(yield* host.shrinkers.shrinkSlab(null, 0)).toBe(100);
      expect([usage(), host.frames.large.deferredSplit.size]).toEqual([[412, 512, 0], 1]);
      // Who reclaims for the host takes from all.
      yield* shrinkAllMemory(host, 900);
      expect(host.frames.large.deferredSplit.size).toBe(0);
      for (const process of mms) yield* exitMm(process);
    });
    expectNothingCharged(bench);
  });

  it.each(['min', 'low'] as const)('memory.%s: the host takes from the others first', (kind) => {
    playFiles({ frames: 160, swapSlots: 256 }, function* ({ host, mm }) {
      const memcg = makeGroup(host, Number.POSITIVE_INFINITY);
      memcg.memory[kind] = 40;
      mm.memcg = memcg;
      const base = yield* mapPages(mm, 40);
      yield* fill(mm, base, 40);
      const outside = yield* newMmIn(host, null);
      const outsideBase = yield* mapPages(outside, 150);
      yield* fill(outside, outsideBase, 150);
      yield* expectFilled(outside, outsideBase, 150);
      expect([residentPages(mm, base, 40), memcg.lruvec.stat.pgscan]).toEqual([40, 0]);
      expect(host.lruvec.stat.pgsteal).toBeGreaterThan(50);
      // Nothing else is left to take.
      expect(yield* munmap(outside, outsideBase, 150 * PAGE_SIZE)).toBe(0);
      yield* shrinkAllMemory(host, 20);
      expect(memcg.lruvec.stat.pgsteal > 0).toBe(kind === 'low');
      expect(memcg.events.low > 0).toBe(kind === 'low');
      yield* expectFilled(mm, base, 40);
      yield* exitMm(outside);
    });
  });

  it('an unprotected cgroup gives like everybody when the host is short', () => {
    playFiles({ frames: 128, swapSlots: 512 }, function* ({ host, mm, bench }) {
      const groups = [makeGroup(host, 1000, 'a'), makeGroup(host, 1000, 'b')];
      const mms = [mm];
      for (const memcg of groups) mms.push(yield* newMmIn(host, memcg));
      const bases: Hva[] = [];
      for (const each of mms) bases.push(yield* mapPages(each, 80));
      for (let i = 0; i < 3; i++) yield* fill(mms[i]!, bases[i]!, 80, i);
      for (let i = 0; i < 3; i++) yield* expectFilled(mms[i]!, bases[i]!, 80, i);
      for (const { lruvec } of [host, ...groups]) expect(lruvec.stat.pgsteal).toBeGreaterThan(20);
      expectCharged(bench);
      for (const each of mms.slice(1)) yield* exitMm(each);
    });
  });

  it('there are 63 cgroups at most: -EBUSY', () => {
    const { host } = makeBench(HOST);
    for (let i = 1; i < 64; i++) expect(host.memcgs.create(`g${i}`)).toMatchObject({ id: i });
    expect(host.memcgs.create('one more')).toBe(-Errno.EBUSY);
  });
});

describe('the working set of a cgroup', () => {
  it('is judged by its own clock: what comes back soon starts out active, whatever the host does', () => {
    playFiles(HOST, function* ({ host, mm }) {
      const memcg = makeGroup(host, 16);
      mm.memcg = memcg;
      const base = yield* mapPages(mm, 24);
      for (let i = 0; i < 200; i++) {
        expect(yield* store(mm, base, i % 6, i)).toBe(0);
        expect(yield* store(mm, base, 6 + (i % 18), i)).toBe(0);
      }
      const { stat } = memcg.lruvec;
      expect(stat.workingset_refault_anon).toBeGreaterThan(0);
      expect(stat.workingset_activate_anon).toBe(host.vmstat.workingset_activate_anon);
      expect(stat.workingset_activate_anon).toBeGreaterThan(0);
      expect(memcg.lruvec.nonresidentAge).toBe(host.lruvec.nonresidentAge);
    });
  });
});

it('MADV_COLLAPSE answers -EBUSY where the cgroup may not have a huge page', () => {
  const bench = makeBench({ frames: 2000, swapSlots: 700 });
  const { host } = bench;
  host.thp.enabled = 'never';
  const memcg = makeGroup(host, 64);
  runTasks(bench, function* () {
    const mm = yield* newMmIn(host, memcg);
    const base = 0x4000_0000 as Hva;
    expect(yield* mmapAnonymous(mm, base, 512 * PAGE_SIZE, RW, MAP_FIXED)).toBe(base);
    yield* fill(mm, base, 8);
    expect(yield* madvise(mm, base, 512 * PAGE_SIZE, MADV_COLLAPSE)).toBe(-Errno.EBUSY);
    yield* expectFilled(mm, base, 8);
    const { thp_collapse_alloc, thp_collapse_alloc_failed } = host.vmstat;
    expect([thp_collapse_alloc, thp_collapse_alloc_failed]).toEqual([1, 0]);
    yield* exitMm(mm);
  });
  expectNothingCharged(bench);
});
