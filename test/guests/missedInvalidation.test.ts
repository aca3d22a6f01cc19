// The check can fail: the thrasher, with kvm's callbacks tampered with, is caught by the invariants; and what comes of
// the callbacks that the invariants do not watch.
//
// The tampering replaces functions of the one subscription of the running VM, before its guest runs. A machine that has
// missed an invalidation is beyond repair, so these runs end where they are caught.

import { describe, expect, it } from 'vitest';
import { type Kvm, Request } from '../../src/kvm/internals.ts';
import type { CheckMode, Machine } from '../../src/machine.ts';
import type { MmuNotifierOps } from '../../src/notifier/index.ts';
import { MMUS, problemsOf } from './matrix.ts';
import { loadGuest, type RunOptions, runGuest, startGuest } from './support.ts';

const KIB = 2 ** 10;

const thrasher = loadGuest('thrash', {
  equ: { BUFFER_SIZE: 1024 * KIB, PASSES: 2 },
  header: { ramBytes: 2048 * KIB, hostRamBytes: 384 * KIB, output: '..\n', instructions: null },
});
/** Under Sv39: here shadow paging is not what tdp does for a guest without paging. */
const paged = loadGuest('sort', { equ: { COUNT: 65_536, ROUNDS: 1, PAGING: 1 } });

type Tamper = (ops: MmuNotifierOps, kvm: Kvm) => void;

const tampered = (tamper: Tamper): Pick<RunOptions, 'whenCreated'> => ({
  whenCreated: ({ vmm }) => {
    const kvm = vmm.kvm!;
    tamper(kvm.notifier!.ops, kvm);
  },
});

/** Runs a guest until something is caught, or to its end. */
function runTampered(tamper: Tamper, options: RunOptions, program = thrasher): Machine {
  const { machine, runSlice } = startGuest(program, {
    maxInstructions: 40e6,
    ...options,
    ...tampered(tamper),
  });
  runSlice(() => machine.check.violations.length > 0);
  return machine;
}

const unhook: Tamper = (ops) => {
  delete ops.invalidateRangeStart;
  delete ops.invalidateRangeEnd;
};

/** Faults that come meanwhile are turned away, but what is mapped stays. */
const keepTheBooksOnly: Tamper = (ops, kvm) => {
  ops.invalidateRangeStart = function* () {
    kvm.mnActiveInvalidateCount++;
    kvm.mmuInvalidateInProgress++;
    kvm.mmuInvalidateRangeEnd = Number.POSITIVE_INFINITY;
    return 0;
  };
};

const forgetTheFlush: Tamper = (ops, kvm) => {
  const start = ops.invalidateRangeStart!;
  ops.invalidateRangeStart = function* (subscription, range) {
    const before = kvm.vcpus.map(({ requests }) => requests);
    const answer = yield* start(subscription, range);
    for (const vcpu of kvm.vcpus) {
      const kept = ~Request.tlbFlush | before[vcpu.index]!;
      vcpu.makeRequest(vcpu.takeRequests() & kept);
    }
    return answer;
  };
};

const IN_AN_SPTE =
  /^spte 0x\w+ of gfn 0x\w+ maps frame 0x\w+, (which is free|but the host has no page there|but the host's page is in 0x\w+)$/;
const IN_A_TLB = /^vcpu \d: \w+ TLB entry for 0x\w+ maps frame 0x\w+, which no spte maps any more$/;

/** Stopped by the check, or by the guest itself, if it found its memory damaged between two looks of the oracle. */
const AMONG_ENDS = [undefined, 1];

const WAYS: readonly [string, { readonly check: CheckMode; readonly vcpus: number }][] = [
  ['--check', { check: 'on', vcpus: 1 }],
  ['--check, four harts', { check: 'on', vcpus: 4 }],
  ['--check-tlb', { check: 'tlb', vcpus: 1 }],
];

describe.each(MMUS)('under %s', (mmu) => {
  describe.each(WAYS)('with %s', (_, way) => {
    it('nothing is found when kvm hears of everything', () => {
      expect(problemsOf(thrasher, runGuest(thrasher, { mmu, ...way }))).toEqual([]);
    });

    it.each([
      ['hears of no invalidation', unhook],
      ['hears of them, but zaps nothing', keepTheBooksOnly],
    ])('a kvm that %s is caught by I1', (_name, tamper) => {
      const { check, stop } = runTampered(tamper, { mmu, ...way });
      expect(stop).toBeNull();
      expect(check.violations[0]).toMatchObject({
        invariant: 'I1',
        message: expect.stringMatching(IN_AN_SPTE),
      });
    });
  });

  it.each([
    ['one hart', 1, thrasher],
    ['four harts', 4, thrasher],
    ['a guest under Sv39', 1, paged],
  ])('a kvm that forgets to flush TLBs is caught by I1, %s', (_, vcpus, program) => {
    const { check, stop } = runTampered(forgetTheFlush, { mmu, vcpus }, program);
    expect(AMONG_ENDS).toContain(stop?.code);
    expect(check.violations[0]).toMatchObject({ invariant: 'I1', message: expect.stringMatching(IN_A_TLB) });
  });

  it('a kvm that hears of no invalidation of a guest under Sv39 is caught', () => {
    const run = () => runTampered(unhook, { mmu }, paged);
    // The guest walks its own tables through what is stale, and gets to a frame of the host's before the oracle looks.
    if (mmu === 'tdp') return expect(run).toThrow('a guest is about to reach a frame that is not for guests');
    const { check, stop } = run();
    expect(AMONG_ENDS).toContain(stop?.code);
    expect(check.violations[0]).toMatchObject({
      invariant: 'I1',
      message: expect.stringMatching(IN_AN_SPTE),
    });
  });

  it('with --check-tlb that is caught at the first access that uses such an entry', () => {
    const { check, stop } = runTampered(forgetTheFlush, { mmu, check: 'tlb' });
    expect(stop).toBeNull();
    expect(check.points).toBe(0);
    expect(check.violations[0]).toMatchObject({
      invariant: 'I1',
      message: expect.stringMatching(/^vcpu 0: \w+ hit a stale \w+ TLB entry: .*: a flush is missing$/),
    });
  });

  it('a range_end without its range_start is a bug at once', () => {
    const unhookStart: Tamper = (ops) => delete ops.invalidateRangeStart;
    expect(() => runTampered(unhookStart, { mmu })).toThrow('invalidate_range_end without start');
  });

  // Every fault from the first one on finds a range open. Nothing stale is mapped, no instruction runs that a limit could
  // count, and so nothing else would end this.
  it.each([
    [1, 'off'],
    [1, 'on'],
    [4, 'off'],
  ] as const)(
    'a range_start without its range_end stops the guest for ever, %i harts: I9, checks %s',
    (vcpus, check) => {
      const { machine, runSlice } = startGuest(thrasher, {
        mmu,
        vcpus,
        check,
        ...tampered((ops) => delete ops.invalidateRangeEnd),
      });
      expect(runSlice(() => false)).toBe('broken');
      expect(machine.stop).toBeNull();
      expect(machine.check.violations[0]).toMatchObject({
        invariant: 'I9',
        message: expect.stringMatching(
          /^vcpu \d took 1\d{4} exits at pc 0x8000\w+ and no instruction came of it$/,
        ),
      });
    },
  );

  it.each<[string, Tamper]>([
    [
      'always says no',
      (ops) => {
        ops.clearFlushYoung = function* () {
          return false;
        };
      },
    ],
    ['is missing', (ops) => delete ops.clearFlushYoung],
  ])('a clear_flush_young that %s harms nobody', (_, tamper) => {
    for (const check of ['on', 'tlb'] as const) {
      expect(problemsOf(thrasher, runGuest(thrasher, { mmu, check, ...tampered(tamper) }))).toEqual([]);
    }
  });
});
