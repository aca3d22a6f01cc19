// Every soak at a small count, what one run of `streams` comes across, the loop that plays them, and the command.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readArguments, UsageError } from './arguments.ts';
import { SOAKS } from './names.ts';
import { type Failure, playAll, type Soak } from './soak.ts';

/** Failures of a run, by what they say. */
function failuresOf(soak: Soak, count: number, seed = 1): string[] {
  const found: string[] = [];
  playAll(soak, { count, seed, onFailure: ({ seed: at, error }) => found.push(`seed ${at}: ${error}`) });
  return found;
}

describe('at a small count', () => {
  it.each([
    ['words', 6000],
    ['contents', 3],
    ['processes', 2],
    ['files', 2],
    ['equivalence', 3],
    ['host', 5000],
  ])('%s finds nothing', async (name, count) => {
    expect(failuresOf(await SOAKS[name]!(), count)).toEqual([]);
  });

  it('streams finds nothing, and comes across everything', async () => {
    const soak = await SOAKS.streams!();
    expect(failuresOf(soak, 60)).toEqual([]);
    const coverage = new Map(
      soak.coverage!()
        .split(' ')
        .map((each) => each.split('=') as [string, string]),
    );
    const seen = (name: string): number => Number(coverage.get(name) ?? 0);
    const exits = ['budget', 'mmuFault', 'satp', 'timer'].map((name) => `exit:${name}`);
    const counters = ['mmio_exits', 'pf_guest', 'pf_emulate', 'pswpin', 'pswpout', 'tlb_flush', 'traps'];
    const work = ['slices', 'accessedDirty', 'translated'];
    expect([...exits, ...counters, ...work].filter((name) => !(seen(name) > 0))).toEqual([]);
  });
});

describe('the loop', () => {
  const failing = (caseSize: number, fails: (seed: number) => boolean): Soak => ({
    caseSize,
    play: (seed) => {
      if (fails(seed)) throw new Error(`${seed}`);
    },
  });

  it('counts failures and says what plays each again', () => {
    const found: Failure[] = [];
    const soak = failing(10, (seed) => seed % 2 === 0);
    const failures = playAll(soak, { count: 35, seed: 7, onFailure: (failure) => found.push(failure) });
    expect(failures).toBe(2);
    expect(found.map(({ seed, size }) => [seed, size])).toEqual([
      [8, 10],
      [10, 5],
    ]);
    const again = found.map(({ seed, size }) => failuresOf(soak, size, seed));
    expect(again).toEqual([['seed 8: Error: 8'], ['seed 10: Error: 10']]);
  });

  it('goes round at the last seed', () => {
    const soak = failing(1, (seed) => seed === 0);
    expect(failuresOf(soak, 2, 2 ** 32 - 1)).toEqual(['seed 0: Error: 0']);
  });

  it('takes memory that grows for a failure', () => {
    const kept: Uint8Array[] = [];
    const hoard = (bytes: number): Soak => ({
      caseSize: 1,
      play: () => {
        kept.push(new Uint8Array(bytes));
      },
    });
    expect(failuresOf(hoard(1000), 40)).toEqual([]);
    expect(failuresOf(hoard(3_000_000), 40)).toEqual([
      expect.stringMatching(/^seed 1: Error: memory grew by \d+ bytes$/),
    ]);
  });
});

describe('the command', () => {
  const soak = (...args: string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'run.ts'), ...args], {
      encoding: 'utf8',
      timeout: 60_000,
    });

  it('prints one line of JSON', () => {
    const { status, stdout, stderr } = soak('words', '--count', '300', '--seed', '5');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^\{"name":"words","count":300,"failures":0,"seed":5,"seconds":[\d.]+\}\n$/);
  });

  it('takes what it does not know for a usage error of one line', () => {
    const { status, stdout, stderr } = soak('wrods');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^soak: no soak is called 'wrods': NAME is one of [a-z0-9, ]+\n$/);
  });

  it('reads its arguments', () => {
    expect(readArguments(['words'])).toEqual({ name: 'words', count: 1000, seed: 1 });
    expect(readArguments(['--seed=9', 'words', '--count', '7'])).toEqual({
      name: 'words',
      count: 7,
      seed: 9,
    });
  });

  it.each([
    [
      [],
      `usage: npm run soak -- NAME [--count N] [--seed S]; NAME is one of ${Object.keys(SOAKS).join(', ')}`,
    ],
    [['toString'], /^no soak is called 'toString'/],
    [['words', 'streams'], "one NAME at a time, not also 'streams'"],
    [['words', '--count'], "Option '--count <value>' argument missing"],
    [['words', '--count', '--seed', '1'], "Option '--count' argument is ambiguous."],
    [['words', '--depth', '3'], /^Unknown option '--depth'/],
    [['words', '--count', '0'], /^--count takes a whole number from 1 to \d+, not '0'$/],
    [['words', '--count', '1e3'], /^--count takes a whole number from 1 to \d+, not '1e3'$/],
    [
      ['words', '--seed', '4294967296'],
      /^--seed takes a whole number from 0 to 4294967295, not '4294967296'$/,
    ],
  ])('takes %j for a usage error', (args, message) => {
    expect(() => readArguments(args)).toThrow(UsageError);
    expect(() => readArguments(args)).toThrow(message);
  });
});
