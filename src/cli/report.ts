// The report of a run: what `--json` prints, and what the summaries are made of.
//
// session.ts fills one; everything in it but `seconds` and `mips` is a function of program, settings and seed.

import type { Machine, MachineStatistics, Violation } from '../machine.ts';
import { EXIT_CODES, type Outcome } from './outcome.ts';
import { DEFAULT_SETTINGS, type RunSettings } from './settings.ts';

export interface RunReport extends MachineStatistics {
  readonly schema: 'umbra.run/1';
  readonly outcome: Outcome;
  readonly exitCode: number;
  readonly message: string | null;
  readonly seed: number;
  readonly mmu: 'shadow' | 'tdp';
  readonly ad: 'hardware' | 'svade' | 'svadu';
  readonly guest: {
    readonly via: 'htif' | 'finisher' | null;
    readonly code: number;
    readonly crash: string | null;
    readonly reason: string | null;
  };
  readonly instructions: number;
  readonly seconds: number;
  readonly mips: number;
  readonly check: {
    readonly mode: 'off' | 'on' | 'tlb';
    readonly points: number;
    readonly violations: readonly Violation[];
  };
  /** Null when the run had no end that could be digested, or nobody wanted it. */
  readonly digest: string | null;
}

/** How a run ended. */
export interface Ending {
  readonly outcome: Outcome;
  readonly exitCode: number;
  readonly message: string | null;
}

export const endingOf = (outcome: Outcome, message: string | null): Ending => ({
  outcome,
  exitCode: EXIT_CODES[outcome],
  message,
});

/** The report of a run that never began: a mistake in the command line or in a file. */
export function reportWithoutRun(ending: Ending, settings: RunSettings = DEFAULT_SETTINGS): RunReport {
  return {
    ...heading(ending, settings),
    guest: { via: null, code: 0, crash: null, reason: null },
    instructions: 0,
    seconds: 0,
    mips: 0,
    ram: { guestBytes: settings.ramBytes, hostBytes: settings.hostRamBytes, hostPeakBytes: 0 },
    swap: { backend: settings.swap.backend, bytes: 0, peakBytes: 0 },
    coverage: { pages: 0, neverSwapped: 0 },
    exits: {},
    kvm: {},
    vm: {},
    notifier: {},
    check: { mode: settings.check, points: 0, violations: [] },
    digest: null,
  };
}

export function reportOf(
  machine: Machine,
  settings: RunSettings,
  ending: Ending,
  seconds: number,
  digest: string | null,
): RunReport {
  const { points, violations } = machine.check;
  const { via = null, code = 0, crash = null, reason = null } = machine.stop ?? {};
  return {
    ...heading(ending, settings),
    guest: { via, code, crash, reason },
    instructions: machine.instructions,
    seconds,
    mips: seconds > 0 ? machine.instructions / seconds / 1e6 : 0,
    ...machine.statistics(),
    check: { mode: settings.check, points, violations },
    digest,
  };
}

const heading = (ending: Ending, { seed, mmu, ad }: RunSettings) =>
  ({ schema: 'umbra.run/1', ...ending, seed, mmu, ad }) as const;
