// A guest that checks its own data all the time, and host tasks that play random operations on its pages and beside them:
// reclaim, aging, locking, pins, snapshots by fork, protections, splitting of VMAs, memslots that come and go, writeback,
// and processes of the VMM's family with models of their own.
//
// Nothing here says what an operation does inside; what must hold is that every call succeeds, that whoever has a copy
// keeps it, that the guest finds its data, that no invariant breaks and that nothing is left over.

import fc from 'fast-check';
import { expect } from 'vitest';
import { kvmSetMemoryRegion } from '../../src/kvm/index.ts';
import type { Machine } from '../../src/machine.ts';
import {
  changeProtNuma,
  clearSoftDirty,
  compactMemory,
  copyFromUser,
  copyToUser,
  exitMm,
  type File,
  filePunchHole,
  fileRead,
  fileTruncate,
  fileWrite,
  fork,
  fput,
  KSM_RUN_MERGE,
  KSM_RUN_UNMERGE,
  ksmRunStore,
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_HUGEPAGE,
  MADV_MERGEABLE,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_UNMERGEABLE,
  MADV_WILLNEED,
  MAP_SHARED,
  MLOCK_ONFAULT,
  type Mm,
  MS_SYNC,
  madvise,
  memfdCreate,
  memoryMaxWrite,
  memoryReclaimWrite,
  migrateUserPages,
  mincore,
  mlock,
  mmap,
  mmapAnonymous,
  mprotect,
  msync,
  munlock,
  munmap,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  pageIdleBitmapRead,
  pageIdleBitmapWrite,
  pagemapEntry,
  pinUserPage,
  readPagemapImage,
  SHMEM_LIKE,
  shrinkAllMemory,
  thpStore,
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
  type Userfaultfd,
  uffdioContinue,
  uffdioMove,
  uffdioRegister,
  uffdioWriteprotect,
  unpinUserPage,
  userfaultfd,
  userfaultfdRelease,
  vfsFsync,
} from '../../src/mm/index.ts';
import type { ShmemEnabled, ThpEnabled } from '../../src/mm/thp/thp.ts';
import { scheduleTimeout } from '../../src/mm/timeout.ts';
import { Random, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, type Pfn, pfn as toPfn } from '../../src/units.ts';
import { freshPage, operationOf, PROGRAM_PAGES, Program } from '../mm/processes.ts';
import { MMUS } from './matrix.ts';
import { type GuestProgram, loadGuest, startGuest } from './support.ts';

const KIB = 2 ** 10;
const HUGE = 2048 * KIB;
const RW = PROT_READ | PROT_WRITE;
const BACKINGS = ['anonymous', 'anonymous', 'shmem', 'file'] as const;
interface Memory {
  readonly ramBytes: number;
  readonly hostRamBytes: number;
  readonly thp: ThpEnabled;
}

/** Hosts with less, about as much and more than guest and operations need together; and with huge pages. */
const MEMORIES: readonly Memory[] = [
  { ramBytes: 1024 * KIB, hostRamBytes: 1024 * KIB, thp: 'never' },
  { ramBytes: 1024 * KIB, hostRamBytes: 1536 * KIB, thp: 'never' },
  { ramBytes: 1024 * KIB, hostRamBytes: 4096 * KIB, thp: 'never' },
  { ramBytes: 6144 * KIB, hostRamBytes: 8192 * KIB, thp: 'always' },
  { ramBytes: 6144 * KIB, hostRamBytes: 20_480 * KIB, thp: 'always' },
];
const TASKS = 3;
/** Virtual time between two operations of a task, at most. */
const PAUSE_NS = 2000;
/** Operations of a process that is forked off for them. */
const PROGRAM_OPERATIONS = 40;
const MAX_PART = 48;
const MERGE_PAUSES = 400;
const MAX_LOCKED = 8 * PAGE_SIZE;
const LRU_ADVICE: ReadonlySet<number> = new Set([MADV_COLD, MADV_PAGEOUT]);
const OBJECT_PAGES = 24;
/** What the process always needs, in pages. */
const LEAST_LIMIT = 96;
const HUGE_OBJECT_PAGES = 600;
const HUGE_OBJECT_ROUNDS = 20;
const HUGE_PRIVATE_PAGES = 1100;
const FAR_AREA = 0x10_0000_0000;
const COLLAPSE_RESULTS = [0, -Errno.EINVAL, -Errno.EAGAIN, -Errno.ENOMEM, -Errno.EBUSY];
const SHMEM_ENABLED: readonly ShmemEnabled[] = ['always', 'within_size', 'advise', 'never', 'deny', 'force'];
/** Where no RAM and no device is. */
const SPARE_SLOT = { slot: 7, flags: 0, guestPhysAddr: 2 ** 36 };
const PM_PFN = 2n ** 55n - 1n;
const PM_PRESENT = 1n << 63n;

/** Both are endless at this size. */
const GUESTS: readonly GuestProgram[] = [
  loadGuest('thrash', { equ: { BUFFER_SIZE: 640 * KIB, PASSES: 2 ** 30 } }),
  loadGuest('sort', { equ: { COUNT: 65_536, ROUNDS: 2 ** 30, PAGING: 1 } }),
];

/** How often each operation was played, and a guest's work meanwhile. */
export type Coverage = Map<string, number>;

/** What the tasks of a case share. */
interface Shared {
  readonly machine: Machine;
  readonly object: File;
  /** mlock() calls so far, and those whose munlock() is to come. */
  mlocks: number;
  locked: number;
}

class Scene {
  readonly machine: Machine;
  readonly #shared: Shared;
  readonly mm: Mm;
  readonly random: Random;
  readonly object: File;
  /** What `object` must hold; only one task writes to it. */
  #model = new Uint8Array(OBJECT_PAGES * PAGE_SIZE);
  readonly #isPrivate: boolean;

  constructor(shared: Shared, random: Random) {
    const { machine, object } = shared;
    this.machine = machine;
    this.#shared = shared;
    this.mm = machine.vmm.kvm!.mm;
    this.random = random;
    this.object = object;
    this.#isPrivate = machine.config.ramBacking === 'anonymous';
  }

  get #cpu(): number {
    return this.random.below(this.machine.config.vcpus);
  }

  pause(): Steps {
    return scheduleTimeout(this.machine.sched, 1 + this.random.below(PAUSE_NS));
  }

  /** Some pages of guest RAM. */
  part(): readonly [start: Hva, bytes: number] {
    const pages = this.machine.config.ramBytes / PAGE_SIZE;
    const first = this.random.below(pages);
    const count = 1 + this.random.below(Math.min(MAX_PART, pages - first));
    return [(this.machine.vmm.ramAddress + first * PAGE_SIZE) as Hva, count * PAGE_SIZE];
  }

  *advise(...advices: readonly number[]): Steps {
    const [start, bytes] = this.part();
    for (const advice of advices) {
      const { mlocks, locked } = this.#shared;
      const error = yield* madvise(this.mm, start, bytes, advice);
      // can_madv_lru_vma(): not of what is locked.
      const mayRefuse = LRU_ADVICE.has(advice) && (locked > 0 || mlocks !== this.#shared.mlocks);
      expect(mayRefuse ? [0, -Errno.EINVAL] : [0]).toContain(error);
      if (advice !== advices.at(-1)) yield* this.pause();
    }
  }

  *lock(flags: number): Steps {
    const [start, bytes] = this.part();
    const length = Math.min(bytes, MAX_LOCKED);
    this.#shared.mlocks++;
    this.#shared.locked++;
    expect(yield* mlock(this.mm, start, length, flags)).toBe(0);
    yield* this.pause();
    expect(yield* munlock(this.mm, start, length)).toBe(0);
    this.#shared.locked--;
  }

  /** The process can execute a part of RAM for a while, which takes nothing from the guest. */
  *protect(): Steps {
    const [start, bytes] = this.part();
    expect(yield* mprotect(this.mm, start, bytes, RW | PROT_EXEC)).toBe(0);
    yield* this.pause();
    expect(yield* mprotect(this.mm, start, bytes, RW)).toBe(0);
  }

  /** What is pinned stays where it is, as long as it is nobody's but the process's. */
  *pin(): Steps {
    const [address] = this.part();
    const pinned = yield* pinUserPage(this.mm, address, true);
    expect(pinned).toBeGreaterThan(0);
    yield* this.pause();
    if (this.#isPrivate) {
      const entry = pagemapEntry(this.mm, address);
      if ((entry & PM_PRESENT) !== 0n) expect(Number(entry & PM_PFN)).toBe(pinned);
    }
    yield* unpinUserPage(this.machine.host, toPfn(pinned) as Pfn, false);
  }

  /** A child's copy does not change, whatever the guest writes meanwhile; the guest does not see what the child writes. */
  *snapshot(): Steps {
    const child = yield* fork(this.mm);
    if (typeof child === 'number') throw new Error(`fork: ${child}`);
    if (this.#isPrivate) {
      const [start, bytes] = this.part();
      const taken = new Uint8Array(bytes);
      expect(yield* copyFromUser(child, this.#cpu, start, taken)).toBe(0);
      yield* this.pause();
      const later = new Uint8Array(bytes);
      expect(yield* copyFromUser(child, this.#cpu, start, later)).toBe(0);
      expect(Buffer.compare(taken, later)).toBe(0);
      expect(yield* copyToUser(child, this.#cpu, start, taken.fill(0xa5, 0, PAGE_SIZE))).toBe(0);
    }
    yield* exitMm(child);
  }

  /** A memslot over new memory, in which the guest has no business. */
  *slot(): Steps {
    const { kvm } = this.machine.vmm;
    const bytes = 16 * PAGE_SIZE;
    const userspaceAddr = (yield* mmapAnonymous(this.mm, 0, bytes, RW, 0)) as Hva;
    const region = { ...SPARE_SLOT, memorySize: bytes, userspaceAddr };
    expect(yield* kvmSetMemoryRegion(kvm!, region)).toBe(0);
    yield* this.pause();
    expect(yield* kvmSetMemoryRegion(kvm!, { ...region, memorySize: 0 })).toBe(0);
    expect(yield* munmap(this.mm, userspaceAddr, bytes)).toBe(0);
  }

  /** Memory of the VMM beside the guest's, with what it forks, against the model of test/mm/processes.ts. */
  *program(): Steps {
    const bytes = PROGRAM_PAGES * PAGE_SIZE;
    const base = (yield* mmapAnonymous(this.mm, 0, bytes, RW, 0)) as Hva;
    const model = new Map(Array.from({ length: PROGRAM_PAGES }, (_, page) => [page, freshPage()]));
    const operations = fc.sample(operationOf, { seed: this.random.next(), numRuns: PROGRAM_OPERATIONS });
    yield* new Program(this.mm, this.#cpu, base, 1, 1, model).run(operations);
    expect(yield* munmap(this.mm, base, bytes)).toBe(0);
  }

  /** ksmd merges a part of RAM and equal pages beside it for a while; who writes to one of those has his own again. */
  *merge(): Steps {
    const { host } = this.machine;
    host.ksm.useZeroPages = this.random.below(2) === 0;
    expect(yield* ksmRunStore(host, KSM_RUN_MERGE)).toBe(0);
    const [start, bytes] = this.part();
    expect(yield* madvise(this.mm, start, bytes, MADV_MERGEABLE)).toBe(0);
    yield* this.mergeEqual();
    expect([0, -Errno.ENOMEM]).toContain(yield* madvise(this.mm, start, bytes, MADV_UNMERGEABLE));
    if (this.random.below(2) === 0) return;
    expect([0, -Errno.ENOMEM]).toContain(yield* ksmRunStore(host, KSM_RUN_UNMERGE));
  }

  /** Where 2 MiB of RAM can be one page, they become it, if nobody is at them. */
  *collapse(): Steps {
    const { config, vmm } = this.machine;
    const start = Math.ceil(vmm.ramAddress / HUGE) * HUGE;
    if (start + HUGE > vmm.ramAddress + config.ramBytes) return;
    yield* this.collapseAt(start as Hva);
  }

  /** An object of more than 2 MiB, mapped by the VMM beside RAM, with a model of each of its pages. */
  *hugeObject(): Steps {
    const { host } = this.machine;
    const object = memfdCreate(host, HUGE_OBJECT_PAGES * PAGE_SIZE);
    const bytes = HUGE_OBJECT_PAGES * PAGE_SIZE;
    const base = (yield* mmap(this.mm, 0, bytes, RW, MAP_SHARED, object, 0)) as Hva;
    const model = new Uint8Array(HUGE_OBJECT_PAGES);
    for (let round = 0; round < HUGE_OBJECT_ROUNDS; round++) {
      yield* this.#changeHugeObject(object, base, model);
      yield* this.pause();
      const page = this.random.below(HUGE_OBJECT_PAGES);
      const found = new Uint8Array(1);
      expect(yield* copyFromUser(this.mm, this.#cpu, (base + page * PAGE_SIZE) as Hva, found)).toBe(0);
      expect(found[0]).toBe(model[page]);
    }
    for (let page = 0; page < HUGE_OBJECT_PAGES; page++) {
      const found = new Uint8Array(1);
      expect(yield* fileRead(object, page * PAGE_SIZE, found)).toBe(1);
      expect(found[0]).toBe(model[page]);
    }
    expect(yield* munmap(this.mm, base, bytes)).toBe(0);
    yield* fput(object);
  }

  /**
   * Private memory of more than 2 MiB beside RAM, most of which is read before it is written, with a model of its
   * pages.
   */
  *hugePrivate(): Steps {
    const bytes = HUGE_PRIVATE_PAGES * PAGE_SIZE;
    const base = (yield* mmapAnonymous(this.mm, 0, bytes, RW, 0)) as Hva;
    const model = new Uint8Array(HUGE_PRIVATE_PAGES);
    for (let round = 0; round < HUGE_OBJECT_ROUNDS; round++) {
      const page = this.random.below(HUGE_PRIVATE_PAGES);
      const address = (base + page * PAGE_SIZE) as Hva;
      const length = (1 + this.random.below(HUGE_PRIVATE_PAGES - page)) * PAGE_SIZE;
      const kind = this.random.below(8);
      if (kind < 2) {
        model[page] = this.random.below(256);
        expect(yield* copyToUser(this.mm, this.#cpu, address, model.subarray(page, page + 1))).toBe(0);
      } else if (kind === 2) expect(yield* madvise(this.mm, address, length, MADV_PAGEOUT)).toBe(0);
      else if (kind === 3) {
        model.fill(0, page, page + length / PAGE_SIZE);
        expect(yield* madvise(this.mm, address, length, MADV_DONTNEED)).toBe(0);
      } else if (kind === 4) yield* migrateUserPages(this.mm, address, length);
      else if (kind === 5) yield* this.collapseAt((Math.ceil(base / HUGE) * HUGE) as Hva);
      else if (kind === 6) yield* this.#forkedReads(address, model[page]!);
      yield* this.pause();
      const [other, found] = [this.random.below(HUGE_PRIVATE_PAGES), new Uint8Array(1)];
      expect(yield* copyFromUser(this.mm, this.#cpu, (base + other * PAGE_SIZE) as Hva, found)).toBe(0);
      expect(found[0]).toBe(model[other]);
    }
    expect(yield* munmap(this.mm, base, bytes)).toBe(0);
  }

  *#forkedReads(address: Hva, value: number): Steps {
    const child = yield* fork(this.mm);
    if (typeof child === 'number') throw new Error(`fork: ${child}`);
    const found = new Uint8Array(1);
    expect(yield* copyFromUser(child, this.#cpu, address, found)).toBe(0);
    expect(found[0]).toBe(value);
    yield* exitMm(child);
  }

  *collapseAt(start: Hva): Steps {
    if (this.machine.memcg !== null) return;
    expect(COLLAPSE_RESULTS).toContain(yield* madvise(this.mm, start, HUGE, MADV_COLLAPSE));
  }

  *#changeHugeObject(object: File, base: Hva, model: Uint8Array): Steps {
    const page = this.random.below(HUGE_OBJECT_PAGES);
    const [address, at] = [(base + page * PAGE_SIZE) as Hva, page * PAGE_SIZE];
    const length = (1 + this.random.below(HUGE_OBJECT_PAGES - page)) * PAGE_SIZE;
    const kind = this.random.below(8);
    if (kind < 3) {
      model[page] = this.random.below(256);
      expect(yield* copyToUser(this.mm, this.#cpu, address, model.subarray(page, page + 1))).toBe(0);
    } else if (kind === 3) expect(yield* madvise(this.mm, address, length, MADV_PAGEOUT)).toBe(0);
    else if (kind === 4) expect(yield* madvise(this.mm, address, length, MADV_DONTNEED)).toBe(0);
    else if (kind === 5) {
      model.fill(0, page, page + length / PAGE_SIZE);
      expect(yield* filePunchHole(object, at, length)).toBe(0);
    } else if (kind === 6) {
      model.fill(0, page);
      expect(yield* fileTruncate(object, at)).toBe(0);
      expect(yield* fileTruncate(object, HUGE_OBJECT_PAGES * PAGE_SIZE)).toBe(0);
    } else yield* this.collapseAt(base);
  }

  *mergeEqual(): Steps {
    const bytes = 8 * PAGE_SIZE;
    const base = (yield* mmapAnonymous(this.mm, 0, bytes, RW, 0)) as Hva;
    const model = new Uint8Array(bytes).fill(this.random.below(256));
    expect(yield* copyToUser(this.mm, this.#cpu, base, model)).toBe(0);
    expect(yield* madvise(this.mm, base, bytes, MADV_MERGEABLE)).toBe(0);
    for (let i = 0; i < MERGE_PAUSES; i++) yield* this.pause();
    const changed = Uint8Array.of(this.random.below(256));
    const at = this.random.below(bytes);
    model.set(changed, at);
    expect(yield* copyToUser(this.mm, this.#cpu, (base + at) as Hva, changed)).toBe(0);
    const found = new Uint8Array(bytes);
    expect(yield* copyFromUser(this.mm, this.#cpu, base, found)).toBe(0);
    expect(Buffer.compare(found, model)).toBe(0);
    expect(yield* munmap(this.mm, base, bytes)).toBe(0);
  }

  /**
   * Memory beside the guest's whose missing pages a userfaultfd moves in from elsewhere, one by one or several at once.
   */
  *moveIn(): Steps {
    const [pages, bytes] = [8, 8 * PAGE_SIZE];
    // Far from where a program that another task plays has its holes.
    const far = (FAR_AREA + this.random.below(2 ** 14) * HUGE) as Hva;
    const from = (yield* mmapAnonymous(this.mm, far, bytes, RW, 0)) as Hva;
    const to = (yield* mmapAnonymous(this.mm, (far + bytes) as Hva, bytes, RW, 0)) as Hva;
    const model = new Uint8Array(bytes).map((_, i) => (i >> 8) + this.random.below(2));
    expect(yield* copyToUser(this.mm, this.#cpu, from, model)).toBe(0);
    const uffd = userfaultfd(this.mm);
    expect(yield* uffdioRegister(uffd, to, bytes, UFFDIO_REGISTER_MODE_MISSING)).toBe(0);
    if (this.random.below(2) === 0) expect(yield* madvise(this.mm, from, bytes, MADV_PAGEOUT)).toBe(0);
    for (let moved = 0; moved < bytes; ) {
      const wanted = Math.min(bytes - moved, (1 + this.random.below(pages)) * PAGE_SIZE);
      const here = yield* uffdioMove(uffd, (to + moved) as Hva, (from + moved) as Hva, wanted, 0);
      // A child has what is neither moved nor written to since; a store makes it the process's own.
      if (here !== -Errno.EBUSY) expect(here).toBeGreaterThan(0);
      else {
        const own = model.subarray(moved, moved + 1);
        expect(yield* copyToUser(this.mm, this.#cpu, (from + moved) as Hva, own)).toBe(0);
      }
      moved += Math.max(0, here);
      yield* this.pause();
    }
    const found = new Uint8Array(bytes);
    expect(yield* copyFromUser(this.mm, this.#cpu, to, found)).toBe(0);
    expect(Buffer.compare(found, model)).toBe(0);
    yield* userfaultfdRelease(uffd);
    expect(yield* munmap(this.mm, from, bytes)).toBe(0);
    expect(yield* munmap(this.mm, to, bytes)).toBe(0);
  }

  /**
   * A userfaultfd hears of stores to a part of RAM for a while, of some not yet mapped too if RAM is shmem, and lets
   * them pass.
   */
  *guard(): Steps {
    const [start, bytes] = this.part();
    const uffd = userfaultfd(this.mm);
    const modes = UFFDIO_REGISTER_MODE_WP | (this.#isPrivate ? 0 : UFFDIO_REGISTER_MODE_MINOR);
    const registered = yield* uffdioRegister(uffd, start, bytes, modes);
    // Files on disks are nobody's business.
    expect([0, -Errno.EINVAL]).toContain(registered);
    if (registered === 0) {
      this.machine.sched.spawn('uffd handler', letPass(uffd));
      for (let round = 0; round < 4; round++) {
        const protect = uffdioWriteprotect(uffd, start, bytes, UFFDIO_WRITEPROTECT_MODE_WP);
        expect(yield* protect).toBe(0);
        yield* this.pause();
      }
    }
    yield* userfaultfdRelease(uffd);
  }

  *looks(): Steps {
    const [start, bytes] = this.part();
    expect(yield* mincore(this.mm, start, new Uint8Array(bytes / PAGE_SIZE))).toBe(0);
    expect(yield* copyFromUser(this.mm, this.#cpu, start, new Uint8Array(bytes))).toBe(0);
    expect(readPagemapImage(this.mm, start, bytes / PAGE_SIZE)).toHaveLength((bytes / PAGE_SIZE) * 8);
  }

  /** What takes no part of its contents from memory, wherever it comes to lie. */
  *move(operation: (mm: Mm, start: Hva, bytes: number) => Steps<number>): Steps {
    yield* operation(this.mm, ...this.part());
  }

  /** The process of the VM may have less for a while, if it has a limit at all. */
  *limit(): Steps {
    const { host, memcg } = this.machine;
    if (memcg === null) return;
    const { max } = memcg.memory;
    yield* memoryMaxWrite(host, memcg, LEAST_LIMIT + this.random.below(max - LEAST_LIMIT + 1));
    yield* this.pause();
    memcg.memory.max = max;
  }

  *reclaimOfGroup(): Steps {
    const { host, memcg } = this.machine;
    if (memcg !== null)
      expect([0, -Errno.EAGAIN]).toContain(yield* memoryReclaimWrite(host, memcg, 1 + this.random.below(32)));
  }

  /** Marks everything idle, and looks. */
  *idle(): Steps {
    const { host } = this.machine;
    const frames = Math.ceil(host.frames.endPfn / 64) * 64;
    expect(yield* pageIdleBitmapWrite(host, 0, new Uint8Array(frames / 8).fill(255))).toBe(0);
    yield* this.pause();
    expect(yield* pageIdleBitmapRead(host, 0, frames)).toHaveLength(frames / 8);
  }

  *writeback(): Steps {
    const { ramFile } = this.machine.vmm;
    const [start, bytes] = this.part();
    expect(yield* msync(this.mm, start, bytes, MS_SYNC)).toBe(0);
    if (ramFile !== null) expect(yield* vfsFsync(ramFile.mapping)).toBe(0);
    this.machine.host.flusher.wake();
  }

  *writeObject(): Steps {
    const at = this.random.below(this.#model.length - 5000);
    const bytes = new Uint8Array(1 + this.random.below(5000)).fill(this.random.below(256));
    this.#model.set(bytes, at);
    expect(yield* fileWrite(this.object, at, bytes)).toBe(bytes.length);
  }

  *readObject(): Steps {
    const found = new Uint8Array(this.#model.length);
    const length = yield* fileRead(this.object, 0, found);
    expect(Buffer.compare(found, this.#model)).toBe(0);
    expect(length).toBeLessThanOrEqual(found.length);
  }

  *cutObject(): Steps {
    const at = this.random.below(this.#model.length);
    const length = 1 + this.random.below(this.#model.length - at);
    if (this.random.below(2) === 0) {
      this.#model.fill(0, at, at + length);
      expect(yield* filePunchHole(this.object, at, length)).toBe(0);
      return;
    }
    this.#model.fill(0, at);
    expect(yield* fileTruncate(this.object, at)).toBe(0);
    expect(yield* fileTruncate(this.object, this.#model.length)).toBe(0);
  }
}

/** Maps what is asked for, and lifts the protection of what is stored to. */
function* letPass(uffd: Userfaultfd): Steps {
  for (let fault = yield* uffd.read(); fault !== null; fault = yield* uffd.read()) {
    const isMinor = (fault.flags & UFFD_PAGEFAULT_FLAG_MINOR) !== 0;
    // Somebody else may have been faster, or the range is not registered any more.
    if (isMinor) yield* uffdioContinue(uffd, fault.address, PAGE_SIZE, 0);
    else yield* uffdioWriteprotect(uffd, fault.address, PAGE_SIZE, 0);
    yield* uffd.wake(fault.address, (fault.address + PAGE_SIZE) as Hva);
  }
}

interface Operation {
  readonly weight: number;
  readonly play: (scene: Scene) => Steps;
  /** Instead of one, this one counts as so many. */
  readonly counts?: number;
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  pageout: { weight: 20, play: (scene) => scene.advise(MADV_PAGEOUT) },
  cold: { weight: 10, play: (scene) => scene.advise(MADV_COLD) },
  willneed: { weight: 10, play: (scene) => scene.advise(MADV_WILLNEED) },
  populate: { weight: 5, play: (scene) => scene.advise(MADV_POPULATE_READ) },
  populateWrite: { weight: 5, play: (scene) => scene.advise(MADV_POPULATE_WRITE) },
  readahead: { weight: 5, play: (scene) => scene.advise(MADV_RANDOM, MADV_SEQUENTIAL, MADV_NORMAL) },
  dontfork: { weight: 5, play: (scene) => scene.advise(MADV_DONTFORK, MADV_DOFORK) },
  reclaim: {
    weight: 3,
    *play({ machine, random }) {
      yield* shrinkAllMemory(machine.host, 1 + random.below(32));
    },
  },
  collapse: { weight: 2, play: (scene) => scene.collapse() },
  nohugepage: { weight: 2, play: (scene) => scene.advise(MADV_NOHUGEPAGE, MADV_HUGEPAGE) },
  hugePrivate: { weight: 1, play: (scene) => scene.hugePrivate(), counts: HUGE_OBJECT_ROUNDS },
  hugeObject: { weight: 1, play: (scene) => scene.hugeObject(), counts: HUGE_OBJECT_ROUNDS },
  shmemEnabled: {
    weight: 1,
    *play({ machine: { host }, random }) {
      if (host.thp.enabled !== 'never')
        host.thp.shmemEnabled = SHMEM_ENABLED[random.below(SHMEM_ENABLED.length)]!;
    },
  },
  merge: { weight: 2, play: (scene) => scene.merge() },
  softDirty: { weight: 5, play: ({ mm }) => clearSoftDirty(mm) },
  mlock: { weight: 5, play: (scene) => scene.lock(0) },
  mlockOnfault: { weight: 5, play: (scene) => scene.lock(MLOCK_ONFAULT) },
  mprotect: { weight: 5, play: (scene) => scene.protect() },
  pin: { weight: 10, play: (scene) => scene.pin() },
  fork: { weight: 2, play: (scene) => scene.snapshot() },
  memslot: { weight: 1, play: (scene) => scene.slot() },
  look: { weight: 5, play: (scene) => scene.looks() },
  program: { weight: 2, play: (scene) => scene.program(), counts: PROGRAM_OPERATIONS },
  migrate: { weight: 20, play: (scene) => scene.move(migrateUserPages) },
  numaHints: { weight: 10, play: (scene) => scene.move(changeProtNuma) },
  numaMisplaced: {
    weight: 2,
    *play({ machine: { host } }) {
      host.sysctl.numaMisplaced = !host.sysctl.numaMisplaced;
    },
  },
  compact: { weight: 1, play: ({ machine }) => compactMemory(machine.host) },
  idle: { weight: 2, play: (scene) => scene.idle() },
  writeback: { weight: 5, play: (scene) => scene.writeback() },
  writeObject: { weight: 5, play: (scene) => scene.writeObject() },
  readObject: { weight: 5, play: (scene) => scene.readObject() },
  cutObject: { weight: 1, play: (scene) => scene.cutObject() },
  guard: { weight: 2, play: (scene) => scene.guard() },
  moveIn: { weight: 2, play: (scene) => scene.moveIn() },
  memoryMax: { weight: 2, play: (scene) => scene.limit() },
  memoryReclaim: { weight: 2, play: (scene) => scene.reclaimOfGroup() },
};

/** Each as often as it weighs. */
const HAT = Object.entries(OPERATIONS).flatMap(([name, { weight }]) => Array<string>(weight).fill(name));

/** Of one task only: who writes to the object knows what is in it, and there is one spare memslot. */
const ALONE: ReadonlySet<string> = new Set([
  'memslot',
  'dontfork',
  'fork',
  'program',
  'writeObject',
  'readObject',
  'hugeObject',
  'hugePrivate',
  'merge',
  'nohugepage',
  'cutObject',
  'memoryMax',
  'guard',
]);

function* playOperations(scene: Scene, task: number, count: number, coverage: Coverage): Steps {
  for (let played = 0; played < count; ) {
    const name = HAT[scene.random.below(HAT.length)]!;
    if (task > 0 && ALONE.has(name)) continue;
    const { play, counts = 1 } = OPERATIONS[name]!;
    yield* play(scene);
    yield* scene.pause();
    played += counts;
    coverage.set(name, (coverage.get(name) ?? 0) + counts);
  }
}

/**
 * A case: `operations` of them, in several tasks, on a host and a guest that `seed` chooses. Throws if anything is
 * wrong.
 */
export function playHostOperations(seed: number, operations: number, coverage: Coverage): void {
  const random = new Random(seed);
  const [mmu, vcpus] = [MMUS[seed % 2]!, 1 + ((seed >> 1) % 2)];
  const guest = GUESTS[random.below(GUESTS.length)]!;
  const ramBacking = BACKINGS[random.below(BACKINGS.length)]!;
  const { ramBytes, hostRamBytes, thp } = MEMORIES[random.below(MEMORIES.length)]!;
  const isLimited = random.below(2) === 0;
  const { machine, runSlice } = startGuest(guest, {
    mmu,
    vcpus,
    seed,
    ramBytes,
    hostRamBytes,
    ramBacking,
    ...(isLimited ? { memoryMaxBytes: ramBytes / 2 } : {}),
    // Reclaim that finds nothing waits long.
    maxInstructions: Number.POSITIVE_INFINITY,
  });
  // Who collapses has 4 MiB in hand for a while, which a small cgroup has not to spare.
  if (isLimited) Object.assign(machine.host.thp, { enabled: thp, shmemEnabled: SHMEM_LIKE[thp] });
  else thpStore(machine.host, { enabled: thp, shmemEnabled: SHMEM_LIKE[thp] });
  machine.host.khugepaged.scanSleepMillisecs = 0.05;
  machine.host.khugepaged.allocSleepMillisecs = 0.5;
  // Some 10 us, so that ksmd comes round while something is merged.
  machine.host.ksm.sleepMillisecs = 0.01;
  runSlice(() => machine.vmm.kvm !== null);
  const object = memfdCreate(machine.host, OBJECT_PAGES * PAGE_SIZE);
  const shared: Shared = { machine, object, mlocks: 0, locked: 0 };
  const tasks = Array.from({ length: TASKS }, (_, task) => {
    const scene = new Scene(shared, new Random(random.next()));
    const share = Math.ceil((operations * (task + 1)) / TASKS) - Math.ceil((operations * task) / TASKS);
    return machine.sched.spawn(`host ${task}`, playOperations(scene, task, share, coverage));
  });
  runSlice(() => tasks.every(({ state }) => state === 'done'));
  if (machine.stop !== null) throw new Error(`the guest stopped: ${JSON.stringify(machine.stop)}`);
  expect(machine.check.violations).toEqual([]);
  machine.sched.spawn('close', fput(object));
  const { kvm, notifier, vm, memcg } = machine.statistics();
  const seen = {
    instructions: machine.instructions,
    faults: kvm.pf_taken!,
    starts: notifier.invalidate_range_start!,
    hugePages: vm.thp_fault_alloc!,
    hugeFilePages: vm.thp_file_alloc!,
    hugeFileMaps: vm.thp_file_mapped!,
    collapses: vm.thp_collapse_alloc!,
    khugepaged: machine.host.khugepaged.pagesCollapsed,
    hugeMigrated: vm.thp_migration_split!,
    hugeZeros: vm.thp_zero_page_alloc!,
    splits: vm.thp_split_pmd!,
    migrated: vm.pgmigrate_success!,
    unmerged: vm.cow_ksm!,
    swappedOut: vm.pswpout!,
    limited: memcg?.max ?? 0,
  };
  machine.vmm.stopWith({ via: null, code: 0, crash: null, reason: 'enough' });
  machine.shutdown();
  expect(machine.check.violations).toEqual([]);
  for (const [name, value] of Object.entries(seen)) coverage.set(name, (coverage.get(name) ?? 0) + value);
}
