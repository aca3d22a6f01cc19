// An operation of the host on 2 MiB of a guest's memory that the host maps by one entry, or is about to; as
// watchedOperation.ts plays it, with what was seen told in runs.

import { expect } from 'vitest';
import { type Hva, PAGE_SIZE } from '../../src/units.ts';
import { HostSequence } from './hostSequence.ts';
import { pageAt } from './pagedGuest.ts';
import { runsOf } from './runs.ts';
import { TestVm } from './testVm.ts';
import { playWatched, type WatchedOperation } from './watchedOperation.ts';

export const HUGE = 512 * PAGE_SIZE;
/** The 2 MiB of the guest that are watched come after those that its code is in. */
export const FIRST = 512;
/** Pages that the guest verifies, counted from there. */
export const USED = [0, 1, 2, 100, 511];

export interface HugeOperation extends WatchedOperation {
  readonly thp?: 'always' | 'never';
}

/** `others`: pages that the guest verifies as well. */
export function hugeSequenceOf(
  mmu: 'shadow' | 'tdp',
  ramBacking: 'anonymous' | 'shmem',
  operation: HugeOperation,
  others: readonly number[] = [],
): string[] {
  const vm = new TestVm({
    mmu,
    thp: operation.thp ?? 'always',
    ramBacking,
    frames: 3600,
    swapSlots: 1100,
    ramPages: FIRST + 512,
    checkEvery: 5003,
    filled: false,
  });
  const base = (vm.ram + HUGE) as Hva;
  expect(base % HUGE).toBe(0);
  const pages = [...USED, ...others];
  const sequence = new HostSequence(vm.mm, vm.trace, base, 3, 'op', 512);
  vm.run({
    *'guest/0'() {
      for (const page of pages) yield* vm.write64(pageAt(FIRST + page), BigInt(pageAt(FIRST + page)));
      yield* playWatched(vm, { base, first: FIRST, pages }, operation);
    },
  });
  vm.finish();
  return runsOf(sequence.events);
}
