// userfaultfd: faults that a handler sees to, and stores that he wants to hear of first.

import { describe, expect, it } from 'vitest';
import { handleMmFault } from '../../src/mm/fault/fault.ts';
import { FAULT_FLAG_ALLOW_RETRY, FAULT_FLAG_WRITE, VM_FAULT_RETRY } from '../../src/mm/fault/faultTypes.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  fput,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MAP_PRIVATE,
  type Mm,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  madvise,
  memfdCreate,
  mmap,
  mmapAnonymous,
  mprotect,
  mremap,
  PROT_READ,
  PROT_WRITE,
  pagemapEntry,
  readPagemap,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_COPY_MODE_WP,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
  UFFDIO_WRITEPROTECT_MODE_WP,
  type Userfaultfd,
  uffdioCopy,
  uffdioMove,
  uffdioRegister,
  uffdioUnregister,
  uffdioWake,
  uffdioWriteprotect,
  uffdioZeropage,
  userfaultfd,
  userfaultfdRelease,
} from '../../src/mm/index.ts';
import { VM_UFFD_FLAGS, VM_UFFD_MISSING, VM_UFFD_WP } from '../../src/mm/vma/vmFlags.ts';
import { type Policy, RESCHED, randomPolicy, runPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { GuestHart, PHYSICAL } from '../support/guestHart.ts';
import { RAM, TestVm } from '../support/testVm.ts';
import {
  type Bench,
  expectBalanced,
  expectNothingLeaked,
  makeBench,
  newMm,
  pageAt,
  runTasks,
} from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const PAGES = 8;
const MISSING = UFFDIO_REGISTER_MODE_MISSING;
const WP = UFFDIO_REGISTER_MODE_WP;

interface Scene {
  readonly bench: Bench;
  readonly mm: Mm;
  readonly base: Hva;
  /** Where the handler has what it copies: page i is full of i + 100. */
  readonly source: Hva;
  readonly uffd: Userfaultfd;
}

/** A process with an unregistered range, a source, and a descriptor; in the end nothing is left. */
function withScene(body: (scene: Scene) => Steps, policy: Policy = runPolicy()): void {
  const bench = makeBench({ frames: 96, swapSlots: 100, policy });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    const base = (yield* mmapAnonymous(mm, 0, PAGES * PAGE_SIZE, RW, 0)) as Hva;
    const source = (yield* mmapAnonymous(mm, 0, PAGES * PAGE_SIZE, RW, 0)) as Hva;
    for (let i = 0; i < PAGES; i++) yield* fill(mm, pageAt(source, i), 100 + i);
    yield* body({ bench, mm, base, source, uffd: userfaultfd(mm) });
  });
  expectBalanced(bench);
  expectNothingLeaked(bench);
}

function* fill(mm: Mm, address: Hva, byte: number): Steps {
  expect(yield* copyToUser(mm, 0, address, new Uint8Array(PAGE_SIZE).fill(byte))).toBe(0);
}

function* load(mm: Mm, address: Hva): Steps<number> {
  const into = new Uint8Array(1);
  const error = yield* copyFromUser(mm, 0, address, into);
  return error < 0 ? error : into[0]!;
}

const store = (mm: Mm, address: Hva, byte: number): Steps<number> =>
  copyToUser(mm, 0, address, Uint8Array.of(byte));

function* register({ uffd, base }: Scene, mode: number): Steps {
  expect(yield* uffdioRegister(uffd, base, PAGES * PAGE_SIZE, mode)).toBe(0);
}

function* end({ uffd, mm }: Scene): Steps {
  yield* userfaultfdRelease(uffd);
  yield* exitMm(mm);
}

const copyPage = ({ uffd, mm, source }: Scene, to: Hva, page: number, mode = 0): Steps<number> =>
  uffdioCopy(uffd, { mm, cpu: 1 }, to, pageAt(source, page), PAGE_SIZE, mode);

const isUffdWp = ({ mm, base }: Scene, page: number): boolean =>
  (pagemapEntry(mm, pageAt(base, page)) & (1n << 57n)) !== 0n;

/** Runs `body` beside the caller; says when it has come to its end. */
function beside({ bench }: Scene, body: () => Steps): { done: boolean } {
  const task = { done: false };
  bench.sched.spawn(
    'beside',
    (function* () {
      yield* body();
      task.done = true;
    })(),
    1,
  );
  return task;
}

function* until(condition: () => boolean, { bench }: Scene): Steps {
  while (!condition()) {
    bench.sched.spend(1000);
    yield RESCHED;
  }
}

describe('a missing page', () => {
  it('is made by the handler, who learns where and whether it is a store; the fault waits for it', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      yield* register(scene, MISSING);
      let found = -1;
      const reader = beside(scene, function* () {
        found = yield* load(mm, (pageAt(base, 3) + 5) as Hva);
      });
      expect(yield* uffd.read()).toMatchObject({ address: pageAt(base, 3), flags: 0 });
      expect(reader.done).toBe(false);
      expect(yield* copyPage(scene, pageAt(base, 3), 3)).toBe(PAGE_SIZE);
      yield* until(() => reader.done, scene);
      expect(found).toBe(103);
      const writer = beside(scene, function* () {
        expect(yield* store(mm, pageAt(base, 4), 7)).toBe(0);
      });
      expect(yield* uffd.read()).toMatchObject({
        address: pageAt(base, 4),
        flags: UFFD_PAGEFAULT_FLAG_WRITE,
      });
      expect(yield* uffdioZeropage(uffd, pageAt(base, 4), PAGE_SIZE, 0)).toBe(PAGE_SIZE);
      yield* until(() => writer.done, scene);
      expect([yield* load(mm, pageAt(base, 4)), yield* load(mm, (pageAt(base, 4) + 1) as Hva)]).toEqual([
        7, 0,
      ]);
      yield* end(scene);
    });
  });

  it('wakes nobody if told so, until UFFDIO_WAKE', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      yield* register(scene, MISSING);
      const tasks = [0, 1].map(() =>
        beside(scene, function* () {
          expect(yield* load(mm, base)).toBe(101);
        }),
      );
      yield* uffd.read();
      yield* uffd.read();
      expect(yield* copyPage(scene, base, 1, UFFDIO_COPY_MODE_DONTWAKE)).toBe(PAGE_SIZE);
      for (let i = 0; i < 20; i++) yield RESCHED;
      expect(tasks.map(({ done }) => done)).toEqual([false, false]);
      expect(yield* uffdioWake(uffd, base, PAGE_SIZE)).toBe(0);
      yield* until(() => tasks.every(({ done }) => done), scene);
      yield* end(scene);
    });
  });

  it('is zeros for who waits when the range is unregistered, or the descriptor closed', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      yield* register(scene, MISSING);
      const first = beside(scene, function* () {
        expect(yield* load(mm, base)).toBe(0);
      });
      yield* uffd.read();
      expect(yield* uffdioUnregister(uffd, base, 2 * PAGE_SIZE)).toBe(0);
      yield* until(() => first.done, scene);
      const second = beside(scene, function* () {
        expect(yield* load(mm, pageAt(base, 5))).toBe(0);
      });
      yield* uffd.read();
      yield* userfaultfdRelease(uffd);
      yield* until(() => second.done, scene);
      expect(mm.vmas.all.every(({ userfaultfd: none }) => none === null)).toBe(true);
      yield* exitMm(mm);
    });
  });

  it('is missing again after MADV_DONTNEED, but not after a swap-out', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      yield* register(scene, MISSING);
      for (const page of [0, 1]) expect(yield* copyPage(scene, pageAt(base, page), page)).toBe(PAGE_SIZE);
      expect(yield* madvise(mm, base, PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      expect(yield* madvise(mm, pageAt(base, 1), PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect(yield* load(mm, pageAt(base, 1))).toBe(101);
      const reader = beside(scene, function* () {
        expect(yield* load(mm, base)).toBe(105);
      });
      expect(yield* uffd.read()).toMatchObject({ address: base });
      expect(yield* copyPage(scene, base, 5)).toBe(PAGE_SIZE);
      yield* until(() => reader.done, scene);
      yield* end(scene);
    });
  });
});

describe('write-protection', () => {
  it('holds a store until it is lifted, and hears of it; loads go on', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      yield* fill(mm, base, 1);
      yield* register(scene, WP);
      expect(yield* uffdioWriteprotect(uffd, base, PAGES * PAGE_SIZE, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(0);
      expect([isUffdWp(scene, 0), isUffdWp(scene, 1)]).toEqual([true, false]);
      expect(yield* load(mm, base)).toBe(1);
      const writer = beside(scene, function* () {
        expect(yield* store(mm, base, 2)).toBe(0);
      });
      const flags = UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP;
      expect(yield* uffd.read()).toMatchObject({ address: base, flags });
      expect(yield* load(mm, base)).toBe(1);
      expect(yield* uffdioWriteprotect(uffd, base, PAGE_SIZE, UFFDIO_WRITEPROTECT_MODE_DONTWAKE)).toBe(0);
      for (let i = 0; i < 20; i++) yield RESCHED;
      expect(writer.done).toBe(false);
      expect(yield* uffdioWake(uffd, base, PAGE_SIZE)).toBe(0);
      yield* until(() => writer.done, scene);
      expect([yield* load(mm, base), isUffdWp(scene, 0)]).toEqual([2, false]);
      // What was not there is not protected.
      expect(yield* store(mm, pageAt(base, 1), 3)).toBe(0);
      yield* end(scene);
    });
  });

  it('lasts over swapping out and in, mprotect, and a copy made so; fork and mremap leave it behind', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      yield* fill(mm, base, 1);
      yield* fill(mm, pageAt(base, 1), 2);
      yield* register(scene, WP | MISSING);
      const bytes = PAGES * PAGE_SIZE;
      expect(yield* uffdioWriteprotect(uffd, base, bytes, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(0);
      expect(yield* copyPage(scene, pageAt(base, 2), 2, UFFDIO_COPY_MODE_WP)).toBe(PAGE_SIZE);
      expect(yield* madvise(mm, base, 3 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect(mm.swapEntries).toBe(3);
      expect([0, 1, 2].map((page) => isUffdWp(scene, page))).toEqual([true, true, true]);
      for (const page of [0, 1, 2]) expect(yield* load(mm, pageAt(base, page))).toBe([1, 2, 102][page]);
      expect(yield* mprotect(mm, base, bytes, PROT_READ)).toBe(0);
      expect(yield* mprotect(mm, base, bytes, RW)).toBe(0);
      expect([0, 1, 2].map((page) => isUffdWp(scene, page))).toEqual([true, true, true]);
      const child = (yield* fork(mm)) as Mm;
      expect(yield* store(child, base, 9)).toBe(0);
      expect(child.vmas.all.some(({ userfaultfd: any }) => any !== null)).toBe(false);
      yield* exitMm(child);
      const writer = beside(scene, function* () {
        expect(yield* store(mm, base, 4)).toBe(0);
      });
      yield* uffd.read();
      expect(yield* uffdioWriteprotect(uffd, base, PAGE_SIZE, 0)).toBe(0);
      yield* until(() => writer.done, scene);
      const to = 0x20_0000_0000 as Hva;
      const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
      expect(yield* mremap(mm, pageAt(base, 1), PAGE_SIZE, PAGE_SIZE, flags, to)).toBe(to);
      expect(yield* store(mm, to, 5)).toBe(0);
      yield* end(scene);
    });
  });

  it('lets go of mmap_lock for who closes the descriptor meanwhile, rather than try again with it', () => {
    withScene(function* (scene) {
      const { bench, mm, base, uffd } = scene;
      yield* fill(mm, base, 5);
      yield* register(scene, WP);
      expect(yield* uffdioWriteprotect(uffd, base, PAGE_SIZE, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(0);
      yield* bench.host.locks.mmapReadLock(mm);
      const close = beside(scene, () => userfaultfdRelease(uffd));
      yield* until(() => uffd.released, scene);
      const vma = mm.vmas.find(base)!;
      // As GUP does, which would come back with the lock until the page is writable.
      const result = yield* handleMmFault(vma, base, FAULT_FLAG_WRITE | FAULT_FLAG_ALLOW_RETRY);
      expect(result).toBe(VM_FAULT_RETRY);
      yield* until(() => close.done, scene);
      expect(yield* store(mm, base, 6)).toBe(0);
      yield* exitMm(mm);
    });
  });

  it('is lifted by unregistering and by closing', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      for (let i = 0; i < PAGES; i++) yield* fill(mm, pageAt(base, i), i);
      yield* register(scene, WP);
      const bytes = PAGES * PAGE_SIZE;
      expect(yield* uffdioWriteprotect(uffd, base, bytes, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(0);
      expect(yield* uffdioUnregister(uffd, base, PAGE_SIZE)).toBe(0);
      expect(yield* store(mm, base, 77)).toBe(0);
      yield* userfaultfdRelease(uffd);
      for (let i = 0; i < PAGES; i++) expect(yield* store(mm, pageAt(base, i), 50 + i)).toBe(0);
      expect(mm.vmas.all.length).toBeLessThanOrEqual(2);
      yield* exitMm(mm);
    });
  });
});

describe('errno values', () => {
  it('of registering', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      const bytes = PAGES * PAGE_SIZE;
      expect(yield* uffdioRegister(uffd, base, bytes, 0)).toBe(-Errno.EINVAL);
      expect(yield* uffdioRegister(uffd, base, bytes, 8)).toBe(-Errno.EINVAL);
      expect(yield* uffdioRegister(uffd, (base + 1) as Hva, bytes, MISSING)).toBe(-Errno.EINVAL);
      expect(yield* uffdioRegister(uffd, base, 100, MISSING)).toBe(-Errno.EINVAL);
      expect(yield* uffdioRegister(uffd, 0x30_0000_0000 as Hva, bytes, MISSING)).toBe(-Errno.EINVAL);
      // Of what is private and anonymous there is no page that is not mapped.
      expect(yield* uffdioRegister(uffd, base, bytes, UFFDIO_REGISTER_MODE_MINOR)).toBe(-Errno.EINVAL);
      yield* register(scene, MISSING);
      const other = userfaultfd(mm);
      expect(yield* uffdioRegister(other, base, bytes, MISSING)).toBe(-Errno.EBUSY);
      expect(yield* uffdioUnregister(other, base, bytes)).toBe(-Errno.EINVAL);
      expect(mm.vmas.find(base)!.userfaultfd).toBe(uffd);
      yield* userfaultfdRelease(other);
      expect(yield* uffdioRegister(other, base, bytes, MISSING)).toBe(-Errno.ENOMEM);
      yield* end(scene);
    });
  });

  it('of making pages and protecting them', () => {
    withScene(function* (scene) {
      const { mm, base, source, uffd } = scene;
      expect(yield* copyPage(scene, base, 0)).toBe(-Errno.ENOENT);
      expect(yield* uffdioWriteprotect(uffd, base, PAGE_SIZE, 0)).toBe(-Errno.ENOENT);
      yield* register(scene, MISSING);
      expect(yield* copyPage(scene, base, 0, UFFDIO_COPY_MODE_WP)).toBe(-Errno.EINVAL);
      expect(yield* copyPage(scene, base, 0, 8)).toBe(-Errno.EINVAL);
      expect(yield* copyPage(scene, base, 0)).toBe(PAGE_SIZE);
      expect(yield* copyPage(scene, base, 0)).toBe(-Errno.EEXIST);
      expect(yield* uffdioZeropage(uffd, base, PAGE_SIZE, 0)).toBe(-Errno.EEXIST);
      const caller = { mm, cpu: 1 };
      expect(yield* uffdioCopy(uffd, caller, pageAt(base, 1), 0x30_0000_0000 as Hva, PAGE_SIZE, 0)).toBe(
        -Errno.EFAULT,
      );
      expect(yield* copyPage(scene, pageAt(base, 2), 2)).toBe(PAGE_SIZE);
      // One page, then one that is there.
      expect(yield* uffdioCopy(uffd, caller, pageAt(base, 1), source, 2 * PAGE_SIZE, 0)).toBe(PAGE_SIZE);
      expect(yield* uffdioWriteprotect(uffd, base, PAGE_SIZE, 4)).toBe(-Errno.EINVAL);
      expect(yield* uffdioWriteprotect(uffd, base, PAGE_SIZE, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(
        -Errno.ENOENT,
      );
      yield* exitMm(mm);
      expect(yield* copyPage(scene, pageAt(base, 3), 3)).toBe(-Errno.ESRCH);
      yield* userfaultfdRelease(uffd);
    });
  });
});

// Each of these was seen on Linux 6.18.
describe('as Linux 6.18 has it', () => {
  const bytes = PAGES * PAGE_SIZE;
  const isThere = ({ mm }: Scene, address: Hva): boolean => readPagemap(mm, address).kind !== 'none';

  it('the source of a copy is looked at only when there is a place for it', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      const unread = (yield* mmapAnonymous(mm, 0, 2 * PAGE_SIZE, RW, 0)) as Hva;
      const nowhere = 0x30_0000_0000 as Hva;
      const copy = (to: Hva, from: Hva, mode = 0): Steps<number> =>
        uffdioCopy(uffd, { mm, cpu: 1 }, to, from, PAGE_SIZE, mode);
      expect(yield* copy(base, nowhere)).toBe(-Errno.ENOENT);
      expect(yield* copy(base, unread)).toBe(-Errno.ENOENT);
      yield* register(scene, MISSING);
      expect(yield* copy(base, nowhere, UFFDIO_COPY_MODE_WP)).toBe(-Errno.EINVAL);
      expect(isThere(scene, unread)).toBe(false);
      expect(yield* copyPage(scene, base, 0)).toBe(PAGE_SIZE);
      // Whether a page is there already is known only after that.
      expect(yield* copy(base, nowhere)).toBe(-Errno.EFAULT);
      expect(yield* copy(base, unread)).toBe(-Errno.EEXIST);
      expect(isThere(scene, unread)).toBe(true);
      yield* end(scene);
    });
  });

  it('registering for less takes nothing back', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      yield* register(scene, MISSING | WP);
      expect(yield* uffdioRegister(uffd, base, 2 * PAGE_SIZE, MISSING)).toBe(0);
      const { start, end: to, flags } = mm.vmas.find(base)!;
      expect([start, to - start, flags & VM_UFFD_FLAGS]).toEqual([base, bytes, VM_UFFD_MISSING | VM_UFFD_WP]);
      yield* end(scene);
    });
  });

  it('unregistering wakes who waits for a page, not who waits to store', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      yield* fill(mm, base, 1);
      yield* register(scene, WP);
      expect(yield* uffdioWriteprotect(uffd, base, PAGE_SIZE, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(0);
      const writer = beside(scene, function* () {
        expect(yield* store(mm, base, 2)).toBe(0);
      });
      yield* uffd.read();
      expect(yield* uffdioUnregister(uffd, base, bytes)).toBe(0);
      for (let i = 0; i < 20; i++) yield RESCHED;
      expect(writer.done).toBe(false);
      expect(yield* uffdioWake(uffd, base, PAGE_SIZE)).toBe(0);
      yield* until(() => writer.done, scene);
      yield* end(scene);
    });
  });

  it('mremap moves what is registered only by itself', () => {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      expect(yield* uffdioRegister(uffd, base, 2 * PAGE_SIZE, MISSING)).toBe(0);
      const to = 0x20_0000_0000 as Hva;
      const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
      const move = (from: Hva, pages: number): Steps<number> =>
        mremap(mm, from, pages * PAGE_SIZE, pages * PAGE_SIZE, flags, to);
      expect(yield* move(base, 4)).toBe(-Errno.EFAULT);
      expect(mm.vmas.find(to)).toBe(null);
      expect(yield* move(pageAt(base, 1), 1)).toBe(to);
      // The first of several has it not: that is moved, and then it ends.
      expect(yield* uffdioRegister(uffd, pageAt(base, 4), PAGE_SIZE, MISSING)).toBe(0);
      expect(yield* move(pageAt(base, 3), 2)).toBe(-Errno.EFAULT);
      expect([mm.vmas.find(pageAt(base, 3)), mm.vmas.find(pageAt(base, 4))?.pages]).toEqual([null, 1]);
      yield* end(scene);
    });
  });

  it('a private mapping has an anon_vma once something was to be put into it, or moved', () => {
    withScene(function* (scene) {
      const { bench, mm, uffd, source } = scene;
      const file = memfdCreate(bench.host, 2 * PAGE_SIZE);
      const maps: Hva[] = [];
      for (let i = 0; i < 2; i++) maps.push((yield* mmap(mm, 0, PAGE_SIZE, RW, MAP_PRIVATE, file, i)) as Hva);
      expect(yield* copyPage(scene, maps[0]!, 0)).toBe(-Errno.ENOENT);
      expect(yield* uffdioMove(uffd, maps[1]!, source, PAGE_SIZE, 0)).toBe(-Errno.EINVAL);
      expect(maps.map((address) => mm.vmas.find(address)?.anonVma !== null)).toEqual([true, true]);
      yield* end(scene);
      yield* fput(file);
    });
  });
});

describe('a snapshot by write-protection', () => {
  /** Writers go on while the handler saves each page before its first store: it is as it was at the beginning. */
  function snapshot(policy: Policy): void {
    withScene(function* (scene) {
      const { mm, base, uffd } = scene;
      for (let i = 0; i < PAGES; i++) yield* fill(mm, pageAt(base, i), i + 1);
      yield* register(scene, WP);
      const bytes = PAGES * PAGE_SIZE;
      expect(yield* uffdioWriteprotect(uffd, base, bytes, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(0);
      const saved = new Map<number, number>();
      const save = function* (address: Hva): Steps {
        const page = (address - base) / PAGE_SIZE;
        if (!saved.has(page)) saved.set(page, yield* load(mm, address));
      };
      const handler = beside(scene, function* () {
        for (let fault = yield* uffd.read(); fault !== null; fault = yield* uffd.read()) {
          yield* save(fault.address);
          expect(yield* uffdioWriteprotect(uffd, fault.address, PAGE_SIZE, 0)).toBe(0);
        }
      });
      const writers = [0, 1].map((first) =>
        beside(scene, function* () {
          for (let i = first; i < PAGES; i += 2) {
            expect(yield* store(mm, pageAt(base, i), 200 + i)).toBe(0);
            expect(yield* madvise(mm, base, 4 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
          }
        }),
      );
      yield* until(() => writers.every(({ done }) => done), scene);
      for (let i = 0; i < PAGES; i++) {
        yield* save(pageAt(base, i));
        expect([saved.get(i), yield* load(mm, pageAt(base, i))]).toEqual([i + 1, 200 + i]);
      }
      yield* userfaultfdRelease(uffd);
      yield* until(() => handler.done, scene);
      yield* exitMm(mm);
    }, policy);
  }

  it('has every page as it was, in run mode and in random interleavings', () => {
    snapshot(runPolicy());
    for (let seed = 0; seed < 6; seed++) snapshot(randomPolicy(seed));
  });
});

describe.each(['shadow', 'tdp'] as const)('a guest under %s whose memory is handled by its VMM', (mmu) => {
  it('waits for its pages, and for its stores', () => {
    const vm = new TestVm({ mmu, ramPages: 8 });
    const page = (number: number): number => RAM + number * PAGE_SIZE;
    let stored = false;
    vm.run({
      *'guest/0'() {
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        expect(yield* hart.load(page(2), PHYSICAL)).toMatchObject({ value: page(2) });
        const uffd = userfaultfd(vm.mm);
        const bytes = 7 * PAGE_SIZE;
        expect(yield* uffdioRegister(uffd, pageAt(vm.ram, 1), bytes, WP | MISSING)).toBe(0);
        expect(yield* uffdioWriteprotect(uffd, pageAt(vm.ram, 1), bytes, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(
          0,
        );
        expect(yield* madvise(vm.mm, pageAt(vm.ram, 3), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
        const faults: string[] = [];
        const handler = function* (): Steps {
          for (let fault = yield* uffd.read(); fault !== null; fault = yield* uffd.read()) {
            faults.push(`${(fault.address - vm.ram) / PAGE_SIZE} ${fault.flags}`);
            expect(stored).toBe(false);
            if ((fault.flags & UFFD_PAGEFAULT_FLAG_WP) !== 0)
              expect(yield* uffdioWriteprotect(uffd, fault.address, PAGE_SIZE, 0)).toBe(0);
            else
              expect(
                yield* uffdioCopy(
                  uffd,
                  { mm: vm.mm, cpu: vm.spareCpu },
                  fault.address,
                  pageAt(vm.ram, 5),
                  PAGE_SIZE,
                  0,
                ),
              ).toBe(PAGE_SIZE);
          }
        };
        vm.sched.spawn('handler', handler(), vm.spareCpu);
        // Protected, but it may be read; and what is missing is made.
        expect(yield* hart.load(page(2), PHYSICAL)).toMatchObject({ value: page(2) });
        expect(yield* hart.load(page(3), PHYSICAL)).toMatchObject({ value: page(5) });
        yield* hart.store(page(2), 42, PHYSICAL);
        stored = true;
        expect(yield* hart.load(page(2), PHYSICAL)).toMatchObject({ value: 42 });
        expect(faults).toEqual(['3 0', `2 ${UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP}`]);
        yield* userfaultfdRelease(uffd);
      },
    });
    vm.finish();
  });
});
