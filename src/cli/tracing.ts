// The trace of a session: what is asked for, and where it goes: a file, or standard output (then the guest's console is
// standard error).
//
// trace.ts makes the request from the flags of `umbra trace`, run.ts from --trace; session.ts opens it before the run and
// hands it what the ring collects.

import { type Interrupt, OutputFile } from '../platform/index.ts';
import type { Scheduler } from '../sched/index.ts';
import {
  type EventFilter,
  type EventName,
  filtered,
  SINKS,
  type Sink,
  TaskNames,
  type TraceFormat,
} from '../trace/index.ts';
import { GuestConsole } from './guestConsole.ts';

export interface TraceRequest {
  /** Null: standard output. */
  readonly path: string | null;
  readonly format: TraceFormat;
  readonly events: readonly EventName[];
  readonly filters: readonly EventFilter[];
}

export class Tracing {
  readonly #request: TraceRequest;
  readonly #file: OutputFile | null;
  readonly #stream: GuestConsole | null;
  #sink: Sink | null = null;

  /** Throws FileError. */
  constructor(request: TraceRequest, interrupt: Interrupt) {
    this.#request = request;
    this.#file = request.path === null ? null : new OutputFile(request.path, 'trace file');
    this.#stream = this.#file === null ? new GuestConsole(process.stdout, interrupt) : null;
  }

  get events(): readonly EventName[] {
    return this.#request.events;
  }

  /** Before the first record. */
  attach(sched: Scheduler, cpus: number): void {
    const tasks = new TaskNames((id) => sched.taskOf(id));
    const { format, events, filters } = this.#request;
    const write = (bytes: Uint8Array): void => (this.#file ?? this.#stream)!.write(bytes);
    const file = this.#file;
    const options = { write, tasks, cpus, ...(file === null ? {} : { newSpool: () => file.newSpool() }) };
    this.#sink = filtered(SINKS[format](options), events, filters, tasks);
  }

  add(records: Float64Array): void {
    this.#sink?.add(records);
  }

  end(): void {
    this.#sink?.end();
  }

  /** Waits until the reader of standard output has caught up. */
  async flush(): Promise<void> {
    await this.#stream?.flush();
  }

  throwIfFailed(): void {
    if (this.#file?.failure) throw this.#file.failure;
    this.#stream?.throwIfFailed();
  }

  close(): void {
    this.#file?.close();
    this.#stream?.dispose();
  }
}
