// A page that a process is charged for is migrated while the process drops it, and touches it again.
//
// The new frame is charged for in the place of the old one: for neither or for both nobody may be charged, however the two meet.

import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, type MemCgroup, madvise, migrateUserPages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'memcg-migrate',
  about: 'a page that a process is charged for is migrated while the process drops it',
  host: { cpus: 2 },
  losesPages: [1],
  *setUp(world) {
    const memcg = world.host.memcgs.create('vmm');
    world.mm.memcg = memcg as MemCgroup;
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    *migrate() {
      yield* migrateUserPages(world.mm, world.hva(1), 4096);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
      yield* world.store(world.page(1), Uint8Array.of(9));
    },
  }),
  *finish(world) {
    const { usage } = world.mm.memcg!.memory;
    if (usage !== 1) world.oracle.report('leak', `the process has one page, and is charged for ${usage}`);
  },
};
