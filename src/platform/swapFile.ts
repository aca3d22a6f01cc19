// The swap device on a real file: mm submits pages, this writes and reads them, synchronously and with their errno.
//
// cli/ opens one before the machine is built. Its space is taken at the start (preallocate.ts), so that a full or
// unwritable disk is an error then and not a lost page later. swapFilePath.ts decides which file may be used.
//
// Invariants: slot n stands at byte n * 4096; slot 0 is the header and never submitted; a page that comes back is the
// page that went out, or an I/O error: somebody else's write, or a hole where the file was cut off and grew again, never
// reaches a guest. After `close`, or at the latest when the process exits, the file is gone if it was created here.

import { readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { SwapDevice, SwapRequest } from '../mm/index.ts';
import { PAGE_SIZE } from '../units.ts';
import { codeOf, errnoOf, fileError } from './fileError.ts';
import { preallocate, writeFully } from './preallocate.ts';
import { type OpenSwapFile, openNamed, openTemporary } from './swapFilePath.ts';
import { swapHeader } from './swapHeader.ts';

const EIO = 5;

export interface SwapFileOptions {
  /** Null: a temporary file without a name. */
  readonly path: string | null;
  /** Size of the file: whole pages, at least two. */
  readonly bytes: number;
  /** Aborted (by Ctrl-C) while space is being taken: openSwapFile rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Opens the file and takes its space. Rejects with FileError. */
export async function openSwapFile(options: SwapFileOptions): Promise<SwapFile> {
  const file = options.path === null ? openTemporary() : openNamed(options.path);
  const device = new SwapFile(file, Math.floor(options.bytes / PAGE_SIZE));
  try {
    await prepare(file, device.slots, options.signal);
    return device;
  } catch (error) {
    device.close();
    throw error;
  }
}

export class SwapFile implements SwapDevice {
  readonly slots: number;
  readonly #file: OpenSwapFile;
  /** CRC-32 of what was last written to each slot. */
  readonly #checksums: Uint32Array;
  readonly #closeAtExit = (): void => this.close();
  #isOpen = true;

  constructor(file: OpenSwapFile, slots: number) {
    this.#file = file;
    this.slots = slots;
    this.#checksums = new Uint32Array(slots);
    process.once('exit', this.#closeAtExit);
  }

  submit(request: SwapRequest): void {
    request.done(request.write ? this.#write(request) : this.#read(request));
  }

  #write({ slot, memory }: SwapRequest): number {
    this.#checksums[slot] = crc32(memory);
    return writePage(this.#file.fd, memory, slot * PAGE_SIZE);
  }

  #read({ slot, memory }: SwapRequest): number {
    const errno = readPage(this.#file.fd, memory, slot * PAGE_SIZE);
    return errno === 0 && crc32(memory) !== this.#checksums[slot] ? EIO : errno;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off('exit', this.#closeAtExit);
    this.#file.release();
  }
}

/** The header goes first: what a killed run leaves behind must be known as ours. */
async function prepare(file: OpenSwapFile, slots: number, signal?: AbortSignal): Promise<void> {
  try {
    await writeFully(file.fd, swapHeader(slots), 0);
    await preallocate(file.fd, PAGE_SIZE, slots * PAGE_SIZE, signal);
  } catch (error) {
    if (codeOf(error) === null) throw error;
    throw fileError(`cannot write ${slots * PAGE_SIZE} bytes of swap to ${file.name}`, error);
  }
}

/** 0, or the errno (positive). */
function writePage(fd: number, bytes: Uint8Array, position: number): number {
  return transfer(bytes.length, (done) => writeSync(fd, bytes, done, bytes.length - done, position + done));
}

/** 0, or the errno (positive); EIO when the file has become too short. */
function readPage(fd: number, bytes: Uint8Array, position: number): number {
  return transfer(bytes.length, (done) => readSync(fd, bytes, done, bytes.length - done, position + done));
}

function transfer(length: number, move: (done: number) => number): number {
  for (let done = 0; done < length; ) {
    try {
      const moved = move(done);
      if (moved === 0) return EIO;
      done += moved;
    } catch (error) {
      if (codeOf(error) !== 'EINTR') return errnoOf(error);
    }
  }
  return 0;
}
