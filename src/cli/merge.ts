// umbra merge: one verdict of the reports of all shards of a search.
//
// Nothing is believed that can be checked: the reports are of one search and one version, which is the one here; no shard
// is there twice; what each learned of the points that matter adds up to no more than what each knew; and each failure
// happens again when it is replayed. What is missing makes the verdict incomplete; what contradicts is an error.

import { Command } from 'commander';
import { loadScenario, replayCommand, scenarioNames, type Variant } from '../exploration.ts';
import { type Explorer, isExhaustive, type KnownObject, Sharing } from '../explore/index.ts';
import { versionOf } from '../loader/index.ts';
import { InputError } from '../vmm/index.ts';
import { type ExploreReport, printReport, type ReportedFailure, type ShardReport } from './exploreReport.ts';
import { path } from './flags.ts';
import { EXIT_CODES } from './outcome.ts';
import { readShardReport, type ShardFile } from './shardFile.ts';
import { plural } from './words.ts';

interface MergeFlags {
  readonly scenario?: string;
  readonly full?: true;
  readonly json?: true;
}

export function command(exit: (code: number) => void): Command {
  return new Command('merge')
    .argument('<file...>', 'what umbra explore --shard i/n --json printed, a file for each shard')
    .option(
      '--scenario <file>',
      'the scenario, where it is a file: a report does not say what is run here',
      path,
    )
    .option('--full', 'print every step of a counterexample')
    .option('--json', 'print the report as one line of JSON')
    .action(async (files: readonly string[], flags: MergeFlags) => exit(await merge(files, flags)));
}

async function merge(files: readonly string[], flags: MergeFlags): Promise<number> {
  const shards = files.map(readShardReport);
  checkOneSearch(shards);
  const scenario = scenarioOf(shards[0]!, flags);
  const variant = await loadScenario(scenario);
  if (versionOf(variant) !== shards[0]!.shard.version)
    throw new InputError(`${shards[0]!.file}: is of another version of Umbra or of ${scenario}`);
  const explorer = new variant.Explorer(variant.scenario);
  const failures = distinct(shards.flatMap((shard) => verified(variant, explorer, shard)));
  const gaps = gapsOf(shards);
  const report = merged(shards, failures, gaps.length === 0);
  if (flags.json) process.stdout.write(`${JSON.stringify({ ...report, failures })}\n`);
  else {
    const { index, count, ...asked } = report.shard!;
    printReport(report, variant, explorer, asked, flags.full === true);
    for (const { invariant, message, replay } of failures.slice(1))
      process.stdout.write(`\nalso ${invariant}  ${message}\nrun  ${replay}\n`);
  }
  for (const gap of gaps) process.stderr.write(`umbra: ${scenario}: ${gap}\n`);
  if (report.verdict === 'fail') return EXIT_CODES.fail;
  return report.verdict === 'pass' ? EXIT_CODES.pass : EXIT_CODES.limit;
}

/** What is loaded, and so run: a standing scenario that the report names, or what the user names. */
function scenarioOf({ file, report }: ShardFile, flags: MergeFlags): string {
  if (flags.scenario !== undefined) return flags.scenario;
  if (scenarioNames().includes(report.scenario)) return report.scenario;
  throw new InputError(`${file}: is of a file, ${report.scenario}: name it with --scenario`);
}

/** What must be the same in all reports, and is another in each. */
function checkOneSearch(shards: readonly ShardFile[]): void {
  const [first, ...others] = shards as [ShardFile, ...ShardFile[]];
  const factsOf = ({ report, shard }: ShardFile): Record<string, string | number | boolean> => {
    const { bound, hardware, weak, seed, count, version } = shard;
    return {
      scenario: report.scenario,
      policy: report.policy,
      bound,
      hardware,
      weak,
      seed,
      shards: count,
      version,
    };
  };
  const facts = factsOf(first);
  for (const other of others) {
    for (const [name, value] of Object.entries(factsOf(other))) {
      if (value === facts[name]) continue;
      throw new InputError(`${other.file}: ${name} is ${value}, and ${facts[name]} in ${first.file}`);
    }
  }
  const files = new Map<number, string>();
  for (const { file, shard } of shards) {
    const known = files.get(shard.index);
    if (known !== undefined)
      throw new InputError(`${known} and ${file} are both shard ${shard.index}/${shard.count}`);
    files.set(shard.index, file);
  }
}

/** The failure of the shard as it happens here. Throws InputError where it does not. */
function verified(variant: Variant, explorer: Explorer, { file, report }: ShardFile): ReportedFailure[] {
  if (report.failure === null) return [];
  const { schedule, invariant } = report.failure;
  const { found, missed, steps, preemptions } = explorer.replay(variant.parseSchedule(schedule));
  if (missed > 0 || found?.invariant !== invariant)
    throw new InputError(`${file}: its failure does not happen when it is replayed`);
  const replay = replayCommand(variant, report.scenario, schedule);
  return [{ ...found, schedule, steps, preemptions, replay }];
}

/** One of each kind, the shortest; the shortest of all first. */
function distinct(failures: readonly ReportedFailure[]): ReportedFailure[] {
  const kinds = new Map<string, ReportedFailure>();
  for (const failure of [...failures].sort(byLength)) {
    const kind = `${failure.invariant} ${failure.message}`;
    if (!kinds.has(kind)) kinds.set(kind, failure);
  }
  return [...kinds.values()];
}

function byLength(a: ReportedFailure, b: ReportedFailure): number {
  if (a.preemptions !== b.preemptions) return a.preemptions - b.preemptions;
  if (a.steps !== b.steps) return a.steps - b.steps;
  return a.schedule < b.schedule ? -1 : 1;
}

/** Why the shards together are not all schedules, a line each. */
function gapsOf(shards: readonly ShardFile[]): string[] {
  const { count } = shards[0]!.shard;
  const gaps: string[] = [];
  const missing = missingOf(shards);
  if (missing.length > 0)
    gaps.push(`${plural(missing.length, 'shard')} of ${count} missing: ${listed(missing)}`);
  const unfinished = shards.filter(({ shard, report }) => !shard.complete && report.failure === null);
  if (unfinished.length > 0)
    gaps.push(`not run to the end: ${unfinished.map(({ file }) => file).join(', ')}`);
  if (!knowAll(shards))
    gaps.push(
      'a shard did not know of all points that matter: run the shards with --points and this report (--json)',
    );
  return gaps;
}

function missingOf(shards: readonly ShardFile[]): number[] {
  const there = new Set(shards.map(({ shard }) => shard.index));
  const { count } = shards[0]!.shard;
  return Array.from({ length: count }, (_, index) => index + 1).filter((index) => !there.has(index));
}

const knowAll = (shards: readonly ShardFile[]): boolean =>
  shards.every(
    ({ shard, report }) => report.failure !== null || mattering([shard]) === mattering(all(shards)),
  );

const all = (shards: readonly ShardFile[]): ShardReport[] => shards.map(({ shard }) => shard);

const LISTED = 10;
const listed = (numbers: readonly number[]): string =>
  `${numbers.slice(0, LISTED).join(', ')}${numbers.length > LISTED ? ', ...' : ''}`;

function sharingOf(shards: readonly ShardReport[]): Sharing {
  const sharing = new Sharing();
  for (const { known } of shards) sharing.learn(known);
  return sharing;
}

const mattering = (shards: readonly ShardReport[]): number => sharingOf(shards).version;

function merged(
  shards: readonly ShardFile[],
  failures: readonly ReportedFailure[],
  isComplete: boolean,
): ExploreReport {
  const { report, shard } = shards[0]!;
  const sum = (key: 'schedules' | 'states'): number =>
    shards.reduce((total, { report: each }) => total + each[key], 0);
  const areLevelsWhole = missingOf(shards).length === 0 && knowAll(shards);
  const isPass = failures.length === 0 && isComplete;
  return {
    schema: 'umbra.explore/1',
    scenario: report.scenario,
    verdict: failures.length > 0 ? 'fail' : isComplete ? 'pass' : 'incomplete',
    policy: report.policy,
    // With a part missing, or of smaller trees, nothing is whole at any bound.
    bound: areLevelsWhole ? Math.min(...shards.map(({ report: each }) => each.bound)) : 0,
    schedules: sum('schedules'),
    states: sum('states'),
    complete: isPass && isExhaustive(report.policy),
    failure: failures[0] ?? null,
    shard: { ...shard, index: 1, count: 1, complete: isPass, known: sharingOf(all(shards)).known },
  };
}

/** What the report of a shard, or of the merging of some, knows of the points that matter. Throws InputError. */
export function knownPoints(file: string, scenario: string, version: string): readonly KnownObject[] {
  const { report, shard } = readShardReport(file);
  if (report.scenario !== scenario)
    throw new InputError(`${file}: is of ${report.scenario}, not of ${scenario}`);
  if (shard.version !== version)
    throw new InputError(`${file}: is of another version of Umbra or of ${scenario}`);
  return shard.known;
}
