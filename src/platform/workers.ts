// Worker threads: several of one kind, which are sent plain data and answer with plain data.
//
// Used by cli/ for what takes all CPUs of a machine. Signals reach the main thread alone. Invariant: after close() no thread
// is left and nothing is received any more.

import { parentPort, Worker, workerData } from 'node:worker_threads';

export class Workers<In, Out> {
  readonly #threads: readonly Worker[];

  /**
   * `entry` is the module that each of `count` threads runs, `data` what all of them are given. An error that a thread does
   * not catch comes to `failed`.
   */
  constructor(
    count: number,
    entry: URL,
    data: unknown,
    received: (worker: number, message: Out) => void,
    failed: (error: Error) => void,
  ) {
    this.#threads = Array.from({ length: count }, (_, index) =>
      new Worker(entry, { workerData: data })
        .on('message', (message: Out) => received(index, message))
        .on('error', failed),
    );
  }

  get count(): number {
    return this.#threads.length;
  }

  send(worker: number, message: In): void {
    this.#threads[worker]!.postMessage(message);
  }

  async close(): Promise<void> {
    for (const thread of this.#threads) thread.removeAllListeners('message');
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}

/** The other end, for who runs in such a thread: what all were given, and the way to the main thread and back. */
export function inWorker<In, Out>(): {
  readonly data: unknown;
  readonly send: (message: Out) => void;
  readonly receive: (received: (message: In) => void) => void;
} {
  const port = parentPort;
  if (port === null) throw new Error('not a worker thread');
  return {
    data: workerData,
    send: (message) => port.postMessage(message),
    receive: (received) => port.on('message', received),
  };
}
