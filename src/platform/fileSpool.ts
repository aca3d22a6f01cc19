// A spool in a temporary file without a name: the pages of each CPU of a trace.dat, while a run lasts.
//
// What cannot be written or read back is told to `onFailure`, since nothing may throw through the kernel code that
// traced.

import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import type { Spool } from '../trace/index.ts';
import { type FileError, fileError } from './fileError.ts';

const PIECE = 2 ** 20;

export class FileSpool implements Spool {
  readonly #path: string;
  readonly #onFailure: (failure: FileError) => void;
  readonly #fd: number;
  #length = 0;
  #isOpen = true;

  /** Throws FileError. */
  constructor(path: string, onFailure: (failure: FileError) => void) {
    this.#path = path;
    this.#onFailure = onFailure;
    try {
      this.#fd = openSync(path, 'wx+');
      unlinkSync(path);
    } catch (error) {
      throw fileError(`cannot create ${path}`, error);
    }
  }

  append(bytes: Uint8Array): void {
    if (!this.#isOpen) return;
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#length + done);
      this.#length += bytes.length;
    } catch (error) {
      this.#fail(error);
    }
  }

  drain(take: (bytes: Uint8Array) => void): void {
    const piece = new Uint8Array(PIECE);
    try {
      for (let at = 0; this.#isOpen && at < this.#length; ) {
        const length = readSync(this.#fd, piece, 0, Math.min(PIECE, this.#length - at), at);
        take(piece.subarray(0, length));
        at += length;
      }
    } catch (error) {
      this.#fail(error);
    }
    this.close();
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }

  #fail(error: unknown): void {
    this.close();
    this.#onFailure(fileError(`cannot keep a part of the trace in ${this.#path}`, error));
  }
}
