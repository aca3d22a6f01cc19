// Worker processes: several of one kind, which are sent plain data and answer with plain data.
//
// Used by cli/ for what takes all CPUs of a machine. Processes, not threads: these were slower, since they share what
// collects garbage and compiles. A worker leaves signals to the main process and ends with it.
// Invariant: after close() no worker is left and nothing is received any more.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export class Workers<In, Out> {
  readonly #processes: readonly ChildProcess[];

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
    this.#processes = Array.from({ length: count }, (_, index) => {
      const worker = fork(fileURLToPath(entry), { serialization: 'advanced' });
      worker.on('message', (message) => received(index, message as Out));
      worker.on('error', failed);
      worker.on('exit', (code, signal) => failed(new Error(`a worker has ended: ${signal ?? code}`)));
      worker.send(data);
      return worker;
    });
  }

  get count(): number {
    return this.#processes.length;
  }

  send(worker: number, message: In): void {
    this.#processes[worker]!.send(message as object);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#processes.map((worker) => {
        for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
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
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
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
