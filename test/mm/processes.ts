// Random programs that fork, move and protect their memory, on tiny hosts, against a slow obvious model of what each
// process must find in it; as properties that the tests run a few times.

import fc from 'fast-check';
import { expect } from 'vitest';
import {
  changeProtNuma,
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  type Host,
  KSM_RUN_MERGE,
  KSM_RUN_STOP,
  KSM_RUN_UNMERGE,
  ksmRunStore,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  MADV_UNMERGEABLE,
  MAP_FIXED,
  MemorySwapDevice,
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  madvise,
  migrateUserPages,
  mmapAnonymous,
  mprotect,
  mremap,
  munmap,
  PROT_READ,
  PROT_WRITE,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
  type Userfaultfd,
  uffdioRegister,
  uffdioWake,
  uffdioWriteprotect,
  userfaultfd,
  userfaultfdRelease,
} from '../../src/mm/index.ts';
import { at, points, RESCHED, randomPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import {
  type Bench,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
} from './support.ts';

/** What a program maps and works on, in units; of a host with huge pages a unit is so many pages, of which it uses one. */
export const PROGRAM_PAGES = 16;
const HUGE_UNIT = 128;
const HUGE_BASE = 0x4000_0000;
/** Bytes of a page that a program writes. */
const STAMP = 4;
const RW = PROT_READ | PROT_WRITE;
/** Children of one program at a time, and generations. */
const MAX_CHILDREN = 2;
const MAX_DEPTH = 2;

type Kind =
  | 'write'
  | 'read'
  | 'dontneed'
  | 'free'
  | 'cold'
  | 'pageout'
  | 'migrate'
  | 'hint'
  | 'munmap'
  | 'mmap'
  | 'readonly'
  | 'writable'
  | 'mremap'
  | 'fork'
  | 'mergeable'
  | 'unmergeable'
  | 'protect';

interface Op {
  readonly kind: Kind;
  readonly page: number;
  readonly pages: number;
  readonly to: number;
  readonly value: number;
}

const WEIGHTS: readonly (readonly [number, Kind])[] = [
  [14, 'write'],
  [8, 'read'],
  [2, 'dontneed'],
  [2, 'free'],
  [1, 'cold'],
  [4, 'pageout'],
  [4, 'migrate'],
  [2, 'hint'],
  [1, 'munmap'],
  [2, 'mmap'],
  [2, 'readonly'],
  [3, 'writable'],
  [3, 'mremap'],
  [2, 'fork'],
  [2, 'mergeable'],
  [1, 'unmergeable'],
  [2, 'protect'],
];
export const operationOf: fc.Arbitrary<Op> = fc.record({
  kind: fc.oneof(...WEIGHTS.map(([weight, kind]) => ({ weight, arbitrary: fc.constant(kind) }))),
  page: fc.nat({ max: PROGRAM_PAGES - 1 }),
  pages: fc.integer({ min: 1, max: 6 }),
  to: fc.nat({ max: PROGRAM_PAGES - 1 }),
  value: fc.integer({ min: 1, max: 255 }),
});

/** What a page must hold; after MADV_FREE it may as well hold zeros. */
interface Page {
  bytes: Uint8Array;
  writable: boolean;
  mayBeZero: boolean;
}

export const freshPage = (): Page => ({ bytes: new Uint8Array(STAMP), writable: true, mayBeZero: false });

/** What a process does, and what it must find; its children are of its kind, `MAX_DEPTH` generations of them. */
const ADVICE = {
  dontneed: MADV_DONTNEED,
  free: MADV_FREE,
  cold: MADV_COLD,
  pageout: MADV_PAGEOUT,
  mergeable: MADV_MERGEABLE,
  unmergeable: MADV_UNMERGEABLE,
};

/** Who handles the faults of each process. */
type Handlers = Map<Mm, Userfaultfd>;

/** Lifts the protection of each page that a store meets; what was moved or unmapped meanwhile is tried again. */
function* letThrough(uffd: Userfaultfd): Steps {
  for (let fault = yield* uffd.read(); fault !== null; fault = yield* uffd.read()) {
    if ((yield* uffdioWriteprotect(uffd, fault.address, PAGE_SIZE, 0)) !== 0)
      yield* uffdioWake(uffd, fault.address, PAGE_SIZE);
  }
}

export class Program {
  readonly #mm: Mm;
  readonly #cpu: number;
  readonly #base: Hva;
  /** Pages. */
  readonly #unit: number;
  readonly #depth: number;
  readonly #model: Map<number, Page>;
  /** Null: nobody hears of stores. */
  readonly #handlers: Handlers | null;
  #children = 0;

  constructor(
    mm: Mm,
    cpu: number,
    base: Hva,
    unit: number,
    depth: number,
    model: ReadonlyMap<number, Page>,
    handlers: Handlers | null = null,
  ) {
    this.#handlers = handlers;
    this.#mm = mm;
    this.#cpu = cpu;
    this.#base = base;
    this.#unit = unit;
    this.#depth = depth;
    this.#model = new Map([...model].map(([i, page]) => [i, { ...page, bytes: page.bytes.slice() }]));
  }

  /** Carries out `ops`, looks at everything once more, and waits for its children. */
  *run(ops: readonly Op[]): Steps {
    for (const [i, op] of ops.entries()) yield* this.#step(op, ops.slice(i + 1));
    for (let page = 0; page < PROGRAM_PAGES; page++) yield* this.#read(page);
    while (this.#children > 0) {
      // Time passes, or the I/O that the children wait for would never end.
      this.#mm.host.sched.spend(1000);
      yield RESCHED;
    }
  }

  #step(op: Op, rest: readonly Op[]): Steps {
    const pages = Math.min(op.pages, PROGRAM_PAGES - op.page);
    switch (op.kind) {
      case 'write':
        return this.#write(op.page, op.value);
      case 'read':
        return this.#read(op.page);
      case 'mremap':
        return this.#move(op.page, Math.min(pages, PROGRAM_PAGES - op.to), op.to);
      case 'fork':
        return this.#fork(rest);
      case 'migrate':
        return this.#place(migrateUserPages, op.page, pages);
      case 'hint':
        return this.#place(changeProtNuma, op.page, pages);
      case 'munmap':
      case 'mmap':
        return this.#map(op.kind, op.page, pages);
      case 'protect':
        return this.#hearOfStores(op.page, pages);
      case 'readonly':
      case 'writable':
        return this.#protect(op.page, pages, op.kind === 'writable');
      default:
        return this.#advise(op.kind, op.page, pages);
    }
  }

  #start(index: number): Hva {
    return pageAt(this.#base, index * this.#unit);
  }

  /** Where the bytes lie that are written and read. */
  #stamp(index: number): Hva {
    return pageAt(this.#start(index), Math.floor(this.#unit / 3));
  }

  #covered(first: number, pages: number): number[] {
    return Array.from({ length: pages }, (_, i) => first + i);
  }

  *#write(index: number, value: number): Steps {
    const page = this.#model.get(index);
    const address = (this.#stamp(index) + (value % STAMP)) as Hva;
    const error = yield* copyToUser(this.#mm, this.#cpu, address, Uint8Array.of(value));
    expect({ index, error }).toEqual({ index, error: page?.writable ? 0 : -Errno.EFAULT });
    if (error !== 0 || page === undefined) return;
    const zeros = new Uint8Array(STAMP);
    zeros[value % STAMP] = value;
    page.bytes[value % STAMP] = value;
    if (page.mayBeZero) {
      const found = yield* this.#bytes(index);
      expect([[...page.bytes], [...zeros]]).toContainEqual([...found]);
      page.bytes = found;
      page.mayBeZero = false;
    }
  }

  *#bytes(index: number): Steps<Uint8Array> {
    const found = new Uint8Array(STAMP);
    expect(yield* copyFromUser(this.#mm, this.#cpu, this.#stamp(index), found)).toBe(0);
    return found;
  }

  *#read(index: number): Steps {
    const page = this.#model.get(index);
    if (page === undefined) {
      const address = this.#stamp(index);
      const error = yield* copyFromUser(this.#mm, this.#cpu, address, new Uint8Array(1));
      expect({ index, error }).toEqual({ index, error: -Errno.EFAULT });
      return;
    }
    const found = yield* this.#bytes(index);
    const isGone = page.mayBeZero && found.every((byte) => byte === 0);
    if (isGone) Object.assign(page, { bytes: found, mayBeZero: false });
    expect({ index, bytes: [...found] }).toEqual({ index, bytes: [...page.bytes] });
  }

  *#map(kind: 'munmap' | 'mmap', first: number, pages: number): Steps {
    const start = this.#start(first);
    const length = pages * this.#unit * PAGE_SIZE;
    if (kind === 'munmap') expect(yield* munmap(this.#mm, start, length)).toBe(0);
    else expect(yield* mmapAnonymous(this.#mm, start, length, RW, MAP_FIXED)).toBe(start);
    for (const index of this.#covered(first, pages)) {
      if (kind === 'munmap') this.#model.delete(index);
      else this.#model.set(index, freshPage());
    }
  }

  *#protect(first: number, pages: number, writable: boolean): Steps {
    const prot = writable ? RW : PROT_READ;
    const covered = this.#covered(first, pages);
    const hole = covered.findIndex((index) => !this.#model.has(index));
    const error = yield* mprotect(this.#mm, this.#start(first), pages * this.#unit * PAGE_SIZE, prot);
    expect(error).toBe(hole < 0 ? 0 : -Errno.ENOMEM);
    for (const index of hole < 0 ? covered : covered.slice(0, hole))
      this.#model.get(index)!.writable = writable;
  }

  *#place(
    operation: (mm: Mm, start: Hva, bytes: number) => Steps<number>,
    first: number,
    pages: number,
  ): Steps {
    yield* operation(this.#mm, this.#start(first), pages * this.#unit * PAGE_SIZE);
  }

  /** From now on each store to the pages faults first, and a handler lets it through. Holes are passed over. */
  *#hearOfStores(first: number, pages: number): Steps {
    if (this.#handlers === null) return;
    const uffd = this.#handlers.get(this.#mm) ?? this.#startHandler(this.#handlers);
    const start = pageAt(this.#base, first);
    const registered = yield* uffdioRegister(uffd, start, pages * PAGE_SIZE, UFFDIO_REGISTER_MODE_WP);
    const isHole = this.#covered(first, pages).every((index) => !this.#model.has(index));
    expect(registered).toBe(isHole ? -Errno.EINVAL : 0);
    if (isHole) return;
    const length = pages * PAGE_SIZE;
    expect(yield* uffdioWriteprotect(uffd, start, length, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(0);
  }

  #startHandler(handlers: Handlers): Userfaultfd {
    const mm = this.#mm;
    const uffd = userfaultfd(mm);
    handlers.set(mm, uffd);
    mm.host.sched.spawn('handler', letThrough(uffd), this.#cpu);
    return uffd;
  }

  *#advise(kind: keyof typeof ADVICE, first: number, pages: number): Steps {
    const advice = ADVICE[kind];
    const covered = this.#covered(first, pages);
    // From now on: the pages may go before the call returns.
    for (const index of covered) {
      const page = this.#model.get(index);
      if (page !== undefined && kind === 'free') page.mayBeZero = true;
    }
    const error = yield* madvise(this.#mm, this.#start(first), pages * this.#unit * PAGE_SIZE, advice);
    expect(error).toBe(covered.every((index) => this.#model.has(index)) ? 0 : -Errno.ENOMEM);
    if (kind !== 'dontneed') return;
    for (const index of covered) {
      const page = this.#model.get(index);
      if (page !== undefined) Object.assign(page, { bytes: new Uint8Array(STAMP), mayBeZero: false });
    }
  }

  /** Only what is mapped without holes, to where it does not overlap. */
  *#move(first: number, pages: number, to: number): Steps {
    const covered = this.#covered(first, pages);
    if (!covered.every((index) => this.#model.has(index)) || Math.abs(first - to) < pages) return;
    // What a userfaultfd has is moved only by itself.
    if (points.on) yield at.list(this.#mm.vmas.id);
    const vmas = this.#mm.vmas.overlapping(this.#start(first), this.#start(first + pages));
    const each = vmas.some(({ userfaultfd: uffd }) => uffd !== null) ? 1 : pages;
    const length = each * this.#unit * PAGE_SIZE;
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    for (let i = 0; i < pages; i += each) {
      const target = this.#start(to + i);
      expect(yield* mremap(this.#mm, this.#start(first + i), length, length, flags, target)).toBe(target);
    }
    for (const [i, index] of covered.entries()) {
      this.#model.set(to + i, this.#model.get(index)!);
      this.#model.delete(index);
    }
  }

  /** The child does every other thing that its parent does from here on. */
  *#fork(rest: readonly Op[]): Steps {
    if (this.#children >= MAX_CHILDREN || this.#depth >= MAX_DEPTH) return;
    const mm = yield* fork(this.#mm);
    if (typeof mm === 'number') return;
    const depth = this.#depth + 1;
    const child = new Program(mm, this.#cpu, this.#base, this.#unit, depth, this.#model, this.#handlers);
    const life = this.#live(child, mm, rest.filter((_, i) => i % 2 === 0).slice(0, 30));
    this.#children++;
    mm.host.sched.spawn('child', life, this.#cpu);
  }

  *#live(child: Program, mm: Mm, ops: readonly Op[]): Steps {
    yield* child.run(ops);
    yield* leave(mm, this.#handlers);
    this.#children--;
  }
}

/** The end of a process, and of who handled its faults. */
function* leave(mm: Mm, handlers: Handlers | null): Steps {
  yield* exitMm(mm);
  const uffd = handlers?.get(mm);
  if (uffd !== undefined) yield* userfaultfdRelease(uffd);
}

interface Scene {
  readonly programs: readonly (readonly Op[])[];
  readonly frames: number;
  /** One address space for all programs, or one each. */
  readonly shared: boolean;
  /** Pages are read past the swap cache. */
  readonly synchronous: boolean;
}

function* setKsm(host: Host, run: number): Steps {
  expect(yield* ksmRunStore(host, run)).toBe(0);
}

function play(scene: Scene, bench: Bench, unit = 1): void {
  const { host } = bench;
  const mms: Mm[] = [];
  const programs: Program[] = [];
  // Programs of huge pages are left to themselves: it would be one page at a time.
  const handlers: Handlers | null = unit === 1 ? new Map() : null;
  Object.assign(host.ksm, { sleepMillisecs: 0, smartScan: false, pagesToScan: 20, maxPageSharing: 3 });
  runTasks(bench, function* () {
    if (unit === 1) yield* setKsm(host, KSM_RUN_MERGE);
    for (let i = 0; i < scene.programs.length; i++) {
      const mm = i > 0 && scene.shared ? mms[0]! : yield* newMm(host);
      if (!mms.includes(mm)) mms.push(mm);
      const hint = (HUGE_BASE + i * HUGE_UNIT * PROGRAM_PAGES * PAGE_SIZE) as Hva;
      const base = (yield* mmapAnonymous(
        mm,
        unit === 1 ? 0 : hint,
        PROGRAM_PAGES * unit * PAGE_SIZE,
        RW,
        0,
      )) as Hva;
      const model = new Map(Array.from({ length: PROGRAM_PAGES }, (_, page) => [page, freshPage()]));
      programs.push(new Program(mm, i % host.cpus.length, base, unit, 0, model, handlers));
    }
  });
  runTasks(bench, ...programs.map((program, i) => () => program.run(scene.programs[i]!)));
  runTasks(bench, () => setKsm(host, KSM_RUN_STOP));
  expectBalanced(bench);
  runTasks(bench, function* () {
    for (const mm of mms) yield* leave(mm, handlers);
    yield* setKsm(host, KSM_RUN_UNMERGE);
  });
  expect(host.ksm.nodes.size).toBe(0);
  expectNothingLeaked(bench);
}

const sceneOf = (ops: number): fc.Arbitrary<Scene> =>
  fc.record({
    programs: fc.array(fc.array(operationOf, { minLength: ops >> 1, maxLength: ops, size: 'max' }), {
      minLength: 1,
      maxLength: 3,
    }),
    frames: fc.constantFrom(64, 96),
    shared: fc.boolean(),
    synchronous: fc.boolean(),
  });

const deviceOf = ({ synchronous }: Scene): MemorySwapDevice => new MemorySwapDevice(501, synchronous);

/** In run mode, first come first served. */
export const processesProperty = (ops: number) =>
  fc.property(sceneOf(ops), (scene) => {
    play(scene, makeBench({ frames: scene.frames, device: deviceOf(scene) }));
  });

/** Where a random scheduler may switch tasks before each access to shared state. */
export const interleavedProcessesProperty = (ops: number) =>
  fc.property(sceneOf(ops), fc.nat(), (scene, seed) => {
    play(scene, makeBench({ frames: scene.frames, device: deviceOf(scene), policy: randomPolicy(seed) }));
  });

const hugeSceneOf = (ops: number): fc.Arbitrary<Scene> =>
  sceneOf(ops).map((scene) => ({
    ...scene,
    programs: scene.programs.slice(0, 2),
    frames: scene.frames * 32,
  }));

/** On a host with huge pages, where programs share them, have parts of them, and lose them to swap. */
export const hugeProcessesProperty = (ops: number) =>
  fc.property(hugeSceneOf(ops), fc.option(fc.nat()), (scene, seed) => {
    const policy = seed === null ? {} : { policy: randomPolicy(seed) };
    const bench = makeBench({ frames: scene.frames, swapSlots: 12_000, ...policy });
    bench.host.thp.enabled = 'always';
    play(scene, bench, HUGE_UNIT);
  });
