// The order of notifier calls, entries, flushes and frees where guest memory is a shmem object with huge pages, or gets
// them: row 16c of the reference table, and rows 1, 5, 9 and 16 where they meet such a page, derived for 6.18; under both
// MMUs, with a guest that goes on using the memory meanwhile.

import { describe, expect, it } from 'vitest';
import {
  copyToUser,
  filePunchHole,
  getUserPage,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_PAGEOUT,
  madvise,
  munmap,
  putPage,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { Errno, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { pageAt } from '../support/pagedGuest.ts';
import { FIRST, HUGE, type HugeOperation, hugeSequenceOf, USED } from '../support/watchedHugePages.ts';
import { part, well, word } from '../support/watchedOperation.ts';

/** A page before. */
const BEFORE = [-1];

/** Of a file the entry is dropped: its pages are faulted in again. */
const dropped = (locks: string): string[] => [
  `start CLEAR [0, 512): ${locks}`,
  'pmd 0: huge rwad -> none',
  'cpu flush all',
  'secondary flush',
  `end CLEAR [0, 512): ${locks}`,
];

/** What the first loop of collapse_file() does to a page. */
const unmapped = (page: number): string[] => [
  `start CLEAR [${page}, ${page + 1}): folio lock (PG_locked), mapping->i_mmap_rwsem read`,
  ...(page < 3 ? [`pte ${page}: rwad -> none`] : []),
  'secondary flush',
  `end CLEAR [${page}, ${page + 1}): folio lock (PG_locked), mapping->i_mmap_rwsem read`,
];

describe.each(['shadow', 'tdp'] as const)('under %s', (mmu) => {
  const order = (row: HugeOperation): string[] => hugeSequenceOf(mmu, 'shmem', row, BEFORE);
  const gone = USED;

  it('row 16c, MADV_COLLAPSE: each page unmapped, then the table gone and flushed in a range of its own', () => {
    const got = order({
      thp: 'never',
      act: (_, base, mm) => well(madvise(mm, base, HUGE, MADV_COLLAPSE)),
    });
    const locks = 'folio lock (PG_locked), mapping->i_mmap_rwsem read';
    expect(got).toEqual([
      ...USED.flatMap(unmapped),
      'cpu flush all',
      `start CLEAR [0, 512): ${locks}`,
      'pmd 0: table -> none',
      'cpu flush all',
      'secondary flush',
      `end CLEAR [0, 512): ${locks}`,
      // The guest waits for the fifth, with a reference.
      'free x4',
      'pmd 0: none -> huge rwa',
    ]);
  });

  it('row 16c, of a mapping that has the huge folio page by page: entries and table go in one range', () => {
    const got = order({
      *before({ mm, ram, spareCpu }, base) {
        yield* well(madvise(mm, ram, 2 * HUGE, MADV_NOHUGEPAGE));
        yield* well(madvise(mm, base, HUGE, MADV_DONTNEED));
        yield* well(copyToUser(mm, spareCpu, base, word(pageAt(FIRST))));
      },
      *act(vm, base, mm) {
        expect(yield* madvise(mm, base, HUGE, MADV_COLLAPSE)).toBe(-Errno.EINVAL);
        yield* well(madvise(mm, vm.ram, 2 * HUGE, MADV_HUGEPAGE));
        yield* well(madvise(mm, base, HUGE, MADV_COLLAPSE));
      },
    });
    expect(got).toEqual([
      'start CLEAR [0, 512): mm->mmap_lock read, folio lock (PG_locked)',
      ...[0, 1, 2].map((page) => `pte ${page}: rwad -> none`),
      'pmd 0: table -> none',
      'cpu flush all',
      'secondary flush',
      'end CLEAR [0, 512): mm->mmap_lock read, folio lock (PG_locked)',
      'pmd 0: none -> huge rwa',
    ]);
  });

  it('row 16c, a page that cannot be had: all pages are unmapped, and in their places', () => {
    const got = order({
      thp: 'never',
      act: function* (vm, base, mm) {
        const pfn = (inspectPte(mm, part(base, 1)) >>> 10) as Pfn;
        const stop = vm.trace.subscribe('invalidate_range_start', () => {
          if (vm.host.frames.refcount[pfn]! < 3) vm.host.frames.refcount[pfn]!++;
        });
        expect(yield* madvise(mm, base, HUGE, MADV_COLLAPSE)).toBe(-Errno.EAGAIN);
        stop();
        vm.host.frames.refcount[pfn]!--;
      },
    });
    expect(got).toEqual([...[0, 1].flatMap(unmapped), 'cpu flush all', 'free']);
  });

  it('row 1, munmap of a huge page: one entry', () => {
    const got = order({ gone, act: (_, base, mm) => well(munmap(mm, base, HUGE)) });
    expect(got).toEqual([
      'start UNMAP [0, 512): mm->mmap_lock read',
      'pmd 0: huge rwad -> none',
      'end UNMAP [0, 512): mm->mmap_lock read',
      'cpu flush all',
      'secondary flush',
    ]);
  });

  it('rows 16 and 4, MADV_DONTNEED of a part: the whole entry is dropped within its range', () => {
    const got = order({
      act: (_, base, mm) => well(madvise(mm, part(base, 1), PAGE_SIZE, MADV_DONTNEED)),
    });
    expect(got).toEqual([
      'start CLEAR [1, 2): vma->vm_lock read',
      ...dropped('vma->vm_lock read'),
      'end CLEAR [1, 2): vma->vm_lock read',
    ]);
  });

  it('rows 5 and 16, a hole in a huge page: unmapped, then the folio is split and the page freed', () => {
    const got = order({
      drops: true,
      rests: USED,
      act: (vm, base) => {
        const index = (base - vm.ram) / PAGE_SIZE + 1;
        return well(filePunchHole(vm.ramFile!, index * PAGE_SIZE, PAGE_SIZE));
      },
    });
    const locks = 'inode->i_rwsem write, mapping->i_mmap_rwsem read';
    const splitting = 'inode->i_rwsem write, folio lock (PG_locked), mapping->i_mmap_rwsem read';
    expect(got).toEqual([
      `start CLEAR [1, 2): ${locks}`,
      ...dropped(locks),
      `end CLEAR [1, 2): ${locks}`,
      // Who splits unmaps once more.
      `start CLEAR [0, 512): ${splitting}`,
      `end CLEAR [0, 512): ${splitting}`,
      'free',
    ]);
  });

  it('rows 9 and 16, MADV_PAGEOUT: unmapped in one range, split, its pages go out one by one', () => {
    const got = order({
      rests: USED,
      act: (_, base, mm) => well(madvise(mm, base, HUGE, MADV_PAGEOUT)),
    });
    const locks = 'mm->mmap_lock read, folio lock (PG_locked), mapping->i_mmap_rwsem read';
    expect(got).toEqual([
      ...dropped(locks),
      // Who splits unmaps once more. Pages of zeros need not be written.
      `start CLEAR [0, 512): ${locks}`,
      `end CLEAR [0, 512): ${locks}`,
      'free x507',
    ]);
  });

  it('row 16, a folio that somebody has a reference to is unmapped, and not split', () => {
    const got = order({
      act: function* (vm, base, mm) {
        const pfn = yield* getUserPage(mm, part(base, 1), false);
        yield* well(madvise(mm, base, HUGE, MADV_PAGEOUT));
        expect(vm.host.vmstat.thp_split_page).toBe(0);
        yield* putPage(vm.host, pfn as Pfn);
      },
    });
    expect(got).toEqual(dropped('mm->mmap_lock read, folio lock (PG_locked), mapping->i_mmap_rwsem read'));
  });
});
