// LR/SC over what the hypervisor does: a reservation falls with each store by somebody else, and with each zap or flush
// that covers it; and a loop of LR and SC gets through.

import { describe, expect, it } from 'vitest';
import { trackWrites } from '../../src/kvm/index.ts';
import { MADV_DONTNEED, madvise } from '../../src/mm/index.ts';
import { Random, RESCHED, randomPolicy, runPolicy, type Steps } from '../../src/sched/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { DirectedPolicy, letInEverywhere, type Round } from '../support/directed.ts';
import { GuestHart, type Outcome, PHYSICAL, value } from '../support/guestHart.ts';
import { entryFor, KERNEL_PAGE, leafEntry, PTE_D } from '../support/guestTables.ts';
import { bootPaged, dataAt, makeTables, pageAt, pageOut, TABLES, vaOf } from '../support/pagedGuest.ts';
import { TestVm, type TestVmOptions } from '../support/testVm.ts';

const MMUS = ['shadow', 'tdp'] as const;
const WORD = pageAt(5);
const DONE = value(0);
const FAILED = value(1);

interface Pair {
  readonly vm: TestVm;
  readonly first: GuestHart;
  readonly second: GuestHart;
}

/** Two harts in M mode, which have both stored to page 5. */
function pair(options: TestVmOptions): Pair {
  const vm = new TestVm({ harts: 2, ramPages: 12, checkEvery: 20, ...options });
  const [first, second] = vm.kvm.vcpus.map((vcpu) => new GuestHart(vcpu)) as [GuestHart, GuestHart];
  vm.run({
    *'vcpu/0'() {
      for (const hart of [first, second]) {
        yield* hart.reset();
        yield* hart.store(WORD, 40, PHYSICAL);
      }
    },
  });
  return { vm, first, second };
}

const loadReserved = (hart: GuestHart) => hart.load(WORD, PHYSICAL, 'lr_d');
const storeConditional = (hart: GuestHart, data: number) => hart.store(WORD, data, PHYSICAL, 'sc_d');

function* drop(vm: TestVm, gpa: number): Steps {
  expect(yield* madvise(vm.mm, vm.hvaOf(gpa), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
}

describe.each(MMUS)('a store conditional under %s', (mmu) => {
  /** What comes of it when `between` happens after the load. */
  function outcomeAfter(between: (pair: Pair) => Steps<unknown>) {
    const all = pair({ mmu });
    let outcome: Outcome | undefined;
    all.vm.run({
      *'vcpu/0'() {
        expect(yield* loadReserved(all.first)).toMatchObject({ kind: 'value' });
        yield* between(all);
        outcome = yield* storeConditional(all.first, 7);
        const stored = yield* all.vm.read64(WORD);
        expect(stored === 7n).toBe(outcome.kind === 'value' && outcome.value === 0);
      },
    });
    all.vm.finish();
    return outcome;
  }

  it('is done when nothing came between', () => {
    expect(outcomeAfter(function* () {})).toEqual(DONE);
  });

  it('fails after another hart stored there, by whatever instruction', () => {
    for (const instruction of ['sd', 'sb', 'amoadd_d'] as const)
      expect(outcomeAfter(({ second }) => second.store(WORD, 1, PHYSICAL, instruction))).toEqual(FAILED);
    expect(
      outcomeAfter(function* ({ second }) {
        yield* loadReserved(second);
        expect(yield* storeConditional(second, 9)).toEqual(DONE);
      }),
    ).toEqual(FAILED);
  });

  it('fails after another hart stored there by emulation', () => {
    expect(
      outcomeAfter(function* ({ vm, first, second }) {
        yield* trackWrites(vm.kvm, vm.gfn(5));
        yield* loadReserved(first);
        yield* second.store(WORD + 8, 1, PHYSICAL);
      }),
    ).toEqual(FAILED);
  });

  it('is emulated on a page that is watched, and done or failed all the same', () => {
    expect(
      outcomeAfter(function* ({ vm, first }) {
        yield* trackWrites(vm.kvm, vm.gfn(5));
        yield* loadReserved(first);
      }),
    ).toEqual(DONE);
    expect(outcomeAfter(({ vm }) => trackWrites(vm.kvm, vm.gfn(5)))).toEqual(FAILED);
  });

  it('fails after its page was dropped, or swapped out and in again', () => {
    expect(outcomeAfter(({ vm }) => drop(vm, WORD))).toEqual(FAILED);
    expect(
      outcomeAfter(function* ({ vm }) {
        yield* pageOut(vm, 5);
        yield* vm.read64(WORD);
      }),
    ).toEqual(FAILED);
  });

  it('fails after the hart was told to flush: what it reserved may have been covered', () => {
    expect(outcomeAfter(({ vm }) => drop(vm, pageAt(6)))).toEqual(DONE);
    expect(
      outcomeAfter(function* ({ vm, second }) {
        yield* second.load(pageAt(6), PHYSICAL);
        yield* drop(vm, pageAt(6));
      }),
    ).toEqual(FAILED);
  });

  it('fails after a fence', () => {
    expect(outcomeAfter(({ first }) => first.fence())).toEqual(FAILED);
    expect(outcomeAfter(({ first }) => first.fence(0x1000))).toEqual(FAILED);
  });

  it('fails when the page was dropped after the load, wherever that cut in', () => {
    const policy = new DirectedPolicy();
    const all = pair({ mmu, policy });
    const { vm, first } = all;
    let loaded: Outcome | undefined;
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({
        *'vcpu/0'() {
          // Another hart's turn, so that no old reservation is left; then the translation is in the TLB.
          yield* all.second.store(WORD, 40, PHYSICAL);
          yield* first.store(WORD + 8, 1, PHYSICAL);
        },
      });
      return {
        main: { name: 'host', body: () => drop(vm, WORD) },
        other: {
          name: 'vcpu/0',
          *body() {
            loaded = yield* loadReserved(first);
          },
        },
        verify() {
          vm.run({
            *'vcpu/0'() {
              const outcome = yield* storeConditional(first, 7);
              // 40 was there before the page was dropped, and 0 is since.
              if (loaded?.kind === 'value' && loaded.value === 40) expect(outcome).toEqual(FAILED);
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(20);
    vm.finish();
  });
});

describe.each(MMUS)('on a page that is watched, under %s,', (mmu) => {
  /** Rounds with page 5 watched, 40 in the word, and both harts outside. */
  function everywhere(roundOf: (all: Pair) => Round): number {
    const policy = new DirectedPolicy();
    const all = pair({ mmu, policy });
    const { vm, second } = all;
    vm.run({ vmm: () => trackWrites(vm.kvm, vm.gfn(5)) });
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({ 'vcpu/1': () => second.store(WORD, 40, PHYSICAL) as Steps<never> });
      return roundOf(all);
    });
    vm.finish();
    return rounds;
  }

  it('a store conditional fails though its page was dropped when it was being emulated already', () => {
    const rounds = everywhere(({ vm, first }) => {
      vm.run({ 'vcpu/0': () => loadReserved(first) as Steps<never> });
      return {
        main: { name: 'vcpu/0', body: () => storeConditional(first, 7) as Steps<never> },
        other: { name: 'host', body: () => drop(vm, WORD) },
        verify() {
          vm.run({
            *host() {
              // Before the drop it was dropped, after it there was nothing to store.
              expect(yield* vm.read64(WORD)).toBe(0n);
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(10);
  });

  it('a reservation falls with the emulated store of another hart, wherever the load cut in', () => {
    let done = 0;
    const rounds = everywhere(({ vm, first, second }) => {
      let loaded: Outcome | undefined;
      return {
        main: { name: 'vcpu/1', body: () => second.store(WORD, 50, PHYSICAL) as Steps<never> },
        other: {
          name: 'vcpu/0',
          *body() {
            loaded = yield* loadReserved(first);
          },
        },
        verify() {
          vm.run({
            *'vcpu/0'() {
              const outcome = yield* storeConditional(first, 7);
              if (outcome.kind !== 'value' || outcome.value !== 0) return;
              expect(loaded).toEqual(value(50));
              done++;
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(10);
    expect(done).toBeGreaterThan(0);
  });
});

describe.each(MMUS)('a reservation on a table’s entry under %s', (mmu) => {
  it.each([0, 5, 10, 15, 20, 25, 30])(
    'falls when another hart’s walk sets D there, wherever %d steps between them',
    (pause) => {
      const policy = new DirectedPolicy();
      const vm = new TestVm({ mmu, harts: 2, ramPages: 12, policy, checkEvery: 20 });
      const entry = leafEntry(TABLES, vaOf(0));
      const clean = entryFor(dataAt(0), KERNEL_PAGE & ~PTE_D);
      const dirty = value(Number(entryFor(dataAt(0), KERNEL_PAGE)));
      let hart: GuestHart;
      const other = new GuestHart(vm.kvm.vcpus[1]!);
      vm.run({
        *'vcpu/0'() {
          yield* makeTables(vm, 2);
          hart = yield* bootPaged(vm, 0);
          yield* other.reset();
        },
      });
      const rounds = letInEverywhere(vm, policy, () => {
        vm.run({
          *'vcpu/0'() {
            yield* hart.store64(entry, clean);
            yield* hart.fence();
            yield* other.store64(entry + 8, 0n);
          },
        });
        return {
          main: { name: 'vcpu/0', body: () => hart.store(vaOf(0), 1) as Steps<never> },
          other: {
            name: 'vcpu/1',
            *body() {
              const loaded = yield* other.load(entry, PHYSICAL, 'lr_d');
              if (loaded.kind !== 'value') throw new Error(`lr: ${loaded.kind}`);
              // The first hart goes on by a step each time.
              for (let i = 0; i < pause; i++) yield RESCHED;
              yield* other.store64(entry, BigInt(loaded.value), PHYSICAL, 'sc_d');
            },
          },
          verify() {
            vm.run({
              *'vcpu/1'() {
                expect(yield* other.load(entry, PHYSICAL)).toEqual(dirty);
              },
            });
          },
        };
      });
      expect(rounds).toBeGreaterThan(5);
      vm.finish();
    },
  );
});

describe('loops of LR and SC', () => {
  const policies = [
    ['run mode', (seed: number) => runPolicy(seed)],
    ['every point', (seed: number) => randomPolicy(seed)],
  ] as const;

  it.each(MMUS.flatMap((mmu) => policies.map(([name, of]) => [mmu, name, of] as const)))(
    'lose no increment while the host swaps (%s, %s)',
    (mmu, _name, policyOf) => {
      for (let seed = 1; seed <= 6; seed++) {
        const all = pair({ mmu, policy: policyOf(seed), checkEvery: 100 });
        const { vm } = all;
        const add = (hart: GuestHart) =>
          function* (): Steps {
            for (let i = 0; i < 15; ) {
              const old = yield* loadReserved(hart);
              if (old.kind !== 'value') throw new Error(`lr: ${old.kind}`);
              const outcome = yield* storeConditional(hart, old.value + 1);
              if (outcome.kind === 'value' && outcome.value === 0) i++;
            }
          };
        let running = 2;
        const counted = (hart: GuestHart) =>
          function* (): Steps {
            yield* add(hart)();
            running--;
          };
        vm.run({
          'vcpu/0': counted(all.first),
          'vcpu/1': counted(all.second),
          *host() {
            const random = new Random(seed);
            while (running > 0) {
              yield* pageOut(vm, 5);
              for (let pause = random.below(40); pause > 0; pause--) yield RESCHED;
            }
          },
        });
        vm.run({
          *host() {
            expect(yield* vm.read64(WORD)).toBe(70n);
          },
        });
        vm.finish();
      }
    },
  );
});
