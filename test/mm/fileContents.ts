// Random programs on files and shmem objects: each object has one author, who knows what must be in it, while others
// read it, write it back and reclaim it.

import fc from 'fast-check';
import { expect } from 'vitest';
import {
  Ext4,
  exitMm,
  type File,
  filePunchHole,
  fileTruncate,
  fileWrite,
  fput,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MADV_WILLNEED,
  MemoryBlockDevice,
  type Mm,
  MS_SYNC,
  madvise,
  memfdCreate,
  migrateUserPages,
  msync,
  vfsFsync,
} from '../../src/mm/index.ts';
import { randomPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { load, mapFile, mapPrivate, readByte, store } from './fileScene.ts';
import {
  type Bench,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
} from './support.ts';

const PAGES = 10;
/** Mapped a little further than the objects ever are. */
const MAPPED = PAGES + 2;
const PROBES = [16, 0xc10] as const;
const SIGBUS = -Errno.EFAULT;

type Op =
  | {
      readonly kind: 'store' | 'storePrivate' | 'write';
      readonly page: number;
      readonly probe: 0 | 1;
      readonly value: number;
    }
  | { readonly kind: 'load' | 'loadPrivate' | 'read'; readonly page: number; readonly probe: 0 | 1 }
  | { readonly kind: 'truncate'; readonly halves: number }
  | {
      readonly kind:
        | 'punch'
        | 'pageout'
        | 'pageoutPrivate'
        | 'dontneed'
        | 'dontneedPrivate'
        | 'msync'
        | 'migrate'
        | 'willneed';
      readonly page: number;
      readonly pages: number;
    }
  | { readonly kind: 'fsync' };

const page = fc.nat({ max: MAPPED - 1 });
const probe = fc.constantFrom(0 as const, 1 as const);
const opOf: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('store' as const, 'storePrivate' as const, 'write' as const),
      page,
      probe,
      value: fc.integer({ min: 1, max: 255 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('load' as const, 'loadPrivate' as const, 'read' as const),
      page,
      probe,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('truncate' as const), halves: fc.nat({ max: 2 * PAGES }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'punch' as const,
        'pageout' as const,
        'pageoutPrivate' as const,
        'dontneed' as const,
        'dontneedPrivate' as const,
        'msync' as const,
        'migrate' as const,
        'willneed' as const,
      ),
      page,
      pages: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'fsync' as const }) },
);

type Bytes = [number, number];

/** The author of one object, in an address space with a shared and a private mapping of it. */
class Author {
  readonly #mm: Mm;
  readonly #file: File;
  readonly #cpu: number;
  #shared!: Hva;
  #private!: Hva;
  #size = PAGES * PAGE_SIZE;
  readonly #content: Bytes[];
  readonly #copies = new Map<number, Bytes>();

  constructor(mm: Mm, file: File, cpu: number, filled: boolean) {
    this.#mm = mm;
    this.#file = file;
    this.#cpu = cpu;
    this.#content = Array.from({ length: MAPPED }, (_, i) => (filled && i < PAGES ? [i + 1, i + 1] : [0, 0]));
  }

  *run(ops: readonly Op[]): Steps {
    this.#shared = yield* mapFile(this.#mm, this.#file, MAPPED);
    this.#private = yield* mapPrivate(this.#mm, this.#file, MAPPED);
    for (const op of ops) yield* this.#step(op);
    for (let i = 0; i < MAPPED; i++) {
      yield* this.#step({ kind: 'load', page: i, probe: 1 });
      yield* this.#step({ kind: 'loadPrivate', page: i, probe: 0 });
      yield* this.#step({ kind: 'read', page: i, probe: 0 });
    }
  }

  #isMapped(page_: number): boolean {
    return page_ * PAGE_SIZE < this.#size;
  }

  *#step(op: Op): Steps {
    if (op.kind === 'fsync') expect(yield* vfsFsync(this.#file.mapping)).toBe(0);
    else if (op.kind === 'truncate') yield* this.#truncate(op.halves * (PAGE_SIZE / 2));
    else if ('pages' in op) yield* this.#range(op.kind, op.page, Math.min(op.pages, MAPPED - op.page));
    else if ('value' in op) yield* this.#change(op.kind, op.page, op.probe, op.value);
    else yield* this.#look(op.kind, op.page, op.probe);
  }

  *#change(kind: 'store' | 'storePrivate' | 'write', at: number, probe_: 0 | 1, value: number): Steps {
    const offset = PROBES[probe_];
    if (kind === 'write') {
      expect(yield* fileWrite(this.#file, at * PAGE_SIZE + offset, Uint8Array.of(value))).toBe(1);
      this.#size = Math.max(this.#size, at * PAGE_SIZE + offset + 1);
      this.#content[at]![probe_] = value;
      return;
    }
    // What is stored behind the end, in its page, is nobody's: it may be zeroed at any time.
    if (this.#isMapped(at) && at * PAGE_SIZE + offset >= this.#size) return;
    const base = kind === 'store' ? this.#shared : this.#private;
    const error = yield* store(this.#mm, base, at, value, offset, this.#cpu);
    expect({ kind, at, error }).toEqual({ kind, at, error: this.#isMapped(at) ? 0 : SIGBUS });
    if (error !== 0) return;
    if (kind === 'storePrivate' && !this.#copies.has(at)) this.#copies.set(at, [...this.#content[at]!]);
    (kind === 'store' ? this.#content[at]! : this.#copies.get(at)!)[probe_] = value;
  }

  *#look(kind: 'load' | 'loadPrivate' | 'read', at: number, probe_: 0 | 1): Steps {
    const offset = PROBES[probe_];
    if (kind === 'read') {
      const expected = at * PAGE_SIZE + offset < this.#size ? this.#content[at]![probe_] : -1;
      expect({ kind, at, value: yield* readByte(this.#file, at, offset) }).toEqual({
        kind,
        at,
        value: expected,
      });
      return;
    }
    const base = kind === 'load' ? this.#shared : this.#private;
    const own = kind === 'load' ? undefined : this.#copies.get(at);
    const expected = this.#isMapped(at) ? (own ?? this.#content[at]!)[probe_] : SIGBUS;
    const value = yield* load(this.#mm, base, at, offset, this.#cpu);
    expect({ kind, at, value }).toEqual({ kind, at, value: expected });
  }

  *#truncate(size: number): Steps {
    expect(yield* fileTruncate(this.#file, size)).toBe(0);
    this.#size = size;
    for (let i = 0; i < MAPPED; i++) {
      if (!this.#isMapped(i)) this.#copies.delete(i);
      PROBES.forEach((offset, p) => {
        if (i * PAGE_SIZE + offset >= size) this.#content[i]![p] = 0;
      });
    }
  }

  *#range(kind: Extract<Op, { pages: number }>['kind'], first: number, pages: number): Steps {
    const length = pages * PAGE_SIZE;
    const shared = pageAt(this.#shared, first);
    const copies = pageAt(this.#private, first);
    if (kind === 'punch') {
      expect(yield* filePunchHole(this.#file, first * PAGE_SIZE, length)).toBe(0);
      for (let i = first; i < first + pages; i++) this.#content[i] = [0, 0];
    } else if (kind === 'dontneedPrivate') {
      expect(yield* madvise(this.#mm, copies, length, MADV_DONTNEED)).toBe(0);
      for (let i = first; i < first + pages; i++) this.#copies.delete(i);
    } else if (kind === 'msync') expect(yield* msync(this.#mm, shared, length, MS_SYNC)).toBe(0);
    else if (kind === 'migrate') {
      yield* migrateUserPages(this.#mm, shared, length);
      yield* migrateUserPages(this.#mm, copies, length);
    } else if (kind === 'willneed') expect(yield* madvise(this.#mm, shared, length, MADV_WILLNEED)).toBe(0);
    else if (kind === 'pageoutPrivate')
      expect(yield* madvise(this.#mm, copies, length, MADV_PAGEOUT)).toBe(0);
    else {
      const advice = kind === 'pageout' ? MADV_PAGEOUT : MADV_DONTNEED;
      expect(yield* madvise(this.#mm, shared, length, advice)).toBe(0);
    }
  }
}

interface Noise {
  readonly kind: 'load' | 'pageout' | 'cold' | 'dontneed' | 'fsync' | 'flush' | 'read' | 'migrate';
  readonly page: number;
}
const noiseOf: fc.Arbitrary<Noise> = fc.record({
  kind: fc.constantFrom(
    'load',
    'load',
    'load',
    'pageout',
    'cold',
    'dontneed',
    'fsync',
    'flush',
    'read',
    'migrate',
  ),
  page,
});

/** Another process that maps the object: looks at it and has it reclaimed and written back, and changes nothing. */
function* disturb(bench: Bench, mm: Mm, file: File, ops: readonly Noise[]): Steps {
  const base = yield* mapFile(mm, file, MAPPED);
  for (const { kind, page: at } of ops) {
    if (kind === 'load') yield* load(mm, base, at, 0, 1);
    else if (kind === 'read') yield* readByte(file, at);
    else if (kind === 'flush') bench.host.flusher.wake();
    else if (kind === 'migrate') yield* migrateUserPages(mm, base, MAPPED * PAGE_SIZE);
    else if (kind === 'fsync') yield* vfsFsync(file.mapping);
    else {
      const advice = { pageout: MADV_PAGEOUT, cold: MADV_COLD, dontneed: MADV_DONTNEED }[kind];
      yield* madvise(mm, base, MAPPED * PAGE_SIZE, advice);
    }
  }
}

interface Scene {
  readonly onDisk: readonly Op[];
  readonly inMemory: readonly Op[];
  readonly noise: readonly Noise[];
  readonly frames: number;
  /** Both authors and the noise in one address space, or one each. */
  readonly together: boolean;
}

const sceneOf = (ops: number): fc.Arbitrary<Scene> =>
  fc.record({
    onDisk: fc.array(opOf, { maxLength: ops, size: 'max' }),
    inMemory: fc.array(opOf, { maxLength: ops, size: 'max' }),
    noise: fc.array(noiseOf, { maxLength: ops, size: 'max' }),
    frames: fc.constantFrom(48, 64, 128),
    together: fc.boolean(),
  });

function play(scene: Scene, bench: Bench): void {
  const { host } = bench;
  const fs = new Ext4(host, new MemoryBlockDevice(64));
  const file = fs.addFile(new Uint8Array(PAGES * PAGE_SIZE).map((_, i) => Math.floor(i / PAGE_SIZE) + 1));
  const object = memfdCreate(host, PAGES * PAGE_SIZE);
  const mms: Mm[] = [];
  runTasks(bench, function* () {
    for (let i = 0; i < (scene.together ? 1 : 4); i++) mms.push(yield* newMm(host));
  });
  const mmOf = (i: number): Mm => mms[scene.together ? 0 : i]!;
  runTasks(
    bench,
    () => new Author(mmOf(0), file, 0, true).run(scene.onDisk),
    () => new Author(mmOf(1), object, 1, false).run(scene.inMemory),
    () => disturb(bench, mmOf(2), file, scene.noise),
    () => disturb(bench, mmOf(3), object, scene.noise),
  );
  expectBalanced(bench);
  runTasks(bench, function* () {
    for (const mm of mms) yield* exitMm(mm);
    yield* fput(object);
    yield* fput(file);
    yield* fs.unmount();
  });
  expectNothingLeaked(bench);
}

/** First come, first served. */
export const fileProgramsProperty = (ops: number) =>
  fc.property(sceneOf(ops), (scene) => {
    play(scene, makeBench({ frames: scene.frames, swapSlots: 200 }));
  });

/** A random scheduler may switch tasks before each access to shared state. */
export const interleavedFilesProperty = (ops: number) =>
  fc.property(sceneOf(ops), fc.nat(), (scene, seed) => {
    play(scene, makeBench({ frames: scene.frames, swapSlots: 200, policy: randomPolicy(seed) }));
  });
