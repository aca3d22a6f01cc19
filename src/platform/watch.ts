// A watch on the main thread by a thread of its own: says so, once, when a piece of work takes long.
//
// The main thread cannot: it turns no event loop meanwhile. Used by cli/ where code of a user's runs. What is said changes
// nothing of what comes of the work.

import { Worker } from 'node:worker_threads';

/** A number that changes when work begins and when it ends, odd meanwhile; and a word to sleep on. */
const THREAD = `
  const { state, text, milliseconds } = require('node:worker_threads').workerData;
  for (;;) {
    const seen = Atomics.load(state, 0);
    Atomics.wait(state, 1, 0, milliseconds);
    if (seen % 2 === 1 && Atomics.load(state, 0) === seen) break;
  }
  require('node:fs').writeSync(2, text);
`;

export class Watch {
  readonly #state = new Int32Array(new SharedArrayBuffer(8));
  readonly #thread: Worker;

  /** What it says on standard error, of work that takes more than so long; up to twice as long it may be silent. */
  constructor(text: string, milliseconds: number) {
    const workerData = { state: this.#state, text, milliseconds };
    this.#thread = new Worker(THREAD, { eval: true, workerData, execArgv: [] });
    this.#thread.unref();
  }

  begin(): void {
    Atomics.add(this.#state, 0, 1);
  }

  end(): void {
    Atomics.add(this.#state, 0, 1);
  }

  dispose(): void {
    void this.#thread.terminate();
  }
}
