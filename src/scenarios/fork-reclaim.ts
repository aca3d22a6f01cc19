// A page that a process shares with its child is reclaimed while a thread of the process loads from it.
//
// Both mappings go, and one flush is for both: it must reach the CPUs of the process as well as those of the child, on which
// the process has never been.

import { loadFrom, type Scenario } from '../explore/index.ts';
import { exitMm, fork, type Mm, tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'fork-reclaim',
  about: 'a page that a child shares is reclaimed while its parent loads from it',
  host: { cpus: 3 },
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    const child = (yield* fork(world.mm)) as Mm;
    world.others.push(child);
    yield* loadFrom(world, child, world.hva(1));
    // Looked at once: not used since.
    yield* tryToFreePages(world.host, 0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* tryToFreePages(world.host, 0);
    },
    // On a CPU that the child has never been on.
    *reader() {
      yield* world.read64(world.page(1));
    },
  }),
  *finish(world) {
    yield* exitMm(world.others[0]!);
  },
};
