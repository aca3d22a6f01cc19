// userfaultfd on shmem: pages that are missing, pages that are there and not mapped, and write-protection that outlives
// the entry.

import { describe, expect, it } from 'vitest';
import {
  copyToUser,
  type File,
  fileTruncate,
  fput,
  type Host,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  type Mm,
  madvise,
  mmap,
  mprotect,
  munmap,
  PROT_READ,
  PROT_WRITE,
  pagemapEntry,
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
  UFFDIO_CONTINUE_MODE_WP,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
  type UffdMsg,
  type Userfaultfd,
  uffdioContinue,
  uffdioCopy,
  uffdioRegister,
  uffdioUnregister,
  uffdioWriteprotect,
  uffdioZeropage,
  userfaultfd,
  userfaultfdRelease,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import type { Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { GuestHart, PHYSICAL } from '../support/guestHart.ts';
import { RAM, TestVm } from '../support/testVm.ts';
import { type FileScene, load, mapFile, memfd, playFiles, store } from './fileScene.ts';
import { pageAt } from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const PAGES = 6;
const BYTES = PAGES * PAGE_SIZE;
const [MISSING, MINOR, WP] = [
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_WP,
];
const PM_UFFD_WP = 1n << 57n;

interface Scene extends FileScene {
  readonly object: File;
  readonly uffd: Userfaultfd;
  /** Two mappings of the object, of which the first is registered. */
  readonly base: Hva;
  readonly other: Hva;
}

/** What the handler has heard, and how to answer: it runs until the descriptor is closed. */
type Answer = (fault: UffdMsg) => Steps<number>;

function withObject(mode: number, body: (scene: Scene) => Steps, flags = MAP_SHARED): void {
  playFiles({ frames: 128, swapSlots: 64 }, function* (files) {
    const { host, mm } = files;
    const object = yield* memfd(host, PAGES);
    const base = yield* mapFile(mm, object, PAGES, 0, flags);
    const other = yield* mapFile(mm, object, PAGES);
    const uffd = userfaultfd(mm);
    expect(yield* uffdioRegister(uffd, base, BYTES, mode)).toBe(0);
    yield* body({ ...files, object, uffd, base, other });
    yield* userfaultfdRelease(uffd);
    for (const address of [base, other]) expect(yield* munmap(mm, address, BYTES)).toBe(0);
    yield* fput(object);
  });
}

/** Answers faults as a task of its own; what it has heard: page and flags. */
function handle({ bench, uffd, base }: Scene, answer: Answer): string[] {
  const heard: string[] = [];
  const handler = function* (): Steps {
    for (let fault = yield* uffd.read(); fault !== null; fault = yield* uffd.read()) {
      heard.push(`${(fault.address - base) / PAGE_SIZE} ${fault.flags}`);
      expect(yield* answer(fault)).toBeGreaterThanOrEqual(0);
    }
  };
  bench.sched.spawn('handler', handler(), 1);
  return heard;
}

function* swapOut(host: Host, mm: Mm, base: Hva): Steps {
  expect(yield* madvise(mm, base, BYTES, MADV_PAGEOUT)).toBe(0);
  while (host.throttle.writebackInFlight > 0) yield* host.throttle.waitForWriteback();
}

const protect = ({ uffd }: Scene, address: Hva, pages = 1): Steps<number> =>
  uffdioWriteprotect(uffd, address, pages * PAGE_SIZE, UFFDIO_WRITEPROTECT_MODE_WP);
const lift = ({ uffd }: Scene, address: Hva): Steps<number> =>
  uffdioWriteprotect(uffd, address, PAGE_SIZE, 0);
const isProtected = ({ mm, base }: Scene, page: number): boolean =>
  (pagemapEntry(mm, pageAt(base, page)) & PM_UFFD_WP) !== 0n;

describe('a missing page', () => {
  it('is made in the object, for everybody who maps it', () => {
    withObject(MISSING, function* (scene) {
      const { mm, base, other, uffd } = scene;
      const source = yield* mapFile(mm, scene.file, 1, 0, MAP_PRIVATE);
      expect(yield* store(mm, source, 0, 77)).toBe(0);
      const heard = handle(scene, ({ address }) =>
        (address - base) / PAGE_SIZE === 1
          ? uffdioZeropage(uffd, address, PAGE_SIZE, 0)
          : uffdioCopy(uffd, { mm, cpu: 1 }, address, source, PAGE_SIZE, 0),
      );
      expect(yield* load(mm, base, 0)).toBe(77);
      expect(yield* load(mm, base, 1)).toBe(0);
      expect(yield* store(mm, base, 2, 5)).toBe(0);
      expect(yield* load(mm, other, 0)).toBe(77);
      expect(yield* load(mm, other, 2)).toBe(5);
      // There by the other mapping: nobody is asked.
      expect(yield* store(mm, other, 3, 9)).toBe(0);
      expect(yield* load(mm, base, 3)).toBe(9);
      expect(heard).toEqual(['0 0', '1 0', `2 ${UFFD_PAGEFAULT_FLAG_WRITE}`]);
      // Four by each mapping: faults of the second take along what is there.
      expect(mm.shmemPages).toBe(8);
    });
  });

  it('is not missing while it is on swap', () => {
    withObject(MISSING, function* (scene) {
      const { host, mm, base, other } = scene;
      expect(yield* store(mm, other, 4, 44)).toBe(0);
      yield* swapOut(host, mm, other);
      expect(yield* load(mm, base, 4)).toBe(44);
    });
  });
});

describe('a page that is there and not mapped', () => {
  it('is mapped by UFFDIO_CONTINUE, after the handler has changed it by the other mapping', () => {
    withObject(MISSING | MINOR, function* (scene) {
      const { host, mm, base, other, uffd } = scene;
      for (let i = 0; i < PAGES; i++) expect(yield* store(mm, other, i, i)).toBe(0);
      yield* swapOut(host, mm, other);
      const heard = handle(scene, function* ({ address }) {
        const page = (address - base) / PAGE_SIZE;
        expect(yield* store(mm, other, page, 100 + page)).toBe(0);
        return yield* uffdioContinue(uffd, address, PAGE_SIZE, 0);
      });
      expect(yield* load(mm, base, 2)).toBe(102);
      expect(yield* store(mm, base, 0, 7)).toBe(0);
      expect([yield* load(mm, other, 0), yield* load(mm, other, 3)]).toEqual([7, 3]);
      expect(heard).toEqual([
        `2 ${UFFD_PAGEFAULT_FLAG_MINOR}`,
        `0 ${UFFD_PAGEFAULT_FLAG_MINOR | UFFD_PAGEFAULT_FLAG_WRITE}`,
      ]);
    });
  });

  it('errno values', () => {
    withObject(MINOR, function* (scene) {
      const { mm, base, other, uffd, object } = scene;
      expect(yield* uffdioContinue(uffd, base, PAGE_SIZE, 0)).toBe(-Errno.EFAULT);
      expect(yield* store(mm, other, 0, 1)).toBe(0);
      expect(yield* uffdioContinue(uffd, base, 2 * PAGE_SIZE, 0)).toBe(PAGE_SIZE);
      expect(yield* uffdioContinue(uffd, base, PAGE_SIZE, 0)).toBe(-Errno.EEXIST);
      expect(yield* uffdioContinue(uffd, base, PAGE_SIZE, 4)).toBe(-Errno.EINVAL);
      expect(yield* uffdioContinue(uffd, base, PAGE_SIZE, UFFDIO_CONTINUE_MODE_WP)).toBe(-Errno.EINVAL);
      expect(yield* uffdioContinue(uffd, other, PAGE_SIZE, 0)).toBe(-Errno.ENOENT);
      expect(yield* fileTruncate(object, 2 * PAGE_SIZE)).toBe(0);
      expect(yield* uffdioContinue(uffd, pageAt(base, 3), PAGE_SIZE, 0)).toBe(-Errno.EINVAL);
      const caller = { mm, cpu: 1 };
      expect(yield* uffdioCopy(uffd, caller, pageAt(base, 3), base, PAGE_SIZE, 0)).toBe(-Errno.EFAULT);
      expect(yield* uffdioCopy(uffd, caller, pageAt(base, 1), base, PAGE_SIZE, 0)).toBe(PAGE_SIZE);
      expect(yield* uffdioCopy(uffd, caller, pageAt(base, 1), base, PAGE_SIZE, 0)).toBe(-Errno.EEXIST);
      // Files with a disk are nobody's business.
      const onDisk = yield* mapFile(mm, scene.file, 1);
      expect(yield* uffdioRegister(uffd, onDisk, PAGE_SIZE, MISSING)).toBe(-Errno.EINVAL);
    });
  });

  it('of a private mapping is mapped read-only: a store makes a copy', () => {
    withObject(
      MINOR,
      function* (scene) {
        const { mm, base, other, uffd } = scene;
        expect(yield* store(mm, other, 0, 50)).toBe(0);
        handle(scene, ({ address }) => uffdioContinue(uffd, address, PAGE_SIZE, 0));
        expect(yield* load(mm, base, 0)).toBe(50);
        expect(yield* store(mm, base, 0, 51)).toBe(0);
        expect([yield* load(mm, base, 0), yield* load(mm, other, 0)]).toEqual([51, 50]);
      },
      MAP_PRIVATE,
    );
  });
});

describe('write-protection', () => {
  it('holds a store, also where nothing is mapped yet, and where nothing is at all', () => {
    withObject(WP, function* (scene) {
      const { mm, base, other } = scene;
      expect(yield* store(mm, base, 0, 1)).toBe(0);
      expect(yield* store(mm, other, 1, 2)).toBe(0);
      expect(yield* protect(scene, base, PAGES)).toBe(0);
      expect([0, 1, 2].map((page) => isProtected(scene, page))).toEqual([true, true, true]);
      const heard = handle(scene, ({ address }) => lift(scene, address));
      // The other mapping is not protected.
      expect(yield* store(mm, other, 0, 10)).toBe(0);
      expect([yield* load(mm, base, 0), yield* load(mm, base, 1)]).toEqual([10, 2]);
      expect(heard).toEqual([]);
      for (const page of [0, 1, 2]) expect(yield* store(mm, base, page, 20 + page)).toBe(0);
      const flags = UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE;
      expect(heard).toEqual([0, 1, 2].map((page) => `${page} ${flags}`));
      for (const page of [0, 1, 2]) expect(yield* load(mm, other, page)).toBe(20 + page);
      expect([2, 3].map((page) => isProtected(scene, page))).toEqual([false, true]);
    });
  });

  it('outlives what is mapped: swap-out, MADV_DONTNEED, truncation, mprotect', () => {
    withObject(WP, function* (scene) {
      const { host, mm, base, object } = scene;
      for (let i = 0; i < PAGES; i++) expect(yield* store(mm, base, i, i + 1)).toBe(0);
      expect(yield* protect(scene, base, 5)).toBe(0);
      yield* swapOut(host, mm, base);
      expect(inspectPte(mm, base)).toBe(0);
      expect(yield* madvise(mm, pageAt(base, 1), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      expect(yield* fileTruncate(object, 2 * PAGE_SIZE)).toBe(0);
      expect(yield* fileTruncate(object, BYTES)).toBe(0);
      expect(yield* mprotect(mm, base, BYTES, PROT_READ)).toBe(0);
      expect(yield* mprotect(mm, base, BYTES, RW)).toBe(0);
      expect(Array.from({ length: PAGES }, (_, page) => isProtected(scene, page))).toEqual([
        true,
        true,
        true,
        true,
        true,
        false,
      ]);
      const heard = handle(scene, ({ address }) => lift(scene, address));
      expect([yield* load(mm, base, 0), yield* load(mm, base, 2)]).toEqual([1, 0]);
      expect(heard).toEqual([]);
      for (const page of [0, 1, 2, 5]) expect(yield* store(mm, base, page, 30 + page)).toBe(0);
      expect(heard.map((each) => Number(each.split(' ')[0]))).toEqual([0, 1, 2]);
    });
  });

  it('is forgotten by unregistering and by munmap', () => {
    withObject(WP, function* (scene) {
      const { mm, base, uffd, object } = scene;
      expect(yield* store(mm, base, 0, 1)).toBe(0);
      expect(yield* protect(scene, base, PAGES)).toBe(0);
      expect(yield* uffdioUnregister(uffd, base, 2 * PAGE_SIZE)).toBe(0);
      expect([0, 1, 2].map((page) => isProtected(scene, page))).toEqual([false, false, true]);
      expect(yield* store(mm, base, 1, 3)).toBe(0);
      expect(yield* munmap(mm, pageAt(base, 2), 2 * PAGE_SIZE)).toBe(0);
      const again = yield* mmap(mm, pageAt(base, 2), 2 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, object, 2);
      expect(again).toBe(pageAt(base, 2));
      expect([2, 3, 4].map((page) => isProtected(scene, page))).toEqual([false, false, true]);
      expect(yield* store(mm, base, 2, 4)).toBe(0);
    });
  });

  it('of a page that is missing: it is made, and the marker is gone', () => {
    withObject(MISSING | WP, function* (scene) {
      const { mm, base, uffd } = scene;
      expect(yield* protect(scene, base, 2)).toBe(0);
      const heard = handle(scene, ({ address, flags }) =>
        (flags & UFFD_PAGEFAULT_FLAG_WP) !== 0
          ? lift(scene, address)
          : uffdioZeropage(uffd, address, PAGE_SIZE, 0),
      );
      expect(yield* store(mm, base, 0, 8)).toBe(0);
      expect(yield* load(mm, base, 0)).toBe(8);
      expect(heard).toEqual([`0 ${UFFD_PAGEFAULT_FLAG_WRITE}`]);
    });
  });
});

describe.each(['shadow', 'tdp'] as const)(
  'a guest under %s whose RAM is shmem that its VMM handles',
  (mmu) => {
    it('waits for pages to be mapped, and for its stores', () => {
      const vm = new TestVm({ mmu, ramPages: 8, ramBacking: 'shmem' });
      const page = (number: number): number => RAM + number * PAGE_SIZE;
      vm.run({
        *'guest/0'() {
          const hart = new GuestHart(vm.kvm.vcpus[0]!);
          yield* hart.reset();
          const { mm } = vm;
          const uffd = userfaultfd(mm);
          const bytes = 4 * PAGE_SIZE;
          const { file } = mm.vmas.find(vm.ram)!;
          const behind = (yield* mmap(mm, 0, 8 * PAGE_SIZE, RW, MAP_SHARED, file, 0)) as Hva;
          expect(yield* hart.load(page(1), PHYSICAL)).toMatchObject({ value: page(1) });
          expect(yield* uffdioRegister(uffd, pageAt(vm.ram, 1), bytes, MINOR | WP)).toBe(0);
          expect(yield* uffdioWriteprotect(uffd, pageAt(vm.ram, 1), bytes, UFFDIO_WRITEPROTECT_MODE_WP)).toBe(
            0,
          );
          // What was mapped is not any more; it is in the object still.
          expect(yield* madvise(mm, pageAt(vm.ram, 2), 2 * PAGE_SIZE, MADV_DONTNEED)).toBe(0);
          const heard: string[] = [];
          const handler = function* (): Steps {
            for (let fault = yield* uffd.read(); fault !== null; fault = yield* uffd.read()) {
              const number = (fault.address - vm.ram) / PAGE_SIZE;
              heard.push(`${number} ${fault.flags & ~UFFD_PAGEFAULT_FLAG_WRITE}`);
              if ((fault.flags & UFFD_PAGEFAULT_FLAG_WP) !== 0)
                expect(yield* uffdioWriteprotect(uffd, fault.address, PAGE_SIZE, 0)).toBe(0);
              else {
                expect(
                  yield* copyToUser(mm, vm.spareCpu, pageAt(behind, number), Uint8Array.of(number)),
                ).toBe(0);
                expect(yield* uffdioContinue(uffd, fault.address, PAGE_SIZE, UFFDIO_CONTINUE_MODE_WP)).toBe(
                  PAGE_SIZE,
                );
              }
            }
          };
          vm.sched.spawn('handler', handler(), vm.spareCpu);
          expect(yield* hart.load(page(2), PHYSICAL)).toMatchObject({ value: page(2) + 2 });
          yield* hart.store(page(1), 41, PHYSICAL);
          yield* hart.store(page(3), 43, PHYSICAL);
          for (const number of [1, 3])
            expect(yield* hart.load(page(number), PHYSICAL)).toMatchObject({ value: 40 + number });
          expect(heard).toEqual([
            `2 ${UFFD_PAGEFAULT_FLAG_MINOR}`,
            `1 ${UFFD_PAGEFAULT_FLAG_WP}`,
            `3 ${UFFD_PAGEFAULT_FLAG_MINOR}`,
            `3 ${UFFD_PAGEFAULT_FLAG_WP}`,
          ]);
          yield* userfaultfdRelease(uffd);
          expect(yield* munmap(mm, behind, 8 * PAGE_SIZE)).toBe(0);
        },
      });
      vm.finish();
    });
  },
);
