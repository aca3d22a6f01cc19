// Random programs whose memory CPUs and devices with MMUs of their own use alike, on tiny hosts that swap: whoever looks
// must find what was written last, by whomever; as a property that the tests run a few times.

import fc from 'fast-check';
import { expect } from 'vitest';
import { HmmMirror, SvaDevice } from '../../src/drivers/index.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  type Mm,
  madvise,
  mmapAnonymous,
  mprotect,
  PROT_READ,
  PROT_WRITE,
} from '../../src/mm/index.ts';
import { Oracle } from '../../src/oracle/index.ts';
import { type Policy, randomPolicy, runPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import {
  type Bench,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
} from '../mm/support.ts';

const PAGES = 24;
const PROGRAMS = 3;
const RW = PROT_READ | PROT_WRITE;
/** Between two looks of the oracle, in scheduler steps. */
const LOOK = 29;

type Kind = 'write' | 'read' | 'pageout' | 'dontneed' | 'readonly' | 'fork';

interface Op {
  readonly kind: Kind;
  readonly page: number;
  readonly by: number;
  readonly value: number;
}

const WEIGHTS: readonly (readonly [number, Kind])[] = [
  [12, 'write'],
  [12, 'read'],
  [5, 'pageout'],
  [1, 'dontneed'],
  [2, 'readonly'],
  [1, 'fork'],
];
const opOf: fc.Arbitrary<Op> = fc.record({
  kind: fc.oneof(...WEIGHTS.map(([weight, kind]) => ({ weight, arbitrary: fc.constant(kind) }))),
  page: fc.nat({ max: PAGES - 1 }),
  by: fc.nat({ max: 3 }),
  value: fc.integer({ min: 1, max: 255 }),
});

/** Whoever can read and write bytes of a process. */
interface Accessor {
  read(address: Hva): Steps<number>;
  write(address: Hva, value: number): Steps<number>;
}

const cpuOf = (mm: Mm, cpu: number): Accessor => ({
  *read(address) {
    const into = new Uint8Array(1);
    const error = yield* copyFromUser(mm, cpu, address, into);
    return error === 0 ? into[0]! : error;
  },
  write: (address, value) => copyToUser(mm, cpu, address, Uint8Array.of(value)),
});

/** A program has every third page for itself; what it does to pages may hit those of others. */
class Program {
  readonly #mm: Mm;
  readonly #base: Hva;
  readonly #index: number;
  readonly #accessors: readonly Accessor[];
  readonly #model = new Map<number, number>();

  constructor(mm: Mm, base: Hva, index: number, devices: readonly Accessor[]) {
    this.#mm = mm;
    this.#base = base;
    this.#index = index;
    this.#accessors = [cpuOf(mm, index % 2), ...devices];
  }

  *run(ops: readonly Op[]): Steps {
    for (const op of ops) yield* this.#step(op);
    for (const page of this.#model.keys()) yield* this.#check(page, page);
  }

  *#step({ kind, page: any, by, value }: Op): Steps {
    const page = any - (any % PROGRAMS) + this.#index;
    const address = pageAt(this.#base, page);
    if (kind === 'read') yield* this.#check(page, by);
    else if (kind === 'write') {
      expect(yield* this.#accessors[by]!.write((address + 1) as Hva, value)).toBe(0);
      this.#model.set(page, value);
    } else if (kind === 'pageout') {
      expect(yield* madvise(this.#mm, pageAt(this.#base, any), 2 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    } else if (kind === 'dontneed') {
      expect(yield* madvise(this.#mm, address, PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      this.#model.set(page, 0);
    } else if (kind === 'readonly') yield* this.#readonly(page, by, value);
    else {
      const child = yield* fork(this.#mm);
      if (typeof child !== 'number') yield* exitMm(child);
    }
  }

  *#check(page: number, by: number): Steps {
    const address = (pageAt(this.#base, page) + 1) as Hva;
    const accessor = this.#accessors[by % this.#accessors.length]!;
    expect({ page, byte: yield* accessor.read(address) }).toEqual({ page, byte: this.#model.get(page) ?? 0 });
  }

  /** I5: once it is read-only nobody writes, whatever they had cached. */
  *#readonly(page: number, by: number, value: number): Steps {
    const address = pageAt(this.#base, page);
    const accessor = this.#accessors[by]!;
    expect(yield* accessor.write((address + 1) as Hva, value)).toBe(0);
    this.#model.set(page, value);
    expect(yield* mprotect(this.#mm, address, PAGE_SIZE, PROT_READ)).toBe(0);
    for (const { write } of this.#accessors.map((each) => ({ write: each.write.bind(each) })))
      expect(yield* write((address + 1) as Hva, value ^ 1)).toBe(-Errno.EFAULT);
    expect(yield* mprotect(this.#mm, address, PAGE_SIZE, RW)).toBe(0);
    yield* this.#check(page, by);
  }
}

function play(programs: readonly (readonly Op[])[], bench: Bench): void {
  const { host, sched } = bench;
  const oracle = new Oracle(host);
  const bytes = (PAGES + 1) * PAGE_SIZE;
  let scene: { mm: Mm; base: Hva; mirrors: HmmMirror[]; sva: SvaDevice };
  runTasks(bench, function* () {
    const mm = yield* newMm(host);
    const base = (yield* mmapAnonymous(mm, 0, bytes, RW, 0)) as Hva;
    const mirrors = [new HmmMirror(mm, 1), new HmmMirror(mm, 2)];
    const sva = new SvaDevice(mm, 8);
    for (const mirror of mirrors) expect(yield* mirror.open(base, bytes)).toBe(0);
    expect(yield* sva.bind()).toBe(0);
    for (const device of [...mirrors, sva]) oracle.watch(device, device.constructor.name);
    scene = { mm, base, mirrors, sva };
  });
  const { mm, base, mirrors, sva } = scene!;
  bench.onStep = () => {
    if (sched.steps % LOOK === 0) oracle.checkDevices();
  };
  const bodyOf = (ops: readonly Op[], i: number) => () =>
    new Program(mm, base, i, [...mirrors, sva]).run(ops);
  runTasks(bench, ...programs.map(bodyOf));
  expect(oracle.violations).toEqual([]);
  expectBalanced(bench);
  runTasks(bench, function* () {
    yield* mirrors[0]!.close();
    yield* exitMm(mm);
    yield* mirrors[1]!.close();
    yield* sva.unbind();
  });
  expectNothingLeaked(bench);
}

/** Under first come first served, or where a random scheduler may switch tasks before each access to shared state. */
export const devicesProperty = (ops: number) =>
  fc.property(
    fc.array(fc.array(opOf, { minLength: ops >> 1, maxLength: ops, size: 'max' }), {
      minLength: PROGRAMS,
      maxLength: PROGRAMS,
    }),
    fc.option(fc.nat()),
    (programs, seed) => {
      const policy: Policy = seed === null ? runPolicy() : randomPolicy(seed);
      play(programs, makeBench({ frames: 64, swapSlots: 300, policy }));
    },
  );
