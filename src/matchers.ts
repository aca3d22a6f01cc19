// Matchers for vitest: `import 'umbra/vitest'` teaches expect() what a lab, its events and an exploration must be like.
//
// Each message says what was found, with the numbers or the counterexample that a reader needs.

import { expect } from 'vitest';
import type { Exploration } from './exploration.ts';
import type { Lab } from './lab.ts';
import { NOTIFIER_EVENTS, type TraceRecord } from './trace/index.ts';

interface Result {
  readonly pass: boolean;
  readonly message: () => string;
}

/** How a call of the notifier is written in a sequence. */
export function notifierCall({ event, fields }: TraceRecord): string {
  return fields.notify === undefined ? event : `${event} ${NOTIFIER_EVENTS[fields.notify]}`;
}

const lines = (items: readonly string[]): string => items.map((item) => `\n  ${item}`).join('');

const broken = (lab: Lab, which: (invariant: string) => boolean): string[] =>
  lab.machine.check.violations
    .filter(({ invariant }) => which(invariant))
    .map(({ invariant, message }) => `${invariant}: ${message}`);

const matchers = {
  /**
   * Of a lab: no translation, in no table and in no TLB, is one that the host has taken back.
   *
   * ```ts
   * const lab = new Lab({ guest: FILL_AND_VERIFY });
   * lab.run({ instructions: 5000 });
   * lab.pageOut();
   * expect(lab).toHaveNoStaleTranslation();
   * ```
   */
  toHaveNoStaleTranslation(lab: Lab): Result {
    lab.check();
    const found = broken(lab, (invariant) => invariant !== 'leak');
    return {
      pass: found.length === 0,
      message: () =>
        found.length === 0 ? 'every translation is as the host has it' : `broken:${lines(found)}`,
    };
  },

  /**
   * Of a lab: each page of guest memory has been in swap, at some time.
   *
   * ```ts
   * const lab = new Lab({ guest: FILL_AND_VERIFY });
   * lab.run({ instructions: 5000 });
   * lab.pageOut();
   * expect(lab).toHaveSwappedAllPages();
   * ```
   */
  toHaveSwappedAllPages(lab: Lab): Result {
    const { resident, swapped, everSwapped } = lab.pages();
    const pages = resident + swapped;
    return {
      pass: pages > 0 && everSwapped === pages,
      message: () => `${everSwapped} of ${pages} pages of the guest have been in swap`,
    };
  },

  /**
   * Of records (Lab.trace): the calls of the notifier are these, in this order; a range with its event.
   *
   * ```ts
   * const lab = new Lab({ guest: `_start: j _start` });
   * lab.run({ instructions: 1 });
   * const records = lab.trace(['mmu_notifier:invalidate_range_*'], () => lab.pageOut(0x80000000, 4096));
   * expect(records).toHaveNotifierSequence([
   *   'invalidate_range_start MMU_NOTIFY_CLEAR',
   *   'invalidate_range_end MMU_NOTIFY_CLEAR',
   * ]);
   * ```
   */
  toHaveNotifierSequence(records: readonly TraceRecord[], expected: readonly string[]): Result {
    const calls = records.map(notifierCall);
    return {
      pass: calls.length === expected.length && calls.every((call, i) => call === expected[i]),
      message: () => `the calls were:${lines(calls)}\nand shall be compared with:${lines(expected)}`,
    };
  },

  /**
   * Of a lab, which it closes: no frame, swap slot, reference or address space is left behind.
   *
   * ```ts
   * const lab = new Lab({ guest: FILL_AND_VERIFY, hostRam: '512K' });
   * lab.run();
   * expect(lab).toHaveNoLeak();
   * ```
   */
  toHaveNoLeak(lab: Lab): Result {
    lab.close();
    const found = broken(lab, (invariant) => invariant === 'leak');
    return {
      pass: found.length === 0,
      message: () => (found.length === 0 ? 'nothing is left' : `left behind:${lines(found)}`),
    };
  },

  /**
   * Of an exploration: it is complete, and no schedule broke an invariant.
   *
   * ```ts
   * expect(await explore('pageout', { policy: 'pos', schedules: 20 })).toHoldInEverySchedule();
   * ```
   */
  toHoldInEverySchedule({ found, complete, schedules, text }: Exploration): Result {
    return {
      pass: found === null && complete,
      message: () => {
        if (found !== null) return text;
        return complete ? `held in ${schedules} schedules` : `incomplete, after ${schedules} schedules`;
      },
    };
  },
};

expect.extend(matchers);

interface LabMatchers<R> {
  /** Of a lab: no translation, in no table and in no TLB, is one that the host has taken back. */
  toHaveNoStaleTranslation(): R;
  /** Of a lab: each page of guest memory has been in swap, at some time. */
  toHaveSwappedAllPages(): R;
  /** Of records (Lab.trace): the calls of the notifier are these, in this order; a range with its event. */
  toHaveNotifierSequence(expected: readonly string[]): R;
  /** Of a lab, which it closes: no frame, swap slot, reference or address space is left behind. */
  toHaveNoLeak(): R;
  /** Of an exploration: it is complete, and no schedule broke an invariant. */
  toHoldInEverySchedule(): R;
}

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: vitest's own parameter, to which this is added.
  interface Matchers<T = any> extends LabMatchers<T> {}
}
