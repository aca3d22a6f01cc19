// npm run bench -- [SUITE | PROGRAM]... [--elf FILE]... [--peers FOLDER] [--checker FILE]...
// [--repeats N] [--json]: guest programs on Umbra and on whatever peers are installed.
//
// Tables for people, or one line of JSON. A ratio is the peer's time through Umbra's, measured side by side in one run:
// above 1, Umbra is faster. Nothing here decides a test. Without a suite all of them; a program names one of `programs`.
// --elf adds public programs, which are not in this repository: anything that ends by the test finisher;
// --checker adds to `explore` what a program of yours tells of other model checkers (checkers.ts).

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type CheckerRate, measureChecker } from './checkers.ts';
import { type Engine, PEERS, UMBRA, UMBRA_HUGE, warmUp } from './engines.ts';
import { type ExitCost, measureExits } from './exits.ts';
import { type ExploringRate, measureExploring, SCHEDULES } from './exploring.ts';
import { type ForeignResult, measureForeign } from './foreign.ts';
import { type InvalidationCost, measureInvalidations } from './invalidation.ts';
import { geometricMean, measure, measureElf, type ProgramResult } from './measure.ts';
import { measureNotifierSites, type SiteCosts } from './notifierSites.ts';
import type { Interval } from './pairs.ts';
import { interpreter, type Peer, v86 } from './peers.ts';
import { measureProcesses, type ProcessesResult } from './processes.ts';
import { PROGRAMS, type Program } from './programs.ts';
import { measureShort, type ShortResult } from './short.ts';
import { measureStartUp, type StartUp } from './startup.ts';
import { measureSwapRate, type SwapRate } from './swapRate.ts';
import { num, Table } from './table.ts';

interface Summary {
  readonly engine: string;
  readonly peer: string;
  readonly kind: Program['kind'];
  /** Geometric mean of the peer's time through the engine's. */
  readonly ratio: number;
}

interface Bench {
  readonly programs: readonly Program[];
  readonly elfs: readonly string[];
  readonly peers: readonly Engine[];
  readonly repeats: number;
  readonly peerFolder: string | null;
  readonly checkers: readonly string[];
  /** Scratch. */
  readonly folder: string;
  readonly say: (text: string) => void;
}

interface Foreign {
  readonly peer: string;
  /** Null: it is not there. */
  readonly version: string | null;
  readonly results: readonly ForeignResult[];
}

interface Results {
  results?: readonly ProgramResult[];
  summaries?: readonly Summary[];
  short?: readonly ShortResult[];
  startUp?: StartUp;
  processes?: readonly ProcessesResult[];
  exits?: readonly ExitCost[];
  foreign?: readonly Foreign[];
  notifiers?: SiteCosts;
  swap?: readonly SwapRate[];
  invalidations?: readonly InvalidationCost[];
  explore?: readonly ExploringRate[];
  checkers?: readonly CheckerRate[];
}

const SUITES: Readonly<Record<string, (bench: Bench) => Results | Promise<Results>>> = {
  programs: runPrograms,
  short: runShort,
  startup: runStartUp,
  processes: runProcesses,
  exits: runExits,
  foreign: runForeign,
  notifiers: runNotifiers,
  swap: runSwap,
  invalidations: runInvalidations,
  explore: runExplore,
};

/** They start nothing that a warm computer starts faster. */
const COLD: ReadonlySet<string> = new Set(['startup', 'notifiers', 'swap', 'invalidations', 'explore']);

/** Fewer pairs of runs that differ by a few milliseconds say little. */
const SHORT_TURNS = 21;

class UsageError extends Error {}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      repeats: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
      elf: { type: 'string', multiple: true, default: [] },
      peers: { type: 'string' },
      checker: { type: 'string', multiple: true, default: [] },
    },
  });
  const repeats = Number(values.repeats);
  if (!Number.isInteger(repeats) || repeats < 1)
    throw new UsageError('--repeats must be a whole number above 0');
  const { suites, programs } = chosen(positionals, values.elf);
  const peers = PEERS.filter((peer) => peer.version() !== null);
  const say = values.json ? () => {} : (text: string) => process.stdout.write(`${text}\n`);
  for (const engine of [...UMBRA, ...PEERS]) say(`${engine.name}: ${engine.version() ?? 'not installed'}`);
  const folder = mkdtempSync(join(tmpdir(), 'umbra-bench-'));
  try {
    const bench = {
      programs,
      elfs: values.elf,
      peers,
      repeats,
      peerFolder: values.peers ?? null,
      checkers: values.checker,
      folder,
      say,
    };
    const results: Results[] = [];
    for (const suite of suites) {
      if (!COLD.has(suite)) warmUp();
      results.push(await SUITES[suite]!(bench));
    }
    if (values.json)
      process.stdout.write(
        `${JSON.stringify({ schema: 'umbra.bench/3', ...Object.assign({}, ...results) })}\n`,
      );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** All suites if nothing is named; of `programs` only those that are. */
function chosen(names: readonly string[], elfs: readonly string[]) {
  const suites = names.filter((name) => name in SUITES);
  const programs = names.filter((name) => !(name in SUITES)).map(programCalled);
  if (programs.length > 0 && suites.length === 0) suites.push('programs');
  if (names.length > 0) return { suites, programs: programs.length > 0 ? programs : PROGRAMS };
  return elfs.length > 0
    ? { suites: ['programs'], programs: [] }
    : { suites: Object.keys(SUITES), programs: PROGRAMS };
}

function programCalled(name: string): Program {
  const program = PROGRAMS.find((each) => each.name === name);
  if (program !== undefined) return program;
  const names = [...Object.keys(SUITES), ...PROGRAMS.map((each) => each.name)];
  throw new UsageError(`no suite and no program ${name}; there are ${names.join(', ')}`);
}

// The suites

function runPrograms({ programs, elfs, peers, repeats, folder, say }: Bench): Results {
  const enginesFor = (kind: Program['kind']): Engine[] => [
    ...UMBRA,
    ...(kind === 'memory' ? UMBRA_HUGE : []),
    ...peers,
  ];
  const table = new Table(say, [14, -7, 20, -9, -11, -12, -12]);
  table.row('program', 'G insns', 'engine', 'seconds', 'of it start', 'steady MIPS', 'peer/engine');
  const show = (result: ProgramResult): ProgramResult => {
    for (const line of rowsOf(result)) table.row(...line);
    return result;
  };
  const results = [
    ...programs.map((program) => show(measure(program, enginesFor(program.kind), repeats, folder))),
    ...elfs.map((path) => show(measureElf(basename(path), path, enginesFor('integer'), repeats))),
  ];
  const summaries = summarise(results, peers);
  for (const { engine, peer, kind, ratio } of summaries) {
    say(`${engine} is ${num(ratio)} times as fast as ${peer}, ${kind} programs (geometric mean)`);
  }
  return { results, summaries };
}

function runShort({ programs, peers, repeats, folder, say }: Bench): Results {
  const engines = [...UMBRA, ...peers];
  const table = new Table(say, [14, -8, ...engines.map(() => -24), -15]);
  table.row('short program', 'M insns', ...engines.map(({ name }) => `${name}, ms`), 'worst engine/peer');
  const shown = ({ median, low, high }: Interval): string =>
    `${num(median * 1000)} (${num(low * 1000)} to ${num(high * 1000)})`;
  const short = programs
    .filter(({ kind }) => kind === 'integer')
    .map((program) => {
      const result = measureShort(program, engines, Math.max(SHORT_TURNS, repeats), folder);
      table.row(
        program.name,
        num(result.instructions / 1e6, 0),
        ...engines.map(({ name }) => shown(result.seconds[name]!)),
        num(Math.max(...peers.flatMap((peer) => UMBRA.map((engine) => shortRatio(result, engine, peer))))),
      );
      return result;
    });
  for (const peer of peers) {
    for (const engine of UMBRA) {
      const ratio = geometricMean(short.map((result) => shortRatio(result, engine, peer)));
      say(
        `${engine.name} takes ${num(ratio)} times as long as ${peer.name}, short programs, start-up apart (geometric mean)`,
      );
    }
  }
  return { short };
}

const shortRatio = ({ seconds }: ShortResult, engine: Engine, peer: Engine): number =>
  atLeast(seconds[engine.name]!.median) / atLeast(seconds[peer.name]!.median);

/** Less than a millisecond cannot be told. */
const atLeast = (seconds: number): number => Math.max(0.001, seconds);

function runStartUp({ repeats, folder, say }: Bench): Results {
  const startUp = measureStartUp(Math.max(5, repeats), folder);
  const { first, hello, emptyScript } = startUp;
  say(
    `\numbra run of the hello guest: ${num(first)} s at first, ${num(hello)} s again; an empty tsx script: ` +
      `${num(emptyScript)} s; difference ${num(hello - emptyScript)} s`,
  );
  return { startUp };
}

function runProcesses({ peers, repeats, folder, say }: Bench): Results {
  const processes = measureProcesses([...UMBRA, ...peers], repeats, folder);
  const table = new Table(say, [20, -9, -12, 60]);
  table.row('processes', 'seconds', 'peer/engine', 'exits');
  for (const { engine, seconds, exits } of processes) {
    const [peer] = processes.filter((each) => isPeer(each.engine));
    const ratio = peer === undefined || isPeer(engine) ? '' : num(peer.seconds / seconds);
    const causes = Object.entries(exits ?? {}).map(([cause, count]) => `${cause} ${count}`);
    table.row(engine, num(seconds), ratio, causes.join(', '));
  }
  return { processes };
}

function runExits({ repeats, say }: Bench): Results {
  const table = new Table(say, [45, 7, -8, -7, 60]);
  table.row('what a hart does', 'mmu', 'ns', 'exits', 'most time');
  const exits = measureExits(repeats, ({ kind, mmu, nanoseconds, exits: count, profile }) => {
    const parts = profile.map(({ name, share }) => `${name} ${num(share * 100, 0)} %`);
    table.row(kind, mmu, num(nanoseconds, 0), num(count), parts.join(', '));
  });
  return { exits };
}

function runForeign(bench: Bench): Results {
  return { foreign: [v86(bench.peerFolder), interpreter].map((peer) => besidePeer(bench, peer)) };
}

function besidePeer({ programs, repeats, folder, say }: Bench, peer: Peer): Foreign {
  say(`\n${peer.name}: ${peer.version ?? peer.missing}`);
  if (peer.version === null) return { peer: peer.name, version: null, results: [] };
  const table = new Table(say, [14, ...UMBRA.map(() => -15), -26, -20]);
  table.row('program', ...UMBRA.map(({ name }) => name), peer.name, 'peer/engine');
  const ratios = UMBRA.map((): number[] => []);
  const results = programs
    .filter(({ kind, name }) => kind === 'integer' && peer.runs(name))
    .map((program) => {
      const result = measureForeign(program, UMBRA, peer, repeats, folder);
      const seconds = UMBRA.map(({ name }) => result.seconds[name]!);
      const own = seconds.map((each) => result.peerSeconds / each);
      own.forEach((ratio, i) => {
        ratios[i]!.push(ratio);
      });
      table.row(
        program.name,
        ...seconds.map((each) => num(each)),
        num(result.peerSeconds),
        own.map((ratio) => num(ratio)).join(', '),
      );
      return result;
    });
  UMBRA.forEach(({ name }, i) => {
    say(`${name} is ${num(geometricMean(ratios[i]!))} times as fast as ${peer.name} (geometric mean)`);
  });
  return { peer: peer.name, version: peer.version, results };
}

async function runNotifiers({ folder, say }: Bench): Promise<Results> {
  const table = new Table(say, [20, -24, -24, 14]);
  const shown = ({ median, low, high }: Interval): string =>
    `${num(median, 3)} (${num(low, 3)} to ${num(high, 3)})`;
  table.row('nobody registered', 'control', 'with sites/without', 'cost');
  const notifiers = await measureNotifierSites(folder, ({ workload, control, ratio, verdict }) =>
    table.row(workload, shown(control), shown(ratio), verdict),
  );
  say(`${notifiers.sites} sites cut; medians and their 95 % intervals`);
  return { notifiers };
}

async function runSwap({ folder, repeats, say }: Bench): Promise<Results> {
  const table = new Table(say, [10, -10, -10, -10, -8, 60]);
  table.row('thrashing', 'transfers', 'seconds', 'bare loop', 'ratio', 'most time');
  const swap = await measureSwapRate(folder, repeats, (rate) => {
    const { mmu, transfers, seconds, bareSeconds, ratio, profile } = rate;
    const parts = profile.map(({ name, share }) => `${name} ${num(share * 100, 0)} %`);
    table.row(mmu, String(transfers), num(seconds), num(bareSeconds), num(ratio), parts.join(', '));
  });
  return { swap };
}

function runInvalidations({ repeats, say }: Bench): Results {
  const table = new Table(say, [-10, -8, 22, -12]);
  table.row('mappings', 'us', 'mapped by', 'us/mapping');
  const invalidations = measureInvalidations(
    Math.max(5, repeats),
    ({ by, memory, mappings, microseconds }) => {
      const where = memory === null ? by : `${by}, guest of ${memory / 2 ** 20} MiB`;
      table.row(String(mappings), num(microseconds, 0), where, num(microseconds / mappings));
    },
  );
  return { invalidations };
}

async function runExplore({ say, checkers }: Bench): Promise<Results> {
  const table = new Table(say, [16, 18, -16, -8, -10]);
  table.row('scenario', 'with', 'schedules/CPU-s', 'steps', 'reset us');
  const explore = await measureExploring(({ scenario, mode, rate, steps, reset }) =>
    table.row(scenario, mode, num(rate, 0), num(steps, 0), num(reset)),
  );
  if (checkers.length === 0) say('other model checkers on the last scenario: none given (--checker)');
  const others = checkers.flatMap((program) => measureChecker(program, SCHEDULES));
  for (const { name, rate, steps } of others) table.row('', name, num(rate, 0), num(steps, 0), '');
  return { explore, checkers: others };
}

const isPeer = (engine: string): boolean => PEERS.some(({ name }) => name === engine);

function rowsOf({ program, instructions, measurements }: ProgramResult): string[][] {
  const peer = measurements.find(({ engine }) => isPeer(engine));
  return measurements.map((m, i) => [
    i === 0 ? program : '',
    i === 0 ? num(instructions / 1e9) : '',
    m.engine,
    num(m.seconds),
    m.startSeconds === null ? '' : num(m.startSeconds),
    m.steadyMips === null ? '' : num(m.steadyMips, 0),
    peer === undefined || isPeer(m.engine) ? '' : num(peer.seconds / m.seconds),
  ]);
}

function summarise(results: readonly ProgramResult[], peers: readonly Engine[]): Summary[] {
  const secondsOf = ({ measurements }: ProgramResult, name: string): number | undefined =>
    measurements.find(({ engine }) => engine === name)?.seconds;
  return [...UMBRA, ...UMBRA_HUGE].flatMap(({ name: engine }) =>
    peers.flatMap(({ name: peer }) =>
      (['integer', 'memory'] as const).flatMap((kind) => {
        const ratios = results
          .filter((result) => result.kind === kind && secondsOf(result, engine) !== undefined)
          .map((result) => secondsOf(result, peer)! / secondsOf(result, engine)!);
        return ratios.length === 0 ? [] : [{ engine, peer, kind, ratio: geometricMean(ratios) }];
      }),
    ),
  );
}

try {
  await main();
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`bench: ${isUsage ? (error as Error).message : (error as Error).stack}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
