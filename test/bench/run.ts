// npm run bench -- [NAME...] [--repeats N] [--json]: guest programs on Umbra and on whatever peers are installed.
//
// A table for people, or one line of JSON. Ratios are the peer's time through Umbra's, measured side by side in one run:
// above 1, Umbra is faster. Nothing here decides a test.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Engine, PEERS, UMBRA } from './engines.ts';
import { geometricMean, measure, type ProgramResult } from './measure.ts';
import { PROGRAMS, type Program } from './programs.ts';

interface Summary {
  readonly engine: string;
  readonly peer: string;
  readonly kind: Program['kind'];
  /** Geometric mean of the peer's time through the engine's. */
  readonly ratio: number;
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { repeats: { type: 'string', default: '3' }, json: { type: 'boolean', default: false } },
  });
  const programs = chosen(positionals);
  const repeats = Number(values.repeats);
  if (!Number.isInteger(repeats) || repeats < 1)
    throw new UsageError('--repeats must be a whole number above 0');
  const peers = PEERS.filter((peer) => peer.version() !== null);
  const say = values.json ? () => {} : (text: string) => process.stdout.write(`${text}\n`);
  for (const engine of [...UMBRA, ...PEERS]) say(`${engine.name}: ${engine.version() ?? 'not installed'}`);
  const results = runAll(programs, [...UMBRA, ...peers], repeats, say);
  const summaries = summarise(results, peers);
  if (values.json)
    process.stdout.write(`${JSON.stringify({ schema: 'umbra.bench/1', results, summaries })}\n`);
  for (const { engine, peer, kind, ratio } of summaries) {
    say(`${engine} is ${ratio.toFixed(2)} times as fast as ${peer}, ${kind} programs (geometric mean)`);
  }
}

class UsageError extends Error {}

function chosen(names: readonly string[]): readonly Program[] {
  if (names.length === 0) return PROGRAMS;
  return names.map((name) => {
    const program = PROGRAMS.find((each) => each.name === name);
    if (program !== undefined) return program;
    throw new UsageError(`no program ${name}; there are ${PROGRAMS.map((each) => each.name).join(', ')}`);
  });
}

function runAll(
  programs: readonly Program[],
  engines: readonly Engine[],
  repeats: number,
  say: (text: string) => void,
): ProgramResult[] {
  const folder = mkdtempSync(join(tmpdir(), 'umbra-bench-'));
  try {
    say(`\n${row('program', 'G insns', 'engine', 'seconds', 'of it start', 'steady MIPS', 'peer/engine')}`);
    return programs.map((program) => {
      const result = measure(program, engines, repeats, folder);
      for (const line of rowsOf(result)) say(line);
      return result;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const row = (...cells: string[]): string =>
  cells.map((cell, i) => (i === 0 || i === 2 ? cell.padEnd(i === 0 ? 14 : 20) : cell.padStart(11))).join(' ');

const isPeer = (engine: string): boolean => PEERS.some(({ name }) => name === engine);

function rowsOf({ program, instructions, measurements }: ProgramResult): string[] {
  const peer = measurements.find(({ engine }) => isPeer(engine));
  return measurements.map((m, i) =>
    row(
      i === 0 ? program : '',
      i === 0 ? (instructions / 1e9).toFixed(2) : '',
      m.engine,
      m.seconds.toFixed(2),
      m.startSeconds.toFixed(2),
      m.steadyMips.toFixed(0),
      peer === undefined || isPeer(m.engine) ? '' : (peer.seconds / m.seconds).toFixed(2),
    ),
  );
}

function summarise(results: readonly ProgramResult[], peers: readonly Engine[]): Summary[] {
  const secondsOf = ({ measurements }: ProgramResult, name: string): number =>
    measurements.find(({ engine }) => engine === name)!.seconds;
  return UMBRA.flatMap(({ name: engine }) =>
    peers.flatMap(({ name: peer }) =>
      (['integer', 'memory'] as const).flatMap((kind) => {
        const ratios = results
          .filter((result) => result.kind === kind)
          .map((result) => secondsOf(result, peer) / secondsOf(result, engine));
        return ratios.length === 0 ? [] : [{ engine, peer, kind, ratio: geometricMean(ratios) }];
      }),
    ),
  );
}

try {
  main();
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`bench: ${isUsage ? (error as Error).message : (error as Error).stack}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
