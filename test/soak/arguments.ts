// The arguments of the soak command: NAME [--count N] [--seed S]. What is wrong with them is a UsageError of one line.

import { parseArgs } from 'node:util';
import { SOAKS } from './names.ts';

const USAGE = 'usage: npm run soak -- NAME [--count N] [--seed S]';
const DEFAULT_COUNT = 1000;
const DEFAULT_SEED = 1;
const SEED_LIMIT = 2 ** 32;

export class UsageError extends Error {}

export interface Arguments {
  readonly name: string;
  readonly count: number;
  readonly seed: number;
}

/** Throws UsageError. */
export function readArguments(args: string[]): Arguments {
  const { values, positionals } = parseOptions(args);
  const [name, ...others] = positionals;
  if (name === undefined) throw new UsageError(`${USAGE}; NAME is one of ${Object.keys(SOAKS).join(', ')}`);
  if (!Object.hasOwn(SOAKS, name)) {
    throw new UsageError(`no soak is called '${name}': NAME is one of ${Object.keys(SOAKS).join(', ')}`);
  }
  if (others.length > 0) throw new UsageError(`one NAME at a time, not also '${others.join(' ')}'`);
  const count = readNumber('--count', values.count, DEFAULT_COUNT, 1, Number.MAX_SAFE_INTEGER);
  const seed = readNumber('--seed', values.seed, DEFAULT_SEED, 0, SEED_LIMIT - 1);
  return { name, count, seed };
}

function parseOptions(args: string[]) {
  try {
    const options = { count: { type: 'string' }, seed: { type: 'string' } } as const;
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message.split('\n')[0]!);
  }
}

function readNumber(flag: string, text: string | undefined, unset: number, min: number, max: number): number {
  if (text === undefined) return unset;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`${flag} takes a whole number from ${min} to ${max}, not '${text}'`);
}
