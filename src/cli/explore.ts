// umbra explore: runs a scenario in every order that a policy can think of, and prints the first that breaks an
// invariant.
//
// The counterexample is stdout; progress and the summary are stderr. With --json the report is the one line on stdout.

import { Command, InvalidArgumentError, Option } from 'commander';
import { DRAWN_SCHEDULES, loadScenario, replayCommand, thrownBy, type Variant } from '../exploration.ts';
import {
  DEFAULT_HARDWARE,
  type Explorer,
  isExhaustive,
  MAX_BOUND,
  MAX_HARDWARE,
  POLICIES,
  POLICY_NAMES,
  type PolicyName,
  type RunResult,
  type SearchState,
  type Sharing,
} from '../explore/index.ts';
import { versionOf } from '../loader/index.ts';
import { Interrupt, Interrupted } from '../platform/index.ts';
import { lanesPageOf } from '../report/index.ts';
import { InputError } from '../vmm/index.ts';
import { BreakingOff, looping } from './breakingOff.ts';
import { type ExploreReport, printReport, reportOf } from './exploreReport.ts';
import { path, positiveSeconds, wholeBetween } from './flags.ts';
import { knownPoints } from './merge.ts';
import { EXIT_CODES } from './outcome.ts';
import { searchOn } from './searching.ts';
import { MAX_SHARDS } from './shardFile.ts';
import { StatusLine } from './statusLine.ts';
import { count, wrapped } from './words.ts';
import { writePage } from './writePage.ts';

interface ExploreFlags {
  readonly policy: PolicyName;
  readonly bound: number;
  readonly hardware: number;
  readonly seed: number;
  readonly schedules?: number;
  readonly seconds?: number;
  readonly shard?: { readonly index: number; readonly count: number };
  readonly weak?: true;
  readonly jobs?: number;
  readonly points?: string;
  readonly full?: true;
  readonly html?: string;
  readonly json?: true;
}

const DRAWN = POLICY_NAMES.filter((name) => !isExhaustive(name)).join(', ');

/** What the table says of each policy. */
function policies(): string {
  const width = Math.max(...POLICY_NAMES.map(({ length }) => length)) + 4;
  return POLICY_NAMES.map((name) => {
    const { about, isCut } = POLICIES[name];
    const lines = wrapped(isCut ? about : `${about} Not with --shard or --jobs.`, HELP_WIDTH - width);
    return `  ${name}`.padEnd(width) + lines.join(`\n${' '.repeat(width)}`);
  }).join('\n');
}

const HELP_WIDTH = 120;
const HELP = `
Policies:
${policies()}

Hardware acts on its own up to --hardware times in a schedule, between any two steps, at no pre-emption: a vCPU in the
guest fills its TLB unasked (setting A), walks for its next store (setting D), evicts, goes on until its kick arrives;
a CPU fills and evicts; a completion or timer comes early. It is offered only where it can make a difference.

With --weak, a task's store to a variable that is accessed without a lock (a vCPU's mode and requests) may be seen late,
up to its next barrier, and a load may see the value before; each counts as an action of hardware.

Points at which no switch can matter are passed without a choice: objects that one task alone touches, or all under one
lock. A task that yields twice while nobody else took a step waits until somebody has. A run of 20,000 steps is a
livelock. Every run also looks for data races: unmarked accesses (as KCSAN knows them) of two tasks to one object that no
lock, wake-up, grace period or acknowledged interrupt orders; what breaks an invariant in the same run is told instead.

--jobs comes to the same verdict and the same counterexample whatever their number; where all schedules are searched,
to those of one process (those that are drawn are drawn in blocks, each of which learns for itself which points matter).
Several machines run the shards of a search, each with --json; umbra merge checks them and makes one verdict of theirs.`;

export function command(exit: (code: number) => void): Command {
  return new Command('explore')
    .argument('<scenario>', 'a scenario by name, or a file that exports one')
    .addOption(
      new Option('--policy <name>', 'how schedules are chosen').choices(POLICY_NAMES).default('bounded'),
    )
    .option(
      '--bound <number>',
      'most pre-emptions (bounded) or delays (delay) of a schedule',
      wholeBetween(0, MAX_BOUND),
      2,
    )
    .option(
      '--hardware <number>',
      'most actions of hardware on its own in a schedule',
      wholeBetween(0, MAX_HARDWARE),
      DEFAULT_HARDWARE,
    )
    .option('--weak', 'memory may be weak, where variables are read and written without a lock')
    .option('--seed <number>', `first seed (${DRAWN})`, wholeBetween(0, Number.MAX_SAFE_INTEGER), 1)
    .option('--schedules <number>', 'stop after so many', wholeBetween(1, Number.MAX_SAFE_INTEGER))
    .option('--seconds <number>', 'stop after so much time', positiveSeconds)
    .option('--shard <i/n>', 'only part i of n of all schedules', shard)
    .option('--jobs <number>', 'run on so many processes', wholeBetween(1, 64))
    .option('--points <file>', 'begin with what this report of a shard knows of points that matter', path)
    .option('--full', 'print every step of a counterexample')
    .option('--json', 'print the report as one line of JSON')
    .option('--html <file>', 'write a page that shows the counterexample', path)
    .addHelpText('after', HELP)
    .action(async (scenario: string, flags: ExploreFlags) => exit(await explore(scenario, flags)));
}

function shard(text: string): { index: number; count: number } {
  const match = /^(\d+)\/(\d+)$/.exec(text);
  const [index, parts] = [Number(match?.[1]), Number(match?.[2])];
  if (!(index >= 1 && index <= parts)) throw new InvalidArgumentError('A shard is i/n with i from 1 to n.');
  if (parts > MAX_SHARDS) throw new InvalidArgumentError(`There are at most ${MAX_SHARDS} shards.`);
  return { index: index - 1, count: parts };
}

async function explore(name: string, flags: ExploreFlags): Promise<number> {
  if (!POLICIES[flags.policy].isCut && (flags.shard ?? flags.jobs) !== undefined)
    throw new InputError(
      `--${flags.shard ? 'shard' : 'jobs'}: the schedules of ${flags.policy} are not cut in parts`,
    );
  if (flags.points !== undefined && !isExhaustive(flags.policy))
    throw new InputError(`--points: ${flags.policy} draws schedules, and remembers no points`);
  const interrupt = new Interrupt();
  const status = new StatusLine(process.stderr);
  let breakingOff: BreakingOff | null = null;
  try {
    const variant = await loadScenario(name, [], interrupt);
    breakingOff = new BreakingOff(name, variant, interrupt, true);
    const work = breakingOff;
    const explorer = work.explorer();
    explorer.weak = flags.weak === true;
    if (flags.points !== undefined)
      explorer.steering.sharing.learn(knownPoints(flags.points, name, versionOf(variant)));
    const limit = isExhaustive(flags.policy) ? Number.POSITIVE_INFINITY : DRAWN_SCHEDULES;
    const options = { ...flags, schedules: flags.schedules ?? limit };
    const progress = (state: SearchState): void =>
      status.update(
        () => `${count(state.schedules)} schedules  ${count(state.states)} states  bound ${state.bound}`,
      );
    const seconds = flags.seconds ?? Number.POSITIVE_INFINITY;
    const within = (step: () => void, left: number): void => work.run('in a run', step, left);
    const silent = (): void => void process.stderr.write(looping(name, 'a worker'));
    const limits = { seconds, interrupt, progress, within, silent };
    const { state, sharing, stopped, stood } = await searchOn(
      flags.jobs,
      name,
      variant,
      explorer,
      options,
      limits,
    );
    status.clear();
    if (stood !== '') process.stderr.write(`umbra: ${name}: broken off in a run${stood}\n`);
    const result = state.failure === null ? null : shortest(name, work, variant, explorer, state.failure);
    const schedule = result === null ? '' : variant.formatSchedule(result.schedule);
    const replay = replayCommand(variant, name, schedule);
    const failure = result === null ? null : { result, schedule, replay };
    const whole = reportOf(name, flags.policy, state, stopped === null, failure);
    const report = flags.shard === undefined ? whole : ofShard(whole, flags, versionOf(variant), sharing);
    work.run('while the counterexample was written', () => {
      if (flags.html !== undefined) writeFound(flags.html, report, variant, explorer, result);
      if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else printReport(report, variant, explorer, flags, flags.full === true);
    });
    if (report.verdict === 'fail') return EXIT_CODES.fail;
    if (stopped === 'interrupt') return interrupt.exitCode;
    return report.verdict === 'pass' ? EXIT_CODES.pass : EXIT_CODES.limit;
  } catch (error) {
    throw thrownBy(name, error);
  } finally {
    status.clear();
    breakingOff?.dispose();
    interrupt.dispose();
  }
}

/** The failure with fewer switches. Throws Interrupted, and has said what there was. */
function shortest(
  name: string,
  work: BreakingOff,
  variant: Variant,
  explorer: Explorer,
  failure: RunResult,
): RunResult {
  try {
    return work.run('while the counterexample was made shorter', () => variant.minimise(explorer, failure));
  } catch (error) {
    const { invariant, message } = failure.found!;
    const replay = replayCommand(variant, name, variant.formatSchedule(failure.schedule));
    if (error instanceof Interrupted)
      process.stderr.write(`umbra: ${name}: broken: ${invariant} ${message}; ${replay}\n`);
    throw error;
  }
}

/** The report of a shard: what the merging of all of them needs beside. */
function ofShard(
  report: ExploreReport,
  { shard: { index, count } = { index: 0, count: 1 }, bound, hardware, seed, policy, weak }: ExploreFlags,
  version: string,
  sharing: Sharing,
): ExploreReport {
  const known = isExhaustive(policy) ? sharing.known : [];
  const complete = report.verdict === 'pass';
  const part = {
    index: index + 1,
    count,
    bound,
    hardware,
    weak: weak === true,
    seed,
    complete,
    version,
    known,
  };
  return { ...report, complete: report.complete && count === 1, shard: part };
}

function writeFound(
  file: string,
  report: ExploreReport,
  variant: Variant,
  explorer: Explorer,
  failure: RunResult | null,
): void {
  if (failure === null) {
    process.stderr.write(`umbra: no counterexample, so ${file} is not written\n`);
    return;
  }
  const lanes = variant.traceRun(explorer, failure.schedule);
  writePage(file, lanesPageOf({ ...lanes, scenario: report.scenario, replay: report.failure!.replay }));
}
