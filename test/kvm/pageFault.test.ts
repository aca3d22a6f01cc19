// The page-fault path: what it maps, and that an invalidation between the snapshot of the sequence and the installing
// makes it try again (rules 22 to 25), wherever it cuts in.

import { describe, expect, it } from 'vitest';
import { MADV_DONTNEED, MADV_PAGEOUT, madvise } from '../../src/mm/index.ts';
import {
  type MmuNotifierRange,
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
} from '../../src/notifier/index.ts';
import { Random, RESCHED, randomPolicy, runPolicy, type Steps, type Yielded } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { type Actor, DirectedPolicy, letIn, letInEverywhere, type Place } from '../support/directed.ts';
import { GuestHart, type Outcome, PHYSICAL, SUPERVISOR, trap, USER, value } from '../support/guestHart.ts';
import { entryAddress, entryFor, KERNEL_PAGE, PTE_D, PTE_U, PTE_W } from '../support/guestTables.ts';
import {
  bootPaged,
  dataAt,
  FIRST_DATA,
  makeTables,
  pageAt,
  pageOut,
  sptesOf,
  TABLES,
  vaOf,
} from '../support/pagedGuest.ts';
import { RAM, TestVm, type TestVmOptions } from '../support/testVm.ts';

const MMUS = ['shadow', 'tdp'] as const;
const PAGES = 16;
const STORE_PAGE_FAULT = 15;

interface Scene {
  readonly vm: TestVm;
  readonly policy: DirectedPolicy;
  readonly hart: GuestHart;
}

/** A guest with four data pages mapped, none of them touched. */
function newScene(options: TestVmOptions): Scene {
  const policy = new DirectedPolicy();
  const vm = new TestVm({ ramPages: PAGES, policy, checkEvery: 5, ...options });
  let hart: GuestHart | undefined;
  vm.run({
    *'vcpu/0'() {
      yield* makeTables(vm, 4);
      hart = yield* bootPaged(vm);
      // The code and the tables are mapped, so that what follows is one fault.
      expect(yield* hart.load(vaOf(3))).toEqual(value(dataAt(3)));
    },
  });
  return { vm, policy, hart: hart! };
}

/** The host page behind data page `index`. */
const hvaOf = (vm: TestVm, index: number): Hva => vm.hvaOf(dataAt(index));

function rangeOf(vm: TestVm, index: number, pages = 1): MmuNotifierRange {
  const start = hvaOf(vm, index);
  const end = (start + pages * PAGE_SIZE) as Hva;
  return { mm: vm.mm, start, end, event: MmuNotifyEvent.CLEAR, blockable: true };
}

function* advise(vm: TestVm, index: number, advice: number): Steps {
  expect(yield* madvise(vm.mm, hvaOf(vm, index), PAGE_SIZE, advice)).toBe(0);
}

const host = (body: () => Steps): Actor => ({ name: 'host', body });

/** The first fault's taking of mmu_lock: the page was looked up, and is not installed yet. */
function beforeInstalling({ vm }: Scene): Place {
  const { mmuLock, vcpus } = vm.kvm;
  const taken = vcpus[0]!.stats.pf_taken;
  return (_, stop: Yielded) =>
    stop.type === 'point' &&
    stop.kind === 'lock' &&
    stop.object === mmuLock.id &&
    vcpus[0]!.stats.pf_taken > taken;
}

describe.each(MMUS)('a fault under %s', (mmu) => {
  /** Loads vaOf(0); `other` cuts in after the look-up. What came out, and how often the fault was tried again. */
  function loadWith(scene: Scene, other: () => Steps): { outcome: Outcome; retries: number } {
    const { vm, policy, hart } = scene;
    const { stats } = vm.kvm.vcpus[0]!;
    const before = stats.pf_mmu_retry;
    let outcome: Outcome | undefined;
    const main = {
      name: 'vcpu/0',
      *body() {
        outcome = yield* hart.load(vaOf(0));
      },
    };
    expect(letIn(vm, policy, main, host(other), beforeInstalling(scene))).toBe(true);
    return { outcome: outcome!, retries: stats.pf_mmu_retry - before };
  }

  it('is not tried again when nothing happened', () => {
    const scene = newScene({ mmu });
    const { outcome, retries } = loadWith(scene, function* () {
      yield RESCHED;
    });
    expect({ outcome, retries }).toEqual({ outcome: value(dataAt(0)), retries: 0 });
    scene.vm.finish();
  });

  it('is tried again when the page was invalidated after it was looked up', () => {
    const scene = newScene({ mmu });
    const { outcome, retries } = loadWith(scene, () => advise(scene.vm, 0, MADV_DONTNEED));
    expect({ outcome, retries }).toEqual({ outcome: value(0), retries: 1 });
    scene.vm.finish();
  });

  it('is tried again when any page of a slot was: one sequence serves all', () => {
    const scene = newScene({ mmu });
    const { outcome, retries } = loadWith(scene, () => advise(scene.vm, 2, MADV_DONTNEED));
    expect({ outcome, retries }).toEqual({ outcome: value(dataAt(0)), retries: 1 });
    scene.vm.finish();
  });

  it('waits, trying again, while a range that holds its page is open', () => {
    const scene = newScene({ mmu });
    const { vm } = scene;
    const range = rangeOf(vm, 0);
    let mappedWhileOpen = 0;
    const { outcome, retries } = loadWith(scene, function* () {
      yield* mmuNotifierInvalidateRangeStart(range);
      for (let i = 0; i < 40; i++) {
        yield RESCHED;
        mappedWhileOpen += sptesOf(vm, FIRST_DATA).length;
      }
      yield* mmuNotifierInvalidateRangeEnd(range);
    });
    expect({ outcome, mappedWhileOpen }).toEqual({ outcome: value(dataAt(0)), mappedWhileOpen: 0 });
    expect(retries).toBeGreaterThan(0);
    expect(sptesOf(vm, FIRST_DATA)).toHaveLength(1);
    vm.finish();
  });

  it('goes through while only ranges of other pages are open (rule 41)', () => {
    const scene = newScene({ mmu });
    const { vm, hart } = scene;
    const range = rangeOf(vm, 1, 2);
    vm.run({
      *'vcpu/0'() {
        yield* mmuNotifierInvalidateRangeStart(range);
        const { stats } = vm.kvm.vcpus[0]!;
        const { pf_mmu_retry } = stats;
        expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
        expect(stats.pf_mmu_retry).toBe(pf_mmu_retry);
        yield* mmuNotifierInvalidateRangeEnd(range);
        expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
      },
    });
    vm.finish();
  });

  it.each([
    ['dropped', MADV_DONTNEED, 0],
    ['swapped out', MADV_PAGEOUT, 1],
  ])('never leaves a stale spte, wherever the %s page goes meanwhile', (_, advice, keeps) => {
    const scene = newScene({ mmu });
    const { vm, policy, hart } = scene;
    const { stats } = vm.kvm.vcpus[0]!;
    let written = 0;
    const seen = new Set<number>();
    const rounds = letInEverywhere(vm, policy, () => {
      written += 2;
      vm.run({
        *host() {
          yield* vm.write64(dataAt(0), BigInt(written));
          yield* pageOut(vm, FIRST_DATA);
        },
      });
      const after = keeps * written;
      return {
        main: {
          name: 'vcpu/0',
          *body() {
            const outcome = yield* hart.load(vaOf(0));
            expect([value(written), value(after)]).toContainEqual(outcome);
            seen.add(Number(outcome.kind === 'value' && outcome.value !== 0));
          },
        },
        other: host(() => advise(vm, 0, advice)),
        verify() {
          vm.run({
            *'vcpu/0'() {
              expect(yield* hart.load(vaOf(0))).toEqual(value(after));
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(40);
    expect(stats.pf_mmu_retry).toBeGreaterThan(5);
    expect(seen.size).toBe(2 - keeps);
    vm.finish();
  });

  it('of a store is not lost, wherever the page goes meanwhile', () => {
    const scene = newScene({ mmu });
    const { vm, policy, hart } = scene;
    let written = 0;
    const rounds = letInEverywhere(vm, policy, () => {
      written += 2;
      vm.run({ host: () => pageOut(vm, FIRST_DATA) });
      return {
        main: {
          name: 'vcpu/0',
          *body() {
            expect(yield* hart.store(vaOf(0) + 8, written)).toMatchObject({ kind: 'value' });
          },
        },
        other: host(() => advise(vm, 0, MADV_PAGEOUT)),
        verify() {
          vm.run({
            *host() {
              expect(yield* vm.read64(dataAt(0) + 8)).toBe(BigInt(written));
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(40);
    vm.finish();
  });

  it('maps the page as the host does: for reading alone where a store would have to copy', () => {
    const { vm, hart } = newScene({ mmu });
    vm.run({
      *'vcpu/0'() {
        yield* advise(vm, 1, MADV_DONTNEED);
        // The zero page.
        expect(yield* hart.load(vaOf(1))).toEqual(value(0));
        expect(sptesOf(vm, FIRST_DATA + 1).map((spte) => spte & PTE_W)).toEqual([0]);
        expect(yield* hart.store(vaOf(1), 7)).toMatchObject({ kind: 'value' });
        expect(sptesOf(vm, FIRST_DATA + 1).map((spte) => spte & (PTE_W | PTE_D))).toEqual([PTE_W | PTE_D]);
        expect(yield* hart.load(vaOf(1))).toEqual(value(7));
      },
    });
    vm.finish();
  });

  it('takes what a hart stored through the spte to the page, when that goes', () => {
    const { vm, hart } = newScene({ mmu });
    vm.run({
      *'vcpu/0'() {
        // Read back in, the page is clean, and writable for the host: only the spte's D tells of the store.
        yield* pageOut(vm, FIRST_DATA + 1);
        expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
        const { pf_taken } = vm.kvm.vcpus[0]!.stats;
        expect(yield* hart.store(vaOf(1), 5)).toMatchObject({ kind: 'value' });
        expect(vm.kvm.vcpus[0]!.stats.pf_taken).toBe(pf_taken);
        yield* pageOut(vm, FIRST_DATA + 1);
        expect(sptesOf(vm, FIRST_DATA + 1)).toEqual([]);
        expect(yield* hart.load(vaOf(1))).toEqual(value(5));
      },
    });
    vm.finish();
  });

  it('finds the page of a guest superpage, of 2 MiB and of 1 GiB', () => {
    const { vm, hart } = newScene({ mmu });
    const gigapage = 2 ** 30;
    vm.run({
      *'vcpu/0'() {
        yield* hart.satp(null);
        const store = (gpa: number, entry: bigint): Steps<Outcome> => hart.store64(gpa, entry, PHYSICAL);
        yield* store(entryAddress(TABLES.middle, 2 ** 21, 1), entryFor(RAM, KERNEL_PAGE));
        yield* store(entryAddress(TABLES.root, gigapage, 2), entryFor(RAM, KERNEL_PAGE));
        yield* store(
          entryAddress(TABLES.root, 2 * gigapage, 2),
          entryFor(RAM, (KERNEL_PAGE | PTE_U) & ~PTE_W),
        );
        yield* hart.satp(TABLES.root);
        yield* hart.fence();
        for (const base of [2 ** 21, gigapage]) {
          for (const page of [9, 10]) {
            expect(yield* hart.load(base + page * PAGE_SIZE)).toEqual(value(pageAt(page)));
            expect(yield* hart.store(base + page * PAGE_SIZE + 8, base)).toMatchObject({ kind: 'value' });
          }
        }
        const va = 2 * gigapage + 9 * PAGE_SIZE;
        expect(yield* hart.load(va, USER)).toEqual(value(pageAt(9)));
        expect(yield* hart.store(va, 1, USER)).toEqual(trap(STORE_PAGE_FAULT, va));
        expect(yield* hart.load(va + 8, SUPERVISOR)).toEqual(value(gigapage));
      },
    });
    vm.finish();
  });

  it('fails with ENOMEM when the host is out of memory, and gives everything back', () => {
    const vm = new TestVm({ mmu, frames: 96, swapSlots: 0, ramPages: 128, filled: false });
    let errno = 0;
    vm.run({
      *'vcpu/0'() {
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        for (let page = 1; page < 128 && errno === 0; page++) {
          const outcome = yield* hart.store(pageAt(page), page, PHYSICAL);
          if (outcome.kind === 'errno') errno = outcome.errno;
        }
      },
    });
    expect(errno).toBe(Errno.ENOMEM);
    vm.finish();
  });
});

describe('faults and invalidations under many schedules', () => {
  const policies = [
    ['run mode', (seed: number) => runPolicy(seed)],
    ['every point', (seed: number) => randomPolicy(seed)],
  ] as const;

  it.each(MMUS.flatMap((mmu) => policies.map(([name, of]) => [mmu, name, of] as const)))(
    'keep what two harts stored (%s, %s)',
    (mmu, _name, policyOf) => {
      for (let seed = 1; seed <= 12; seed++) {
        const vm = new TestVm({ mmu, harts: 2, ramPages: PAGES, policy: policyOf(seed), checkEvery: 50 });
        vm.run({ boot: () => makeTables(vm, 4) });
        const last = new Map<string, number>();
        const body = (index: number) =>
          function* (): Steps {
            const random = new Random(seed * 2 + index);
            const hart = yield* bootPaged(vm, index);
            for (let i = 1; i <= 40; i++) {
              const page = random.below(4);
              const address = vaOf(page) + index * 8;
              const key = `${page}/${index}`;
              const expected = last.get(key) ?? dataAt(page) + index * 8;
              expect(yield* hart.load(address)).toEqual(value(expected));
              expect(yield* hart.store(address, i)).toMatchObject({ kind: 'value' });
              last.set(key, i);
            }
          };
        vm.run({
          'vcpu/0': body(0),
          'vcpu/1': body(1),
          *host() {
            const random = new Random(seed * 7);
            for (let i = 0; i < 40; i++) {
              yield* advise(vm, random.below(4), MADV_PAGEOUT);
              vm.sched.spend(1000);
              yield RESCHED;
            }
          },
        });
        vm.finish();
      }
    },
  );
});
