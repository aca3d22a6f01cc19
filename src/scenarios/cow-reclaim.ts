// A page that a child process shares is copied for a store while reclaim takes the shared page.
//
// Reclaim finds the address by the family of the page, not the page by the address: by then the copy may stand there.

import { loadFrom, type Scenario } from '../explore/index.ts';
import { exitMm, fork, type Mm, tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'cow-reclaim',
  about: 'a page that a child shares is reclaimed while it is copied for a writer',
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    const child = yield* fork(world.mm);
    if (typeof child !== 'number') world.others.push(child);
    // Looked at once: not used since.
    yield* tryToFreePages(world.host, 0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* tryToFreePages(world.host, 0);
    },
    *writer() {
      yield* world.write64(world.page(1), 9n);
    },
  }),
  *finish(world) {
    const [child] = world.others as [Mm];
    const seen = yield* loadFrom(world, child, world.hva(1));
    if (seen !== 5n) world.oracle.report('I5', `the child loaded ${seen}, which its parent stored`);
    yield* exitMm(child);
  },
};
