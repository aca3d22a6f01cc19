// A page that nobody but the guest has used since reclaim looked at it last is looked at again, and one that nobody but the
// process has.
//
// Of the one the process's own entry says that nobody has used it: reclaim must ask the secondary MMU as well, or it takes
// the pages of guests that use them all the time. Of the other it must not ask that alone.

import { checkMapped, type Scenario } from '../explore/index.ts';
import { MADV_COLD, madvise, tryToFreePages } from '../mm/index.ts';
import { mmuNotifierClearYoung } from '../notifier/index.ts';

export const scenario: Scenario = {
  name: 'second-chance',
  about: 'a page that only the guest has used, or only the process, is looked at by reclaim once more',
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    for (const page of [1, 2]) yield* world.write64(world.page(page), 5n);
    world.setRegisters(0, { a0: world.page(1) });
    yield* world.warmUp(0);
    yield* madvise(world.mm, world.hva(1), 8192, MADV_COLD);
    yield* mmuNotifierClearYoung(world.mm, world.hva(1), world.hva(2));
    world.harts[0]!.flushAll();
    for (const { tlb } of world.host.cpus) tlb.flushAll();
  },
  tasks: (world) => ({
    *reader() {
      yield* world.read64(world.page(2));
    },
  }),
  *finish(world) {
    yield* tryToFreePages(world.host, 0);
    for (const page of [1, 2]) checkMapped(world, page);
  },
};
