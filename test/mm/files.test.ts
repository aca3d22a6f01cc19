// Files under mmap(): faults, private and shared pages, what is dirty, writeback, the end of the file.

import { describe, expect, it } from 'vitest';
import { isPresent, PTE_W } from '../../src/hw/sv39/index.ts';
import {
  filePunchHole,
  fileRead,
  fileTruncate,
  fileWrite,
  MADV_PAGEOUT,
  MS_SYNC,
  madvise,
  mmapAnonymous,
  msync,
  PROT_READ,
  PROT_WRITE,
  readVmstat,
  vfsFsync,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { FILE_PAGES, load, mapFile, mapPrivate, onDisk, playFiles, readByte, store } from './fileScene.ts';
import { pageAt } from './support.ts';

const HOST = { frames: 256, swapSlots: 64 };
const SIGBUS = -Errno.EFAULT;

describe('a mapping of a file', () => {
  it('shows what is on the disk, and nothing beyond the end', () => {
    playFiles(HOST, function* ({ mm, file }) {
      const base = yield* mapFile(mm, file, FILE_PAGES + 2);
      for (let i = 0; i < FILE_PAGES; i++) expect(yield* load(mm, base, i, 100)).toBe(i + 1);
      expect(yield* load(mm, base, FILE_PAGES)).toBe(SIGBUS);
      expect(yield* store(mm, base, FILE_PAGES + 1, 1)).toBe(SIGBUS);
    });
  });

  it('shared: everybody sees a store, read() too, and the disk after fsync()', () => {
    playFiles(HOST, function* (scene) {
      const { mm, file } = scene;
      const one = yield* mapFile(mm, file, 4);
      const two = yield* mapFile(mm, file, 4, 2);
      expect(yield* store(mm, one, 3, 77)).toBe(0);
      expect(yield* load(mm, two, 1, 0, 1)).toBe(77);
      expect(yield* readByte(file, 3)).toBe(77);
      expect(onDisk(scene, 3)).toBe(4);
      expect(yield* vfsFsync(file.mapping)).toBe(0);
      expect(onDisk(scene, 3)).toBe(77);
    });
  });

  it('private: a store stays private, and a page that was not stored to follows the file', () => {
    playFiles(HOST, function* ({ mm, file }) {
      const shared = yield* mapFile(mm, file, 4);
      const base = yield* mapPrivate(mm, file, 4);
      expect(yield* load(mm, base, 0)).toBe(1);
      expect(yield* store(mm, base, 0, 50)).toBe(0);
      expect(yield* store(mm, base, 1, 51)).toBe(0);
      expect(yield* store(mm, shared, 0, 60)).toBe(0);
      expect(yield* store(mm, shared, 2, 62)).toBe(0);
      expect([yield* load(mm, base, 0), yield* load(mm, base, 1), yield* load(mm, base, 2)]).toEqual([
        50, 51, 62,
      ]);
      expect([yield* readByte(file, 0), yield* readByte(file, 1)]).toEqual([60, 2]);
      expect([mm.anonPages, mm.shmemPages]).toEqual([2, 0]);
    });
  });

  it('maps what is in the cache round about a fault', () => {
    playFiles(HOST, function* ({ mm, file, host }) {
      const base = yield* mapFile(mm, file, FILE_PAGES);
      for (let i = 0; i < FILE_PAGES; i++) yield* readByte(file, i);
      const before = host.vmstat.pgfault;
      for (let i = 0; i < FILE_PAGES; i++) expect(yield* load(mm, base, i)).toBe(i + 1);
      expect(host.vmstat.pgfault - before).toBeLessThanOrEqual(2);
    });
  });
});

describe('write protection', () => {
  it('makes the first store after writeback heard of', () => {
    playFiles(HOST, function* (scene) {
      const { mm, file, host } = scene;
      const base = yield* mapFile(mm, file, 2);
      expect(yield* load(mm, base, 0)).toBe(1);
      expect(inspectPte(mm, base) & PTE_W).toBe(0);
      expect(yield* store(mm, base, 0, 9)).toBe(0);
      expect(inspectPte(mm, base) & PTE_W).not.toBe(0);
      expect(readVmstat(host).nr_dirty).toBe(1);
      expect(yield* msync(mm, base, PAGE_SIZE, MS_SYNC)).toBe(0);
      expect(readVmstat(host).nr_dirty).toBe(0);
      expect(inspectPte(mm, base) & PTE_W).toBe(0);
      expect(yield* store(mm, base, 0, 10, 0, 1)).toBe(0);
      expect(readVmstat(host).nr_dirty).toBe(1);
      expect(onDisk(scene, 0)).toBe(9);
      expect(yield* msync(mm, base, PAGE_SIZE, MS_SYNC)).toBe(0);
      expect(onDisk(scene, 0)).toBe(10);
    });
  });
});

describe('the end of a file', () => {
  it('moves: pages beyond it are gone, private copies too, and are zeros when it moves back', () => {
    playFiles(HOST, function* ({ mm, file }) {
      const shared = yield* mapFile(mm, file, FILE_PAGES);
      const base = yield* mapPrivate(mm, file, FILE_PAGES);
      expect(yield* store(mm, base, 5, 90)).toBe(0);
      expect(yield* store(mm, shared, 6, 91)).toBe(0);
      expect(yield* fileTruncate(file, 4 * PAGE_SIZE + 100)).toBe(0);
      expect(yield* load(mm, base, 5)).toBe(SIGBUS);
      expect(yield* load(mm, shared, 6)).toBe(SIGBUS);
      expect([yield* load(mm, shared, 4, 99), yield* load(mm, shared, 4, 100)]).toEqual([5, 0]);
      // Behind the end the page can be written to, but it is not the file's.
      expect(yield* store(mm, shared, 4, 92, 200)).toBe(0);
      expect(yield* fileTruncate(file, FILE_PAGES * PAGE_SIZE)).toBe(0);
      expect([yield* load(mm, shared, 4, 200), yield* load(mm, base, 5), yield* load(mm, shared, 6)]).toEqual(
        [0, 0, 0],
      );
    });
  });

  it('is moved by write(), which leaves a hole', () => {
    playFiles(HOST, function* (scene) {
      const { file, fs } = scene;
      const free = fs.freeBlocks;
      expect(yield* fileWrite(file, 18 * PAGE_SIZE + 7, Uint8Array.of(1, 2, 3))).toBe(3);
      expect(free - fs.freeBlocks).toBe(1);
      const into = new Uint8Array(3 * PAGE_SIZE);
      expect(yield* fileRead(file, 16 * PAGE_SIZE, into)).toBe(2 * PAGE_SIZE + 10);
      expect([...into.subarray(2 * PAGE_SIZE, 2 * PAGE_SIZE + 10)]).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
      expect(into.subarray(0, 2 * PAGE_SIZE).every((byte) => byte === 0)).toBe(true);
    });
  });
});

describe('a hole', () => {
  it('reads as zeros, keeps private copies, and gives the blocks back', () => {
    playFiles(HOST, function* (scene) {
      const { mm, file, fs } = scene;
      const shared = yield* mapFile(mm, file, FILE_PAGES);
      const base = yield* mapPrivate(mm, file, FILE_PAGES);
      expect(yield* store(mm, base, 3, 90)).toBe(0);
      expect(yield* store(mm, shared, 4, 91)).toBe(0);
      const free = fs.freeBlocks;
      expect(yield* filePunchHole(file, 2 * PAGE_SIZE + 50, 3 * PAGE_SIZE)).toBe(0);
      expect(fs.freeBlocks - free).toBe(2);
      expect(yield* load(mm, base, 3)).toBe(90);
      const seen = [];
      for (const [page, offset] of [
        [2, 49],
        [2, 50],
        [3, 0],
        [4, 0],
        [5, 49],
        [5, 50],
      ] as const)
        seen.push(yield* load(mm, shared, page, offset));
      expect(seen).toEqual([3, 0, 0, 0, 0, 6]);
      expect(yield* store(mm, shared, 3, 33)).toBe(0);
      expect(yield* vfsFsync(file.mapping)).toBe(0);
      expect([onDisk(scene, 2, 49), onDisk(scene, 2, 50), onDisk(scene, 3), onDisk(scene, 4)]).toEqual([
        3, 0, 33, 0,
      ]);
    });
  });

  it('is filled by a store, for which a full disk has no block', () => {
    playFiles(HOST, function* ({ mm, file, fs }) {
      const base = yield* mapFile(mm, file, FILE_PAGES);
      expect(yield* filePunchHole(file, 0, 2 * PAGE_SIZE)).toBe(0);
      expect(yield* load(mm, base, 0)).toBe(0);
      while (fs.freeBlocks > 1) fs.allocBlock();
      expect(yield* store(mm, base, 0, 1)).toBe(0);
      expect(yield* store(mm, base, 1, 1)).toBe(SIGBUS);
      expect(yield* fileWrite(file, PAGE_SIZE, Uint8Array.of(1))).toBe(-Errno.ENOSPC);
    });
  });
});

describe('reclaim', () => {
  it('drops clean pages and leaves dirty ones to the flusher', () => {
    playFiles(HOST, function* (scene) {
      const { mm, file, host } = scene;
      const base = yield* mapFile(mm, file, FILE_PAGES);
      for (let i = 0; i < 8; i++) expect(yield* load(mm, base, i)).toBe(i + 1);
      expect(yield* store(mm, base, 2, 70)).toBe(0);
      const pageout = (): Steps<number> => madvise(mm, base, FILE_PAGES * PAGE_SIZE, MADV_PAGEOUT);
      expect(yield* pageout()).toBe(0);
      for (let i = 0; i < FILE_PAGES; i++) expect(isPresent(inspectPte(mm, pageAt(base, i)))).toBe(false);
      const { nr_file_pages, nr_dirty } = readVmstat(host);
      expect({ nr_file_pages, nr_dirty }).toEqual({ nr_file_pages: 1, nr_dirty: 1 });
      expect(onDisk(scene, 2)).toBe(3);
      host.flusher.wake();
      while (readVmstat(host).nr_dirty! > 0) yield RESCHED;
      while (host.throttle.writebackInFlight > 0) yield* host.throttle.waitForWriteback();
      expect(onDisk(scene, 2)).toBe(70);
      expect(yield* load(mm, base, 2)).toBe(70);
      expect(yield* pageout()).toBe(0);
      expect(readVmstat(host).nr_file_pages).toBe(0);
      expect(yield* load(mm, base, 2)).toBe(70);
    });
  });

  it('finds room for a file larger than memory, while processes write to all of it', () => {
    playFiles({ frames: 64, swapSlots: 64 }, function* (scene) {
      const { mm, file, host } = scene;
      const base = yield* mapFile(mm, file, FILE_PAGES);
      const memory = (yield* mmapAnonymous(mm, 0, 60 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0)) as Hva;
      for (let round = 1; round <= 3; round++) {
        for (let i = 0; i < FILE_PAGES; i++) expect(yield* store(mm, base, i, round * 20 + i)).toBe(0);
        for (let i = 0; i < 60; i++) expect(yield* store(mm, memory, i, round + i)).toBe(0);
        for (let i = 0; i < FILE_PAGES; i++) expect(yield* load(mm, base, i)).toBe(round * 20 + i);
        for (let i = 0; i < 60; i++) expect(yield* load(mm, memory, i)).toBe(round + i);
      }
      expect(host.vmstat.pgsteal_file).toBeGreaterThan(0);
      expect(host.vmstat.pgsteal_anon).toBeGreaterThan(0);
      expect(yield* vfsFsync(file.mapping)).toBe(0);
      for (let i = 0; i < FILE_PAGES; i++) expect(onDisk(scene, i)).toBe(60 + i);
    });
  });

  it('lets a page that comes back too soon start out active', () => {
    playFiles({ frames: 96, swapSlots: 0 }, function* ({ mm, file, host }) {
      const base = yield* mapFile(mm, file, FILE_PAGES);
      for (let i = 0; i < FILE_PAGES; i++) yield* load(mm, base, i);
      expect(yield* madvise(mm, base, FILE_PAGES * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      for (let i = 0; i < FILE_PAGES; i++) yield* load(mm, base, i);
      expect(host.vmstat.workingset_refault_file).toBe(FILE_PAGES);
    });
  });
});
