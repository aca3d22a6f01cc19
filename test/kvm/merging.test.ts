// Guests whose memory KSM merges, with itself and with a process beside the VMM, while they use it and the host swaps.

import { describe, expect, it } from 'vitest';
import {
  copyToUser,
  exitMm,
  KSM_RUN_MERGE,
  KSM_RUN_UNMERGE,
  ksmRunStore,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  madvise,
  mmapAnonymous,
  PROT_READ,
  PROT_WRITE,
  readKsm,
} from '../../src/mm/index.ts';
import { type Policy, Random, RESCHED, randomPolicy, runPolicy, type Steps } from '../../src/sched/index.ts';
import { bug, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { pageAt } from '../mm/support.ts';
import { GuestHart, PHYSICAL } from '../support/guestHart.ts';
import { RAM, TestVm } from '../support/testVm.ts';

const PAGES = 10;
const ROUNDS = 50;
/** Few values, so that pages become equal again and again. */
const VALUES = 3;

/** Every other page is this hart's; its first word must be what it stored last. */
function* use(vm: TestVm, index: number, random: Random): Steps {
  const hart = new GuestHart(vm.kvm.vcpus[index]!);
  yield* hart.reset();
  const model = new Map<number, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const page = 1 + 2 * random.below(PAGES / 2) + index;
    const address = RAM + page * PAGE_SIZE;
    if (random.below(3) > 0) {
      expect(yield* hart.load(address, PHYSICAL)).toMatchObject({ value: model.get(page) ?? 0 });
    } else {
      const value = random.below(VALUES);
      yield* hart.store(address, value, PHYSICAL);
      model.set(page, value);
    }
    yield RESCHED;
  }
  for (const [page, value] of model)
    expect(yield* hart.load(RAM + page * PAGE_SIZE, PHYSICAL)).toMatchObject({ value });
}

/** How many pages were merged at the most. */
function play(mmu: 'shadow' | 'tdp', policy: Policy, seed: number): number {
  const vm = new TestVm({ mmu, harts: 2, ramPages: 1 + PAGES, filled: false, policy, checkEvery: 97 });
  const { host, mm } = vm;
  Object.assign(host.ksm, { sleepMillisecs: 0, smartScan: false, maxPageSharing: 4 });
  let merged = 0;
  let users = 2;
  const user = (index: number) =>
    function* (): Steps {
      yield* use(vm, index, new Random(seed + index));
      users--;
    };
  vm.run({
    *twin() {
      const twin = (yield* host.createMm()) ?? bug('no memory for a process');
      const base = (yield* mmapAnonymous(twin, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0)) as Hva;
      for (const page of [0, 1])
        expect(yield* copyToUser(twin, vm.spareCpu, pageAt(base, page), Uint8Array.of(page))).toBe(0);
      expect(yield* madvise(twin, base, 2 * PAGE_SIZE, MADV_MERGEABLE)).toBe(0);
      expect(yield* madvise(mm, pageAt(vm.ram, 1), PAGES * PAGE_SIZE, MADV_MERGEABLE)).toBe(0);
      expect(yield* ksmRunStore(host, KSM_RUN_MERGE)).toBe(0);
      for (let i = 0; users > 0; i++) {
        merged = Math.max(merged, readKsm(host.ksm).pages_sharing!);
        if (i % 40 === 39) yield* madvise(mm, pageAt(vm.ram, 1), PAGES * PAGE_SIZE, MADV_PAGEOUT);
        host.sched.spend(1000);
        yield RESCHED;
      }
      yield* exitMm(twin);
    },
    'guest/0': user(0),
    'guest/1': user(1),
  });
  vm.run({
    *unmerge() {
      expect(yield* ksmRunStore(host, KSM_RUN_UNMERGE)).toBe(0);
    },
  });
  vm.finish();
  return merged;
}

describe.each(['shadow', 'tdp'] as const)('guests under %s', (mmu) => {
  it('find what they stored, while their pages are merged, copied and swapped', () => {
    expect(play(mmu, runPolicy(), 1)).toBeGreaterThan(2);
    for (let seed = 2; seed < 4; seed++) play(mmu, randomPolicy(seed), seed);
  });
});
