// The command line: which verb (verbs.ts), and what becomes of errors.
//
// umbra.js calls main() with the arguments and makes its answer the exit code (outcome.ts has the list). Output is
// allowed to drain: nothing here ends the process by force.

import { Argument, Command, CommanderError } from 'commander';
import { compileForGuests, Interrupted } from '../platform/index.ts';
import { completionScript, SHELLS, type Shell } from './completion.ts';
import { EXIT_CODES, failureOf } from './outcome.ts';
import { VERBS, type Verb } from './verbs.ts';

const VERSION = '0.1.0';

type Exit = (code: number) => void;

/** Of a worker process, instead of main(). */
export const work = async (): Promise<void> => (await import('./exploreWorker.ts')).work();

/** Runs one command. The exit code. */
export async function main(args: readonly string[]): Promise<number> {
  watchOutput();
  const words = args[0] === 'help' && args[1] !== undefined ? helpFor(args[1]) : args;
  const name = words[0] ?? '';
  const verb = Object.hasOwn(VERBS, name) ? await VERBS[name]!.load() : undefined;
  let exitCode = 0;
  const exit: Exit = (code) => {
    exitCode = code;
  };
  try {
    compileForGuests(true);
    await programWith(name, verb, exit).parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, verb, words);
  } finally {
    compileForGuests(false);
  }
}

/** `umbra help VERB` is `umbra VERB --help`; of a verb that there is not, the mistake is said. */
const helpFor = (name: string): string[] =>
  Object.hasOwn(VERBS, name) || name === 'completion'
    ? [name, '--help']
    : name === 'help'
      ? ['--help']
      : [name];

function programWith(name: string, verb: Verb | undefined, exit: Exit): Command {
  const program = quiet(new Command('umbra'))
    .description('A laboratory for secondary MMUs: guests on shadow page tables, on a host that swaps.')
    .version(VERSION);
  for (const known of Object.keys(VERBS)) {
    program.addCommand(known === name && verb !== undefined ? described(known, verb, exit) : bare(known));
  }
  return program.addCommand(withExamples(quiet(completionCommand(exit)), COMPLETION_EXAMPLES));
}

const bare = (name: string): Command => quiet(new Command(name)).summary(VERBS[name]!.summary);

/** A verb whose help begins with examples. */
function described(name: string, verb: Verb, exit: Exit): Command {
  const { summary, examples } = VERBS[name]!;
  return withExamples(quiet(verb.command(exit)).summary(summary).description(summary), examples);
}

const withExamples = (command: Command, examples: readonly string[]): Command =>
  command.addHelpText('before', `Examples:\n${examples.map((line) => `  umbra ${line}\n`).join('')}`);

const COMPLETION_SUMMARY = 'print what a shell needs to complete command lines';
const COMPLETION_EXAMPLES = [
  'completion bash    # source <(umbra completion bash), in ~/.bashrc for good',
  'completion fish > ~/.config/fish/completions/umbra.fish',
];

const completionCommand = (exit: Exit): Command =>
  new Command('completion')
    .summary(COMPLETION_SUMMARY)
    .description(COMPLETION_SUMMARY)
    .addArgument(new Argument('<shell>', 'whose').choices(SHELLS))
    .action(async (shell: Shell) => {
      const names = Object.keys(VERBS);
      const verbs = await Promise.all(
        names.map(async (name) => described(name, await VERBS[name]!.load(), exit)),
      );
      process.stdout.write(completionScript(shell, verbs));
      exit(EXIT_CODES.pass);
    });

/** Errors are thrown to main(), which prints them. */
const quiet = (command: Command): Command =>
  command.exitOverride().configureOutput({ outputError: () => {} });

function report(error: unknown, verb: Verb | undefined, args: readonly string[]): number {
  if (error instanceof Interrupted) return error.exitCode;
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
