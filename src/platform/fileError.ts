// A file that the user named and that cannot be used: an error of one clear line. cli/ prints it and exits with 2.

import { getSystemErrorMap } from 'node:util';

export class FileError extends Error {
  override readonly name = 'FileError';
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === 'number';

/** The error code ("ENOENT") of a failed system call; null if `error` is something else. */
export const codeOf = (error: unknown): string | null => (isSystemError(error) ? (error.code ?? null) : null);

/** The errno of a failed system call, positive; anything else is thrown again. */
export function errnoOf(error: unknown): number {
  if (!isSystemError(error)) throw error;
  return -error.errno!;
}

/** Turns a failed system call into a FileError that starts with `what`; anything else is thrown again. */
export function fileError(what: string, error: unknown): FileError {
  if (!isSystemError(error)) throw error;
  return new FileError(`${what}: ${reasonOf(error)}`);
}

/** ENXIO is what a pipe says that nobody reads (files.ts). */
const reasonOf = ({ code, errno }: NodeJS.ErrnoException): string | undefined =>
  code === 'ENXIO' ? 'nobody reads this pipe' : (getSystemErrorMap().get(errno!)?.[1] ?? code);
