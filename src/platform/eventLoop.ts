// The event loop and what arrives through it: a synchronous simulator must turn it often, or not even Ctrl-C is heard.
//
// Used by every verb of cli/ between slices of work.

/** A slice of work must not be longer than this, in ms. */
export const SLICE_MS = 40;

/** Lets everything happen that is waiting to happen: signals, output that drains. */
export const turnEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A test for "this slice is over", by the clock. */
export function sliceTimer(): () => boolean {
  const end = performance.now() + SLICE_MS;
  return () => performance.now() >= end;
}

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
type HandledSignal = keyof typeof SIGNALS;

/**
 * Ctrl-C and the other ways to be told to stop. The first signal aborts `signal`, and work ends in good order at the
 * next turn of the event loop; a second one ends the process at once (files are still removed, at exit).
 */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #listeners = new Map<HandledSignal, () => void>();
  #received: HandledSignal | null = null;

  constructor() {
    for (const name of Object.keys(SIGNALS) as HandledSignal[]) {
      const listener = (): void => this.#take(name);
      this.#listeners.set(name, listener);
      process.on(name, listener);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get received(): HandledSignal | null {
    return this.#received;
  }

  /** As a shell reports it: 130 for Ctrl-C. */
  get exitCode(): number {
    return 128 + SIGNALS[this.#received ?? 'SIGINT'];
  }

  /** Ends the work for another reason than a signal, as when nobody reads the output any more. */
  abort(): void {
    this.#controller.abort();
  }

  /** Signals do again what they did before. */
  dispose(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }

  #take(name: HandledSignal): void {
    if (this.#received !== null) process.exit(this.exitCode);
    this.#received = name;
    this.#controller.abort();
  }
}
