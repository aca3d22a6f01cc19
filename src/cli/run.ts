// umbra run: runs one guest program and reports how it went.
//
// The guest's console is stdout, all else stderr; with --json the report is the one line on stdout, whatever happens,
// and the console goes to stderr.

import { basename, resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { ThpEnabled } from '../mm/index.ts';
import { EVENT_NAMES } from '../trace/index.ts';
import { InputError, readProgram } from '../vmm/index.ts';
import { path, positiveSeconds, sizeBetween, sizeOption, wholeBetween } from './flags.ts';
import type { GdbChoice } from './gdb/server.ts';
import type { RunObserver } from './observer.ts';
import { failureOf } from './outcome.ts';
import { readGuestProgram } from './program.ts';
import { endingOf, type RunReport, reportWithoutRun } from './report.ts';
import { onScreen } from './screen.ts';
import { runSession } from './session.ts';
import { DEFAULT_SETTINGS, type RunSettings, type SwapChoice } from './settings.ts';
import { statistics, summary } from './summary.ts';
import type { TraceRequest } from './tracing.ts';

interface RunFlags {
  readonly ram: number;
  readonly hostRam: number;
  readonly memoryMax?: number;
  readonly swap?: string;
  readonly swapSize: number;
  readonly vcpus: number;
  readonly mmu: 'shadow' | 'tdp';
  readonly thp: ThpEnabled;
  readonly ad: 'hardware' | 'svade' | 'svadu';
  readonly seed: number;
  readonly maxInsns?: number;
  readonly seconds?: number;
  readonly check?: true;
  readonly checkTlb?: true;
  readonly trace?: string;
  readonly report?: string;
  readonly stats?: true;
  readonly s?: true;
  readonly S?: true;
  readonly gdb?: number;
  readonly json?: true;
  readonly digest: boolean;
}

const GDB_PORT = 1234;
const KIB = 2 ** 10;
const GIB = 2 ** 30;

/** With an observer, as `umbra trace -- run` has one. */
export function command(exit: (code: number) => void, observer: RunObserver = {}): Command {
  return new Command('run')
    .argument('<file>', 'an ELF executable for RV64, or assembly (.s, .S)')
    .addOption(sizeOption('--ram <size>', "the guest's memory", 4 * KIB, 64 * GIB, DEFAULT_SETTINGS.ramBytes))
    .addOption(
      sizeOption(
        '--host-ram <size>',
        "the host's memory, page tables included",
        128 * KIB,
        3 * GIB,
        DEFAULT_SETTINGS.hostRamBytes,
      ),
    )
    .option(
      '--memory-max <size>',
      "limit of the VM's process alone (memory cgroup), which swaps above it (default: none)",
      sizeBetween(64 * KIB, 3 * GIB),
    )
    .option('--swap <where>', 'a file, "memory" or "none" (default: a temporary file)', path)
    .addOption(
      sizeOption('--swap-size <size>', 'size of the swap', 8 * KIB, 8 * GIB, DEFAULT_SETTINGS.swapBytes),
    )
    .option('--vcpus <number>', 'harts of the guest', wholeBetween(1, 16), 1)
    .addOption(
      new Option('--mmu <kind>', 'shadow page tables, or two-dimensional paging')
        .choices(['shadow', 'tdp'])
        .default('shadow'),
    )
    .addOption(
      new Option('--thp <when>', "huge pages of 2 MiB for the guest's memory")
        .choices(['always', 'madvise', 'never'])
        .default(DEFAULT_SETTINGS.thp),
    )
    .addOption(
      new Option('--ad <scheme>', "who sets A and D bits in the guest's tables")
        .choices(['hardware', 'svade', 'svadu'])
        .default('hardware'),
    )
    .option('--seed <number>', 'seed of everything random', wholeBetween(0, Number.MAX_SAFE_INTEGER), 1)
    .option(
      '--max-insns <number>',
      'stop after so many instructions',
      wholeBetween(1, Number.MAX_SAFE_INTEGER),
    )
    .option('--seconds <number>', 'stop after so much time', positiveSeconds)
    .option('--check', 'check the invariants between slices')
    .option('--check-tlb', 'walk the tables again at every TLB hit (slow)')
    .option('--trace <file>', 'write every event as a line of JSON', path)
    .option('--report <file>', 'write a page (HTML) that shows the run', path)
    .option('-s', `a GDB server on port ${GDB_PORT} of this machine, as --gdb ${GDB_PORT}`)
    .option('-S', 'with a GDB server: wait for the debugger before the first instruction')
    .option('--gdb <port>', 'a GDB server on 127.0.0.1; 0 takes a free port', wholeBetween(0, 65535))
    .option('--stats', 'print counters at the end')
    .option('--json', 'print the report as one line of JSON')
    .option('--no-digest', 'leave the digest of all events and all memory out of it, which takes time')
    .action(async (file: string, flags: RunFlags) => exit(await run(file, flags, observer)));
}

/** A wrong command line with --json in it is reported in JSON as well. */
export function reportUsage(message: string, args: readonly string[]): boolean {
  const end = args.indexOf('--');
  if (!args.slice(0, end < 0 ? undefined : end).includes('--json')) return false;
  printJson(reportWithoutRun(endingOf('usage', message)));
  return true;
}

async function run(file: string, flags: RunFlags, observer: RunObserver): Promise<number> {
  const settings = settingsOf(file, flags, observer.trace ?? null);
  checkPaths(file, settings);
  if (flags.json && (observer.takesOutput || settings.trace?.path === null)) {
    throw new InputError('standard output is taken: no room for the report of --json');
  }
  const report = await reportOfRun(file, flags, settings, observer);
  if (flags.json) printJson(report);
  else printSummary(report, flags);
  return report.exitCode;
}

async function reportOfRun(
  file: string,
  flags: RunFlags,
  settings: RunSettings,
  observer: RunObserver,
): Promise<RunReport> {
  const isOutputTaken = flags.json || settings.trace?.path === null || observer.takesOutput;
  const digest = flags.json === true && flags.digest;
  try {
    const image = readProgram(readGuestProgram(file), file, settings.ramBytes);
    return await onScreen(isOutputTaken ? process.stderr : process.stdout, (screen) =>
      runSession({ image, settings, screen, digest, observer }),
    );
  } catch (error) {
    const { outcome, message } = failureOf(error);
    return reportWithoutRun(endingOf(outcome, message), settings);
  }
}

const everythingTo = (path: string): TraceRequest => ({
  path,
  format: 'json',
  events: EVENT_NAMES,
  filters: [],
});

/** What is written must not be what is read, nor be written twice. Throws InputError. */
function checkPaths(file: string, { swap, trace, page }: RunSettings): void {
  const swapPath = swap.backend === 'file' ? swap.path : null;
  const paths = [file, swapPath, trace?.path, page?.path]
    .flatMap((each) => each ?? [])
    .map((each) => resolve(each));
  const twice = paths.find((each, i) => paths.indexOf(each) !== i);
  if (twice !== undefined) throw new InputError(`${twice} is named for two things`);
}

function settingsOf(file: string, flags: RunFlags, trace: TraceRequest | null): RunSettings {
  return {
    ramBytes: flags.ram,
    hostRamBytes: flags.hostRam,
    memoryMaxBytes: flags.memoryMax ?? Number.POSITIVE_INFINITY,
    swap: swapChoice(flags.swap),
    swapBytes: flags.swapSize,
    vcpus: flags.vcpus,
    mmu: flags.mmu,
    thp: flags.thp,
    ad: flags.ad,
    seed: flags.seed,
    maxInstructions: flags.maxInsns ?? Number.POSITIVE_INFINITY,
    seconds: flags.seconds ?? Number.POSITIVE_INFINITY,
    check: flags.checkTlb ? 'tlb' : flags.check ? 'on' : 'off',
    page:
      flags.report === undefined
        ? null
        : { path: flags.report, guest: basename(file), command: commandLine() },
    gdb: gdbChoice(flags),
    trace: traceRequest(flags.trace, trace),
  };
}

/** As the user typed it, about. */
const commandLine = (): string =>
  ['umbra', ...process.argv.slice(2)]
    .map((word) => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');

function gdbChoice({ s, S, gdb }: RunFlags): GdbChoice | null {
  const port = gdb ?? (s ? GDB_PORT : null);
  if (port === null && S) throw new InputError('-S waits for a debugger, which needs -s or --gdb <port>');
  return port === null ? null : { port, waits: S === true };
}

/** Throws InputError. */
function traceRequest(path: string | undefined, observed: TraceRequest | null): TraceRequest | null {
  if (path === undefined) return observed;
  if (observed !== null) throw new InputError('umbra trace has the events already: no --trace beside it');
  return everythingTo(path);
}

function swapChoice(swap: string | undefined): SwapChoice {
  if (swap === 'memory' || swap === 'none') return { backend: swap };
  return { backend: 'file', path: swap ?? null };
}

function printJson(report: RunReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function printSummary(report: RunReport, flags: RunFlags): void {
  process.stderr.write(`umbra: ${summary(report)}\n`);
  if (flags.stats) process.stderr.write(statistics(report));
}
