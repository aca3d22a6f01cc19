// The swap device on a real file: mm submits pages, this writes and reads them, synchronously and with their errno.
//
// cli/ opens one before the machine is built. Every block is written once at the start, so that a full or unwritable
// disk is an error then and not a lost page later. swapFilePath.ts decides which file may be used.
//
// Invariants: slot n stands at byte n * 4096; slot 0 is the header and never submitted; after `close`, or at the latest
// when the process exits, the file is gone if it was created here.

import { type write as fsWrite, readSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { SwapDevice, SwapRequest } from '../mm/index.ts';
import { PAGE_SIZE } from '../units.ts';
import { codeOf, errnoOf, FileError, fileError } from './fileError.ts';
import { type OpenSwapFile, openNamed, openTemporary } from './swapFilePath.ts';
import { swapHeader } from './swapHeader.ts';

const CHUNK_BYTES = 2 ** 20;
const EIO = 5;

export interface SwapFileOptions {
  /** Null: a temporary file without a name. */
  readonly path: string | null;
  /** Size of the file: whole pages, at least two. */
  readonly bytes: number;
  /** Aborted (by Ctrl-C) while the disk is being filled: openSwapFile rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Opens and fills the file. Rejects with FileError. */
export async function openSwapFile(options: SwapFileOptions): Promise<SwapFile> {
  const file = options.path === null ? openTemporary() : openNamed(options.path);
  const device = new SwapFile(file, Math.floor(options.bytes / PAGE_SIZE));
  try {
    await fill(file, device.slots, options.signal);
    return device;
  } catch (error) {
    device.close();
    throw error;
  }
}

export class SwapFile implements SwapDevice {
  readonly slots: number;
  readonly #file: OpenSwapFile;
  readonly #closeAtExit = (): void => this.close();
  #isOpen = true;

  constructor(file: OpenSwapFile, slots: number) {
    this.#file = file;
    this.slots = slots;
    process.once('exit', this.#closeAtExit);
  }

  submit(request: SwapRequest): void {
    const position = request.slot * PAGE_SIZE;
    const transfer = request.write ? writeFully : readFully;
    request.done(transfer(this.#file.fd, request.memory, position));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.#closeAtExit);
    this.#file.release();
  }
}

/** Header and zeros. In pieces, so that the event loop turns. */
async function fill(file: OpenSwapFile, slots: number, signal?: AbortSignal): Promise<void> {
  try {
    await writePiece(file.fd, swapHeader(slots), 0);
    const zeros = new Uint8Array(CHUNK_BYTES);
    const end = slots * PAGE_SIZE;
    for (let at = PAGE_SIZE; at < end; at += CHUNK_BYTES) {
      signal?.throwIfAborted();
      await writePiece(file.fd, zeros.subarray(0, Math.min(CHUNK_BYTES, end - at)), at);
    }
  } catch (error) {
    if (codeOf(error) === null) throw error;
    throw fileError(`cannot write ${slots * PAGE_SIZE} bytes of swap to ${file.name}`, error);
  }
}

const writeAsync: typeof fsWrite.__promisify__ = promisify(write);

async function writePiece(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await writeAsync(fd, bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new FileError('the disk takes no more bytes');
    done += bytesWritten;
  }
}

/** 0, or the errno (positive). */
function writeFully(fd: number, bytes: Uint8Array, position: number): number {
  return transferFully(bytes.length, (done) =>
    writeSync(fd, bytes, done, bytes.length - done, position + done),
  );
}

/** 0, or the errno (positive); EIO when the file has become too short. */
function readFully(fd: number, bytes: Uint8Array, position: number): number {
  return transferFully(bytes.length, (done) =>
    readSync(fd, bytes, done, bytes.length - done, position + done),
  );
}

function transferFully(length: number, transfer: (done: number) => number): number {
  for (let done = 0; done < length; ) {
    try {
      const moved = transfer(done);
      if (moved === 0) return EIO;
      done += moved;
    } catch (error) {
      if (codeOf(error) !== 'EINTR') return errnoOf(error);
    }
  }
  return 0;
}
