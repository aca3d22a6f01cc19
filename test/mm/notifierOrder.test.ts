// The order of notifier calls, entries, flushes and frees in each operation on a guest's memory: the rows of the
// reference table, derived anew for 6.18, under both MMUs, with a guest that goes on using the memory meanwhile.

import { describe, expect, it } from 'vitest';
import { ptePfn } from '../../src/hw/sv39/index.ts';
import {
  changeProtNuma,
  clearSoftDirty,
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  getUserPage,
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
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  madvise,
  migrateUserPages,
  mlock,
  mmapAnonymous,
  mprotect,
  mremap,
  munlock,
  munmap,
  PROT_READ,
  PROT_WRITE,
  pageIdleBitmapRead,
  pageIdleBitmapWrite,
  putPage,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
  type Userfaultfd,
  uffdioMove,
  uffdioRegister,
  uffdioWriteprotect,
  userfaultfd,
  userfaultfdRelease,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { folioReferenced } from '../../src/mm/rmap/referenced.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { bug, type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { HostSequence } from '../support/hostSequence.ts';
import { pageAt } from '../support/pagedGuest.ts';
import { TestVm } from '../support/testVm.ts';
import { part, playWatched, type WatchedOperation, well, word } from '../support/watchedOperation.ts';

const PAGES = 4;
/** Pages that the guest verifies. */
const USED = [1, 2, 3, 4];
const RW = PROT_READ | PROT_WRITE;
const FAR = 0x10_0000_0000 as Hva;

interface Row extends WatchedOperation {
  /** The task that is watched; default: the one that acts. */
  readonly task?: string;
}

function sequenceOf(mmu: 'shadow' | 'tdp', row: Row): string[] {
  const vm = new TestVm({ mmu, ramPages: 1 + PAGES });
  const sequence = new HostSequence(vm.mm, vm.trace, vm.ram, 1 + PAGES, row.task ?? 'op');
  vm.run({
    'guest/0': () => playWatched(vm, { base: vm.ram, first: 0, pages: USED }, row),
  });
  vm.finish();
  return sequence.events;
}

/** Pages 1 and 2 of the guest are registered for write-protection. */
function handledByVmm() {
  let uffd: Userfaultfd;
  let start: Hva;
  return {
    watched: {
      *before(vm: TestVm, base: Hva): Steps {
        uffd = userfaultfd(vm.mm);
        start = part(base, 1);
        yield* well(uffdioRegister(uffd, start, 2 * PAGE_SIZE, UFFDIO_REGISTER_MODE_WP));
      },
      after: (): Steps => userfaultfdRelease(uffd),
    },
    protect: (mode: number): Steps => well(uffdioWriteprotect(uffd, start, 2 * PAGE_SIZE, mode)),
  };
}

/** What pages 1 and 2 of the guest hold goes to 3 and 4, where there was nothing; they are zeros then. */
function movedByVmm() {
  let uffd: Userfaultfd;
  const bytes = 2 * PAGE_SIZE;
  const watched: Omit<Row, 'act'> = {
    drops: true,
    gone: [3, 4],
    *before({ mm }, base) {
      uffd = userfaultfd(mm);
      yield* well(madvise(mm, part(base, 3), bytes, MADV_DONTNEED));
      yield* well(uffdioRegister(uffd, part(base, 3), bytes, UFFDIO_REGISTER_MODE_MISSING));
    },
    *after({ mm, spareCpu }, base) {
      const found = new Uint8Array(1);
      yield* well(copyFromUser(mm, spareCpu, part(base, 3), found));
      yield* userfaultfdRelease(uffd);
    },
  };
  const move = function* (_: TestVm, base: Hva): Steps {
    expect(yield* uffdioMove(uffd, part(base, 3), part(base, 1), bytes, 0)).toBe(bytes);
  };
  return { ...watched, act: move };
}

/** A process beside the VMM holds what page 2 of the guest holds; KSM has merged its page with another's before. */
const mergesWithTwin: Pick<Row, 'before' | 'act' | 'after'> = {
  *before({ host, mm, spareCpu }, base) {
    host.ksm.sleepMillisecs = 0;
    const twin = (yield* host.createMm()) ?? bug('no memory for a process');
    const at = (yield* mmapAnonymous(twin, 0, 2 * PAGE_SIZE, RW, 0)) as Hva;
    const page = new Uint8Array(PAGE_SIZE);
    expect(yield* copyFromUser(mm, spareCpu, part(base, 2), page)).toBe(0);
    for (const to of [at, at + PAGE_SIZE]) yield* well(copyToUser(twin, spareCpu, to as Hva, page));
    yield* well(madvise(twin, at, 2 * PAGE_SIZE, MADV_MERGEABLE));
    yield* scanned(host, 3);
    expect(host.ksm.pagesSharing).toBe(1);
  },
  *act({ host }, base, mm) {
    yield* well(madvise(mm, part(base, 2), PAGE_SIZE, MADV_MERGEABLE));
    yield* scanned(host, 3);
    expect(host.ksm.pagesSharing).toBe(2);
  },
  *after({ host }) {
    yield* exitMm(host.mms[1]!);
    yield* well(ksmRunStore(host, KSM_RUN_UNMERGE));
  },
};

function* scanned(host: Host, times: number): Steps {
  const until = host.ksm.seqnr + times;
  yield* well(ksmRunStore(host, KSM_RUN_MERGE));
  while (host.ksm.seqnr < until) {
    host.sched.spend(10_000);
    yield RESCHED;
  }
  yield* well(ksmRunStore(host, KSM_RUN_STOP));
}

function* forked(mm: Mm): Steps<Mm> {
  const child = yield* fork(mm);
  return typeof child === 'number' ? bug('fork failed', { errno: child }) : child;
}

describe.each(['shadow', 'tdp'] as const)('under %s', (mmu) => {
  const order = (row: Row): string[] => sequenceOf(mmu, row);

  it('row 1, munmap: all cleared within the range, flushed and freed after it', () => {
    const got = order({
      gone: [1, 2],
      act: (_, base, mm) => well(munmap(mm, part(base, 1), 2 * PAGE_SIZE)),
    });
    expect(got).toEqual([
      'start UNMAP [1, 3): mm->mmap_lock read',
      'pte 1: rwad -> none',
      'pte 2: rwad -> none',
      'end UNMAP [1, 3): mm->mmap_lock read',
      'cpu flush 2',
      'secondary flush',
      'free',
      'free',
    ]);
  });

  it('row 4, MADV_DONTNEED in one VMA: under the lock of that', () => {
    const got = order({
      drops: true,
      act: (_, base, mm) => well(madvise(mm, part(base, 1), PAGE_SIZE, MADV_DONTNEED)),
    });
    expect(got).toEqual([
      'start CLEAR [1, 2): vma->vm_lock read',
      'pte 1: rwad -> none',
      'end CLEAR [1, 2): vma->vm_lock read',
      'cpu flush 1',
      'secondary flush',
      'free',
    ]);
  });

  it('row 4, MADV_DONTNEED of several VMAs: a range for each, under mmap_lock', () => {
    const got = order({
      drops: true,
      before: (vm, base) => well(mprotect(vm.mm, part(base, 2), PAGE_SIZE, PROT_READ)),
      act: (_, base, mm) => well(madvise(mm, part(base, 1), 2 * PAGE_SIZE, MADV_DONTNEED)),
    });
    expect(got).toEqual([
      'start CLEAR [1, 2): mm->mmap_lock read',
      'pte 1: rwad -> none',
      'end CLEAR [1, 2): mm->mmap_lock read',
      'start CLEAR [2, 3): mm->mmap_lock read',
      'pte 2: rad -> none',
      'end CLEAR [2, 3): mm->mmap_lock read',
      'cpu flush 2',
      'secondary flush',
      'free',
      'free',
    ]);
  });

  it('row 6, MADV_FREE: entries old and clean, flushed after the range', () => {
    const got = order({
      act: (_, base, mm) => well(madvise(mm, part(base, 1), PAGE_SIZE, MADV_FREE)),
    });
    expect(got).toEqual([
      'start CLEAR [1, 2): vma->vm_lock read',
      'pte 1: rwad -> rw',
      'end CLEAR [1, 2): vma->vm_lock read',
      'cpu flush 1',
      'secondary flush',
    ]);
  });

  it('row 7, mprotect to read-only: flushed after the range', () => {
    const got = order({
      act: (_, base, mm) => well(mprotect(mm, part(base, 1), PAGE_SIZE, PROT_READ)),
    });
    expect(got).toEqual([
      'start PROTECTION_VMA [1, 2): mm->mmap_lock write, vma->vm_lock write',
      'pte 1: rwad -> rad',
      'end PROTECTION_VMA [1, 2): mm->mmap_lock write, vma->vm_lock write',
      'cpu flush 1',
      'secondary flush',
    ]);
  });

  it('row 7, mprotect back: writable at once where the page is nobody else’s', () => {
    const got = order({
      before: (vm, base) => well(mprotect(vm.mm, part(base, 1), PAGE_SIZE, PROT_READ)),
      act: (_, base, mm) => well(mprotect(mm, part(base, 1), PAGE_SIZE, RW)),
    });
    expect(got).toEqual([
      'start PROTECTION_VMA [1, 2): mm->mmap_lock write, vma->vm_lock write',
      'pte 1: rad -> rwad',
      'end PROTECTION_VMA [1, 2): mm->mmap_lock write, vma->vm_lock write',
      'cpu flush 1',
      'secondary flush',
    ]);
  });

  it('row 8b, write-protection by a userfaultfd: as mprotect, under mmap_lock for read', () => {
    const { watched, protect } = handledByVmm();
    const got = order({ ...watched, act: () => protect(UFFDIO_WRITEPROTECT_MODE_WP) });
    expect(got).toEqual([
      'start PROTECTION_VMA [1, 3): mm->mmap_lock read',
      'pte 1: rwad -> rad',
      'pte 2: rwad -> rad',
      'end PROTECTION_VMA [1, 3): mm->mmap_lock read',
      'cpu flush 2',
      'secondary flush',
    ]);
  });

  it('row 8b, lifting it: writable at once where the page is nobody else’s', () => {
    const { watched, protect } = handledByVmm();
    const got = order({
      ...watched,
      *before(vm, base) {
        yield* watched.before(vm, base);
        yield* protect(UFFDIO_WRITEPROTECT_MODE_WP);
      },
      act: () => protect(0),
    });
    expect(got).toEqual([
      'start PROTECTION_VMA [1, 3): mm->mmap_lock read',
      'pte 1: rad -> rwad',
      'pte 2: rad -> rwad',
      'end PROTECTION_VMA [1, 3): mm->mmap_lock read',
      'cpu flush 2',
      'secondary flush',
    ]);
  });

  it('row 8, NUMA hints: as mprotect, under mmap_lock for read; the pages stay', () => {
    const got = order({
      act: function* (vm, base, mm) {
        expect(yield* changeProtNuma(mm, part(base, 1), 2 * PAGE_SIZE)).toBe(2);
        expect(vm.host.vmstat.numa_pte_updates).toBe(2);
      },
      *after({ host }) {
        expect(host.vmstat).toMatchObject({
          numa_hint_faults: 2,
          numa_hint_faults_local: 2,
          pgmigrate_success: 0,
        });
      },
    });
    expect(got).toEqual([
      'start PROTECTION_VMA [1, 3): mm->mmap_lock read',
      'pte 1: rwad -> ad',
      'pte 2: rwad -> ad',
      'end PROTECTION_VMA [1, 3): mm->mmap_lock read',
      'cpu flush 2',
      'secondary flush',
    ]);
  });

  it('row 8, a NUMA hint fault: not notified, writable at once', () => {
    const got = order({
      gone: [1],
      *before({ mm, ram }) {
        expect(yield* changeProtNuma(mm, part(ram, 1), PAGE_SIZE)).toBe(1);
      },
      act: (vm, base, mm) => well(copyFromUser(mm, vm.spareCpu, part(base, 1), new Uint8Array(8))),
    });
    expect(got).toEqual(['pte 1: ad -> rwad']);
  });

  it.each([
    ['flushed long since: no CPU can have it', 0, [], []],
    ['not flushed yet: a CPU may still have it', 1, ['secondary flush'], ['cpu flush all']],
  ] as const)(
    'row 8 and 12, a NUMA hint fault of a page on the wrong node, %s',
    (_, pending, told, flushed) => {
      const got = order({
        gone: [1],
        *before({ host, mm, ram }) {
          host.sysctl.numaMisplaced = true;
          expect(yield* changeProtNuma(mm, part(ram, 1), PAGE_SIZE)).toBe(1);
          mm.tlbFlushPending += pending;
        },
        act: (vm, base, mm) => well(copyFromUser(mm, vm.spareCpu, part(base, 1), new Uint8Array(8))),
        *after({ host, mm }) {
          mm.tlbFlushPending -= pending;
          expect(host.vmstat).toMatchObject({
            numa_hint_faults: 1,
            numa_pages_migrated: 1,
            pgmigrate_success: 1,
          });
        },
      });
      const locks = 'vma->vm_lock read, folio lock (PG_locked), anon_vma->rwsem read';
      expect(got).toEqual([
        `start CLEAR [1, 2): ${locks}`,
        'pte 1: ad -> none',
        ...told,
        'pte 1: none -> migration',
        `end CLEAR [1, 2): ${locks}`,
        ...flushed,
        // Arrives accessible.
        'pte 1: migration -> rad',
        'free',
      ]);
    },
  );

  it('row 9, MADV_PAGEOUT: page by page; the CPUs are flushed before the write', () => {
    const got = order({
      act: (_, base, mm) => well(madvise(mm, part(base, 1), 2 * PAGE_SIZE, MADV_PAGEOUT)),
    });
    expect(got).toEqual([
      'start CLEAR [1, 2): mm->mmap_lock read, folio lock (PG_locked), anon_vma->rwsem read',
      'pte 1: rwad -> none',
      'secondary flush',
      'pte 1: none -> swap',
      'end CLEAR [1, 2): mm->mmap_lock read, folio lock (PG_locked), anon_vma->rwsem read',
      'cpu flush all',
      'start CLEAR [2, 3): mm->mmap_lock read, folio lock (PG_locked), anon_vma->rwsem read',
      'pte 2: rwad -> none',
      'secondary flush',
      'pte 2: none -> swap',
      'end CLEAR [2, 3): mm->mmap_lock read, folio lock (PG_locked), anon_vma->rwsem read',
      'cpu flush all',
    ]);
  });

  it('row 12, migration of many: page by page, one flush before the content moves, arrival without a range', () => {
    const got = order({ act: (_, base, mm) => well(migrateUserPages(mm, part(base, 1), 2 * PAGE_SIZE)) });
    const locks = 'folio lock (PG_locked), anon_vma->rwsem read';
    const unmapped = (page: number): string[] => [
      `start CLEAR [${page}, ${page + 1}): ${locks}`,
      `pte ${page}: rwad -> none`,
      'secondary flush',
      `pte ${page}: none -> migration`,
      `end CLEAR [${page}, ${page + 1}): ${locks}`,
    ];
    expect(got).toEqual([
      ...unmapped(1),
      ...unmapped(2),
      'cpu flush all',
      'pte 1: migration -> rwad',
      'free',
      'pte 2: migration -> rwad',
      'free',
    ]);
  });

  it('row 12, migration of a page that was waited for: flushed in the range', () => {
    const got = order({
      act: function* (vm, base, mm) {
        const pfn = ptePfn(inspectPte(mm, part(base, 1)));
        vm.sched.spawn('holder', holdFolio(vm, pfn), vm.spareCpu);
        yield RESCHED;
        yield* well(migrateUserPages(mm, part(base, 1), PAGE_SIZE));
      },
    });
    expect(got).toEqual([
      // The frames that it was to go to while it was not waited for.
      'free',
      'free',
      'free',
      'start CLEAR [1, 2): folio lock (PG_locked), anon_vma->rwsem read',
      'pte 1: rwad -> none',
      'cpu flush 1',
      'secondary flush',
      'pte 1: none -> migration',
      'end CLEAR [1, 2): folio lock (PG_locked), anon_vma->rwsem read',
      'pte 1: migration -> rwad',
      'free',
    ]);
  });

  it('row 12, migration of a page that somebody has a reference to: it stays, and is mapped again', () => {
    const got = order({
      act: function* (vm, base, mm) {
        const pfn = yield* getUserPage(mm, part(base, 1), false);
        expect(yield* migrateUserPages(mm, part(base, 1), PAGE_SIZE)).toBe(1);
        yield* putPage(vm.host, pfn as Pfn);
      },
    });
    const locks = 'folio lock (PG_locked), anon_vma->rwsem read';
    const range = [`start CLEAR [1, 2): ${locks}`, `end CLEAR [1, 2): ${locks}`];
    expect(got).toEqual([
      range[0],
      'pte 1: rwad -> none',
      'secondary flush',
      'pte 1: none -> migration',
      range[1],
      'cpu flush all',
      'pte 1: migration -> rwad',
      'free',
      range[0],
      'pte 1: rwad -> none',
      'cpu flush 1',
      'secondary flush',
      'pte 1: none -> migration',
      range[1],
      'pte 1: migration -> rwad',
      'free',
    ]);
  });

  it('row 13, fork: the parent’s whole VMA write-protected in one range, flushed at the very end', () => {
    let child: Mm | null = null;
    const got = order({
      act: function* (_, __, mm) {
        child = yield* forked(mm);
      },
      after: () => exitMm(child!),
    });
    expect(got).toEqual([
      'start PROTECTION_PAGE [0, 5): mm->mmap_lock write, vma->vm_lock write',
      'pte 0: rwad -> rad',
      'pte 1: rwad -> rad',
      'pte 2: rwad -> rad',
      'pte 3: rwad -> rad',
      'pte 4: rwad -> rad',
      'end PROTECTION_PAGE [0, 5): mm->mmap_lock write, vma->vm_lock write',
      'cpu flush all',
      'secondary flush',
    ]);
  });

  it('row 14, a write to a shared page: cleared and flushed before the copy is mapped', () => {
    let child: Mm | null = null;
    const got = order({
      before: function* (vm) {
        child = yield* forked(vm.mm);
      },
      act: (vm, base, mm) => well(copyToUser(mm, vm.spareCpu, part(base, 1), word(pageAt(1)))),
      after: () => exitMm(child!),
    });
    expect(got).toEqual([
      'start CLEAR [1, 2): vma->vm_lock read',
      'pte 1: rad -> none',
      'cpu flush 1',
      'secondary flush',
      'pte 1: none -> rwad',
      'end CLEAR [1, 2): vma->vm_lock read',
    ]);
  });

  it('row 14, a write to a page that nobody shares any more: reused, no range', () => {
    const got = order({
      before: function* (vm) {
        yield* exitMm(yield* forked(vm.mm));
      },
      act: (vm, base, mm) => well(copyToUser(mm, vm.spareCpu, part(base, 1), word(pageAt(1)))),
    });
    expect(got).toEqual(['pte 1: rad -> rwad']);
  });

  it('UFFDIO_MOVE: one range over all of the source, never at both addresses, one flush before it ends', () => {
    expect(order(movedByVmm())).toEqual([
      'start CLEAR [1, 3): vma->vm_lock read',
      'pte 1: rwad -> none',
      'pte 3: none -> rwad',
      'pte 2: rwad -> none',
      'pte 4: none -> rwad',
      'cpu flush 2',
      'secondary flush',
      'end CLEAR [1, 3): vma->vm_lock read',
    ]);
  });

  it('rows 15 and 15b, KSM: write-protected and replaced, each in a range of its own', () => {
    const got = order({ task: 'ksmd', ...mergesWithTwin });
    const locks = 'ksm_thread_mutex, mm->mmap_lock read, folio lock (PG_locked)';
    // The twin, whose pages were merged before, has no notifiers.
    expect(got.slice(got.findIndex((event) => event.startsWith('start')))).toEqual([
      `start CLEAR [2, 3): ${locks}`,
      'pte 2: rwad -> none',
      'cpu flush 1',
      'secondary flush',
      'pte 2: none -> ra',
      `end CLEAR [2, 3): ${locks}`,
      `start CLEAR [2, 3): ${locks}`,
      'pte 2: ra -> none',
      'cpu flush 1',
      'secondary flush',
      'pte 2: none -> ra',
      `end CLEAR [2, 3): ${locks}`,
      'free',
    ]);
  });

  it('row 18, soft-dirty: one range round everything, flushed after it', () => {
    const got = order({ act: (_, __, mm) => clearSoftDirty(mm) });
    const locks = 'mm->mmap_lock write, vma->vm_lock write';
    expect(got).toEqual([
      `start SOFT_DIRTY [far, far): ${locks}`,
      ...[0, 1, 2, 3, 4].map((page) => `pte ${page}: rwad -> rad`),
      `end SOFT_DIRTY [far, far): ${locks}`,
      'cpu flush all',
      'secondary flush',
    ]);
  });

  it('row 19, mremap: the old range alone, flushed before the lock of the tables is dropped', () => {
    const got = order({
      gone: [1, 2],
      act: function* (_, base, mm) {
        const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
        expect(yield* mremap(mm, part(base, 1), 2 * PAGE_SIZE, 2 * PAGE_SIZE, flags, FAR)).toBe(FAR);
      },
    });
    expect(got).toEqual([
      'start UNMAP [1, 3): mm->mmap_lock write, vma->vm_lock write',
      'pte 1: rwad -> none',
      'pte 2: rwad -> none',
      'cpu flush 2',
      'secondary flush',
      'end UNMAP [1, 3): mm->mmap_lock write, vma->vm_lock write',
      'start UNMAP [1, 3): mm->mmap_lock write, vma->vm_lock write',
      'end UNMAP [1, 3): mm->mmap_lock write, vma->vm_lock write',
    ]);
  });

  it('row 2, exit: every client lets go first, then one range round everything', () => {
    const got = order({ task: 'teardown', act: function* () {} });
    expect(got).toEqual([
      'release',
      'start UNMAP [far, far): mm->mmap_lock read',
      'pte 0: rwad -> none',
      'pte 1: rwad -> none',
      'pte 2: rwad -> none',
      'pte 3: rwad -> none',
      'pte 4: rwad -> none',
      'end UNMAP [far, far): mm->mmap_lock read',
      'pmd 0: table -> none',
      'cpu flush 5',
      'secondary flush',
      'free',
      'free',
      'free',
      'free',
      'free',
    ]);
  });

  it('row 3, the OOM reaper: non-blockable, VMA by VMA', () => {
    const got = order({
      task: 'oom_reaper',
      gone: [1, 2, 3, 4],
      act: function* (vm) {
        expect(vm.host.oomKiller.outOfMemory(vm.host)).toBe(true);
        while (!vm.mm.oomSkip) yield RESCHED;
      },
    });
    expect(got).toEqual([
      'start UNMAP [0, 5) nonblock: mm->mmap_lock read',
      'pte 0: rwad -> none',
      'pte 1: rwad -> none',
      'pte 2: rwad -> none',
      'pte 3: rwad -> none',
      'pte 4: rwad -> none',
      'end UNMAP [0, 5): mm->mmap_lock read',
      'cpu flush 5',
      'secondary flush',
      'free',
      'free',
      'free',
      'free',
      'free',
    ]);
  });

  it('row 10, aging: asked under the locks of reverse mapping and table, no range', () => {
    const got = order({
      act: function* (vm, base, mm) {
        const pfn = ptePfn(inspectPte(mm, part(base, 1)));
        expect(yield* folioReferenced(vm.host, pfn)).toBe(1);
      },
    });
    expect(got).toEqual(['pte 1: rwad -> rwd', 'young? 1: anon_vma->rwsem read, page table lock']);
  });

  it('row 10, idle page tracking: no flush of secondary TLBs; reclaim hears of the access all the same', () => {
    const got = order({
      act: function* (vm, base, mm) {
        const pfn = ptePfn(inspectPte(mm, part(base, 1)));
        const first = pfn - (pfn % 64);
        const mark = new Uint8Array(8);
        mark[(pfn % 64) >> 3] = 1 << (pfn % 8);
        expect(yield* pageIdleBitmapWrite(vm.host, first, mark)).toBe(0);
        expect(yield* pageIdleBitmapRead(vm.host, first, 64)).toEqual(mark);
        expect(yield* folioReferenced(vm.host, pfn)).toBe(1);
        expect(yield* folioReferenced(vm.host, pfn)).toBe(0);
        expect(yield* pageIdleBitmapRead(vm.host, first, 64)).toEqual(mark);
      },
    });
    const locks = 'anon_vma->rwsem read, page table lock';
    expect(got).toEqual([
      'pte 1: rwad -> rwd',
      `young? 1, no flush: ${locks}`,
      `young? 1, no flush: ${locks}`,
      `young? 1: ${locks}`,
      `young? 1: ${locks}`,
      `young? 1, no flush: ${locks}`,
    ]);
  });

  it('row 10, idle page tracking: what a guest uses is idle as long as its TLB has it, and not any more then', () => {
    const idle: number[] = [];
    order({
      act: function* (vm, _, mm) {
        const count = Math.ceil(vm.host.frames.endPfn / 64) * 64;
        const look = function* (): Steps {
          // The guest goes round once.
          for (let i = 0; i < 20; i++) yield RESCHED;
          const bitmap = (yield* pageIdleBitmapRead(vm.host, 0, count)) as Uint8Array;
          idle.push(bitmap.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0));
        };
        yield* pageIdleBitmapWrite(vm.host, 0, new Uint8Array(count / 8).fill(255));
        yield* look();
        // Flushes everything.
        yield* clearSoftDirty(mm);
        yield* look();
      },
    });
    expect(idle).toEqual([1 + PAGES, 0]);
  });

  it('row 24, not notified: a swap-in', () => {
    const got = order({
      gone: [1],
      before: (vm, base) => well(madvise(vm.mm, part(base, 1), PAGE_SIZE, MADV_PAGEOUT)),
      act: (vm, base, mm) => well(copyFromUser(mm, vm.spareCpu, part(base, 1), new Uint8Array(8))),
    });
    expect(got).toEqual(['pte 1: swap -> rwa']);
  });

  it('row 24, not notified: advice that ages, and locking', () => {
    const got = order({
      act: function* (_, base, mm) {
        yield* well(madvise(mm, part(base, 1), 2 * PAGE_SIZE, MADV_COLD));
        yield* well(mlock(mm, base, PAGES * PAGE_SIZE, 0));
        yield* well(munlock(mm, base, PAGES * PAGE_SIZE));
      },
    });
    expect(got).toEqual(['pte 1: rwad -> rwd', 'pte 2: rwad -> rwd', 'cpu flush 2', 'secondary flush']);
  });
});

/** Has the folio locked for a while. */
function* holdFolio({ host }: TestVm, pfn: Pfn): Steps {
  yield* host.folioLocks.lock(pfn);
  for (let i = 0; i < 20; i++) yield RESCHED;
  host.folioLocks.unlock(pfn);
}
