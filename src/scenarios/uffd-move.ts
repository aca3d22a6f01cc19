// The handler of a userfaultfd moves a page to another address (UFFDIO_MOVE) while the guest stores to it where it was, and
// reclaim looks at it.
//
// The page keeps its frame: a translation of the old address that is left leads to what is at the new one, and who has found
// the page's old place in the reverse mapping must look again. A store comes with the page, or finds the old place empty.

import { loadFrom, type Scenario } from '../explore/index.ts';
import {
  MADV_PAGEOUT,
  madvise,
  migrateUserPages,
  UFFDIO_REGISTER_MODE_MISSING,
  uffdioMove,
  uffdioRegister,
  userfaultfd,
} from '../mm/index.ts';
import { at, points } from '../sched/index.ts';

export const scenario: Scenario = {
  name: 'uffd-move',
  about: 'a page is moved by a userfaultfd while its guest stores to it and reclaim looks at it',
  host: { cpus: 3 },
  losesPages: [1, 2],
  guest: `
    vcpu0:  sd a1, 8(a0)
    done:   j done
    warm:   sd a1, 16(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(2), 5n);
    world.setRegisters(0, { a0: world.page(2), a1: 77 });
    yield* world.warmUp(0);
    yield* uffdioRegister(userfaultfd(world.mm), world.hva(1), 4096, UFFDIO_REGISTER_MODE_MISSING);
  },
  tasks: (world) => ({
    *handler() {
      if (points.on) yield at.list(world.mm.vmas.id);
      const handler = world.mm.vmas.find(world.hva(1))!.userfaultfd!;
      const moved = yield* uffdioMove(handler, world.hva(1), world.hva(2), 4096, 0);
      if (moved !== 4096) world.oracle.report('I9', `the page cannot be moved: ${moved}`);
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(2), 4096, MADV_PAGEOUT);
    },
  }),
  *finish(world) {
    const [first, second] = [
      yield* loadFrom(world, world.mm, world.hva(1)),
      yield* loadFrom(world, world.mm, world.hvaOf(world.page(1) + 8)),
    ];
    const left = yield* loadFrom(world, world.mm, world.hvaOf(world.page(2) + 8));
    if (first !== 5n) world.oracle.report('I3', `the page that was moved holds ${first}`);
    // By reverse mapping, from where the page is now.
    const stuck = yield* migrateUserPages(world.mm, world.hva(1), 4096);
    if (stuck !== 0) world.oracle.report('I3', 'the page that was moved is not found any more');
    if (second + left !== 77n) world.oracle.report('I3', `the store is in ${second} and ${left}`);
  },
};
