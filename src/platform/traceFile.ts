// The file that a trace is written to, as it grows.
//
// cli/ opens one before the run and hands `write` to a sink. A file that cannot be written any more is remembered, since
// nothing may throw through the kernel code that traced; what comes after is dropped.

import { closeSync, openSync, writeSync } from 'node:fs';
import { type FileError, fileError } from './fileError.ts';

export class TraceFile {
  readonly #fd: number;
  readonly #path: string;
  #failure: FileError | null = null;

  /** Creates the file or overwrites it. Throws FileError. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, 'w');
    } catch (error) {
      throw fileError(`cannot create trace file ${path}`, error);
    }
  }

  /** Why the file is not complete, or null. */
  get failure(): FileError | null {
    return this.#failure;
  }

  write(bytes: Uint8Array): void {
    if (this.#failure !== null) return;
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      this.#failure = fileError(`cannot write trace file ${this.#path}`, error);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
