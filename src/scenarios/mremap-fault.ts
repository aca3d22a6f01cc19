// A page is moved to another address, where a thread of the process is waiting for memory to appear.
//
// The mapping can be found there before the page has arrived. Until it has, nobody may fault one in: what moves would be
// put in its place.

import type { Scenario } from '../explore/index.ts';
import { MREMAP_FIXED, MREMAP_MAYMOVE, mremap, userLoad8, userStore8 } from '../mm/index.ts';
import type { Hva } from '../units.ts';

const THERE = 0x1000_0000 as Hva;

export const scenario: Scenario = {
  name: 'mremap-fault',
  about: 'a page is moved to another address while a thread stores there',
  host: { cpus: 2 },
  losesPages: [1],
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    *mover() {
      yield* mremap(world.mm, world.hva(1), 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, THERE);
    },
    *writer() {
      // It may be too early.
      yield* userStore8(world.mm, world.sched.current.cpu, (THERE + 8) as Hva, 9);
    },
  }),
  *finish(world) {
    const loaded = yield* userLoad8(world.mm, world.spareCpu, THERE);
    if (loaded !== 5)
      world.oracle.report('I3', `5 was stored to what has been moved, but ${loaded} is there`);
  },
};
