// A process exits while two devices write to its memory: one mirrors a page, one walks the process's own tables.
//
// Both are told once, by release, before any page goes: the mirror by one range over everything, the walker by a callback after
// which there are no tables. Whoever holds on to a translation, or takes a new one, uses pages that are freed.

import { HmmMirror, SvaDevice } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';
import { exitMm } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'exit-devices',
  about: 'a process exits while two devices write to its memory',
  processGoes: true,
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    const mirror = new HmmMirror(world.mm, 1);
    yield* mirror.open(world.hva(1), 4096);
    yield* mirror.write(world.hva(1), 6);
    const walker = new SvaDevice(world.mm);
    yield* walker.bind();
    yield* walker.write(world.hva(1), 7);
    world.devices.push(mirror, walker);
  },
  tasks: (world) => ({
    *mirror() {
      yield* (world.devices[0] as HmmMirror).write(world.hva(1), 8);
    },
    *walker() {
      yield* (world.devices[1] as SvaDevice).write(world.hva(1), 9);
    },
    *exit() {
      yield* exitMm(world.mm);
    },
  }),
};
