// Random programs on tiny hosts, against a slow obvious model of what their memory must hold, as properties that the
// tests run a few times and the soak `contents` as often as one likes.

import fc from 'fast-check';
import { expect } from 'vitest';
import {
  changeProtNuma,
  compactMemory,
  copyFromUser,
  copyToUser,
  exitMm,
  getUserPage,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  type Mm,
  madvise,
  migrateUserPages,
  mmapAnonymous,
  munmap,
  PROT_READ,
  PROT_WRITE,
  putPage,
  setPageDirty,
} from '../../src/mm/index.ts';
import { at, points, RESCHED, randomPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn, pfnToHpa } from '../../src/units.ts';
import {
  type Bench,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
  traceOf,
} from './support.ts';

const PAGES = 40;
/** Bytes of a page that a program writes; the rest must stay zero. */
const STAMP = 16;
const SWAP_SLOTS = 400;

type RangeKind = 'dontneed' | 'cold' | 'pageout' | 'migrate' | 'hint' | 'munmap' | 'mmap';
type Op =
  | { readonly kind: 'write'; readonly page: number; readonly offset: number; readonly value: number }
  | { readonly kind: 'read'; readonly page: number }
  | { readonly kind: 'pin'; readonly page: number; readonly write: boolean }
  | { readonly kind: 'unpin' }
  | {
      readonly kind: RangeKind;
      readonly page: number;
      readonly pages: number;
    };

const page = fc.nat({ max: PAGES - 1 });
const range = { page, pages: fc.integer({ min: 1, max: 12 }) };
const opOf: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      page,
      offset: fc.constantFrom(0, 1, STAMP - 1),
      value: fc.integer({ min: 1, max: 255 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('read' as const), page }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pin' as const), page, write: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unpin' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'dontneed' as const,
        'cold' as const,
        'pageout' as const,
        'migrate' as const,
        'hint' as const,
        'munmap' as const,
        'mmap' as const,
      ),
      ...range,
    }),
  },
);

/** A program on its own part of an address space, and the model of what it must see. */
class Program {
  readonly #mm: Mm;
  readonly #cpu: number;
  readonly #base: Hva;
  /** Mapped pages and their first bytes; a page that is missing is not mapped. */
  readonly #model = new Map<number, Uint8Array>();
  readonly #pins: Pfn[] = [];

  constructor(mm: Mm, cpu: number, base: Hva) {
    this.#mm = mm;
    this.#cpu = cpu;
    this.#base = base;
    for (let i = 0; i < PAGES; i++) this.#model.set(i, new Uint8Array(STAMP));
  }

  *run(ops: readonly Op[]): Steps {
    for (const op of ops) yield* this.#step(op);
    for (let i = 0; i < PAGES; i++) yield* this.#read(i);
    while (this.#pins.length > 0) yield* putPage(this.#mm.host, this.#pins.pop()!);
  }

  *#step(op: Op): Steps {
    if (op.kind === 'write') yield* this.#write(op.page, op.offset, op.value);
    else if (op.kind === 'read') yield* this.#read(op.page);
    else if (op.kind === 'pin') yield* this.#pin(op.page, op.write);
    else if (op.kind === 'unpin') {
      const pfn = this.#pins.shift();
      if (pfn !== undefined) yield* putPage(this.#mm.host, pfn);
    } else yield* this.#range(op.kind, op.page, Math.min(op.pages, PAGES - op.page));
  }

  *#write(index: number, offset: number, value: number): Steps {
    const error = yield* copyToUser(
      this.#mm,
      this.#cpu,
      (pageAt(this.#base, index) + offset) as Hva,
      Uint8Array.of(value),
    );
    const model = this.#model.get(index);
    expect({ index, error }).toEqual({ index, error: model ? 0 : -Errno.EFAULT });
    if (model) model[offset] = value;
  }

  *#read(index: number): Steps {
    const bytes = new Uint8Array(PAGE_SIZE);
    const error = yield* copyFromUser(this.#mm, this.#cpu, pageAt(this.#base, index), bytes);
    const model = this.#model.get(index);
    expect({ index, error }).toEqual({ index, error: model ? 0 : -Errno.EFAULT });
    if (!model) return;
    expect({ index, bytes: [...bytes.subarray(0, STAMP)] }).toEqual({ index, bytes: [...model] });
    expect(bytes.subarray(STAMP).every((byte) => byte === 0)).toBe(true);
  }

  *#pin(index: number, write: boolean): Steps {
    if (this.#pins.length >= 3) return;
    const pfn = yield* getUserPage(this.#mm, pageAt(this.#base, index), write);
    const model = this.#model.get(index);
    if (!model) {
      expect(pfn).toBe(-Errno.EFAULT);
      return;
    }
    expect(pfn).toBeGreaterThan(0);
    this.#pins.push(pfn as Pfn);
  }

  *#range(kind: RangeKind, first: number, pages: number): Steps {
    const start = pageAt(this.#base, first);
    const length = pages * PAGE_SIZE;
    const covered = Array.from({ length: pages }, (_, i) => first + i);
    if (kind === 'munmap') {
      expect(yield* munmap(this.#mm, start, length)).toBe(0);
      for (const index of covered) this.#model.delete(index);
    } else if (kind === 'mmap') {
      const MAP_FIXED = 0x10;
      expect(yield* mmapAnonymous(this.#mm, start, length, PROT_READ | PROT_WRITE, MAP_FIXED)).toBe(start);
      for (const index of covered) this.#model.set(index, new Uint8Array(STAMP));
    } else if (kind === 'migrate') yield* migrateUserPages(this.#mm, start, length);
    else if (kind === 'hint') yield* changeProtNuma(this.#mm, start, length);
    else {
      const advice = { dontneed: MADV_DONTNEED, cold: MADV_COLD, pageout: MADV_PAGEOUT }[kind];
      const whole = covered.every((index) => this.#model.has(index));
      expect(yield* madvise(this.#mm, start, length, advice)).toBe(whole ? 0 : -Errno.ENOMEM);
      if (kind === 'dontneed') for (const index of covered) this.#model.get(index)?.fill(0);
    }
  }
}

interface Scene {
  readonly programs: readonly (readonly Op[])[];
  readonly frames: number;
  /** One address space for all programs, or one each. */
  readonly shared: boolean;
}

/** Runs the programs to their end, each with its own part of an address space, then takes everything down. */
function play(scene: Scene, bench: Bench): void {
  const { host } = bench;
  const mms: Mm[] = [];
  const programs: Program[] = [];
  runTasks(bench, function* () {
    for (let i = 0; i < scene.programs.length; i++) {
      const mm = i > 0 && scene.shared ? mms[0]! : yield* newMm(host);
      if (!mms.includes(mm)) mms.push(mm);
      const base = yield* mmapAnonymous(mm, 0, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
      expect(base).toBeGreaterThan(0);
      programs.push(new Program(mm, i % host.cpus.length, base as Hva));
    }
  });
  runTasks(bench, ...programs.map((program, i) => () => program.run(scene.programs[i]!)));
  expectBalanced(bench);
  runTasks(bench, function* () {
    for (const mm of mms) yield* exitMm(mm);
  });
  expectNothingLeaked(bench);
}

const sceneOf = (programs: number, ops: number): fc.Arbitrary<Scene> =>
  fc.record({
    programs: fc.array(fc.array(opOf, { minLength: ops >> 1, maxLength: ops, size: 'max' }), {
      minLength: 1,
      maxLength: programs,
    }),
    frames: fc.constantFrom(32, 40, 64),
    shared: fc.boolean(),
  });

type SharedOp = {
  readonly kind: 'write' | 'read' | 'dma' | 'pageout' | 'cold' | 'migrate' | 'hint' | 'compact';
  readonly page: number;
  readonly value: number;
};
const SHARED_PAGES = 10;
const sharedOp: fc.Arbitrary<SharedOp> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('write' as const, 'read' as const) },
    {
      weight: 5,
      arbitrary: fc.constantFrom('dma', 'pageout', 'cold', 'migrate', 'hint', 'compact'),
    },
  ),
  page: fc.nat({ max: SHARED_PAGES - 1 }),
  value: fc.integer({ min: 1, max: 255 }),
});

/** Threads of one process on the same few pages; thread i owns byte i of each. */
function playThreads(threads: readonly (readonly SharedOp[])[], bench: Bench): void {
  let mm!: Mm;
  let base!: Hva;
  runTasks(bench, function* () {
    mm = yield* newMm(bench.host);
    base = (yield* mmapAnonymous(mm, 0, SHARED_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, 0)) as Hva;
  });
  runTasks(bench, ...threads.map((ops, lane) => () => runThread(mm, base, lane, ops)));
  expectBalanced(bench);
  runTasks(bench, () => exitMm(mm));
  expectNothingLeaked(bench);
}

/** What a device driver does: holds the page, writes to the frame some time later, says that it is dirty, lets go. */
function* dmaWrite(mm: Mm, address: Hva, value: number): Steps {
  const { host } = mm;
  const pfn = (yield* getUserPage(mm, address, true)) as Pfn;
  expect(pfn).toBeGreaterThan(0);
  yield RESCHED;
  host.memory.write8((pfnToHpa(pfn) + (address % PAGE_SIZE)) as Hpa, value);
  if (points.on) yield at.page(pfn);
  setPageDirty(host, pfn);
  yield* putPage(host, pfn);
}

function* runThread(mm: Mm, base: Hva, lane: number, ops: readonly SharedOp[]): Steps {
  const model = new Uint8Array(SHARED_PAGES);
  const finalReads = Array.from(model, (_, page): SharedOp => ({ kind: 'read', page, value: 0 }));
  for (const { kind, page, value } of [...ops, ...finalReads]) {
    const address = (pageAt(base, page) + lane) as Hva;
    if (kind === 'write') {
      expect(yield* copyToUser(mm, lane % 2, address, Uint8Array.of(value))).toBe(0);
      model[page] = value;
    } else if (kind === 'read') {
      const into = new Uint8Array(1);
      expect(yield* copyFromUser(mm, lane % 2, address, into)).toBe(0);
      expect({ lane, page, value: into[0] }).toEqual({ lane, page, value: model[page] });
    } else if (kind === 'dma') {
      yield* dmaWrite(mm, address, value);
      model[page] = value;
    } else if (kind === 'migrate') {
      yield* migrateUserPages(mm, pageAt(base, 0), SHARED_PAGES * PAGE_SIZE);
    } else if (kind === 'hint') {
      mm.host.sysctl.numaMisplaced = value % 2 === 0;
      yield* changeProtNuma(mm, pageAt(base, 0), SHARED_PAGES * PAGE_SIZE);
    } else if (kind === 'compact') {
      yield* compactMemory(mm.host);
    } else {
      yield* madvise(mm, pageAt(base, page), PAGE_SIZE, kind === 'pageout' ? MADV_PAGEOUT : MADV_COLD);
    }
  }
}

/** Programs of up to `ops` steps on a host in run mode, first come first served. */
export const programsProperty = (ops: number) =>
  fc.property(sceneOf(4, ops), (scene) => {
    play(scene, makeBench({ frames: scene.frames, swapSlots: SWAP_SLOTS }));
  });

/** Programs on a host where a random scheduler may switch tasks before each access to shared state. */
export const interleavedProperty = (ops: number) =>
  fc.property(sceneOf(4, ops), fc.nat(), (scene, seed) => {
    play(scene, makeBench({ frames: scene.frames, swapSlots: SWAP_SLOTS, policy: randomPolicy(seed) }));
  });

/** Threads of one process that fault on the same pages at the same time. */
export const threadsProperty = () =>
  fc.property(
    fc.array(fc.array(sharedOp, { minLength: 20, maxLength: 60, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
    }),
    fc.nat(),
    (ops, seed) => {
      playThreads(ops, makeBench({ frames: 32, swapSlots: 64, policy: randomPolicy(seed) }));
    },
  );

/** The same seed gives the same trace. */
export const repeatableProperty = (ops: number) =>
  fc.property(sceneOf(3, ops), fc.nat(), (scene, seed) => {
    const traces = [0, 1].map(() => {
      const bench = makeBench({ frames: scene.frames, swapSlots: SWAP_SLOTS, policy: randomPolicy(seed) });
      play(scene, bench);
      return traceOf(bench);
    });
    expect(traces[0]).toEqual(traces[1]);
  });
