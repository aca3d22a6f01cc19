// What mm owes its notifier clients: reference/notifier rules 1 to 8, 14, 20, 31, each operation's order of calls, and
// memory that keeps its contents when a secondary MMU reads and writes it too.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPresent, ptePfn } from '../../src/hw/sv39/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  getUserPage,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  type Mm,
  madvise,
  mmapAnonymous,
  munmap,
  PROT_READ,
  PROT_WRITE,
  putPage,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { folioReferenced } from '../../src/mm/rmap/referenced.ts';
import { MmuNotifyEvent } from '../../src/notifier/index.ts';
import { type Policy, randomPolicy, runPolicy, type Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { SecondaryMmu } from './secondaryMmu.ts';
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

interface Scene {
  readonly bench: Bench;
  readonly mm: Mm;
  readonly base: Hva;
  readonly client: SecondaryMmu;
}

/** A registered client on eight written pages, each also cached by the client. */
function* eightPages(bench: Bench): Steps<Scene> {
  const mm = yield* newMm(bench.host);
  const base = (yield* mmapAnonymous(mm, 0, 8 * PAGE_SIZE, RW, 0)) as Hva;
  const client = new SecondaryMmu(mm);
  yield* client.register();
  for (let i = 0; i < 8; i++) {
    expect(yield* copyToUser(mm, 0, pageAt(base, i), Uint8Array.of(i + 1))).toBe(0);
    expect(yield* client.read(pageAt(base, i))).toBe(i + 1);
  }
  client.calls.length = 0;
  return { bench, mm, base, client };
}

/** Runs `act` on the eight pages; what the client was called with, the age questions aside. */
function callsOf(act: (scene: Scene) => Steps): unknown[] {
  const bench = makeBench({ frames: 64, swapSlots: 64 });
  const calls: unknown[] = [];
  runTasks(bench, function* () {
    const scene = yield* eightPages(bench);
    yield* act(scene);
    for (const { call, start, end, event, blockable } of scene.client.calls) {
      if (call === 'young' || call === 'release') calls.push(call);
      else
        calls.push([
          call,
          (start - scene.base) / PAGE_SIZE,
          (end - scene.base) / PAGE_SIZE,
          event,
          blockable,
        ]);
    }
    expect(scene.client.openRanges).toBe(0);
    yield* scene.client.unregister();
    yield* exitMm(scene.mm);
  });
  expectNothingLeaked(bench);
  return calls;
}

describe('each operation', () => {
  it('munmap: one UNMAP range over all that is unmapped', () => {
    const calls = callsOf(function* ({ mm, base, client }) {
      expect(yield* munmap(mm, pageAt(base, 2), 3 * PAGE_SIZE)).toBe(0);
      expect(client.translations).toBe(5);
    });
    expect(calls).toEqual([
      ['start', 2, 5, MmuNotifyEvent.UNMAP, true],
      ['end', 2, 5, MmuNotifyEvent.UNMAP, true],
    ]);
  });

  it('munmap of a hole: nothing', () => {
    const calls = callsOf(function* ({ mm, base }) {
      expect(yield* munmap(mm, (base - 4 * PAGE_SIZE) as Hva, 4 * PAGE_SIZE)).toBe(0);
    });
    expect(calls).toEqual([]);
  });

  it('MADV_DONTNEED: one CLEAR range', () => {
    const calls = callsOf(function* ({ mm, base }) {
      expect(yield* madvise(mm, pageAt(base, 1), 2 * PAGE_SIZE, MADV_DONTNEED)).toBe(0);
    });
    expect(calls).toEqual([
      ['start', 1, 3, MmuNotifyEvent.CLEAR, true],
      ['end', 1, 3, MmuNotifyEvent.CLEAR, true],
    ]);
  });

  it('MADV_PAGEOUT: CLEAR page by page, without asking for age', () => {
    const calls = callsOf(function* ({ mm, base }) {
      expect(yield* madvise(mm, pageAt(base, 6), 2 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    });
    expect(calls).toEqual([
      ['start', 6, 7, MmuNotifyEvent.CLEAR, true],
      ['end', 6, 7, MmuNotifyEvent.CLEAR, true],
      ['start', 7, 8, MmuNotifyEvent.CLEAR, true],
      ['end', 7, 8, MmuNotifyEvent.CLEAR, true],
    ]);
  });

  it('MADV_COLD: nothing', () => {
    const calls = callsOf(function* ({ mm, base }) {
      expect(yield* madvise(mm, base, 8 * PAGE_SIZE, MADV_COLD)).toBe(0);
    });
    expect(calls).toEqual([]);
  });

  it('a fault that finds nothing, and a swap-in: nothing', () => {
    const calls = callsOf(function* ({ mm, base, client }) {
      const more = (yield* mmapAnonymous(mm, 0, PAGE_SIZE, RW, 0)) as Hva;
      expect(yield* copyToUser(mm, 0, more, Uint8Array.of(1))).toBe(0);
      yield* madvise(mm, base, PAGE_SIZE, MADV_PAGEOUT);
      client.calls.length = 0;
      const into = new Uint8Array(1);
      expect(yield* copyFromUser(mm, 0, base, into)).toBe(0);
      expect(into[0]).toBe(1);
    });
    expect(calls).toEqual([]);
  });

  it('a write to the zero page: CLEAR round the copy', () => {
    const calls = callsOf(function* ({ mm, base, client }) {
      yield* madvise(mm, base, PAGE_SIZE, MADV_DONTNEED);
      expect(yield* client.read(base)).toBe(0);
      expect(client.translations).toBe(8);
      client.calls.length = 0;
      expect(yield* copyToUser(mm, 0, base, Uint8Array.of(9))).toBe(0);
      expect(client.translations).toBe(7);
      expect(yield* client.read(base)).toBe(9);
    });
    expect(calls).toEqual([
      ['start', 0, 1, MmuNotifyEvent.CLEAR, true],
      ['end', 0, 1, MmuNotifyEvent.CLEAR, true],
    ]);
  });

  it('exit: release, then nobody is called any more', () => {
    const bench = makeBench({ frames: 64, swapSlots: 64 });
    runTasks(bench, function* () {
      const { mm, client } = yield* eightPages(bench);
      yield* exitMm(mm);
      expect(client.calls).toEqual([{ call: 'release', start: 0, end: 0 }]);
      expect(client.translations).toBe(0);
      yield* client.unregister();
    });
    expectNothingLeaked(bench);
  });
});

describe('PTEs', () => {
  it('are as they were when start returns, and as they will be when end is called', () => {
    const bench = makeBench({ frames: 64, swapSlots: 64 });
    const seen: boolean[] = [];
    runTasks(bench, function* () {
      const { mm, base, client } = yield* eightPages(bench);
      client.onRange = (_call, { start }) => seen.push(isPresent(inspectPte(mm, start)));
      yield* madvise(mm, base, PAGE_SIZE, MADV_PAGEOUT);
      yield* madvise(mm, pageAt(base, 1), PAGE_SIZE, MADV_DONTNEED);
      yield* munmap(mm, pageAt(base, 2), PAGE_SIZE);
      client.onRange = null;
      yield* client.unregister();
      yield* exitMm(mm);
    });
    expect(seen).toEqual([true, false, true, false, true, false]);
    expectNothingLeaked(bench);
  });
});

describe('age', () => {
  it('is the OR of the CPU and the secondary MMU, and asking clears both', () => {
    const bench = makeBench({ frames: 64, swapSlots: 64 });
    const { host } = bench;
    runTasks(bench, function* () {
      const { mm, base, client } = yield* eightPages(bench);
      const pfn = ptePfn(inspectPte(mm, base));
      const into = new Uint8Array(1);
      expect(yield* folioReferenced(host, pfn)).toBe(1);
      expect(yield* folioReferenced(host, pfn)).toBe(0);
      expect(yield* client.read(base)).toBe(1);
      expect(yield* folioReferenced(host, pfn)).toBe(1);
      host.cpus[0]!.tlb.flushAll();
      expect(yield* copyFromUser(mm, 0, base, into)).toBe(0);
      expect(yield* folioReferenced(host, pfn)).toBe(1);
      expect(yield* folioReferenced(host, pfn)).toBe(0);
      expect(client.calls).toEqual(Array(5).fill({ call: 'young', start: base, end: base + PAGE_SIZE }));
      yield* client.unregister();
      yield* exitMm(mm);
    });
    expectNothingLeaked(bench);
  });

  it('keeps what only the secondary MMU uses', () => {
    const bench = makeBench({ frames: 48, swapSlots: 400 });
    runTasks(bench, function* () {
      const { mm, base, client } = yield* eightPages(bench);
      const hog = (yield* mmapAnonymous(mm, 0, 200 * PAGE_SIZE, RW, 0)) as Hva;
      let lost = 0;
      for (let i = 0; i < 200; i++) {
        expect(yield* copyToUser(mm, 0, pageAt(hog, i), Uint8Array.of(1))).toBe(0);
        expect(yield* client.read(base)).toBe(1);
        if (!isPresent(inspectPte(mm, base))) lost++;
      }
      expect(bench.host.vmstat.pswpout).toBeGreaterThan(100);
      expect(lost).toBe(0);
      yield* client.unregister();
      yield* exitMm(mm);
    });
    expectNothingLeaked(bench);
  });
});

type Op = {
  readonly kind:
    | 'cpuWrite'
    | 'cpuRead'
    | 'deviceWrite'
    | 'deviceRead'
    | 'dontneed'
    | 'pageout'
    | 'remap'
    | 'pin';
  readonly page: number;
  readonly value: number;
};
const PAGES = 24;
const opOf: fc.Arbitrary<Op> = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('cpuWrite' as const, 'cpuRead' as const) },
    { weight: 8, arbitrary: fc.constantFrom('deviceWrite' as const, 'deviceRead' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom('dontneed' as const, 'pageout' as const, 'remap' as const, 'pin' as const),
    },
  ),
  page: fc.nat({ max: PAGES - 1 }),
  value: fc.integer({ min: 1, max: 255 }),
});

/** One task that uses its pages through the CPU and through the client, against a model of one byte per page. */
function* use(mm: Mm, client: SecondaryMmu, cpu: number, base: Hva, ops: readonly Op[]): Steps {
  const model = new Uint8Array(PAGES);
  for (const { kind, page, value } of [
    ...ops,
    ...Array.from(model, (_, i) => ({ kind: 'deviceRead', page: i, value: 0 })),
  ]) {
    const address = pageAt(base, page);
    if (kind === 'cpuWrite') {
      expect(yield* copyToUser(mm, cpu, address, Uint8Array.of(value))).toBe(0);
      model[page] = value;
    } else if (kind === 'deviceWrite') {
      expect(yield* client.write(address, value)).toBe(0);
      model[page] = value;
    } else if (kind === 'cpuRead') {
      const into = new Uint8Array(1);
      expect(yield* copyFromUser(mm, cpu, address, into)).toBe(0);
      expect({ page, value: into[0] }).toEqual({ page, value: model[page] });
    } else if (kind === 'deviceRead') {
      expect({ page, value: yield* client.read(address) }).toEqual({ page, value: model[page] });
    } else if (kind === 'pageout') {
      expect(yield* madvise(mm, address, PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    } else if (kind === 'pin') {
      const pfn = yield* getUserPage(mm, address, false);
      expect(pfn).toBeGreaterThan(0);
      yield* putPage(mm.host, pfn as Pfn);
    } else {
      if (kind === 'dontneed') expect(yield* madvise(mm, address, PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      else expect(yield* mmapAnonymous(mm, address, PAGE_SIZE, RW, 0x10)).toBe(address);
      model[page] = 0;
    }
  }
}

function playWithDevice(programs: readonly (readonly Op[])[], frames: number, policy: Policy): void {
  const bench = makeBench({ frames, swapSlots: 300, policy });
  const bases: Hva[] = [];
  let mm!: Mm;
  let client!: SecondaryMmu;
  runTasks(bench, function* () {
    mm = yield* newMm(bench.host);
    for (const _ of programs) bases.push((yield* mmapAnonymous(mm, 0, PAGES * PAGE_SIZE, RW, 0)) as Hva);
    client = new SecondaryMmu(mm);
    yield* client.register();
  });
  runTasks(bench, ...programs.map((ops, i) => () => use(mm, client, i % 2, bases[i]!, ops)));
  expectBalanced(bench);
  expect(client.openRanges).toBe(0);
  runTasks(bench, function* () {
    yield* exitMm(mm);
    yield* client.unregister();
  });
  expectNothingLeaked(bench);
}

describe('a secondary MMU that keeps the rules', () => {
  const programs = fc.array(fc.array(opOf, { minLength: 40, maxLength: 100, size: 'max' }), {
    minLength: 1,
    maxLength: 3,
  });
  const frames = fc.constantFrom(32, 40, 56);

  it('sees what the CPU sees', () => {
    fc.assert(
      fc.property(programs, frames, (ops, count) => playWithDevice(ops, count, runPolicy())),
      { numRuns: 60 },
    );
  });

  it('sees what the CPU sees in random interleavings', () => {
    fc.assert(
      fc.property(programs, frames, fc.nat(), (ops, count, seed) =>
        playWithDevice(ops, count, randomPolicy(seed)),
      ),
      { numRuns: 40 },
    );
  });
});
