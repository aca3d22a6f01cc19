// Which pages were written to since somebody last asked, and the images of /proc that say so.

import { describe, expect, it } from 'vitest';
import { PTE_W, ptePfn } from '../../src/hw/sv39/index.ts';
import {
  clearSoftDirty,
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  MADV_PAGEOUT,
  MAP_FIXED,
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  madvise,
  mmapAnonymous,
  mprotect,
  mremap,
  PROT_READ,
  PROT_WRITE,
  pinUserPage,
  readKpagecount,
  readKpageflags,
  readMaps,
  readPagemapImage,
  unpinUserPage,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { type Bench, expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const PAGES = 4;
const SOFT_DIRTY = 55n;

/** A process with four written pages whose soft-dirty bits were cleared. */
function cleared(act: (mm: Mm, base: Hva, bench: Bench) => Steps): void {
  const bench = makeBench({ frames: 96, swapSlots: 32 });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    const base = (yield* mmapAnonymous(mm, 0, PAGES * PAGE_SIZE, RW, 0)) as Hva;
    for (let page = 0; page < PAGES; page++) yield* store(mm, pageAt(base, page));
    expect(dirtyPages(mm, base)).toEqual([0, 1, 2, 3]);
    yield* clearSoftDirty(mm);
    expect(dirtyPages(mm, base)).toEqual([]);
    yield* act(mm, base, bench);
    yield* exitMm(mm);
  });
  expectNothingLeaked(bench);
}

function* store(mm: Mm, address: Hva): Steps {
  expect(yield* copyToUser(mm, 0, address, Uint8Array.of(7))).toBe(0);
}

function* load(mm: Mm, address: Hva): Steps {
  expect(yield* copyFromUser(mm, 0, address, new Uint8Array(1))).toBe(0);
}

const words = (bytes: Uint8Array): bigint[] => [...new BigUint64Array(bytes.buffer)];

const dirtyPages = (mm: Mm, base: Hva, pages = PAGES): number[] =>
  words(readPagemapImage(mm, base, pages)).flatMap((word, i) =>
    ((word >> SOFT_DIRTY) & 1n) === 1n ? [i] : [],
  );

describe('soft-dirty', () => {
  it('is set by a store, not by a load', () => {
    cleared(function* (mm, base) {
      yield* load(mm, base);
      yield* store(mm, pageAt(base, 2));
      expect(dirtyPages(mm, base)).toEqual([2]);
    });
  });

  it('survives the swap, both ways', () => {
    cleared(function* (mm, base) {
      yield* store(mm, pageAt(base, 2));
      yield* madvise(mm, base, PAGES * PAGE_SIZE, MADV_PAGEOUT);
      expect(dirtyPages(mm, base)).toEqual([2]);
      for (let page = 0; page < PAGES; page++) yield* load(mm, pageAt(base, page));
      expect(dirtyPages(mm, base)).toEqual([2]);
      expect(inspectPte(mm, base) & PTE_W).toBe(0);
      yield* store(mm, base);
      expect(dirtyPages(mm, base)).toEqual([0, 2]);
    });
  });

  it('is cleared in the swap', () => {
    cleared(function* (mm, base) {
      yield* store(mm, base);
      yield* madvise(mm, base, PAGE_SIZE, MADV_PAGEOUT);
      yield* clearSoftDirty(mm);
      expect(dirtyPages(mm, base)).toEqual([]);
      yield* store(mm, base);
      expect(dirtyPages(mm, base)).toEqual([0]);
    });
  });

  it('is not lost to mprotect, which would make pages writable again', () => {
    cleared(function* (mm, base) {
      yield* mprotect(mm, base, PAGES * PAGE_SIZE, PROT_READ);
      yield* mprotect(mm, base, PAGES * PAGE_SIZE, RW);
      expect(inspectPte(mm, base) & PTE_W).toBe(0);
      yield* store(mm, pageAt(base, 3));
      expect(dirtyPages(mm, base)).toEqual([3]);
    });
  });

  it('is set by a move, of what there is', () => {
    cleared(function* (mm, base) {
      const target = (base + 2 ** 21) as Hva;
      const bytes = 2 * PAGE_SIZE;
      expect(yield* mremap(mm, base, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target)).toBe(target);
      expect(dirtyPages(mm, target, 2)).toEqual([0, 1]);
      expect(dirtyPages(mm, base)).toEqual([]);
    });
  });

  it('holds for all of a new mapping, also for one that merges', () => {
    cleared(function* (mm, base) {
      const next = pageAt(base, PAGES);
      expect(yield* mmapAnonymous(mm, next, PAGE_SIZE, RW, MAP_FIXED)).toBe(next);
      expect(readMaps(mm).length).toBe(1);
      expect(dirtyPages(mm, base, PAGES + 1)).toEqual([0, 1, 2, 3, 4]);
    });
  });

  it('is the child’s as it was the parent’s', () => {
    cleared(function* (mm, base) {
      yield* store(mm, pageAt(base, 1));
      const child = (yield* fork(mm)) as Mm;
      expect(dirtyPages(child, base)).toEqual([1]);
      yield* store(child, base);
      expect([dirtyPages(child, base), dirtyPages(mm, base)]).toEqual([[0, 1], [1]]);
      yield* exitMm(child);
    });
  });

  it('is never cleared of a page that is pinned: nobody sees its stores', () => {
    cleared(function* (mm, base, { host }) {
      const pfn = (yield* pinUserPage(mm, base, true)) as Pfn;
      yield* clearSoftDirty(mm);
      expect(dirtyPages(mm, base)).toEqual([0]);
      yield* unpinUserPage(host, pfn, true);
    });
  });
});

describe('the images', () => {
  it('of pagemap: nothing, zero page, anonymous page, swapped page', () => {
    cleared(function* (mm, base, { host }) {
      const fresh = (yield* mmapAnonymous(mm, 0, 2 * PAGE_SIZE, RW, 0)) as Hva;
      yield* load(mm, pageAt(fresh, 1));
      yield* clearSoftDirty(mm);
      yield* madvise(mm, base, PAGE_SIZE, MADV_PAGEOUT);
      const slot = BigInt(inspectPte(mm, base) >>> 11);
      expect(words(readPagemapImage(mm, base, 1))).toEqual([(1n << 62n) | (slot << 5n)]);
      const anon = BigInt(ptePfn(inspectPte(mm, pageAt(base, 1))));
      expect(words(readPagemapImage(mm, pageAt(base, 1), 1))).toEqual([(1n << 63n) | (1n << 56n) | anon]);
      expect(words(readPagemapImage(mm, fresh, 2))).toEqual([0n, (1n << 63n) | BigInt(host.zeroPfn)]);
      expect(words(readPagemapImage(mm, 0x1000 as Hva, 2))).toEqual([0n, 0n]);
    });
  });

  it('of kpageflags and kpagecount: a page, the zero page, a table, a free frame, no frame', () => {
    cleared(function* (mm, base, { host }) {
      const pfn = ptePfn(inspectPte(mm, base));
      const [flags] = words(readKpageflags(host, pfn, 1));
      // uptodate, lru, mmap, anonymous, swapbacked; the LRU may have more to say.
      const expected = [3n, 5n, 11n, 12n, 14n].reduce((sum, bit) => sum | (1n << bit), 0n);
      expect(flags! & expected).toBe(expected);
      expect(flags! & ((1n << 10n) | (1n << 13n) | (1n << 24n))).toBe(0n);
      expect(words(readKpagecount(host, pfn, 1))).toEqual([1n]);
      expect(words(readKpageflags(host, host.zeroPfn, 1))).toEqual([1n << 24n]);
      expect(words(readKpageflags(host, mm.pgd, 1))).toEqual([1n << 26n]);
      expect(words(readKpageflags(host, host.frames.endPfn, 2))).toEqual([1n << 20n, 1n << 20n]);
      const free = [...host.frames.kind].lastIndexOf(0);
      expect(words(readKpageflags(host, free, 1))).toEqual([1n << 10n]);
    });
  });
});
