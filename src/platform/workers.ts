// Worker processes: several of one kind, which are sent plain data and answer with plain data.
//
// Used by cli/ for what takes all CPUs of a machine. Processes, not threads: these were slower, since they share what
// collects garbage and compiles. A worker is in a process group of its own, so that Ctrl-C comes to the main process
// alone, and ends with it. Invariant: after close() no worker is left, and nothing is sent, received or complained of
// any more.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export class Workers<In, Out> {
  readonly #processes: readonly ChildProcess[];
  #isClosed = false;
  /** One that hangs does not notice that we are gone. */
  readonly #kill = (): void => {
    for (const worker of this.#processes) worker.kill('SIGKILL');
  };

  /**
   * `entry` is the module that each of `count` workers runs, `data` what all of them are given. A worker that ends before
   * close() comes to `failed`; what it has to say of it is on its standard error, which is ours.
   */
  constructor(
    count: number,
    entry: URL,
    data: object,
    received: (worker: number, message: Out) => void,
    failed: (error: Error) => void,
  ) {
    const unlessClosed =
      <T extends unknown[]>(listener: (...args: T) => void) =>
      (...args: T): void => {
        if (!this.#isClosed) listener(...args);
      };
    this.#processes = Array.from({ length: count }, (_, index) => {
      const worker = fork(fileURLToPath(entry), { serialization: 'advanced', detached: true });
      worker.on(
        'message',
        unlessClosed((message) => received(index, message as Out)),
      );
      worker.on('error', unlessClosed(failed));
      worker.on(
        'exit',
        unlessClosed((code, signal) => failed(new Error(`a worker has ended: ${signal ?? code}`))),
      );
      worker.send(data);
      return worker;
    });
    process.on('exit', this.#kill);
  }

  get count(): number {
    return this.#processes.length;
  }

  /** A worker that is gone has told so otherwise. */
  send(worker: number, message: In): void {
    const { connected } = this.#processes[worker]!;
    if (connected && !this.#isClosed) this.#processes[worker]!.send(message as object);
  }

  /** Sends SIGINT, for one that is too busy to listen. */
  interrupt(worker: number): void {
    this.#processes[worker]!.kill('SIGINT');
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    process.off('exit', this.#kill);
    await Promise.all(
      this.#processes.map((worker) => {
        if (worker.exitCode !== null || worker.signalCode !== null) return null;
        return new Promise((resolve) => {
          worker.once('exit', resolve);
          worker.kill('SIGKILL');
        });
      }),
    );
  }
}

/** The other end, for who runs in such a process: what all were given, and the way to the main process and back. */
export async function inWorker<In, Out>(): Promise<{
  readonly data: unknown;
  readonly send: (message: Out) => void;
  readonly receive: (received: (message: In) => void) => void;
}> {
  process.on('disconnect', () => process.exit());
  const early: In[] = [];
  let take = (message: In): void => void early.push(message);
  const data = await new Promise((resolve) => {
    process.once('message', (first) => {
      process.on('message', (message) => take(message as In));
      resolve(first);
    });
  });
  return {
    data,
    send: (message) => void process.send!(message),
    receive: (received) => {
      take = received;
      for (const message of early.splice(0)) received(message);
    },
  };
}
