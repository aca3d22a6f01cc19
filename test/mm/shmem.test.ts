// shmem: shared anonymous memory and memfds, in memory, on swap and past their end.

import { describe, expect, it } from 'vitest';
import { isPresent } from '../../src/hw/sv39/index.ts';
import {
  exitMm,
  type File,
  filePunchHole,
  fileTruncate,
  fileWrite,
  fork,
  fput,
  type Host,
  MADV_PAGEOUT,
  type Mm,
  madvise,
  munmap,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { tryToFreePages } from '../../src/mm/reclaim/directReclaim.ts';
import type { Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { load, mapFile, mapPrivate, mapShared, memfd, playFiles, readByte, store } from './fileScene.ts';
import { pageAt } from './support.ts';

const HOST = { frames: 128, swapSlots: 64 };
const SIGBUS = -Errno.EFAULT;

function* swapOut(host: Host, mm: Mm, base: Hva, pages: number): Steps {
  expect(yield* madvise(mm, base, pages * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
  while (host.throttle.writebackInFlight > 0) yield* host.throttle.waitForWriteback();
}

const slotsUsed = ({ swap }: Host): number => swap!.totalSlots - swap!.freeSlots;
const swappedIn = (file: File): number => file.mapping.iPages.swapped;

describe('shared anonymous memory', () => {
  it('is zeros at first, and shared with a child', () => {
    playFiles(HOST, function* ({ mm }) {
      const base = yield* mapShared(mm, 4);
      expect(yield* load(mm, base, 0)).toBe(0);
      expect(yield* store(mm, base, 1, 11)).toBe(0);
      const child = (yield* fork(mm)) as Mm;
      expect(yield* load(child, base, 1, 0, 1)).toBe(11);
      expect(yield* store(child, base, 0, 12, 0, 1)).toBe(0);
      expect(yield* load(mm, base, 0)).toBe(12);
      expect([mm.shmemPages, child.shmemPages, mm.anonPages]).toEqual([2, 2, 0]);
      yield* exitMm(child);
      expect(yield* load(mm, base, 0)).toBe(12);
    });
  });

  it('goes to swap and comes back, once for all who map it', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const base = yield* mapShared(mm, 8);
      for (let i = 0; i < 8; i++) expect(yield* store(mm, base, i, 20 + i)).toBe(0);
      const { file } = mm.vmas.all[0]!;
      yield* swapOut(host, mm, base, 8);
      for (let i = 0; i < 8; i++) expect(inspectPte(mm, pageAt(base, i))).toBe(0);
      expect([swappedIn(file!), slotsUsed(host), mm.swapEntries]).toEqual([8, 8, 0]);
      const child = (yield* fork(mm)) as Mm;
      for (let i = 0; i < 8; i++) expect(yield* load(child, base, i)).toBe(20 + i);
      for (let i = 0; i < 8; i++) expect(yield* store(mm, base, i, 40 + i)).toBe(0);
      for (let i = 0; i < 8; i++) expect(yield* load(child, base, i)).toBe(40 + i);
      expect([swappedIn(file!), slotsUsed(host)]).toEqual([0, 0]);
      yield* exitMm(child);
    });
  });

  it('gives its slots back when the last mapping goes, also while it is being written', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const base = yield* mapShared(mm, 8);
      for (let i = 0; i < 8; i++) yield* store(mm, base, i, 1);
      yield* swapOut(host, mm, base, 4);
      expect(yield* madvise(mm, pageAt(base, 4), 4 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect(host.throttle.writebackInFlight).toBe(4);
      expect(yield* munmap(mm, base, 8 * PAGE_SIZE)).toBe(0);
    });
  });
});

describe('a store that only the page table knows of', () => {
  it('is in the page when its last mapping is gone', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const file = yield* memfd(host, 2);
      const base = yield* mapFile(mm, file, 2);
      // The load maps the page writable and clean; the store needs no fault.
      expect(yield* load(mm, base, 0)).toBe(0);
      const { pgfault } = host.vmstat;
      expect(yield* store(mm, base, 0, 7)).toBe(0);
      expect(host.vmstat.pgfault).toBe(pgfault);
      expect(yield* munmap(mm, base, PAGE_SIZE)).toBe(0);
      while ((yield* tryToFreePages(host, 0)) > 0);
      expect(yield* readByte(file, 0)).toBe(7);
      expect(host.vmstat.pswpout).toBe(1);
      yield* fput(file);
    });
  });
});

describe('a memfd', () => {
  it('is one object by mapping, read() and write()', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const file = yield* memfd(host, 4);
      const base = yield* mapFile(mm, file, 6);
      expect(yield* store(mm, base, 2, 33)).toBe(0);
      expect([yield* readByte(file, 2), yield* readByte(file, 3), yield* readByte(file, 4)]).toEqual([
        33, 0, -1,
      ]);
      expect(yield* load(mm, base, 4)).toBe(SIGBUS);
      expect(yield* fileWrite(file, 4 * PAGE_SIZE, Uint8Array.of(44))).toBe(1);
      expect(yield* load(mm, base, 4)).toBe(44);
      yield* fput(file);
    });
  });

  it('is cut and punched in memory and on swap alike', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const file = yield* memfd(host, 8);
      const base = yield* mapFile(mm, file, 8);
      const copy = yield* mapPrivate(mm, file, 8);
      for (let i = 0; i < 8; i++) expect(yield* store(mm, base, i, 60 + i, 10)).toBe(0);
      expect(yield* store(mm, copy, 1, 99)).toBe(0);
      expect(yield* store(mm, copy, 6, 98)).toBe(0);
      yield* swapOut(host, mm, base, 8);
      expect(swappedIn(file)).toBe(8);
      expect(yield* load(mm, base, 2, 10)).toBe(62);
      expect(yield* filePunchHole(file, PAGE_SIZE, 3 * PAGE_SIZE + 11)).toBe(0);
      const seen = [];
      for (const page of [0, 1, 2, 3, 4, 5]) seen.push(yield* load(mm, base, page, 10));
      expect(seen).toEqual([60, 0, 0, 0, 0, 65]);
      expect(yield* load(mm, copy, 1)).toBe(99);
      expect(yield* fileTruncate(file, 5 * PAGE_SIZE + 5)).toBe(0);
      expect([yield* load(mm, base, 6), yield* load(mm, copy, 6)]).toEqual([SIGBUS, SIGBUS]);
      expect(yield* fileTruncate(file, 8 * PAGE_SIZE)).toBe(0);
      expect([yield* load(mm, base, 5, 10), yield* load(mm, base, 6, 10), yield* load(mm, copy, 6)]).toEqual([
        0, 0, 0,
      ]);
      yield* fput(file);
    });
  });

  it('keeps its pages after it was unmapped, until it is closed', () => {
    playFiles(HOST, function* ({ mm, host }) {
      const file = yield* memfd(host, 4);
      const base = yield* mapFile(mm, file, 4);
      for (let i = 0; i < 4; i++) yield* store(mm, base, i, 5 + i);
      yield* swapOut(host, mm, base, 2);
      expect(yield* munmap(mm, base, 4 * PAGE_SIZE)).toBe(0);
      for (let i = 0; i < 4; i++) expect(yield* readByte(file, i)).toBe(5 + i);
      expect(host.vmstat.nr_shmem).toBe(4);
      yield* fput(file);
      expect(host.vmstat.nr_shmem).toBe(0);
    });
  });

  it('stays in memory where there is no swap', () => {
    playFiles({ frames: 64, swapSlots: 0 }, function* ({ mm, host }) {
      const file = yield* memfd(host, 4);
      const base = yield* mapFile(mm, file, 4);
      for (let i = 0; i < 4; i++) yield* store(mm, base, i, 5 + i);
      yield* swapOut(host, mm, base, 4);
      for (let i = 0; i < 4; i++) expect(yield* load(mm, base, i)).toBe(5 + i);
      expect(isPresent(inspectPte(mm, base))).toBe(true);
      yield* fput(file);
    });
  });
});
