// umbra explore: runs a scenario in every order that a policy can think of, and prints the first that breaks an
// invariant.
//
// The counterexample is stdout; progress and the summary are stderr. With --json the report is the one line on stdout.

import { Command, InvalidArgumentError, Option } from 'commander';
import { DRAWN_SCHEDULES, loadScenario, runSearch, type Variant } from '../exploration.ts';
import type { PolicyName } from '../explore/index.ts';
import { counterexample } from '../explore/index.ts';
import { Interrupt } from '../platform/index.ts';
import { lanesPageOf } from '../report/index.ts';
import { InputError } from '../vmm/index.ts';
import { path, positiveSeconds, wholeBetween } from './flags.ts';
import { EXIT_CODES } from './outcome.ts';
import { StatusLine } from './statusLine.ts';
import { count, plural } from './words.ts';
import { writePage } from './writePage.ts';

interface ExploreFlags {
  readonly policy: PolicyName;
  readonly bound: number;
  readonly hardware: number;
  readonly seed: number;
  readonly schedules?: number;
  readonly seconds?: number;
  readonly shard?: { readonly index: number; readonly count: number };
  readonly full?: true;
  readonly html?: string;
  readonly json?: true;
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
  readonly failure: {
    readonly invariant: string;
    readonly message: string;
    readonly schedule: string;
    readonly steps: number;
    readonly preemptions: number;
    readonly replay: string;
  } | null;
}

/** Policies that go on bound by bound. */
const BOUNDED: ReadonlySet<PolicyName> = new Set(['bounded', 'delay']);
/** Policies whose schedules are no tree that could be dealt out. */
const UNCUT: ReadonlySet<PolicyName> = new Set(['sleep', 'dpor']);
const DRAWN: ReadonlySet<PolicyName> = new Set(['pos', 'pct', 'random']);

const POLICIES = `
Policies:
  bounded  every schedule with at most so many pre-emptions, 0, 1, ... in turn; what is found first has the fewest.
           States that were gone on from are remembered. A pre-emption takes the CPU from a task that could go on; where
           one blocks, yields or ends, whoever comes next is free.
  delay    the same for delays: the CPU goes round in a queue, and to pass somebody over costs one. A quick first pass.
  dfs      every schedule there is; states that were gone on from are remembered.
  sleep    every schedule there is, by sleep sets instead of remembered states, without hardware on its own: an
           independent check of the others, for small scenarios. Not with --shard.
  dpor     every schedule there is, by Source-DPOR with sleep sets: only orders of what does not commute, found by turning
           races round, and no remembered states. Hardware as with dfs. Not with --shard.
  pos      drawn: each access that is due has a random priority, drawn anew when something that it depends on was done.
           Finds most bugs in the fewest schedules.
  pct      drawn: random priorities of tasks, which fall at a few random moments.
  random   drawn: anybody, at every moment.

Hardware acts on its own up to --hardware times in a schedule, between any two steps, at no pre-emption: a vCPU in the
guest fills its TLB unasked (setting A), walks for its next store (setting D), evicts, goes on until its kick arrives;
a CPU fills and evicts; a completion or timer comes early. It is offered only where it can make a difference.

Points at which no switch can matter are passed without a choice: objects that one task alone touches, or all under one
lock. A task that yields twice while nobody else took a step waits until somebody has. A run of 20,000 steps is a
livelock.`;

export function command(exit: (code: number) => void): Command {
  return new Command('explore')
    .argument('<scenario>', 'a scenario by name, or a file that exports one')
    .addOption(
      new Option('--policy <name>', 'how schedules are chosen')
        .choices(['bounded', 'delay', 'dfs', 'sleep', 'dpor', 'pos', 'pct', 'random'])
        .default('bounded'),
    )
    .option(
      '--bound <number>',
      'most pre-emptions (bounded) or delays (delay) of a schedule',
      wholeBetween(0, 8),
      2,
    )
    .option('--hardware <number>', 'most actions of hardware on its own in a schedule', wholeBetween(0, 6), 3)
    .option('--seed <number>', 'first seed (pos, pct, random)', wholeBetween(0, Number.MAX_SAFE_INTEGER), 1)
    .option('--schedules <number>', 'stop after so many', wholeBetween(1, Number.MAX_SAFE_INTEGER))
    .option('--seconds <number>', 'stop after so much time', positiveSeconds)
    .option('--shard <i/n>', 'only part i of n of all schedules', shard)
    .option('--full', 'print every step of a counterexample')
    .option('--json', 'print the report as one line of JSON')
    .option('--html <file>', 'write a page that shows the counterexample', path)
    .addHelpText('after', POLICIES)
    .action(async (scenario: string, flags: ExploreFlags) => exit(await explore(scenario, flags)));
}

function shard(text: string): { index: number; count: number } {
  const match = /^(\d+)\/(\d+)$/.exec(text);
  const [index, parts] = [Number(match?.[1]), Number(match?.[2])];
  if (!(index >= 1 && index <= parts)) throw new InvalidArgumentError('A shard is i/n with i from 1 to n.');
  return { index: index - 1, count: parts };
}

async function explore(name: string, flags: ExploreFlags): Promise<number> {
  if (UNCUT.has(flags.policy) && flags.shard !== undefined)
    throw new InputError(`--shard: the schedules of ${flags.policy} are not cut in parts`);
  const interrupt = new Interrupt();
  const status = new StatusLine(process.stderr);
  try {
    const variant = await loadScenario(name);
    const explorer = new variant.Explorer(variant.scenario);
    const isExhaustive = variant.isExhaustive(flags.policy);
    const limit = isExhaustive ? Number.POSITIVE_INFINITY : DRAWN_SCHEDULES;
    const options = { ...flags, schedules: flags.schedules ?? limit };
    const { search, stopped } = await runSearch(variant, explorer, options, {
      seconds: flags.seconds ?? Number.POSITIVE_INFINITY,
      interrupt,
      progress: ({ state }) =>
        status.update(
          () => `${count(state.schedules)} schedules  ${count(state.states)} states  bound ${state.bound}`,
        ),
    });
    status.clear();
    const { state } = search;
    const failure = state.failure === null ? null : variant.minimise(explorer, state.failure);
    const schedule = failure === null ? '' : variant.formatSchedule(failure.schedule);
    const replay = `umbra replay ${name} '${schedule}'`;
    const complete = state.complete || (!isExhaustive && stopped === null && failure === null);
    const report: ExploreReport = {
      schema: 'umbra.explore/1',
      scenario: name,
      verdict: failure !== null ? 'fail' : complete ? 'pass' : 'incomplete',
      policy: flags.policy,
      bound: BOUNDED.has(flags.policy) ? state.bound : 0,
      schedules: state.schedules,
      states: state.states,
      complete: state.complete,
      failure:
        failure === null
          ? null
          : { ...failure.found!, schedule, steps: failure.steps, preemptions: failure.preemptions, replay },
    };
    if (flags.html !== undefined && failure === null) {
      process.stderr.write(`umbra: no counterexample, so ${flags.html} is not written\n`);
    } else if (flags.html !== undefined && failure !== null) {
      const lanes = variant.traceRun(explorer, failure.schedule);
      writePage(flags.html, lanesPageOf({ ...lanes, scenario: name, replay }));
    }
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else print(report, variant, explorer, flags);
    if (report.verdict === 'fail') return EXIT_CODES.fail;
    if (stopped === 'interrupt') return interrupt.exitCode;
    return report.verdict === 'pass' ? EXIT_CODES.pass : EXIT_CODES.limit;
  } finally {
    status.clear();
    interrupt.dispose();
  }
}

function print(
  report: ExploreReport,
  variant: Variant,
  explorer: InstanceType<Variant['Explorer']>,
  flags: ExploreFlags,
): void {
  if (report.failure !== null) {
    const lanes = variant.traceRun(explorer, variant.parseSchedule(report.failure.schedule));
    process.stdout.write(
      counterexample(lanes, {
        replay: report.failure.replay,
        twin: variant.passingTwin(explorer, lanes),
        how: howFound(report, flags),
        formatSchedule: variant.formatSchedule,
        full: flags.full === true,
      }),
    );
  }
  process.stderr.write(`umbra: ${report.scenario}: ${coverage(report, flags)}\n`);
}

function howFound({ policy, bound }: ExploreReport, { seed }: ExploreFlags): string {
  if (DRAWN.has(policy)) return `${policy} from seed ${seed}`;
  if (!BOUNDED.has(policy)) return `all schedules (${policy})`;
  return `all schedules of at most ${plural(bound, policy === 'delay' ? 'delay' : 'pre-emption')}`;
}

/** What was covered, in words that claim no more than that. */
function coverage(
  { verdict, policy, bound, schedules, states, complete }: ExploreReport,
  { seed, hardware }: ExploreFlags,
): string {
  const ran = `${plural(schedules, 'schedule')}, ${plural(states, 'state')}`;
  if (verdict === 'fail') return `broken, after ${plural(schedules, 'schedule')}`;
  if (DRAWN.has(policy))
    return `nothing found in ${plural(schedules, 'schedule')} (${policy}, seeds from ${seed})`;
  const actions = policy === 'sleep' ? 0 : hardware;
  if (!BOUNDED.has(policy)) {
    const all = `any schedule with at most ${plural(actions, 'action')} of hardware on its own`;
    return complete
      ? `nothing found in ${all} (${ran})`
      : `incomplete: nothing found in part of them (${ran})`;
  }
  const limits = (most: number): string =>
    `${plural(most, policy === 'delay' ? 'delay' : 'pre-emption')} and ${plural(actions, 'action')} of hardware on its own`;
  if (complete) return `nothing found in any schedule of at most ${limits(bound)} (${ran})`;
  const below = bound === 0 ? 'no bound' : `every schedule of at most ${limits(bound - 1)}`;
  return `incomplete: nothing found in ${below} and part of those with ${bound} (${ran})`;
}
