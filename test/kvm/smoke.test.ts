import { expect, it } from 'vitest';
import { randomPolicy } from '../../src/sched/index.ts';
import { GuestHart } from '../support/guestHart.ts';
import { entryFor, KERNEL_PAGE, leafEntry, linkTables } from '../support/guestTables.ts';
import { RAM, TestVm } from '../support/testVm.ts';

const T = { root: RAM + 0x1000, middle: RAM + 0x2000, leaf: RAM + 0x3000 };
it('works', () => {
  for (const mmu of ['shadow', 'tdp'] as const)
    for (const policy of [undefined, randomPolicy(3)]) {
      const vm = new TestVm({ mmu, ...(policy ? { policy } : {}), checkEvery: 1 });
      vm.run({
        'vcpu/0': function* () {
          const write = (gpa: number, e: bigint) => vm.write64(gpa, e);
          for (const p of [1, 2, 3]) yield* vm.write(RAM + p * 4096, new Uint8Array(4096));
          yield* linkTables(write, T, 0x4000);
          yield* write(leafEntry(T, 0x4000), entryFor(RAM + 0x5000, KERNEL_PAGE));
          const g = new GuestHart(vm.kvm.vcpus[0]!);
          yield* g.reset();
          yield* g.satp(T.root);
          expect(yield* g.load(0x4008)).toEqual({ kind: 'value', value: RAM + 0x5008 });
          expect(yield* g.load(0x5008)).toEqual({ kind: 'trap', cause: 13, tval: 0x5008 });
          expect(yield* g.store64(leafEntry(T, 0x5000), entryFor(RAM + 0x6000, KERNEL_PAGE))).toMatchObject({
            kind: 'value',
          });
          yield* g.fence();
          expect(yield* g.load(0x5008)).toEqual({ kind: 'value', value: RAM + 0x6008 });
          console.log(vm.kvm.stats, vm.kvm.vcpus[0]!.stats, vm.sched.steps);
        },
      });
      vm.finish();
    }
});
