// The trace file of `--trace`: one JSON line per event, written as the ring fills.
//
// cli/ opens one before the run and hands `add` to the trace ring as (part of) its `onFull`. A file that cannot be
// written any more is remembered and reported by `close`, since nothing may throw through the kernel code that traced.

import { closeSync, openSync, writeSync } from 'node:fs';
import { decodeRecord, RECORD_WORDS, toJsonLine } from '../trace/index.ts';
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

  add(records: Float64Array): void {
    if (this.#failure !== null) return;
    const lines: string[] = [];
    for (let at = 0; at < records.length; at += RECORD_WORDS)
      lines.push(toJsonLine(decodeRecord(records, at)));
    this.#write(new TextEncoder().encode(`${lines.join('\n')}\n`));
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      this.#failure = fileError(`cannot write trace file ${this.#path}`, error);
    }
  }
}
