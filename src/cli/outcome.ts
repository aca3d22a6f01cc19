// How a verb ends: the outcomes, their exit codes, and which errors are the user's.
//
// Everything that is thrown below cli/ ends here: a user's mistake is one clear line and exit code 2, anything else is a
// bug of Umbra, exit code 70.

import { CommanderError } from 'commander';
import { AssemblerError } from '../asm/index.ts';
import { LoadError } from '../loader/index.ts';
import { FileError } from '../platform/index.ts';
import { TraceError } from '../trace/index.ts';
import { UmbraBug } from '../units.ts';
import { InputError, ScriptError } from '../vmm/index.ts';

export const EXIT_CODES = {
  pass: 0,
  fail: 1,
  invariant: 1,
  usage: 2,
  crash: 3,
  bug: 70,
  limit: 124,
  /** Ctrl-C; other signals have their own (Interrupt.exitCode). */
  interrupt: 130,
} as const;

export type Outcome = keyof typeof EXIT_CODES;

export interface Failure {
  readonly outcome: 'usage' | 'bug';
  /** What to print, without a final newline. */
  readonly message: string;
}

const USER_ERRORS = [InputError, FileError, AssemblerError, ScriptError, TraceError, LoadError] as const;
/** A variant (loader/) throws errors of classes of its own. */
const USER_ERROR_NAMES = new Set(['InputError', 'AssemblerError']);

export function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) {
    return { outcome: 'usage', message: error.message.replace(/^error: /, '').replace(/\n/g, ' ') };
  }
  if (error instanceof Error && isUserError(error)) {
    return { outcome: 'usage', message: error.message };
  }
  return { outcome: 'bug', message: describeBug(error) };
}

const isUserError = (error: Error): boolean =>
  USER_ERRORS.some((kind) => error instanceof kind) || USER_ERROR_NAMES.has(error.name);

function describeBug(error: unknown): string {
  if (!(error instanceof Error)) return `a bug in Umbra: ${String(error)}`;
  const details = error instanceof UmbraBug ? ` ${JSON.stringify(error.details)}` : '';
  return `a bug in Umbra: ${error.message}${details}\n${(error.stack ?? '').split('\n').slice(1).join('\n')}`;
}
