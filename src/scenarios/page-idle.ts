// Somebody has marked two pages idle, and looks later whether they still are, while the guest reads them and one is taken
// out of its MMU.
//
// Each walk of the guest's hart sets A in the spte, and that must be found, also where the spte was zapped meanwhile.

import { checkNotIdle, type Scenario } from '../explore/index.ts';
import { mprotect, PROT_READ, pageIdleBitmapWrite } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'page-idle',
  about: 'two idle pages are read by the guest while one of them is taken out of its MMU',
  guest: `
    vcpu0:  ld a2, 0(a0)
            ld a2, 0(a1)
    done:   j done
    warm:   ld a2, 0(a0)
            ld a2, 0(a1)
            j done`,
  *setUp(world) {
    for (const page of [1, 2]) yield* world.write64(world.page(page), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: world.page(2) });
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
    for (const page of [1, 2]) yield* checkNotIdle(world, page);
  },
};
