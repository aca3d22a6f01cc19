// Somebody marks a page idle, and looks later whether it still is, while the guest reads it.
//
// The guest's TLB may keep the page without anybody's noticing; but a walk after the mark sets A in the spte, and that must
// be found, be it that the spte was zapped meanwhile.

import { checkNotIdle, type Scenario } from '../explore/index.ts';
import { mprotect, PROT_READ, pageIdleBitmapWrite } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'page-idle',
  about: 'a page is marked idle, and taken out of the MMU, while the guest reads it',
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1) });
    yield* world.warmUp(0);
    yield* pageIdleBitmapWrite(world.host, 0, new Uint8Array(8).fill(255));
    world.harts[0]!.flushAll();
  },
  tasks: (world) => ({
    *protector() {
      yield* mprotect(world.mm, world.hva(1), 4096, PROT_READ);
    },
  }),
  *finish(world) {
    yield* checkNotIdle(world, 1);
  },
};
