// Which file may be swapped to: opens it, or refuses with one clear line. Swapping overwrites, so the rules are strict.
//
// Called by swapFile.ts. A file that is absent is created, and removed again at the end. One that exists is used only
// if it is empty or carries our header, and is left behind as that header alone. Never a link, device or directory.
// Without a path: a temporary file that has no name any more when this returns.
//
// Invariant: an OpenSwapFile with a path holds its lock (fileLock.ts) until `release`.

import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PAGE_SIZE } from '../units.ts';
import { codeOf, FileError, fileError } from './fileError.ts';
import { lockFile, removeQuietly } from './fileLock.ts';
import { isSwapHeader } from './swapHeader.ts';

export interface OpenSwapFile {
  readonly fd: number;
  /** For messages. */
  readonly name: string;
  /** Closes the file and leaves the directory as the rules say. Safe to call once. */
  release(): void;
}

const OWNER_ONLY = 0o600;
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** O_NONBLOCK: should the file have become a pipe since we looked, opening it must not hang. */
const EXISTING = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export function openTemporary(): OpenSwapFile {
  const path = join(tmpdir(), `umbra-swap-${randomUUID()}`);
  const fd = create(path);
  unlinkSync(path);
  return { fd, name: `temporary swap file in ${tmpdir()}`, release: () => closeSync(fd) };
}

export function openNamed(path: string): OpenSwapFile {
  const before = statOf(path);
  if (before !== null) checkKind(before, path);
  const unlock = lockFile(path);
  try {
    const found = statOf(path);
    const file = found === null ? createNamed(path) : openExisting(path, found);
    return {
      ...file,
      release: () => {
        file.release();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function create(path: string): number {
  try {
    return openSync(path, CREATE, OWNER_ONLY);
  } catch (error) {
    throw fileError(`cannot create swap file ${path}`, error);
  }
}

function createNamed(path: string): OpenSwapFile {
  const fd = create(path);
  const { dev, ino } = fstatSync(fd);
  const release = (): void => {
    closeSync(fd);
    const now = statOf(path);
    if (now !== null && now.dev === dev && now.ino === ino) removeQuietly(path);
  };
  return { fd, name: path, release };
}

function openExisting(path: string, found: Stats): OpenSwapFile {
  checkKind(found, path);
  let fd: number;
  try {
    fd = openSync(path, EXISTING);
  } catch (error) {
    throw fileError(`cannot open swap file ${path}`, error);
  }
  try {
    checkContent(fd, found, path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const release = (): void => {
    try {
      ftruncateSync(fd, PAGE_SIZE);
    } finally {
      closeSync(fd);
    }
  };
  return { fd, name: path, release };
}

/** Null when there is no such file. */
function statOf(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw fileError(`cannot use swap file ${path}`, error);
  }
}

function checkKind(stats: Stats, path: string): void {
  if (stats.isSymbolicLink()) throw new FileError(`swap file ${path} is a symbolic link`);
  if (stats.isDirectory()) throw new FileError(`swap file ${path} is a directory`);
  if (!stats.isFile()) throw new FileError(`swap file ${path} is not a regular file`);
  if (stats.nlink > 1) throw new FileError(`swap file ${path} has other names (hard links)`);
}

function checkContent(fd: number, found: Stats, path: string): void {
  const now = fstatSync(fd);
  checkKind(now, path);
  if (now.dev !== found.dev || now.ino !== found.ino) {
    throw new FileError(`swap file ${path} was replaced while it was opened`);
  }
  if (now.size === 0) return;
  const page = new Uint8Array(PAGE_SIZE);
  const length = readSync(fd, page, 0, PAGE_SIZE, 0);
  if (!isSwapHeader(page.subarray(0, length))) {
    throw new FileError(
      `swap file ${path} holds something else; only an empty file or one of Umbra's is used`,
    );
  }
}
