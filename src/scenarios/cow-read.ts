// A page is shared with a child process; two threads of the process store to it while a third reads it.
//
// One of the two makes a copy. From the moment at which it can be seen nobody may read or write the old page in its place:
// not the reader, whose CPU has that in its TLB, and not the slower writer.

import { loadFrom, type Scenario } from '../explore/index.ts';
import { exitMm, fork, type Mm } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'cow-read',
  about:
    'a page that a child shares is copied for one of two threads that store to it while a third reads it',
  host: { cpus: 3 },
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    const child = yield* fork(world.mm);
    if (typeof child !== 'number') world.others.push(child);
    yield* world.read64(world.page(1));
  },
  tasks: (world) => ({
    // On the CPU of the set-up, which has the page in its TLB.
    *reader() {
      yield* world.read64(world.page(1));
    },
    *writer() {
      yield* world.write64(world.page(1), 9n);
    },
    *other() {
      yield* world.write64(world.page(1) + 8, 7n);
    },
  }),
  *finish(world) {
    const [child] = world.others as [Mm];
    const seen = yield* loadFrom(world, child, world.hva(1));
    if (seen !== 5n)
      world.oracle.report('I5', `the child loaded ${seen}, which its parent stored after fork()`);
    yield* exitMm(child);
  },
};
