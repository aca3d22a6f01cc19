// What came of an exploration: the report of `umbra explore` and `umbra merge`, as data and in words that claim no more
// than what was run.
//
// A report with a `shard` is of one part of several, and says what merge.ts must know to put them together again.

import type { Variant } from '../exploration.ts';
import type {
  Explorer,
  KnownObject,
  PolicyName,
  RunResult,
  SearchOptions,
  SearchState,
} from '../explore/index.ts';
import { counterexample, isExhaustive, POLICIES } from '../explore/index.ts';
import { plural } from './words.ts';

export interface ReportedFailure {
  readonly invariant: string;
  readonly message: string;
  readonly schedule: string;
  readonly steps: number;
  readonly preemptions: number;
  readonly replay: string;
}

export interface ShardReport {
  /** From 1. */
  readonly index: number;
  readonly count: number;
  /** What was asked for. */
  readonly bound: number;
  readonly hardware: number;
  readonly weak: boolean;
  readonly seed: number;
  /** Everything of this part was run, and nothing found. */
  readonly complete: boolean;
  /** Hash of all that was explored. */
  readonly version: string;
  /** What was learned of the points that matter; empty where schedules are drawn. */
  readonly known: readonly KnownObject[];
}

export interface ExploreReport {
  readonly schema: 'umbra.explore/1';
  readonly scenario: string;
  readonly verdict: 'pass' | 'fail' | 'incomplete';
  readonly policy: PolicyName;
  readonly bound: number;
  readonly schedules: number;
  readonly states: number;
  readonly complete: boolean;
  readonly failure: ReportedFailure | null;
  readonly shard?: ShardReport;
}

/** What the words need of what was asked for. */
export type Asked = Pick<SearchOptions, 'seed' | 'shard'> & {
  readonly hardware: number;
  readonly weak?: boolean;
};

/** The failure that was found, as short as it could be made, and the command for it. */
interface Minimised {
  readonly result: RunResult;
  readonly schedule: string;
  readonly replay: string;
}

/** `isDone`: the search came to its own end. */
export function reportOf(
  scenario: string,
  policy: PolicyName,
  state: SearchState,
  isDone: boolean,
  failure: Minimised | null,
): ExploreReport {
  const isComplete = state.complete || (!isExhaustive(policy) && isDone && failure === null);
  return {
    schema: 'umbra.explore/1',
    scenario,
    verdict: failure !== null ? 'fail' : isComplete ? 'pass' : 'incomplete',
    policy,
    bound: state.bound,
    schedules: state.schedules,
    states: state.states,
    complete: state.complete,
    failure: failure === null ? null : reportedFailure(failure),
  };
}

function reportedFailure({ result, schedule, replay }: Minimised): ReportedFailure {
  const { found, steps, preemptions } = result;
  return { ...found!, schedule, steps, preemptions, replay };
}

function howFound({ policy, bound }: ExploreReport, { seed }: Asked): string {
  const { unit } = POLICIES[policy];
  if (!isExhaustive(policy)) return `${policy} from seed ${seed}`;
  return unit === null ? `all schedules (${policy})` : `all schedules of at most ${plural(bound, unit)}`;
}

/** What was covered. */
function coverage(report: ExploreReport, { seed, hardware, weak, shard }: Asked): string {
  const { verdict, policy, bound, schedules, states } = report;
  const ran = `${plural(schedules, 'schedule')}, ${plural(states, 'state')}`;
  const { unit, hasHardware } = POLICIES[policy];
  const part = shard === undefined ? '' : `part ${shard.index + 1} of ${shard.count} of `;
  if (verdict === 'fail') return `broken, after ${plural(schedules, 'schedule')}`;
  if (!isExhaustive(policy))
    return `nothing found in ${plural(schedules, 'schedule')} (${policy}, ${part}seeds from ${seed})`;
  const actions = hasHardware ? hardware : 0;
  const by = weak === true ? 'hardware (weak memory included)' : 'hardware';
  if (unit === null) {
    const all = `any schedule with at most ${plural(actions, 'action')} of ${by} on its own`;
    return verdict === 'pass'
      ? `nothing found in ${part}${all} (${ran})`
      : `incomplete: nothing found in ${part}part of them (${ran})`;
  }
  const limits = (most: number): string =>
    `${plural(most, unit)} and ${plural(actions, 'action')} of ${by} on its own`;
  if (verdict === 'pass')
    return `nothing found in ${part}${part === '' ? 'any schedule' : 'all schedules'} of at most ${limits(bound)} (${ran})`;
  if (bound === 0) return `incomplete: nothing found in only part of those with 0 (${ran})`;
  const below = `${part}every schedule of at most ${limits(bound - 1)}`;
  return `incomplete: nothing found in ${below} and part of those with ${bound} (${ran})`;
}

/** The counterexample, if there is one, is stdout; what was covered is stderr. */
export function printReport(
  report: ExploreReport,
  variant: Variant,
  explorer: Explorer,
  asked: Asked,
  full: boolean,
): void {
  if (report.failure !== null) {
    const lanes = variant.traceRun(explorer, variant.parseSchedule(report.failure.schedule));
    process.stdout.write(
      counterexample(lanes, {
        replay: report.failure.replay,
        twin: variant.passingTwin(explorer, lanes),
        how: howFound(report, asked),
        formatSchedule: variant.formatSchedule,
        full,
      }),
    );
  }
  process.stderr.write(`umbra: ${report.scenario}: ${coverage(report, asked)}\n`);
}
