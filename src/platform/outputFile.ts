// The file that a run writes, as it grows: a trace or a report.
//
// cli/ opens one before the run, so that a path that cannot be used is an error then, and hands `write` to a sink. A
// file that cannot be written any more is remembered, since nothing may throw through the kernel code that traced; what
// comes after is dropped.

import { closeSync, writeSync } from 'node:fs';
import type { Spool } from '../trace/index.ts';
import { type FileError, fileError } from './fileError.ts';
import { FileSpool } from './fileSpool.ts';
import { openOutput } from './files.ts';

export class OutputFile {
  readonly #fd: number;
  readonly #path: string;
  readonly #what: string;
  readonly #spools: FileSpool[] = [];
  #failure: FileError | null = null;

  /** Creates the file or overwrites it; `what` it is stands in errors. Throws FileError. */
  constructor(path: string, what: string) {
    this.#path = path;
    this.#what = what;
    try {
      this.#fd = openOutput(path);
    } catch (error) {
      throw fileError(`cannot create ${what} ${path}`, error);
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
      this.#failure = fileError(`cannot write ${this.#what} ${this.#path}`, error);
    }
  }

  /** For a sink: files beside this one. Throws FileError. */
  newSpool(): Spool {
    const name = `${this.#path}.cpu${this.#spools.length}.${process.pid}`;
    const spool = new FileSpool(name, (failure) => {
      this.#failure ??= failure;
    });
    this.#spools.push(spool);
    return spool;
  }

  close(): void {
    for (const spool of this.#spools) spool.close();
    closeSync(this.#fd);
  }
}
