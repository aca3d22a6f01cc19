// Reading a file that a user named, and writing one: whole files, with one clear line when it cannot be done.
//
// Used by cli/. Only regular files are read: a device may never end, and a pipe without a writer would hang the process
// where no signal reaches it.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, FileError, fileError } from './fileError.ts';

const MAX_BYTES = 2 ** 30;

/** The bytes of a file of at most 1 GiB. Throws FileError. */
export function readInputFile(path: string): Uint8Array {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fileError(`cannot open ${path}`, error);
  }
  try {
    return readAll(fd, path);
  } catch (error) {
    throw error instanceof FileError ? error : fileError(`cannot read ${path}`, error);
  } finally {
    closeSync(fd);
  }
}

/** Creates the file or overwrites it. Throws FileError. */
export function writeOutputFile(path: string, bytes: Uint8Array): void {
  try {
    const fd = openOutput(path);
    try {
      writeFileSync(fd, bytes);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileError(`cannot write ${path}`, error);
  }
}

/**
 * Creates the file or empties it. A pipe that nobody reads is an error, ENXIO: to wait for a reader would hang the process
 * where no signal reaches it. Throws what open() throws.
 */
export function openOutput(path: string): number {
  const isPipe = statSync(path, { throwIfNoEntry: false })?.isFIFO() === true;
  const probe = isPipe ? openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) : null;
  try {
    return openSync(path, 'w');
  } finally {
    // Not before: the reader would be at the end of what there is to read.
    if (probe !== null) closeSync(probe);
  }
}

/** All of standard input, at most 1 GiB. Throws FileError. */
export async function readStandardInput(): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of process.stdin) {
      parts.push(part);
      length += part.length;
      if (length > MAX_BYTES) throw new FileError('standard input is larger than 1 GiB');
    }
  } catch (error) {
    throw error instanceof FileError ? error : fileError('cannot read standard input', error);
  }
  return Buffer.concat(parts);
}

/** Makes the folder, and those above it, if it is not there. Throws FileError. */
export function makeFolder(path: string): void {
  // Not by mkdir's `recursive`, which never ends where a parent is there and takes no folders (/proc).
  const above = dirname(path);
  if (!existsSync(above)) makeFolder(above);
  try {
    mkdirSync(path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' || !statSync(path).isDirectory())
      throw fileError(`cannot make the folder ${path}`, error);
  }
}

function readAll(fd: number, path: string): Uint8Array {
  const stats = fstatSync(fd);
  if (stats.isDirectory()) throw new FileError(`${path} is a directory`);
  if (!stats.isFile()) throw new FileError(`${path} is not a regular file`);
  if (stats.size > MAX_BYTES) throw new FileError(`${path} is larger than 1 GiB`);
  const bytes = new Uint8Array(stats.size);
  let length = 0;
  while (length < bytes.length) {
    const moved = readSync(fd, bytes, length, bytes.length - length, null);
    if (moved === 0) break;
    length += moved;
  }
  return bytes.subarray(0, length);
}
