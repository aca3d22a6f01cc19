// Whose the task ids of a trace are: names and CPUs, as the sinks print them.
//
// The scheduler has them (Scheduler.taskOf); the reader of a trace file has those of the file.

export interface TraceTask {
  readonly name: string;
  /** The host CPU that it runs on. */
  readonly cpu: number;
}

export type TaskLookup = (id: number) => TraceTask | null;

/** Task 0: events, between steps. Linux's idle task by its name in traces. */
export const IDLE = '<idle>';
const SWAPPER = 'swapper/0';
const COMM_LENGTH = 15;

export class TaskNames {
  readonly #lookup: TaskLookup;

  constructor(lookup: TaskLookup) {
    this.#lookup = lookup;
  }

  /** The comm in an event's field: at most 15 characters. */
  commOf(id: number): string {
    return id === 0 ? SWAPPER : this.#nameOf(id);
  }

  /** The comm in front of a line. */
  titleOf(id: number): string {
    return id === 0 ? IDLE : this.#nameOf(id);
  }

  cpuOf(id: number): number {
    return this.#lookup(id)?.cpu ?? 0;
  }

  #nameOf(id: number): string {
    return (this.#lookup(id)?.name ?? '<...>').slice(0, COMM_LENGTH);
  }
}

/** Where nobody knows the tasks. */
export const NO_TASKS = new TaskNames(() => null);
