// umbra mm: runs scripts of system calls on a host of their own, and prints what each one answered.
//
// One script prints on stdout, several write DIR/<base>.out each. A mistake in a script is one line on stderr, and
// nothing is written for that file; the others still run.

import { basename, extname, join } from 'node:path';
import { Command } from 'commander';
import { createHost } from '../machine.ts';
import { MemorySwapDevice } from '../mm/index.ts';
import {
  Interrupt,
  makeFolder,
  readInputFile,
  readStandardInput,
  sliceTimer,
  turnEventLoop,
  writeOutputFile,
} from '../platform/index.ts';
import { TraceError, TraceRing } from '../trace/index.ts';
import { PAGE_SIZE } from '../units.ts';
import { InputError, parseScript, ScriptRunner, type Step } from '../vmm/index.ts';
import { path, sizeOption, wholeBetween } from './flags.ts';
import { EXIT_CODES, failureOf } from './outcome.ts';
import { type TraceRequest, Tracing } from './tracing.ts';

interface MmObserver {
  readonly trace?: TraceRequest | null;
}

interface MmFlags {
  readonly out?: string;
  readonly hostRam: number;
  readonly swapSize: number;
  readonly seed: number;
}

const STANDARD_INPUT = '-';
const RING_RECORDS = 4096;
const LEAST_RAM = 2 ** 18;
const MOST_RAM = 2 ** 30;
const DEFAULT_SIZE = 64 * 2 ** 20;

/** With an observer's trace; the answers are on stderr where the trace is on stdout. */
export function command(exit: (code: number) => void, { trace = null }: MmObserver = {}): Command {
  return new Command('mm')
    .argument('<file...>', 'the scripts; - is standard input')
    .option('--out <folder>', 'write <folder>/<name>.out for each script; needed for several', path)
    .addOption(sizeOption('--host-ram <size>', 'memory of the host', LEAST_RAM, MOST_RAM, DEFAULT_SIZE))
    .addOption(sizeOption('--swap-size <size>', 'its swap area; 0 for none', 0, MOST_RAM, DEFAULT_SIZE))
    .option('--seed <number>', 'seed of everything random', wholeBetween(0, Number.MAX_SAFE_INTEGER), 1)
    .action(async (files: string[], flags: MmFlags) => exit(await runScripts(files, flags, trace)));
}

async function runScripts(
  files: readonly string[],
  flags: MmFlags,
  request: TraceRequest | null,
): Promise<number> {
  checkNames(files, flags.out);
  if (request !== null && files.length > 1) throw new TraceError('one script at a time can be traced');
  if (flags.out !== undefined) makeFolder(flags.out);
  const interrupt = new Interrupt();
  let code: number = EXIT_CODES.pass;
  try {
    for (const file of files) {
      const failed = await runFile(file, flags, interrupt, request);
      code = Math.max(code, failed);
      if (interrupt.isAborted) return interrupt.exitCode;
    }
  } finally {
    interrupt.dispose();
  }
  return code;
}

function checkNames(files: readonly string[], out: string | undefined): void {
  if (files.length > 1 && out === undefined) throw new InputError('several scripts need --out <folder>');
  const names = files.map(nameOf);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new InputError(`two scripts would write ${twice}.out`);
}

const nameOf = (file: string): string => (file === STANDARD_INPUT ? 'stdin' : basename(file, extname(file)));

/** The exit code. */
async function runFile(
  file: string,
  flags: MmFlags,
  interrupt: Interrupt,
  request: TraceRequest | null,
): Promise<number> {
  let steps: readonly Step[];
  try {
    const bytes = file === STANDARD_INPUT ? await readStandardInput() : readInputFile(file);
    steps = parseScript(new TextDecoder().decode(bytes), file === STANDARD_INPUT ? 'stdin' : file);
  } catch (error) {
    const { outcome, message } = failureOf(error);
    process.stderr.write(`umbra: ${message}\n`);
    return EXIT_CODES[outcome];
  }
  const parts: string[] = [];
  const stream = request?.path === null ? process.stderr : process.stdout;
  const take = (lines: string): boolean => {
    if (flags.out !== undefined) return parts.push(lines) > 0;
    stream.write(lines);
    return stream.writable;
  };
  const trace = request === null ? null : new Tracing(request, interrupt);
  try {
    await play(steps, flags, interrupt, trace, take);
  } finally {
    trace?.close();
  }
  if (flags.out !== undefined)
    writeOutputFile(join(flags.out, `${nameOf(file)}.out`), new TextEncoder().encode(parts.join('')));
  return EXIT_CODES.pass;
}

/** Hands on the answers slice by slice, until the script ends, the patience of the user, or whoever takes them. */
async function play(
  steps: readonly Step[],
  { hostRam, swapSize, seed }: MmFlags,
  interrupt: Interrupt,
  trace: Tracing | null,
  take: (lines: string) => boolean,
): Promise<void> {
  // The slot of the header is not the user's.
  const swap = swapSize === 0 ? null : new MemorySwapDevice(swapSize / PAGE_SIZE + 1);
  const ring = trace === null ? null : new TraceRing(RING_RECORDS, (records) => trace.add(records));
  const config = { hostRamBytes: hostRam, swap, cpus: 1, seed };
  const host = createHost(ring === null ? config : { ...config, ring, events: trace!.events });
  trace?.attach(host.sched, 1);
  const runner = new ScriptRunner(host);
  for (let next = 0, isWanted = true; isWanted && next < steps.length && !interrupt.isAborted; ) {
    const isOver = sliceTimer();
    let lines = '';
    do lines += `${runner.step(steps[next++]!)}\n`;
    while (next < steps.length && !isOver());
    isWanted = take(lines);
    await trace?.flush();
    trace?.throwIfFailed();
    await turnEventLoop();
  }
  ring?.flush();
  trace?.end();
  await trace?.flush();
  trace?.throwIfFailed();
}
