// The command line: which verb, and what becomes of errors. Each verb is a file of this folder, loaded when it is used.
//
// umbra.js calls main() with the arguments and makes its answer the exit code (outcome.ts has the list). Output is
// allowed to drain: nothing here ends the process by force.

import { Command, CommanderError } from 'commander';
import { EXIT_CODES, failureOf } from './outcome.ts';

interface Verb {
  /** The verb with its arguments, options and action; the action answers through `exit`. */
  command(exit: (code: number) => void): Command;
  /** Says what is wrong with the command line in another way than one line on stderr. True: it was said. */
  reportUsage?(message: string, args: readonly string[]): boolean;
}

const VERBS: Readonly<Record<string, { summary: string; load: () => Promise<Verb> }>> = {
  run: { summary: 'run a guest program on a host that swaps', load: () => import('./run.ts') },
  trace: { summary: 'run something and write what its tracepoints say', load: () => import('./trace.ts') },
  stat: {
    summary: 'run a guest and count its exits, and what the host does',
    load: () => import('./stat.ts'),
  },
  vtop: { summary: 'run a guest and say where addresses lead', load: () => import('./vtop.ts') },
  show: { summary: 'run a guest and print tables, TLBs, smaps, page types', load: () => import('./show.ts') },
  top: { summary: 'run a guest and watch frames, swap and vCPUs', load: () => import('./top.ts') },
  report: { summary: 'print a trace.dat', load: () => import('./traceReport.ts') },
  asm: { summary: 'assemble a guest program', load: () => import('./asm.ts') },
  explore: { summary: 'run a scenario in every order of its tasks', load: () => import('./explore.ts') },
  replay: { summary: 'run one schedule of a scenario again', load: () => import('./replay.ts') },
  museum: { summary: 'bugs of real kernels, and how they are found', load: () => import('./museum.ts') },
  mm: { summary: 'run scripts of system calls on the host alone', load: () => import('./mm.ts') },
  demo: {
    summary: 'a guest with four times the memory of its host, explained',
    load: () => import('./demo.ts'),
  },
};

const VERSION = '0.1.0';

/** Runs one command. The exit code. */
export async function main(args: readonly string[]): Promise<number> {
  watchOutput();
  const verb = await VERBS[args[0] ?? '']?.load();
  let exitCode = 0;
  const program = programWith(args[0] ?? '', verb, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, verb, args);
  }
}

function programWith(name: string, verb: Verb | undefined, exit: (code: number) => void): Command {
  const program = quiet(new Command('umbra'))
    .description('A laboratory for secondary MMUs: guests on shadow page tables, on a host that swaps.')
    .version(VERSION);
  for (const [known, { summary }] of Object.entries(VERBS)) {
    const command = known === name && verb !== undefined ? verb.command(exit) : new Command(known);
    program.addCommand(quiet(command.summary(summary)));
  }
  return program;
}

/** Errors are thrown to main(), which prints them. */
const quiet = (command: Command): Command =>
  command.exitOverride().configureOutput({ outputError: () => {} });

function report(error: unknown, verb: Verb | undefined, args: readonly string[]): number {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT_CODES.pass;
  if (error instanceof CommanderError && error.code === 'commander.help') return EXIT_CODES.usage;
  const { outcome, message } = failureOf(error);
  if (verb?.reportUsage?.(message, args) !== true) process.stderr.write(`umbra: ${message}\n`);
  return EXIT_CODES[outcome];
}

/** A reader that went away is no error of ours; a disk that is full, or a file above `ulimit -f`, is one of the user. */
function watchOutput(): void {
  process.on('SIGXFSZ', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || process.stdout.listenerCount('error') > 1) return;
    process.stderr.write(`umbra: cannot write to standard output: ${error.message}\n`);
    process.exitCode = EXIT_CODES.usage;
  });
  process.stderr.on('error', () => {});
}
