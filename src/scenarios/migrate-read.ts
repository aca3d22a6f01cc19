// A page of shared memory is migrated while a thread of the process reads it by a system call.
//
// He finds the page in the page cache and has a reference to it before he waits for its lock. It may be asked who has
// references, and he may come right after: the page must stay.

import type { Scenario } from '../explore/index.ts';
import { fileRead, migrateUserPages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'migrate-read',
  about: 'a page of shared memory is migrated while somebody looks it up in the page cache',
  vm: { ram: 'shmem' },
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    *reader() {
      yield* fileRead(world.file, 4096, new Uint8Array(8));
    },
    *migrate() {
      yield* migrateUserPages(world.mm, world.hva(1), 4096);
    },
  }),
};
