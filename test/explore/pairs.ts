// A scenario of any two things that a host does to guest RAM at once, beside a guest that stores to it: loaded into a
// variant, and told which two between runs.

import type { Scenario, World } from '../../src/explore/index.ts';
import {
  clearSoftDirty,
  copyFromUser,
  copyToUser,
  exitMm,
  fork,
  MADV_COLD,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MREMAP_MAYMOVE,
  madvise,
  migrateUserPages,
  mlock,
  mmap,
  mprotect,
  mremap,
  munlock,
  munmap,
  PROT_READ,
  PROT_WRITE,
  pinUserPage,
  tryToFreePages,
  unpinUserPage,
} from '../../src/mm/index.ts';
import type { Steps } from '../../src/sched/index.ts';
import type { Hva, Pfn } from '../../src/units.ts';

const PAGE = 4096;
const advise = (advice: number) =>
  function* ({ mm, hva }: Pages): Steps {
    yield* madvise(mm, hva(1), 2 * PAGE, advice);
  };

interface Pages {
  readonly world: World;
  readonly mm: World['mm'];
  readonly hva: (page: number) => Hva;
}

export const OPERATIONS = {
  *store({ world, mm, hva }) {
    for (const page of [1, 2]) yield* copyToUser(mm, world.sched.current.cpu, hva(page), Uint8Array.of(page));
  },
  *load({ world, mm, hva }) {
    yield* copyFromUser(mm, world.sched.current.cpu, hva(2), new Uint8Array(8));
  },
  dontneed: advise(MADV_DONTNEED),
  pageout: advise(MADV_PAGEOUT),
  cold: advise(MADV_COLD),
  free: advise(MADV_FREE),
  mergeable: advise(MADV_MERGEABLE),
  *mprotect({ mm, hva }) {
    yield* mprotect(mm, hva(2), PAGE, PROT_READ);
  },
  *munmap({ mm, hva }) {
    yield* munmap(mm, hva(3), PAGE);
  },
  *mremap({ mm, hva }) {
    yield* mremap(mm, hva(3), PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0 as Hva);
  },
  *mmap({ mm }) {
    const address = yield* mmap(mm, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, null, 0);
    yield* munmap(mm, address as Hva, PAGE);
  },
  *mlock({ mm, hva }) {
    yield* mlock(mm, hva(1), PAGE, 0);
    yield* munlock(mm, hva(1), PAGE);
  },
  *fork({ mm }) {
    const child = yield* fork(mm);
    if (typeof child !== 'number') yield* exitMm(child);
  },
  *migrate({ mm, hva }) {
    yield* migrateUserPages(mm, hva(1), 2 * PAGE);
  },
  *reclaim({ world }) {
    yield* tryToFreePages(world.host, 0);
  },
  *softDirty({ mm }) {
    yield* clearSoftDirty(mm);
  },
  *pin({ world, mm, hva }) {
    const page = yield* pinUserPage(mm, hva(1), true);
    if (page > 0) yield* unpinUserPage(world.host, page as Pfn, true);
  },
} satisfies Record<string, (pages: Pages) => Steps>;

export type Operation = keyof typeof OPERATIONS;

/** Which two; changed between runs. */
export const pair: { one: Operation; two: Operation } = { one: 'store', two: 'load' };

export const scenario: Scenario = {
  name: 'pairs',
  about: 'two things that a host does at once',
  host: { cpus: 2 },
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done`,
  mayEnd: ['memory_fault'],
  losesPages: [1, 2, 3],
  *setUp(world) {
    for (const page of [1, 2]) yield* world.write64(world.page(page), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 7 });
  },
  tasks: (world) => {
    const pages: Pages = { world, mm: world.mm, hva: (page) => world.hva(page) };
    return { one: () => OPERATIONS[pair.one](pages), two: () => OPERATIONS[pair.two](pages) };
  },
};
