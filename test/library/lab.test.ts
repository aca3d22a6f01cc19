// Labs, and the matchers where they must fail: each says what is wrong.

import { describe, expect, expectTypeOf, it } from 'vitest';
import { BrokenInvariant, InputError, Lab, TraceError } from '../../src/index.ts';
import { FILL_AND_VERIFY } from '../support/fillAndVerify.ts';
import '../../src/matchers.ts';

const SPIN = '_start: j _start';

describe('a lab', () => {
  it('runs a guest for exactly so many instructions, and it stands meanwhile', () => {
    const lab = new Lab({ guest: FILL_AND_VERIFY, vcpus: 2 });
    for (const instructions of [1, 7, 1000]) {
      const before = lab.machine.instructions;
      lab.run({ instructions });
      expect(lab.machine.instructions - before).toBe(instructions);
      lab.reclaim(3);
      lab.pageOut();
      expect(lab.machine.instructions - before).toBe(instructions);
    }
    expect(lab.close()).toEqual([]);
    expect(lab.close()).toEqual([]);
  });

  it('ends as it would without anybody looking', () => {
    const watched = new Lab({ guest: FILL_AND_VERIFY, hostRam: '512K' });
    while (watched.run({ instructions: 6007 }) === null) watched.check();
    const alone = new Lab({ guest: FILL_AND_VERIFY, hostRam: '512K' });
    expect(alone.run()).toEqual(watched.stop);
    expect(alone.machine.instructions).toBe(watched.machine.instructions);
  });

  it('has events whose fields are known', () => {
    const lab = new Lab({ guest: SPIN });
    lab.on('try_to_unmap', ({ event, fields }) => {
      expectTypeOf(event).toEqualTypeOf<'try_to_unmap'>();
      expectTypeOf(fields).toEqualTypeOf<{
        readonly mm: number;
        readonly address: number;
        readonly slot: number;
      }>();
    });
    lab.on('sched_switch', ({ fields }) => {
      // @ts-expect-error a comm is no number of the record
      expect(fields.prev_comm).toBeUndefined();
    });
    lab.run({ instructions: 10 });
  });

  it('says in a line what a user can get wrong', () => {
    expect(() => new Lab({ guest: SPIN, ram: '5' as '5K' })).toThrow(
      new InputError("'5' is not whole pages of 4K"),
    );
    expect(() => new Lab({ guest: SPIN, ram: 'x' as '5K' })).toThrow(InputError);
    expect(() => new Lab({ guest: SPIN, hostRam: '4K' })).toThrow(
      new InputError('a host needs 128K at least'),
    );
    expect(() => new Lab({ guest: SPIN, vcpus: 17 })).toThrow(
      new InputError('a VM has 1 to 16 vCPUs, not 17'),
    );
    const lab = new Lab({ guest: SPIN });
    expect(() => lab.read(0x1000, 1)).toThrow(new InputError("0x1000 is not in the guest's RAM"));
    expect(() => lab.trace(['nonsense'], () => {})).toThrow(TraceError);
  });
});

describe('a matcher that fails says why', () => {
  /** A lab that believes in a broken invariant. */
  function brokenLab(invariant: 'I1' | 'leak'): Lab {
    const lab = new Lab({ guest: SPIN });
    lab.run({ instructions: 1 });
    lab.machine.oracle.report(invariant, 'planted');
    return lab;
  }

  it('toHaveNoStaleTranslation, toHaveNoLeak: what is broken', () => {
    expect(() => expect(brokenLab('I1')).toHaveNoStaleTranslation()).toThrow('broken:\n  I1: planted');
    expect(() => expect(brokenLab('leak')).toHaveNoLeak()).toThrow('left behind:\n  leak: planted');
    expect(() => brokenLab('I1').run({ instructions: 1 })).toThrow(BrokenInvariant);
    expect(brokenLab('leak')).toHaveNoStaleTranslation();
  });

  it('toHaveSwappedAllPages: how many were', () => {
    const lab = new Lab({ guest: SPIN });
    lab.run({ instructions: 1 });
    expect(() => expect(lab).toHaveSwappedAllPages()).toThrow('0 of 2 pages of the guest have been in swap');
    lab.pageOut(0x80000000, 4096);
    expect(() => expect(lab).toHaveSwappedAllPages()).toThrow('1 of 2 pages of the guest have been in swap');
  });

  it('toHaveNotifierSequence: which calls there were', () => {
    const lab = new Lab({ guest: SPIN });
    lab.run({ instructions: 1 });
    const records = lab.trace(['mmu_notifier:invalidate_range_*'], () => lab.pageOut(0x80000000, 4096));
    expect(() => expect(records).toHaveNotifierSequence(['invalidate_range_start MMU_NOTIFY_UNMAP'])).toThrow(
      'the calls were:\n  invalidate_range_start MMU_NOTIFY_CLEAR\n  invalidate_range_end MMU_NOTIFY_CLEAR\n',
    );
    expect(records).not.toHaveNotifierSequence(['invalidate_range_start MMU_NOTIFY_CLEAR']);
  });

  it('toHoldInEverySchedule: the counterexample', () => {
    const found = { invariant: 'I1', message: 'stale' } as const;
    const exploration = { found, complete: true, schedules: 3, schedule: '', lanes: null, text: 'FAIL I1\n' };
    expect(() => expect(exploration).toHoldInEverySchedule()).toThrow('FAIL I1');
    const part = { ...exploration, found: null, complete: false };
    expect(() => expect(part).toHoldInEverySchedule()).toThrow('incomplete, after 3 schedules');
  });
});
