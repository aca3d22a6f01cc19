// The guest reads a page while the process write-protects its memory, which zaps the translation: that the page was used
// must not get lost with it (I4).

import { checkUsed, type Scenario } from '../explore/index.ts';
import { MADV_COLD, madvise, mprotect, PROT_READ } from '../mm/index.ts';
import { mmuNotifierClearYoung } from '../notifier/index.ts';

export const scenario: Scenario = {
  name: 'age',
  about: 'a page that the guest reads is taken out of its MMU, and was used all the same',
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1) });
    yield* world.warmUp(0);
    yield* madvise(world.mm, world.hva(1), 4096, MADV_COLD);
    yield* mmuNotifierClearYoung(world.mm, world.hva(1), world.hva(2));
    world.harts[0]!.flushAll();
  },
  tasks: (world) => ({
    *protector() {
      yield* mprotect(world.mm, world.hva(1), 4096, PROT_READ);
    },
  }),
  *finish(world) {
    checkUsed(world, 1);
  },
};
