// A small host with a disk and files on it, for tests of the page cache and of shmem.

import { expect } from 'vitest';
import {
  copyFromUser,
  copyToUser,
  Ext4,
  exitMm,
  type File,
  fileRead,
  fput,
  type Host,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  MemoryBlockDevice,
  type Mm,
  memfdCreate,
  mmap,
  PROT_READ,
  PROT_WRITE,
} from '../../src/mm/index.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import {
  type Bench,
  type BenchOptions,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
} from './support.ts';

export const FILE_PAGES = 16;
const DISK_BLOCKS = 40;

export interface FileScene {
  readonly bench: Bench;
  readonly host: Host;
  readonly fs: Ext4;
  readonly disk: MemoryBlockDevice;
  /** 16 pages; page p is full of p + 1. */
  readonly file: File;
  readonly mm: Mm;
}

/** Runs `act` in a process with an open file; then everything is closed, ended and unmounted, and nothing is left. */
export function playFiles(options: BenchOptions, act: (scene: FileScene) => Steps): Bench {
  const bench = makeBench(options);
  const { host } = bench;
  const disk = new MemoryBlockDevice(DISK_BLOCKS);
  const fs = new Ext4(host, disk);
  const content = new Uint8Array(FILE_PAGES * PAGE_SIZE).map((_, i) => Math.floor(i / PAGE_SIZE) + 1);
  const file = fs.addFile(content);
  let mm!: Mm;
  runTasks(bench, function* () {
    mm = yield* newMm(host);
    yield* act({ bench, host, fs, disk, file, mm });
  });
  expectBalanced(bench);
  runTasks(bench, function* () {
    yield* exitMm(mm);
    yield* fput(file);
    yield* fs.unmount();
  });
  expectNothingLeaked(bench);
  return bench;
}

const RW = PROT_READ | PROT_WRITE;

/** A shared (or private) mapping of `pages` pages of a file from page `from` on. */
export function* mapFile(mm: Mm, file: File, pages: number, from = 0, flags = MAP_SHARED): Steps<Hva> {
  const address = yield* mmap(mm, 0, pages * PAGE_SIZE, RW, flags, file, from);
  expect(address).toBeGreaterThan(0);
  return address as Hva;
}

export const mapPrivate = (mm: Mm, file: File, pages: number, from = 0): Steps<Hva> =>
  mapFile(mm, file, pages, from, MAP_PRIVATE);

/** MAP_SHARED | MAP_ANONYMOUS. */
export function* mapShared(mm: Mm, pages: number): Steps<Hva> {
  const flags = MAP_SHARED | MAP_ANONYMOUS;
  const address = yield* mmap(mm, 0, pages * PAGE_SIZE, RW, flags, null, 0);
  expect(address).toBeGreaterThan(0);
  return address as Hva;
}

export function* memfd(host: Host, pages: number): Steps<File> {
  return memfdCreate(host, pages * PAGE_SIZE);
}

/** The first byte of a page; or the errno of an access that failed. */
export function* load(mm: Mm, base: Hva, page: number, offset = 0, cpu = 0): Steps<number> {
  const into = new Uint8Array(1);
  const error = yield* copyFromUser(mm, cpu, (pageAt(base, page) + offset) as Hva, into);
  return error !== 0 ? error : into[0]!;
}

/** 0, or the errno of an access that failed. */
export const store = (mm: Mm, base: Hva, page: number, value: number, offset = 0, cpu = 0): Steps<number> =>
  copyToUser(mm, cpu, (pageAt(base, page) + offset) as Hva, Uint8Array.of(value));

/** A byte of the file by read(); -1 past the end. */
export function* readByte(file: File, page: number, offset = 0): Steps<number> {
  const into = new Uint8Array(1);
  const count = yield* fileRead(file, page * PAGE_SIZE + offset, into);
  return count === 1 ? into[0]! : -1;
}

/** A byte of the disk, whatever the page cache says. */
export function onDisk({ fs, disk, file }: FileScene, page: number, offset = 0): number {
  const extent = fs.extentsOf(file.mapping).get(page);
  if (extent === undefined || extent.unwritten) return 0;
  const memory = new Uint8Array(PAGE_SIZE);
  disk.submit({ write: false, block: extent.block, memory, done: () => {} });
  return memory[offset]!;
}
