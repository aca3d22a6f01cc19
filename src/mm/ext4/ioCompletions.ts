// Completions of a disk: requests that the device has done, and the task that hears of them later.
//
// swapIo.ts and blockIo.ts have one each. A device does its work at once; that it is done becomes known after
// IO_LATENCY of virtual time, and is then handled by a task of the host, which is what the block layer's softirq is
// in Linux.
//
// Invariant: completions are handled in the order in which they became known.

import { BLOCKED, type Scheduler, type Steps, type Task } from '../../sched/index.ts';

/** Virtual time of one request, ns: a fast SSD. */
export const IO_LATENCY = 20_000;

export class IoCompletions<Request> {
  readonly #sched: Scheduler;
  readonly #name: string;
  readonly #completed: Request[] = [];
  #task: Task | null = null;

  /** `name` is what the task waits for, in reports. */
  constructor(sched: Scheduler, name: string) {
    this.#sched = sched;
    this.#name = name;
  }

  /** The request is done; the host hears of it later. */
  add(request: Request): void {
    this.#sched.after(IO_LATENCY, () => {
      this.#completed.push(request);
      if (this.#task !== null) this.#sched.wake(this.#task);
    });
  }

  /** Body of the task: `end` is what is done about each request. */
  *handle(end: (request: Request) => Steps): Steps {
    this.#task = this.#sched.current;
    for (;;) {
      const request = this.#completed.shift();
      if (request === undefined) {
        this.#sched.block(this.#name);
        yield BLOCKED;
      } else yield* end(request);
    }
  }
}
