// The event loop and what arrives through it: a synchronous simulator must turn it often, or not even Ctrl-C is heard.
//
// Used by every verb of cli/ between slices of work.

import { breakable } from './breakable.ts';

/** A slice of work must not be longer than this, in ms. */
export const SLICE_MS = 40;

/** Lets everything happen that is waiting to happen: signals, output that drains. */
export const turnEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A test for "this slice is over", by the clock. */
export function sliceTimer(): () => boolean {
  const end = performance.now() + SLICE_MS;
  return () => performance.now() >= end;
}

/** The exit code of what time has ended, as timeout(1) has it. */
const TIME_IS_UP = 124;

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
const SIGPIPE = 13;
type HandledSignal = keyof typeof SIGNALS;

/** Thrown to end what was told to stop and has nothing more to say; the exit code is the Interrupt's. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super('interrupted');
    this.exitCode = exitCode;
  }
}

/**
 * Ctrl-C and the other ways to be told to stop. The first signal aborts `signal`, and work ends in good order at the
 * next turn of the event loop; a second one ends the process at once (files are still removed, at exit).
 */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #listeners = new Map<HandledSignal, () => void>();
  /** Number of the first signal; 0: none yet. */
  #received = 0;

  constructor() {
    for (const name of Object.keys(SIGNALS) as HandledSignal[]) {
      const listener = (): void => this.#take(SIGNALS[name]);
      this.#listeners.set(name, listener);
      process.on(name, listener);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isAborted(): boolean {
    return this.signal.aborted;
  }

  /** As a shell reports a process that the signal ended: 130 for Ctrl-C. */
  get exitCode(): number {
    return 128 + this.#received;
  }

  throwIfAborted(): void {
    if (this.isAborted) throw new Interrupted(this.exitCode);
  }

  /**
   * Calls `work`, which may never end (breakable.ts): Ctrl-C ends it, or so many milliseconds, and Interrupted is thrown.
   * Other signals wait for its end.
   */
  breaks<T>(work: () => T, milliseconds = Number.POSITIVE_INFINITY): T {
    let result: { readonly value: T } | null = null;
    const brokenOff = breakable(() => {
      result = { value: work() };
    }, milliseconds);
    if (brokenOff === 'time') throw new Interrupted(TIME_IS_UP);
    if (brokenOff === 'interrupt') {
      this.#take(SIGNALS.SIGINT);
      throw new Interrupted(this.exitCode);
    }
    return result!.value;
  }

  /** Nobody reads the output any more: as good as a signal. */
  abortByClosedPipe(): void {
    this.#received = SIGPIPE;
    this.#controller.abort();
  }

  /** Signals do again what they did before. */
  dispose(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }

  #take(signal: number): void {
    if (this.#received !== 0) process.exit(this.exitCode);
    this.#received = signal;
    this.#controller.abort();
  }
}
