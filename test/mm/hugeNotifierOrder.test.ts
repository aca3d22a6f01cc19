// The order of notifier calls, entries, flushes and frees where guest memory is huge pages of the host: rows 16 and 16b
// of the reference table, and the others where they meet 2 MiB in one entry, derived for 6.18; under both MMUs, with a
// guest that goes on using the memory meanwhile.

import { describe, expect, it } from 'vitest';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  getUserPage,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  madvise,
  migrateUserPages,
  mprotect,
  mremap,
  munmap,
  PROT_READ,
  putPage,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { folioReferenced } from '../../src/mm/rmap/referenced.ts';
import type { Steps } from '../../src/sched/index.ts';
import { bug, Errno, type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { pageAt } from '../support/pagedGuest.ts';
import { FIRST, HUGE, type HugeOperation, hugeSequenceOf, USED } from '../support/watchedHugePages.ts';
import { part, well, word } from '../support/watchedOperation.ts';

const FAR = 0x10_0000_0000 as Hva;

function* forked(mm: Mm): Steps<Mm> {
  const child = yield* fork(mm);
  return typeof child === 'number' ? bug('fork failed', { errno: child }) : child;
}

const split = (locks: string): string[] => [
  `start CLEAR [0, 512): ${locks}`,
  'pmd 0: huge rwad -> invalid',
  'cpu flush all',
  'secondary flush',
  'pmd 0: invalid -> table',
  `end CLEAR [0, 512): ${locks}`,
];

describe.each(['shadow', 'tdp'] as const)('under %s', (mmu) => {
  const order = (row: HugeOperation): string[] => hugeSequenceOf(mmu, 'anonymous', row);
  const gone = USED;

  it('row 1, munmap of a huge page: one entry', () => {
    const got = order({ gone, act: (_, base, mm) => well(munmap(mm, base, HUGE)) });
    expect(got).toEqual([
      'start UNMAP [0, 512): mm->mmap_lock read',
      'pmd 0: huge rwad -> none',
      'end UNMAP [0, 512): mm->mmap_lock read',
      'cpu flush all',
      'secondary flush',
      'free',
    ]);
  });

  it('row 1, munmap of a part: the VMA is split, and the huge page with it, under the rmap lock', () => {
    const got = order({
      gone: [1],
      act: (_, base, mm) => well(munmap(mm, part(base, 1), PAGE_SIZE)),
    });
    const locks = 'mm->mmap_lock write, vma->vm_lock write, anon_vma->rwsem write';
    expect(got).toEqual([
      ...split(locks),
      'start UNMAP [1, 2): mm->mmap_lock read',
      'pte 1: rwad -> none',
      'end UNMAP [1, 2): mm->mmap_lock read',
      'cpu flush 1',
      'secondary flush',
    ]);
  });

  it('row 16, MADV_DONTNEED of a part: split within its range, to the same pages', () => {
    const got = order({
      drops: true,
      act: (_, base, mm) => well(madvise(mm, part(base, 1), PAGE_SIZE, MADV_DONTNEED)),
    });
    expect(got).toEqual([
      'start CLEAR [1, 2): vma->vm_lock read',
      ...split('vma->vm_lock read'),
      'pte 1: rwad -> none',
      'end CLEAR [1, 2): vma->vm_lock read',
      'cpu flush 1',
      'secondary flush',
    ]);
  });

  it('row 7, mprotect: invalid while it is changed, flushed at once and once more at the end', () => {
    const got = order({ act: (_, base, mm) => well(mprotect(mm, base, HUGE, PROT_READ)) });
    const locks = 'mm->mmap_lock write, vma->vm_lock write';
    expect(got).toEqual([
      `start PROTECTION_VMA [0, 512): ${locks}`,
      'pmd 0: huge rwad -> invalid',
      'cpu flush all',
      'secondary flush',
      'pmd 0: invalid -> huge rad',
      `end PROTECTION_VMA [0, 512): ${locks}`,
      'cpu flush all',
      'secondary flush',
    ]);
  });

  it('rows 16 and 9, MADV_PAGEOUT: the folio is split in one range, its pages go out one by one', () => {
    const got = order({
      act: (_, base, mm) => well(madvise(mm, base, HUGE, MADV_PAGEOUT)),
    });
    const locks = 'mm->mmap_lock read, folio lock (PG_locked), anon_vma->rwsem write';
    expect(got.slice(0, 6)).toEqual(split(locks));
    expect(got.slice(6, 9)).toEqual([0, 1, 2].map((page) => `pte ${page}: migration -> rwad`));
    const lockedPage = 'mm->mmap_lock read, folio lock (PG_locked), anon_vma->rwsem read';
    expect(got.slice(9, 15)).toEqual([
      `start CLEAR [0, 1): ${lockedPage}`,
      'pte 0: rwad -> none',
      'secondary flush',
      'pte 0: none -> swap',
      `end CLEAR [0, 1): ${lockedPage}`,
      'cpu flush all',
    ]);
    expect(got).toContain(`start CLEAR [511, 512): ${lockedPage}`);
  });

  it('row 16, a folio that somebody has a reference to is not split, nor its mapping', () => {
    const got = order({
      act: function* (vm, base, mm) {
        const pfn = yield* getUserPage(mm, part(base, 1), false);
        yield* well(madvise(mm, base, HUGE, MADV_PAGEOUT));
        yield* putPage(vm.host, pfn as Pfn);
      },
    });
    expect(got).toEqual([]);
  });

  it('row 16b, MADV_COLLAPSE: the table is gone and flushed in the range, which ends before the copy', () => {
    const got = order({
      thp: 'never',
      act: (_, base, mm) => well(madvise(mm, base, HUGE, MADV_COLLAPSE)),
    });
    const locks = 'mm->mmap_lock write, vma->vm_lock write, anon_vma->rwsem write';
    expect(got).toEqual([
      `start CLEAR [0, 512): ${locks}`,
      'pmd 0: table -> none',
      'cpu flush all',
      'secondary flush',
      `end CLEAR [0, 512): ${locks}`,
      'free x5',
      'pmd 0: none -> huge rwad',
    ]);
  });

  it('row 16b, a page that cannot be had: the table is hooked in again', () => {
    const got = order({
      thp: 'never',
      act: function* (vm, base, mm) {
        const pfn = (inspectPte(mm, base) >>> 10) as Pfn;
        // The scan has found nothing wrong when somebody takes a reference.
        const stop = vm.trace.subscribe('mm_khugepaged_scan_pmd', () => {
          vm.host.frames.refcount[pfn]!++;
        });
        expect(yield* madvise(mm, base, HUGE, MADV_COLLAPSE)).toBe(-Errno.EAGAIN);
        stop();
        yield* putPage(vm.host, pfn);
      },
    });
    const locks = 'mm->mmap_lock write, vma->vm_lock write, anon_vma->rwsem write';
    expect(got).toEqual([
      `start CLEAR [0, 512): ${locks}`,
      'pmd 0: table -> none',
      'cpu flush all',
      'secondary flush',
      `end CLEAR [0, 512): ${locks}`,
      'pmd 0: none -> table',
      'free',
    ]);
  });

  it('rows 16 and 12, migration: the folio is split in one range, then its pages move one by one', () => {
    const got = order({
      *act(vm, base, mm) {
        expect(yield* migrateUserPages(mm, base, HUGE)).toBe(0);
        const { pgmigrate_success, thp_migration_fail, thp_migration_split } = vm.host.vmstat;
        expect([pgmigrate_success, thp_migration_fail, thp_migration_split]).toEqual([512, 1, 1]);
      },
    });
    const locks = 'folio lock (PG_locked), anon_vma->rwsem write';
    expect(got.slice(0, 6)).toEqual(split(locks));
    expect(got.slice(6, 9)).toEqual([0, 1, 2].map((page) => `pte ${page}: migration -> rwad`));
    const lockedPage = 'folio lock (PG_locked), anon_vma->rwsem read';
    const moved = (page: number): string[] => [
      `start CLEAR [${page}, ${page + 1}): ${lockedPage}`,
      ...(page < 3 ? [`pte ${page}: rwad -> none`] : []),
      'secondary flush',
      ...(page < 3 ? [`pte ${page}: none -> migration`] : []),
      `end CLEAR [${page}, ${page + 1}): ${lockedPage}`,
    ];
    for (const page of [1, 2, 511]) expect(got.join('\n')).toContain(moved(page).join('\n'));
    const arrived = got.slice(got.lastIndexOf('cpu flush all')).filter((event) => event.startsWith('pte'));
    expect(arrived).toEqual([1, 2, 0].map((page) => `pte ${page}: migration -> rwad`));
  });

  it('row 10, aging: one question for all of the huge page', () => {
    const got = order({
      act: function* (vm, base, mm) {
        const folio = (inspectPte(mm, base) >>> 10) as Pfn;
        expect(yield* folioReferenced(vm.host, folio)).toBe(1);
      },
    });
    expect(got).toEqual([
      'pmd 0: huge rwad -> huge rwd',
      'young? 0: anon_vma->rwsem read, mm->page_table_lock',
    ]);
  });

  it('row 13, fork: the entry write-protected in the range of the VMA', () => {
    let child: Mm | null = null;
    const got = order({
      act: function* (_, __, mm) {
        child = yield* forked(mm);
      },
      after: () => exitMm(child!),
    });
    const locks = 'mm->mmap_lock write, vma->vm_lock write';
    expect(got).toEqual([
      `start PROTECTION_PAGE [far, 512): ${locks}`,
      'pmd 0: huge rwad -> huge rad',
      `end PROTECTION_PAGE [far, 512): ${locks}`,
      'cpu flush all',
      'secondary flush',
    ]);
  });

  it('rows 16 and 14, a write to a huge page that is shared: split, then one page copied', () => {
    let child: Mm | null = null;
    const got = order({
      before: function* (vm) {
        child = yield* forked(vm.mm);
      },
      act: (vm, base, mm) => well(copyToUser(mm, vm.spareCpu, part(base, 1), word(pageAt(FIRST + 1)))),
      after: () => exitMm(child!),
    });
    expect(got).toEqual([
      ...split('vma->vm_lock read').map((event) => event.replace('huge rwad', 'huge rad')),
      'start CLEAR [1, 2): vma->vm_lock read',
      'pte 1: rad -> none',
      'cpu flush 1',
      'secondary flush',
      'pte 1: none -> rwad',
      'end CLEAR [1, 2): vma->vm_lock read',
    ]);
  });

  it('row 14, a write to the huge page of zeros: one of its own in a range of 2 MiB', () => {
    const got = order({
      gone,
      *before({ mm, spareCpu }, base) {
        yield* well(madvise(mm, base, HUGE, MADV_DONTNEED));
        yield* well(copyFromUser(mm, spareCpu, base, new Uint8Array(8)));
      },
      act: (vm, base, mm) => well(copyToUser(mm, vm.spareCpu, part(base, 1), word(7))),
    });
    expect(got).toEqual([
      'start CLEAR [0, 512): vma->vm_lock read',
      'pmd 0: huge ra -> none',
      'cpu flush all',
      'secondary flush',
      'pmd 0: none -> huge rwad',
      'end CLEAR [0, 512): vma->vm_lock read',
    ]);
  });

  it('row 14, a write to a huge page that nobody shares any more: reused, no range', () => {
    const got = order({
      before: function* (vm) {
        yield* exitMm(yield* forked(vm.mm));
      },
      act: (vm, base, mm) => well(copyToUser(mm, vm.spareCpu, part(base, 1), word(pageAt(FIRST + 1)))),
    });
    expect(got).toEqual(['pmd 0: huge rad -> huge rwad']);
  });

  it('row 19, mremap: the entry moves, the old range flushed before the lock is dropped', () => {
    const got = order({
      gone,
      act: function* (_, base, mm) {
        expect(yield* mremap(mm, base, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, FAR)).toBe(FAR);
      },
    });
    const locks = 'mm->mmap_lock write, vma->vm_lock write';
    expect(got).toEqual([
      `start UNMAP [0, 512): ${locks}`,
      'pmd 0: huge rwad -> none',
      'cpu flush all',
      'secondary flush',
      `end UNMAP [0, 512): ${locks}`,
      `start UNMAP [0, 512): ${locks}`,
      `end UNMAP [0, 512): ${locks}`,
    ]);
  });
});
