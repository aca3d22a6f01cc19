// The report of a shard, read from a file that anybody may have written: everything in it has the type that it must
// have, or it is refused in one line.

import { type KnownObject, MAX_BOUND, MAX_HARDWARE, POLICIES, POLICY_NAMES } from '../explore/index.ts';
import { readInputFile } from '../platform/index.ts';
import { InputError } from '../vmm/index.ts';
import type { ExploreReport, ShardReport } from './exploreReport.ts';

export interface ShardFile {
  readonly file: string;
  readonly report: ExploreReport;
  readonly shard: ShardReport;
}

/** Most shards of a search. */
export const MAX_SHARDS = 2 ** 20;

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && !/[\p{Cc}\p{Cf}]/u.test(value);
const isFlag: Check = (value) => typeof value === 'boolean';
const isOneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value as string);
const isWhole =
  (least: number, most: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
const isCount = isWhole(0, Number.MAX_SAFE_INTEGER);
const isKey = isWhole(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isKnownObject: Check = (value) =>
  Array.isArray(value) &&
  value.length === 5 &&
  isKey(value[0]) &&
  isText(value[1]) &&
  isFlag(value[2]) &&
  isFlag(value[3]) &&
  Array.isArray(value[4]) &&
  value[4].every(isKey);

const REPORT: Readonly<Record<string, Check>> = {
  schema: isOneOf('umbra.explore/1'),
  scenario: isText,
  verdict: isOneOf('pass', 'fail', 'incomplete'),
  policy: isOneOf(...POLICY_NAMES.filter((name) => POLICIES[name].isCut)),
  bound: isWhole(0, MAX_BOUND),
  schedules: isCount,
  states: isCount,
  complete: isFlag,
};
const FAILURE: Readonly<Record<string, Check>> = { invariant: isText, message: isText, schedule: isText };
const SHARD: Readonly<Record<string, Check>> = {
  index: isWhole(1, MAX_SHARDS),
  count: isWhole(1, MAX_SHARDS),
  bound: isWhole(0, MAX_BOUND),
  hardware: isWhole(0, MAX_HARDWARE),
  weak: isFlag,
  seed: isCount,
  complete: isFlag,
  version: isText,
  known: (value) => Array.isArray(value) && (value as readonly KnownObject[]).every(isKnownObject),
};

/** Throws FileError and InputError, one line each. */
export function readShardReport(file: string): ShardFile {
  const report = parsed(file);
  checkFields(file, '', report, REPORT);
  const { failure, shard, verdict } = report;
  if (!isRecord(shard))
    throw new InputError(`${file}: is no report of a shard (umbra explore --shard i/n --json)`);
  checkFields(file, 'shard.', shard, SHARD);
  if ((shard.index as number) > (shard.count as number))
    throw new InputError(`${file}: shard.index is above shard.count`);
  if (isRecord(failure)) checkFields(file, 'failure.', failure, FAILURE);
  if (isRecord(failure) !== (verdict === 'fail') || (shard.complete === true) !== (verdict === 'pass'))
    throw new InputError(`${file}: its verdict is not that of what it says`);
  return { file, report: report as unknown as ExploreReport, shard: shard as unknown as ShardReport };
}

function parsed(file: string): Record<string, unknown> {
  const text = new TextDecoder().decode(readInputFile(file));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`${file}: is not one line of JSON, as umbra explore --json prints it`);
  }
  if (isRecord(value)) return value;
  throw new InputError(`${file}: is no report of umbra explore`);
}

function checkFields(
  file: string,
  prefix: string,
  value: Record<string, unknown>,
  checks: Readonly<Record<string, Check>>,
): void {
  for (const [name, check] of Object.entries(checks)) {
    if (!Object.hasOwn(value, name) || !check(value[name]))
      throw new InputError(`${file}: ${prefix}${name} is missing, or not what umbra explore --json prints`);
  }
}
