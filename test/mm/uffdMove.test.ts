// UFFDIO_MOVE: what moves and what does not, that who waits finds it, and that reverse mapping finds it where it is now.

import { describe, expect, it } from 'vitest';
import { isPresent, ptePfn } from '../../src/hw/sv39/index.ts';
import {
  exitMm,
  fork,
  KSM_RUN_MERGE,
  KSM_RUN_STOP,
  KSM_RUN_UNMERGE,
  ksmRunStore,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  type Mm,
  madvise,
  mlock,
  mmap,
  mmapAnonymous,
  PROT_READ,
  PROT_WRITE,
  pinUserPage,
  UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
  UFFDIO_MOVE_MODE_DONTWAKE,
  UFFDIO_REGISTER_MODE_MISSING,
  type Userfaultfd,
  uffdioMove,
  uffdioRegister,
  unpinUserPage,
  userfaultfd,
  userfaultfdRelease,
} from '../../src/mm/index.ts';
import { inspectPte, isSwapPte } from '../../src/mm/internals.ts';
import { type Policy, RESCHED, randomPolicy, runPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { GuestHart, PHYSICAL } from '../support/guestHart.ts';
import { RAM, TestVm } from '../support/testVm.ts';
import { load, store } from './fileScene.ts';
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
const BYTES = PAGES * PAGE_SIZE;
const HUGE = 2 ** 21;

interface Scene {
  readonly bench: Bench;
  readonly mm: Mm;
  readonly uffd: Userfaultfd;
  /** Registered for what is missing, and empty. */
  readonly to: Hva;
  /** Page i begins with i + 100. */
  readonly from: Hva;
}

function withScene(body: (scene: Scene) => Steps, policy: Policy = runPolicy(), frames = 96): void {
  const bench = makeBench({ frames, swapSlots: 100, policy });
  runTasks(bench, function* () {
    const mm = yield* newMm(bench.host);
    const to = (yield* mmapAnonymous(mm, 0x20_0000_0000 as Hva, BYTES, RW, 0)) as Hva;
    const from = (yield* mmapAnonymous(mm, 0x30_0000_0000 as Hva, BYTES, RW, 0)) as Hva;
    for (let i = 0; i < PAGES; i++) expect(yield* store(mm, from, i, 100 + i)).toBe(0);
    const uffd = userfaultfd(mm);
    expect(yield* uffdioRegister(uffd, to, BYTES, UFFDIO_REGISTER_MODE_MISSING)).toBe(0);
    yield* body({ bench, mm, uffd, to, from });
    if (!uffd.released) yield* userfaultfdRelease(uffd);
    yield* exitMm(mm);
    expect(yield* ksmRunStore(bench.host, KSM_RUN_UNMERGE)).toBe(0);
  });
  expectBalanced(bench);
  expectNothingLeaked(bench);
}

const move = ({ uffd, to, from }: Scene, page: number, pages = 1, mode = 0): Steps<number> =>
  uffdioMove(uffd, pageAt(to, page), pageAt(from, page), pages * PAGE_SIZE, mode);

function* expectMoved({ mm, to, from }: Scene, page: number, pages = 1): Steps {
  for (let i = page; i < page + pages; i++) {
    expect(inspectPte(mm, pageAt(from, i))).toBe(0);
    expect(yield* load(mm, to, i)).toBe(100 + i);
  }
}

describe('pages', () => {
  it('move as they are: the same frames, writable, and reverse mapping finds them there', () => {
    withScene(function* (scene) {
      const { mm, to, from } = scene;
      const frames = [0, 1, 2].map((i) => ptePfn(inspectPte(mm, pageAt(from, i))));
      expect(yield* move(scene, 0, 3)).toBe(3 * PAGE_SIZE);
      expect([0, 1, 2].map((i) => ptePfn(inspectPte(mm, pageAt(to, i))))).toEqual(frames);
      yield* expectMoved(scene, 0, 3);
      expect(yield* store(mm, to, 1, 7)).toBe(0);
      expect(yield* madvise(mm, to, 3 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect([0, 1, 2].every((i) => isSwapPte(inspectPte(mm, pageAt(to, i))))).toBe(true);
      expect([yield* load(mm, to, 0), yield* load(mm, to, 1)]).toEqual([100, 7]);
      expect(yield* load(mm, from, 3)).toBe(103);
    });
  });

  it('on swap move too, in the swap cache or not', () => {
    withScene(function* (scene) {
      const { bench, mm, from } = scene;
      expect(yield* madvise(mm, from, 4 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      while (bench.host.throttle.writebackInFlight > 0) yield* bench.host.throttle.waitForWriteback();
      // Read in, and put out again without being written: it stays in the cache for a while.
      expect(yield* load(mm, from, 0)).toBe(100);
      expect(yield* move(scene, 0, 4)).toBe(4 * PAGE_SIZE);
      yield* expectMoved(scene, 0, 4);
      expect(mm.swapEntries).toBe(0);
    });
  });

  it('of zeros that were never written are everybody’s zero page there as well', () => {
    withScene(function* (scene) {
      const { bench, mm, to, from } = scene;
      expect(yield* madvise(mm, from, PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      expect(yield* load(mm, from, 0)).toBe(0);
      expect(yield* move(scene, 0)).toBe(PAGE_SIZE);
      expect(ptePfn(inspectPte(mm, to))).toBe(bench.host.zeroPfn);
      expect(yield* store(mm, to, 0, 1)).toBe(0);
      expect(yield* load(mm, to, 0)).toBe(1);
    });
  });

  it('that KSM made zeros are not counted any more', () => {
    withScene(function* (scene) {
      const { bench, mm, from } = scene;
      const { ksm } = bench.host;
      ksm.useZeroPages = true;
      expect(yield* store(mm, from, 0, 0)).toBe(0);
      expect(yield* madvise(mm, from, PAGE_SIZE, MADV_MERGEABLE)).toBe(0);
      expect(yield* ksmRunStore(bench.host, KSM_RUN_MERGE)).toBe(0);
      while (ksm.zeroPages === 0) {
        bench.sched.spend(100_000);
        yield RESCHED;
      }
      expect(yield* ksmRunStore(bench.host, KSM_RUN_STOP)).toBe(0);
      expect(yield* move(scene, 0)).toBe(PAGE_SIZE);
      expect([ksm.zeroPages, mm.ksmZeroPages]).toEqual([0, 0]);
    });
  });

  it('of a huge page move once it is split', () => {
    withScene(
      function* (scene) {
        const { mm, to, bench } = scene;
        const large = (yield* mmapAnonymous(mm, 0x8_0000_0000 as Hva, HUGE, RW, 0)) as Hva;
        for (let i = 0; i < 512; i++) expect(yield* store(mm, large, i, i & 255)).toBe(0);
        expect(yield* madvise(mm, large, HUGE, MADV_COLLAPSE)).toBe(0);
        expect(mm.hugePmds).toBe(1);
        expect(yield* uffdioMove(scene.uffd, to, pageAt(large, 5), 3 * PAGE_SIZE, 0)).toBe(3 * PAGE_SIZE);
        expect([mm.hugePmds, bench.host.vmstat.thp_split_page]).toEqual([0, 1]);
        for (let i = 0; i < 3; i++) expect(yield* load(mm, to, i)).toBe(5 + i);
        for (const i of [0, 4, 8, 511]) expect(yield* load(mm, large, i)).toBe(i & 255);
      },
      runPolicy(),
      2400,
    );
  });
});

describe('errno values', () => {
  it('of what cannot move', () => {
    withScene(function* (scene) {
      const { bench, mm, to, from } = scene;
      const pinned = (yield* pinUserPage(mm, from, true)) as Pfn;
      expect(yield* move(scene, 0)).toBe(-Errno.EBUSY);
      yield* unpinUserPage(bench.host, pinned, false);
      const child = (yield* fork(mm)) as Mm;
      expect(yield* move(scene, 1)).toBe(-Errno.EBUSY);
      yield* exitMm(child);
      // Nobody else has it any more, but who knows? Until the next store.
      expect(yield* move(scene, 1)).toBe(-Errno.EBUSY);
      for (let i = 0; i < PAGES; i++) expect(yield* store(mm, from, i, 100 + i)).toBe(0);
      expect(yield* move(scene, 1)).toBe(PAGE_SIZE);
      expect(yield* move(scene, 1)).toBe(-Errno.EEXIST);
      expect(yield* uffdioMove(scene.uffd, to, pageAt(from, 1), PAGE_SIZE, 0)).toBe(-Errno.ENOENT);
      // Up to the hole, then the hole; or past it.
      expect(yield* move(scene, 0, 3)).toBe(PAGE_SIZE);
      expect(yield* madvise(mm, pageAt(from, 4), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      expect(yield* move(scene, 2, 6)).toBe(2 * PAGE_SIZE);
      expect(yield* move(scene, 4, 4, UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES)).toBe(4 * PAGE_SIZE);
      expect(inspectPte(mm, pageAt(to, 4))).toBe(0);
      yield* expectMoved(scene, 5, 3);
    });
  });

  it('of ranges and modes', () => {
    withScene(function* (scene) {
      const { mm, uffd, to, from } = scene;
      expect(yield* move(scene, 0, 1, 4)).toBe(-Errno.EINVAL);
      expect(yield* uffdioMove(uffd, (to + 1) as Hva, from, PAGE_SIZE, 0)).toBe(-Errno.EINVAL);
      expect(yield* uffdioMove(uffd, to, from, 0, 0)).toBe(-Errno.EINVAL);
      expect(yield* uffdioMove(uffd, to, from, BYTES + PAGE_SIZE, 0)).toBe(-Errno.EINVAL);
      expect(yield* uffdioMove(uffd, from, to, PAGE_SIZE, 0)).toBe(-Errno.EINVAL);
      expect(yield* uffdioMove(uffd, to, 0x10_0000_0000 as Hva, PAGE_SIZE, 0)).toBe(-Errno.ENOENT);
      const readOnly = yield* mmap(
        mm,
        0x11_0000_0000 as Hva,
        PAGE_SIZE,
        PROT_READ,
        MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
        null,
        0,
      );
      expect(yield* uffdioMove(uffd, to, readOnly as Hva, PAGE_SIZE, 0)).toBe(-Errno.EINVAL);
      expect(yield* mlock(mm, from, BYTES, 0)).toBe(0);
      expect(yield* move(scene, 0)).toBe(-Errno.EINVAL);
    });
  });

  it('-ESRCH when the process, or the descriptor, is gone', () => {
    withScene(function* (scene) {
      const other = userfaultfd(scene.mm);
      yield* userfaultfdRelease(other);
      expect(yield* uffdioMove(other, scene.to, scene.from, PAGE_SIZE, 0)).toBe(-Errno.ESRCH);
    });
  });
});

/** The handler answers each fault with the next page that it has; another task has reclaim take pages meanwhile. */
function serve(policy: Policy): void {
  withScene(function* (scene) {
    const { bench, mm, uffd, to, from } = scene;
    let [done, next] = [false, 0];
    bench.sched.spawn(
      'handler',
      (function* () {
        for (let fault = yield* uffd.read(); fault !== null; fault = yield* uffd.read()) {
          const moved = yield* uffdioMove(uffd, fault.address, pageAt(from, next++), PAGE_SIZE, 0);
          expect(moved).toBe(PAGE_SIZE);
        }
        done = true;
      })(),
      1,
    );
    bench.sched.spawn(
      'reclaim',
      (function* () {
        while (!done) {
          expect(yield* madvise(mm, from, BYTES, MADV_PAGEOUT)).toBe(0);
          expect(yield* madvise(mm, to, BYTES, MADV_PAGEOUT)).toBe(0);
          bench.sched.spend(10_000);
          yield RESCHED;
        }
      })(),
      1,
    );
    const order = [3, 0, 7, 1, 6, 2, 5, 4];
    for (const [i, page] of order.entries()) expect(yield* load(mm, to, page)).toBe(100 + i);
    for (const [i, page] of order.entries()) expect(yield* load(mm, to, page)).toBe(100 + i);
    for (let i = 0; i < PAGES; i++) expect(isPresent(inspectPte(mm, pageAt(from, i)))).toBe(false);
    yield* userfaultfdRelease(uffd);
    while (!done) {
      bench.sched.spend(1000);
      yield RESCHED;
    }
  }, policy);
}

describe('who waits for a page', () => {
  it('finds the one that was moved there, in run mode and in random interleavings', () => {
    serve(runPolicy());
    for (let seed = 0; seed < 8; seed++) serve(randomPolicy(seed));
  });

  it('is not woken if told so', () => {
    withScene(function* (scene) {
      const { bench, mm, to } = scene;
      const seen: number[] = [];
      bench.sched.spawn(
        'reader',
        (function* () {
          seen.push(yield* load(mm, to, 2));
        })(),
        1,
      );
      yield* scene.uffd.read();
      expect(yield* move(scene, 2, 1, UFFDIO_MOVE_MODE_DONTWAKE)).toBe(PAGE_SIZE);
      for (let i = 0; i < 20; i++) {
        bench.sched.spend(10_000);
        yield RESCHED;
      }
      expect(seen).toEqual([]);
      yield* scene.uffd.wake(to, pageAt(to, PAGES));
      while (seen.length === 0) {
        bench.sched.spend(10_000);
        yield RESCHED;
      }
      expect(seen).toEqual([102]);
    });
  });
});

describe.each(['shadow', 'tdp'] as const)('a guest under %s', (mmu) => {
  it('finds the page that its VMM has moved into its memory, and stores to it', () => {
    const vm = new TestVm({ mmu, ramPages: 8 });
    const page = (number: number): number => RAM + number * PAGE_SIZE;
    vm.run({
      *'guest/0'() {
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        const uffd = userfaultfd(vm.mm);
        const bytes = 4 * PAGE_SIZE;
        expect(yield* uffdioRegister(uffd, pageAt(vm.ram, 1), bytes, UFFDIO_REGISTER_MODE_MISSING)).toBe(0);
        for (const number of [2, 5, 6])
          expect(yield* hart.load(page(number), PHYSICAL)).toMatchObject({ value: page(number) });
        expect(yield* madvise(vm.mm, pageAt(vm.ram, 2), 2 * PAGE_SIZE, MADV_DONTNEED)).toBe(0);
        const handler = function* (): Steps {
          for (let fault = yield* uffd.read(); fault !== null; fault = yield* uffd.read()) {
            const source = (fault.address + 3 * PAGE_SIZE) as Hva;
            expect(yield* uffdioMove(uffd, fault.address, source, PAGE_SIZE, 0)).toBe(PAGE_SIZE);
          }
        };
        vm.sched.spawn('handler', handler(), vm.spareCpu);
        expect(yield* hart.load(page(2), PHYSICAL)).toMatchObject({ value: page(5) });
        yield* hart.store(page(3), 42, PHYSICAL);
        expect(yield* hart.load(page(3), PHYSICAL)).toMatchObject({ value: 42 });
        // What the guest had there is gone.
        expect(yield* hart.load(page(5), PHYSICAL)).toMatchObject({ value: 0 });
        yield* userfaultfdRelease(uffd);
      },
    });
    vm.finish();
  });
});
