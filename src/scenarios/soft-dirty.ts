// A checkpointer clears the soft-dirty bits of a process and reads a page, while the guest and a thread store to it.
//
// Whatever is stored after it has read must be marked again: a store through a translation that was forgotten would be in
// no checkpoint.

import { hasReturned, type Scenario } from '../explore/index.ts';
import { clearSoftDirty, pagemapEntry } from '../mm/index.ts';

const PM_SOFT_DIRTY = 1n << 55n;
/** The first two words of the page as they were read. */
const checkpoint = [0n, 0n];

export const scenario: Scenario = {
  name: 'soft-dirty',
  about: 'soft-dirty bits are cleared while the guest and another thread store',
  host: { cpus: 2 },
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 16(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1) + 8, 9n);
    },
    *checkpointer() {
      yield* clearSoftDirty(world.mm);
      hasReturned(world, 1);
      for (let i = 0; i < 2; i++) checkpoint[i] = yield* world.read64(world.page(1) + i * 8);
    },
  }),
  *finish(world) {
    const now = [yield* world.read64(world.page(1)), yield* world.read64(world.page(1) + 8)];
    if (now.join() === checkpoint.join()) return;
    if ((pagemapEntry(world.mm, world.hva(1)) & PM_SOFT_DIRTY) === 0n)
      world.oracle.report(
        'I3',
        'a page was stored to after its soft-dirty bit was cleared, and is not marked',
      );
  },
};
