// The order of notifier calls, entries, flushes and frees where guest memory is a shared mapping of a file or of a
// shmem object: the file rows of the reference table, derived anew for 6.18, under both MMUs, with a guest that goes
// on using the memory meanwhile.

import { describe, expect, it } from 'vitest';
import { PTE_W, ptePfn } from '../../src/hw/sv39/index.ts';
import {
  copyFromUser,
  filePunchHole,
  fileTruncate,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MADV_REMOVE,
  MADV_WILLNEED,
  type Mm,
  MS_SYNC,
  madvise,
  migrateUserPages,
  msync,
  munmap,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { folioReferenced } from '../../src/mm/rmap/referenced.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { GuestHart, PHYSICAL } from '../support/guestHart.ts';
import { HostSequence } from '../support/hostSequence.ts';
import { pageAt } from '../support/pagedGuest.ts';
import { TestVm } from '../support/testVm.ts';
import { part, well } from '../support/watchedOperation.ts';

const PAGES = 4;

interface Row {
  readonly ram: 'file' | 'shmem';
  /** Pages that are zeros for the guest from some moment on. */
  readonly zeroed?: readonly number[];
  /** Pages that the guest leaves alone meanwhile, because they are gone or shall stay away. */
  readonly spared?: readonly number[];
  readonly before?: (vm: TestVm, base: Hva, hart: GuestHart) => Steps;
  readonly act: (vm: TestVm, base: Hva, mm: Mm) => Steps;
  /** After the operation; `hart` may be used. */
  readonly after?: (vm: TestVm, base: Hva, hart: GuestHart) => Steps;
}

/** Every page of the guest, over and over, until the operation is done and once more. */
function* verify(vm: TestVm, hart: GuestHart, row: Row, isOver: () => boolean): Steps {
  for (let last = false; !last; ) {
    last = isOver();
    vm.sched.spend(1_000);
    yield RESCHED;
    for (let page = 1; page <= PAGES; page++) {
      if (row.spared?.includes(page)) continue;
      const outcome = yield* hart.load(pageAt(page), PHYSICAL);
      const found = outcome.kind === 'value' ? outcome.value : outcome;
      expect(row.zeroed?.includes(page) ? [pageAt(page), 0] : [pageAt(page)]).toContain(found);
    }
  }
}

function sequenceOf(mmu: 'shadow' | 'tdp', row: Row): string[] {
  const vm = new TestVm({ mmu, ramPages: 1 + PAGES, ramBacking: row.ram });
  const sequence = new HostSequence(vm.mm, vm.trace, vm.ram, 1 + PAGES, 'op');
  vm.run({
    *'guest/0'() {
      const hart = new GuestHart(vm.kvm.vcpus[0]!);
      yield* hart.reset();
      yield* verify(vm, hart, row, () => true);
      if (row.before !== undefined) yield* row.before(vm, vm.ram, hart);
      let over = false;
      const operation = function* (): Steps {
        yield* row.act(vm, vm.ram, vm.mm);
        over = true;
      };
      vm.sched.spawn('op', operation(), vm.spareCpu);
      yield* verify(vm, hart, row, () => over);
      if (row.after !== undefined) yield* row.after(vm, vm.ram, hart);
    },
  });
  vm.finish();
  return sequence.events;
}

/** All pages clean and on the disk: entries are read-only, and the guest has loaded each again. */
function* synced(vm: TestVm, base: Hva, hart: GuestHart): Steps {
  yield* well(msync(vm.mm, base, (1 + PAGES) * PAGE_SIZE, MS_SYNC));
  for (let page = 1; page <= PAGES; page++) yield* hart.load(pageAt(page), PHYSICAL);
}

const CUT = 'inode->i_rwsem write, mapping->invalidate_lock write, mapping->i_mmap_rwsem read';
const CUT_SHMEM = 'inode->i_rwsem write, mapping->i_mmap_rwsem read';
const PAGEOUT = 'mm->mmap_lock read, folio lock (PG_locked), mapping->i_mmap_rwsem read';
const RMAP = 'folio lock (PG_locked), mapping->i_mmap_rwsem read';

describe.each(['shadow', 'tdp'] as const)('under %s', (mmu) => {
  const order = (row: Row): string[] => sequenceOf(mmu, row);

  it('row 1, munmap: a dirty entry is flushed under the page table lock, and the page stays in the cache', () => {
    const got = order({
      ram: 'file',
      spared: [1, 2],
      act: (_, base, mm) => well(munmap(mm, part(base, 1), 2 * PAGE_SIZE)),
    });
    expect(got).toEqual([
      'start UNMAP [1, 3): mm->mmap_lock read',
      'pte 1: rwad -> none',
      'pte 2: rwad -> none',
      'cpu flush 2',
      'secondary flush',
      'end UNMAP [1, 3): mm->mmap_lock read',
    ]);
  });

  it.each(['file', 'shmem'] as const)(
    'row 4, MADV_DONTNEED of dirty pages of %s: flushed within the range',
    (ram) => {
      const got = order({
        ram,
        act: (_, base, mm) => well(madvise(mm, part(base, 1), 2 * PAGE_SIZE, MADV_DONTNEED)),
      });
      expect(got).toEqual([
        'start CLEAR [1, 3): vma->vm_lock read',
        'pte 1: rwad -> none',
        'pte 2: rwad -> none',
        'cpu flush 2',
        'secondary flush',
        'end CLEAR [1, 3): vma->vm_lock read',
      ]);
    },
  );

  it('row 4, MADV_DONTNEED of clean pages: flushed after it', () => {
    const got = order({
      ram: 'file',
      before: synced,
      act: (_, base, mm) => well(madvise(mm, part(base, 1), 2 * PAGE_SIZE, MADV_DONTNEED)),
    });
    expect(got).toEqual([
      'start CLEAR [1, 3): vma->vm_lock read',
      'pte 1: ra -> none',
      'pte 2: ra -> none',
      'end CLEAR [1, 3): vma->vm_lock read',
      'cpu flush 2',
      'secondary flush',
    ]);
  });

  it.each([
    ['file', CUT],
    ['shmem', CUT_SHMEM],
  ] as const)(
    'row 5, truncate of %s: unmapped, cut out and freed, unmapped again; not under mmap_lock',
    (ram, locks) => {
      const got = order({
        ram,
        spared: [3, 4],
        act: (vm) => well(fileTruncate(vm.ramFile, 3 * PAGE_SIZE)),
        *after(vm, base) {
          const byte = new Uint8Array(1);
          expect(yield* copyFromUser(vm.mm, vm.spareCpu, part(base, 3), byte)).toBe(-Errno.EFAULT);
        },
      });
      expect(got).toEqual([
        `start CLEAR [3, 5): ${locks}`,
        'pte 3: rwad -> none',
        'pte 4: rwad -> none',
        'cpu flush 2',
        'secondary flush',
        `end CLEAR [3, 5): ${locks}`,
        'free',
        'free',
        `start CLEAR [3, 5): ${locks}`,
        `end CLEAR [3, 5): ${locks}`,
      ]);
    },
  );

  it.each([
    ['file', CUT],
    ['shmem', CUT_SHMEM],
  ] as const)('row 5, a hole in %s: unmapped once, then cut out and freed', (ram, locks) => {
    const got = order({
      ram,
      zeroed: [2],
      act: (vm) => well(filePunchHole(vm.ramFile, 2 * PAGE_SIZE, PAGE_SIZE)),
      *after(_vm, _base, hart) {
        expect(yield* hart.load(pageAt(2), PHYSICAL)).toEqual({ kind: 'value', value: 0 });
      },
    });
    expect(got).toEqual([
      `start CLEAR [2, 3): ${locks}`,
      'pte 2: rwad -> none',
      'cpu flush 1',
      'secondary flush',
      `end CLEAR [2, 3): ${locks}`,
      'free',
    ]);
  });

  it('row 5, MADV_REMOVE: a hole, with mmap_lock dropped', () => {
    const got = order({
      ram: 'shmem',
      zeroed: [2],
      act: (_, base, mm) => well(madvise(mm, part(base, 2), PAGE_SIZE, MADV_REMOVE)),
    });
    expect(got[0]).toBe(`start CLEAR [2, 3): ${CUT_SHMEM}`);
    expect(got.length).toBe(6);
  });

  it('row 9, reclaim of a clean page: no swap entry; CPUs are flushed after the range and before it is freed', () => {
    const got = order({
      ram: 'file',
      before: synced,
      act: (_, base, mm) => well(madvise(mm, part(base, 2), PAGE_SIZE, MADV_PAGEOUT)),
    });
    expect(got).toEqual([
      `start CLEAR [2, 3): ${PAGEOUT}`,
      'pte 2: ra -> none',
      'secondary flush',
      `end CLEAR [2, 3): ${PAGEOUT}`,
      'cpu flush all',
      'free',
    ]);
  });

  it('row 9, reclaim of a dirty page of a file: it stays until the flusher has written it', () => {
    const got = order({
      ram: 'file',
      act: (_, base, mm) => well(madvise(mm, part(base, 2), PAGE_SIZE, MADV_PAGEOUT)),
      *after({ ramFile }) {
        expect([ramFile.mapping.iPages.nrpages, ramFile.mapping.dirty.size]).toEqual([1 + PAGES, 1 + PAGES]);
      },
    });
    expect(got).toEqual([
      `start CLEAR [2, 3): ${PAGEOUT}`,
      'pte 2: rwad -> none',
      'secondary flush',
      `end CLEAR [2, 3): ${PAGEOUT}`,
      'cpu flush all',
    ]);
  });

  it('row 9, reclaim of a dirty page of shmem: CPUs are flushed before it is written to swap', () => {
    const got = order({
      ram: 'shmem',
      spared: [2],
      act: (_, base, mm) => well(madvise(mm, part(base, 2), PAGE_SIZE, MADV_PAGEOUT)),
      *after({ host, ramFile }, _base, hart) {
        expect([ramFile.mapping.iPages.swapped, host.vmstat.pswpout]).toEqual([1, 1]);
        expect(yield* hart.load(pageAt(2), PHYSICAL)).toEqual({ kind: 'value', value: pageAt(2) });
        expect(ramFile.mapping.iPages.swapped).toBe(0);
      },
    });
    expect(got).toEqual([
      `start CLEAR [2, 3): ${PAGEOUT}`,
      'pte 2: rwad -> none',
      'secondary flush',
      `end CLEAR [2, 3): ${PAGEOUT}`,
      'cpu flush all',
    ]);
  });

  it.each(['file', 'shmem'] as const)(
    'row 12, migration of a page of %s: its place in the cache moves too',
    (ram) => {
      let before = 0;
      const pfnOf = ({ mm, ram: base }: TestVm): number => ptePfn(inspectPte(mm, part(base, 2)));
      const got = order({
        ram,
        act: function* (vm, base, mm) {
          before = pfnOf(vm);
          yield* well(migrateUserPages(mm, part(base, 2), PAGE_SIZE));
        },
        *after(vm) {
          const { host, ramFile } = vm;
          expect(pfnOf(vm)).not.toBe(before);
          expect(ramFile.mapping.iPages.load(2)).toBe(pfnOf(vm));
          expect(host.vmstat).toMatchObject({ pgmigrate_success: 1, pgmigrate_fail: 0 });
          if (ram === 'file') expect(ramFile.mapping.dirty.size).toBe(1 + PAGES);
        },
      });
      const locks = 'folio lock (PG_locked), mapping->i_mmap_rwsem read';
      expect(got).toEqual([
        `start CLEAR [2, 3): ${locks}`,
        'pte 2: rwad -> none',
        'secondary flush',
        'pte 2: none -> migration',
        `end CLEAR [2, 3): ${locks}`,
        'cpu flush all',
        'pte 2: migration -> rwad',
        'free',
      ]);
    },
  );

  it('row 10, aging of a file page', () => {
    const got = order({
      ram: 'file',
      *act(vm, base) {
        expect(yield* folioReferenced(vm.host, ptePfn(inspectPte(vm.mm, part(base, 2))))).toBe(1);
      },
    });
    expect(got).toEqual(['pte 2: rwad -> rwd', 'young? 2: mapping->i_mmap_rwsem read, page table lock']);
  });

  it('row 11, writeback: a downgrade within the range, and the next store is heard of', () => {
    const got = order({
      ram: 'file',
      act: (_, base, mm) => well(msync(mm, part(base, 2), PAGE_SIZE, MS_SYNC)),
      *after(vm, base, hart) {
        expect(vm.ramFile.mapping.dirty.size).toBe(PAGES);
        expect(yield* hart.store(pageAt(2), pageAt(2), PHYSICAL)).toMatchObject({ kind: 'value' });
        expect(vm.ramFile.mapping.dirty.size).toBe(1 + PAGES);
        expect(inspectPte(vm.mm, part(base, 2)) & PTE_W).not.toBe(0);
      },
    });
    expect(got).toEqual([
      `start PROTECTION_PAGE [2, 3): ${RMAP}`,
      'pte 2: rwad -> none',
      'cpu flush 1',
      'secondary flush',
      'pte 2: none -> ra',
      `end PROTECTION_PAGE [2, 3): ${RMAP}`,
    ]);
  });

  it('row 24, no range: MADV_COLD, MADV_WILLNEED, faults, and the upgrade that page_mkwrite allows', () => {
    const cold = order({
      ram: 'file',
      act: (_, base, mm) => well(madvise(mm, part(base, 1), PAGE_SIZE, MADV_COLD)),
    });
    expect(cold).toEqual(['pte 1: rwad -> rwd', 'cpu flush 1', 'secondary flush']);
    const willneed = order({
      ram: 'shmem',
      act: (_, base, mm) => well(madvise(mm, part(base, 1), PAGE_SIZE, MADV_WILLNEED)),
    });
    expect(willneed).toEqual([]);
    const upgrade = order({
      ram: 'file',
      before: synced,
      act: (vm) => vm.write64(pageAt(2), BigInt(pageAt(2))),
    });
    expect(upgrade).toEqual(['pte 2: ra -> rwad']);
    const fault = order({
      ram: 'shmem',
      *before(vm, base) {
        yield* well(madvise(vm.mm, part(base, 2), PAGE_SIZE, MADV_PAGEOUT));
        while (vm.host.throttle.writebackInFlight > 0) yield* vm.host.throttle.waitForWriteback();
      },
      act: (vm) => vm.write64(pageAt(2), BigInt(pageAt(2))),
    });
    expect(fault.filter((event) => /start|end|flush/.test(event))).toEqual([]);
  });
});
