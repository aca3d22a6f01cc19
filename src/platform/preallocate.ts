// Taking the disk space of a file before it is needed, so that a full disk is an error at the start.
//
// Called by swapFile.ts. fallocate(2) does it at once, but Node has no such call: the `fallocate` command of Linux does,
// on a descriptor that it inherits. Where it is missing, or the file system cannot, zeros are written, in pieces so that
// the event loop turns.

import { spawn } from 'node:child_process';
import { type write as fsWrite, write } from 'node:fs';
import { promisify } from 'node:util';
import { FileError } from './fileError.ts';

const CHUNK_BYTES = 2 ** 20;

/** Makes sure that bytes [start, end) of the file can be written. Rejects with the system's error, or when aborted. */
export async function preallocate(
  fd: number,
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<void> {
  const done = await fallocate(fd, start, end - start);
  signal?.throwIfAborted();
  if (!done) await writeZeros(fd, start, end, signal);
}

/** Writes all of `bytes` at `position`. Rejects with the system's error. */
export async function writeFully(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await writeAsync(fd, bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new FileError('the disk takes no more bytes');
    done += bytesWritten;
  }
}

const writeAsync: typeof fsWrite.__promisify__ = promisify(write);

function fallocate(fd: number, start: number, bytes: number): Promise<boolean> {
  const child = spawn('fallocate', ['-o', `${start}`, '-l', `${bytes}`, '/proc/self/fd/3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
  });
  return new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

async function writeZeros(fd: number, start: number, end: number, signal?: AbortSignal): Promise<void> {
  const zeros = new Uint8Array(CHUNK_BYTES);
  for (let at = start; at < end; at += CHUNK_BYTES) {
    signal?.throwIfAborted();
    await writeFully(fd, zeros.subarray(0, Math.min(CHUNK_BYTES, end - at)), at);
  }
}
