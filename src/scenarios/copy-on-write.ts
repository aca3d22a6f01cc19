// A page is shared with a child process; the guest and a thread of the process store to it at the same time, and another
// thread reads it.
//
// One of the two makes the copy. From the moment at which it can be seen, nobody may read or write the old page in its
// place: not the reader, whose CPU has the old one in its TLB, and not the second writer.

import { loadFrom, type Scenario } from '../explore/index.ts';
import { exitMm, fork, type Mm } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'copy-on-write',
  about: 'a page that a child shares is copied for one of two writers while another thread reads it',
  host: { cpus: 2 },
  guest: `
    vcpu0:  sd a1, 8(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    const child = yield* fork(world.mm);
    if (typeof child !== 'number') world.others.push(child);
    yield* world.read64(world.page(1));
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *reader() {
      yield* world.read64(world.page(1));
    },
    *writer() {
      yield* world.write64(world.page(1), 9n);
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
