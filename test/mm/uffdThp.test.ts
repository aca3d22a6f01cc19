// userfaultfd and huge pages: what a registered range may have of them, and what collapsing does about one.

import { describe, expect, it } from 'vitest';
import { FAULT_FLAG_WRITE, type VmFault } from '../../src/mm/fault/faultTypes.ts';
import {
  copyFromUser,
  copyToUser,
  exitMm,
  fput,
  type Host,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_HUGEPAGE,
  MADV_PAGEOUT,
  MAP_FIXED,
  MAP_PRIVATE,
  type Mm,
  madvise,
  mmapAnonymous,
  mprotect,
  munmap,
  PROT_READ,
  PROT_WRITE,
  thpStore,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
  type Userfaultfd,
  uffdioCopy,
  uffdioRegister,
  uffdioUnregister,
  uffdioWriteprotect,
  uffdioZeropage,
  userfaultfd,
  userfaultfdRelease,
} from '../../src/mm/index.ts';
import { inspectEntry } from '../../src/mm/inspect.ts';
import { isHugePmd } from '../../src/mm/pagetable/pmd.ts';
import { scheduleTimeout } from '../../src/mm/timeout.ts';
import { userfaultfdMustWait } from '../../src/mm/userfaultfd/userfaultfd.ts';
import { VM_UFFD_MISSING, VM_UFFD_WP } from '../../src/mm/vma/vmFlags.ts';
import { type Policy, RESCHED, randomPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { load, mapFile, memfd, playFiles, store } from './fileScene.ts';
import { expectBalanced, expectNothingLeaked, makeBench, newMm, pageAt, runTasks } from './support.ts';

const RW = PROT_READ | PROT_WRITE;
const HUGE_PAGES = 512;
const HUGE = HUGE_PAGES * PAGE_SIZE;
const BASE = 0x4000_0000 as Hva;
const SOURCE = 0x8000_0000 as Hva;
const MISSING = UFFDIO_REGISTER_MODE_MISSING;
const WP = UFFDIO_REGISTER_MODE_WP;

interface Scene {
  readonly host: Host;
  readonly mm: Mm;
  readonly uffd: Userfaultfd;
  /** Runs `handler` beside the body until the descriptor is closed. */
  readonly handle: (handler: (address: Hva) => Steps<number>) => Hva[];
}

/** `body` in a process with 4 MiB at BASE that it may have huge pages in, and a page full of 77 at SOURCE. */
function play(body: (scene: Scene) => Steps): void {
  const bench = makeBench({ frames: 3000, swapSlots: 600 });
  const { host } = bench;
  host.thp.enabled = 'madvise';
  runTasks(bench, function* () {
    const mm = yield* newMm(host);
    expect(yield* mmapAnonymous(mm, BASE, 2 * HUGE, RW, MAP_FIXED)).toBe(BASE);
    expect(yield* mmapAnonymous(mm, SOURCE, PAGE_SIZE, RW, MAP_FIXED)).toBe(SOURCE);
    expect(yield* copyToUser(mm, 0, SOURCE, new Uint8Array(PAGE_SIZE).fill(77))).toBe(0);
    const uffd = userfaultfd(mm);
    const handle = (handler: (address: Hva) => Steps<number>): Hva[] => {
      const heard: Hva[] = [];
      bench.sched.spawn('handler', answer(uffd, heard, handler), 1);
      return heard;
    };
    yield* body({ host, mm, uffd, handle });
    yield* userfaultfdRelease(uffd);
    yield* exitMm(mm);
  });
  expectBalanced(bench);
  expectNothingLeaked(bench);
}

function* answer(uffd: Userfaultfd, heard: Hva[], handler: (address: Hva) => Steps<number>): Steps {
  for (let fault = yield* uffd.read(); fault !== null; fault = yield* uffd.read()) {
    heard.push(fault.address);
    expect(yield* handler(fault.address)).toBeGreaterThanOrEqual(0);
  }
}

function* fillAll(mm: Mm, base: Hva, pages = HUGE_PAGES): Steps {
  for (let page = 0; page < pages; page++)
    expect(yield* copyToUser(mm, 0, pageAt(base, page), Uint8Array.of(page))).toBe(0);
}

function* byteAt(mm: Mm, address: Hva): Steps<number> {
  const into = new Uint8Array(1);
  expect(yield* copyFromUser(mm, 0, address, into)).toBe(0);
  return into[0]!;
}

function isHuge(mm: Mm, address: Hva): boolean {
  const { entry, level } = inspectEntry(mm, address);
  return level === 1 && isHugePmd(entry);
}

const protect = (uffd: Userfaultfd, address: Hva, length = PAGE_SIZE): Steps<number> =>
  uffdioWriteprotect(uffd, address, length, UFFDIO_WRITEPROTECT_MODE_WP);

describe('MADV_COLLAPSE of a registered range', () => {
  it('does what has no hole, and fills none', () => {
    play(function* ({ host, mm, uffd }) {
      yield* fillAll(mm, BASE);
      expect(yield* copyToUser(mm, 0, (BASE + HUGE) as Hva, Uint8Array.of(1))).toBe(0);
      expect(yield* uffdioRegister(uffd, BASE, 2 * HUGE, MISSING)).toBe(0);
      expect(yield* madvise(mm, BASE, HUGE, MADV_COLLAPSE)).toBe(0);
      expect([isHuge(mm, BASE), yield* byteAt(mm, pageAt(BASE, 100))]).toEqual([true, 100]);
      expect(yield* madvise(mm, (BASE + HUGE) as Hva, HUGE, MADV_COLLAPSE)).toBe(-Errno.EBUSY);
      expect(host.vmstat.thp_scan_exceed_none_pte).toBe(1);
      // Nobody listens any more.
      expect(yield* uffdioUnregister(uffd, BASE, 2 * HUGE)).toBe(0);
      expect(yield* madvise(mm, BASE, 2 * HUGE, MADV_COLLAPSE)).toBe(0);
      expect([isHuge(mm, BASE), isHuge(mm, (BASE + HUGE) as Hva)]).toEqual([true, true]);
    });
  });

  it.each([
    ['present', false],
    ['on swap', true],
  ])('leaves a protected page alone that is %s, and goes on behind it', (_where, swaps) => {
    play(function* ({ mm, uffd }) {
      yield* fillAll(mm, BASE, 2 * HUGE_PAGES);
      expect(yield* uffdioRegister(uffd, BASE, 2 * HUGE, WP)).toBe(0);
      expect(yield* protect(uffd, pageAt(BASE, 7))).toBe(0);
      if (swaps) expect(yield* madvise(mm, BASE, 8 * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
      expect(mm.swapEntries).toBe(swaps ? 8 : 0);
      expect(yield* madvise(mm, BASE, 2 * HUGE, MADV_COLLAPSE)).toBe(-Errno.EINVAL);
      expect([isHuge(mm, BASE), isHuge(mm, (BASE + HUGE) as Hva)]).toEqual([false, true]);
      expect(yield* uffdioWriteprotect(uffd, BASE, 2 * HUGE, 0)).toBe(0);
      expect(isHuge(mm, (BASE + HUGE) as Hva)).toBe(true);
      expect(yield* madvise(mm, BASE, HUGE, MADV_COLLAPSE)).toBe(0);
    });
  });

  it('stops where there is no page table', () => {
    play(function* ({ mm }) {
      yield* fillAll(mm, (BASE + HUGE) as Hva, 4);
      expect(yield* madvise(mm, BASE, 2 * HUGE, MADV_COLLAPSE)).toBe(-Errno.EINVAL);
      expect(isHuge(mm, (BASE + HUGE) as Hva)).toBe(false);
      expect(yield* madvise(mm, (BASE + HUGE) as Hva, HUGE, MADV_COLLAPSE)).toBe(0);
    });
  });

  it('allocates nothing for memory that was only read', () => {
    play(function* ({ host, mm }) {
      expect(yield* byteAt(mm, BASE)).toBe(0);
      expect(yield* madvise(mm, BASE, HUGE, MADV_COLLAPSE)).toBe(-Errno.EINVAL);
      expect(host.vmstat.thp_collapse_alloc).toBe(0);
    });
  });
});

it('khugepaged leaves the holes of a registered range to its handler', () => {
  play(function* ({ host, mm, uffd }) {
    host.khugepaged.scanSleepMillisecs = 1;
    yield* fillAll(mm, BASE);
    yield* fillAll(mm, (BASE + HUGE) as Hva, 4);
    expect(yield* uffdioRegister(uffd, BASE, 2 * HUGE, MISSING)).toBe(0);
    thpStore(host, { enabled: 'madvise' });
    expect(yield* madvise(mm, BASE, 2 * HUGE, MADV_HUGEPAGE)).toBe(0);
    yield* scheduleTimeout(host.sched, 10_000_000);
    expect([isHuge(mm, BASE), isHuge(mm, (BASE + HUGE) as Hva)]).toEqual([true, false]);
    thpStore(host, { enabled: 'never' });
    yield* scheduleTimeout(host.sched, 10_000_000);
  });
});

describe('a fault where 2 MiB could be mapped', () => {
  it('asks for the page if missing ones are registered, be it a load or a store', () => {
    play(function* ({ mm, uffd, handle }) {
      expect(yield* madvise(mm, BASE, 2 * HUGE, MADV_HUGEPAGE)).toBe(0);
      expect(yield* uffdioRegister(uffd, BASE, 2 * HUGE, MISSING)).toBe(0);
      const heard = handle((address) => uffdioCopy(uffd, { mm, cpu: 1 }, address, SOURCE, PAGE_SIZE, 0));
      expect(yield* byteAt(mm, pageAt(BASE, 5))).toBe(77);
      expect(yield* copyToUser(mm, 0, pageAt(BASE, 600), Uint8Array.of(1))).toBe(0);
      expect(heard).toEqual([pageAt(BASE, 5), pageAt(BASE, 600)]);
      expect([mm.hugePmds, mm.anonPages]).toEqual([0, 3]);
    });
  });

  it('maps them if stores alone are, until they are protected', () => {
    play(function* ({ mm, uffd, handle }) {
      expect(yield* madvise(mm, BASE, 2 * HUGE, MADV_HUGEPAGE)).toBe(0);
      expect(yield* uffdioRegister(uffd, BASE, 2 * HUGE, WP)).toBe(0);
      expect(yield* copyToUser(mm, 0, pageAt(BASE, 5), Uint8Array.of(1))).toBe(0);
      expect(isHuge(mm, BASE)).toBe(true);
      expect(yield* protect(uffd, BASE, HUGE)).toBe(0);
      const heard = handle((address) => uffdioWriteprotect(uffd, address, PAGE_SIZE, 0));
      expect(yield* copyToUser(mm, 0, pageAt(BASE, 6), Uint8Array.of(2))).toBe(0);
      expect(heard).toEqual([pageAt(BASE, 6)]);
    });
  });
});

it('a fault that finds a huge page by the time it is queued has nothing to wait for but a store', () => {
  play(function* ({ mm }) {
    const vmfAt = (address: Hva): VmFault => {
      const vma = mm.vmas.find(address)!;
      return { vma, address, pgoff: 0, flags: FAULT_FLAG_WRITE, ptep: 0 as Hpa, origPte: 0, page: 0 };
    };
    const waits = (address: Hva, reason: typeof VM_UFFD_MISSING | typeof VM_UFFD_WP): Steps<boolean> =>
      userfaultfdMustWait(vmfAt(address), reason);
    expect(yield* waits(BASE, VM_UFFD_MISSING)).toBe(true);
    expect(yield* madvise(mm, BASE, HUGE, MADV_HUGEPAGE)).toBe(0);
    yield* fillAll(mm, BASE, 1);
    expect(isHuge(mm, BASE)).toBe(true);
    expect([yield* waits(BASE, VM_UFFD_MISSING), yield* waits(BASE, VM_UFFD_WP)]).toEqual([false, false]);
    expect(yield* mprotect(mm, BASE, HUGE, PROT_READ)).toBe(0);
    expect([yield* waits(BASE, VM_UFFD_MISSING), yield* waits(BASE, VM_UFFD_WP)]).toEqual([false, true]);
    const next = (BASE + HUGE) as Hva;
    yield* fillAll(mm, next, 1);
    expect([yield* waits(next, VM_UFFD_MISSING), yield* waits(next, VM_UFFD_WP)]).toEqual([false, false]);
    expect(yield* waits(pageAt(next, 1), VM_UFFD_MISSING)).toBe(true);
    expect(yield* madvise(mm, next, PAGE_SIZE, MADV_PAGEOUT)).toBe(0);
    expect(yield* waits(next, VM_UFFD_WP)).toBe(false);
  });
});

it('the range of UFFDIO_COPY lies in one VMA, and no zero page takes the place of a marker', () => {
  play(function* ({ mm, uffd }) {
    expect(yield* uffdioRegister(uffd, BASE, 2 * HUGE, MISSING)).toBe(0);
    expect(yield* mprotect(mm, pageAt(BASE, 1), PAGE_SIZE, PROT_READ)).toBe(0);
    expect(yield* uffdioZeropage(uffd, BASE, 2 * PAGE_SIZE, 0)).toBe(-Errno.ENOENT);
    expect(yield* uffdioCopy(uffd, { mm, cpu: 1 }, BASE, SOURCE, 2 * PAGE_SIZE, 0)).toBe(-Errno.ENOENT);
    expect(yield* uffdioCopy(uffd, { mm, cpu: 1 }, BASE, SOURCE, PAGE_SIZE, 0)).toBe(PAGE_SIZE);
  });
  playFiles({ frames: 128, swapSlots: 16 }, function* ({ host, mm }) {
    const object = yield* memfd(host, 2);
    const base = yield* mapFile(mm, object, 2, 0, MAP_PRIVATE);
    const source = yield* mapFile(mm, object, 2);
    const uffd = userfaultfd(mm);
    expect(yield* uffdioRegister(uffd, base, 2 * PAGE_SIZE, MISSING | WP)).toBe(0);
    expect(yield* protect(uffd, base)).toBe(0);
    expect(yield* uffdioZeropage(uffd, base, PAGE_SIZE, 0)).toBe(-Errno.EEXIST);
    expect(yield* uffdioZeropage(uffd, pageAt(base, 1), PAGE_SIZE, 0)).toBe(PAGE_SIZE);
    expect(yield* uffdioCopy(uffd, { mm, cpu: 1 }, base, source, PAGE_SIZE, 0)).toBe(PAGE_SIZE);
    yield* userfaultfdRelease(uffd);
    for (const address of [base, source]) expect(yield* munmap(mm, address, 2 * PAGE_SIZE)).toBe(0);
    yield* fput(object);
  });
});

describe('collapsing shmem whose private mapping is registered', () => {
  /** A handler copies pages into the mapping while its table is about to be taken out. */
  function race(policy: Policy, delay: number, outcomes: string[]): void {
    playFiles({ frames: 2700, swapSlots: 16, policy }, function* ({ bench, host, mm }) {
      host.thp.shmemEnabled = 'always';
      const object = yield* memfd(host, HUGE_PAGES);
      const shared = yield* mapFile(mm, object, HUGE_PAGES);
      const base = yield* mapFile(mm, object, HUGE_PAGES, 0, MAP_PRIVATE);
      expect(yield* mmapAnonymous(mm, SOURCE, PAGE_SIZE, RW, MAP_FIXED)).toBe(SOURCE);
      expect(yield* store(mm, SOURCE, 0, 77)).toBe(0);
      expect(yield* store(mm, shared, 3, 3)).toBe(0);
      expect(isHuge(mm, shared)).toBe(true);
      const uffd = userfaultfd(mm);
      expect(yield* uffdioRegister(uffd, base, HUGE, MISSING)).toBe(0);
      // A table with nothing in it.
      expect(yield* uffdioZeropage(uffd, base, PAGE_SIZE, 0)).toBe(PAGE_SIZE);
      expect(yield* madvise(mm, base, PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      let copied = 0;
      const copier = function* (): Steps {
        for (let i = 0; i < delay; i++) yield RESCHED;
        copied = yield* uffdioCopy(uffd, { mm, cpu: 1 }, pageAt(base, 9), SOURCE, PAGE_SIZE, 0);
      };
      bench.sched.spawn('copier', copier(), 1);
      const result = yield* madvise(mm, base, HUGE, MADV_COLLAPSE);
      while (copied === 0) yield* scheduleTimeout(host.sched, 1000);
      outcomes.push(`${result === 0 ? 'collapsed' : 'not'}, ${copied === PAGE_SIZE ? 'copied' : 'not'}`);
      expect([result, copied]).not.toEqual([0, PAGE_SIZE]);
      expect(yield* load(mm, base, 9)).toBe(copied === PAGE_SIZE ? 77 : 0);
      yield* userfaultfdRelease(uffd);
      yield* fput(object);
    });
  }

  it('loses no page that the handler has put in', () => {
    const outcomes: string[] = [];
    for (let delay = 0; delay <= 800; delay += 200) race(randomPolicy(delay), delay, outcomes);
    expect(new Set(outcomes)).toEqual(new Set(['not, copied', 'collapsed, not']));
  });
});
