// The guest's console: what the guest prints goes to a stream of this process, at the speed of whoever reads it.
//
// The devices call `write` in the middle of a slice, where nothing may wait; the session flushes between slices, and
// waits there when the reader is behind. A reader that went away ends the session as a signal would.

import { FileError, type Interrupt } from '../platform/index.ts';

/** Bytes that may wait in the stream before the guest must. */
const MAX_WAITING = 2 ** 20;

export class GuestConsole {
  readonly #stream: NodeJS.WriteStream;
  readonly #interrupt: Interrupt;
  readonly #onError = (error: NodeJS.ErrnoException): void => this.#fail(error);
  /** Called before something is printed, so that a status line can make room. */
  onPrint: () => void = () => {};
  #pending: Uint8Array[] = [];
  #failure: FileError | null = null;

  constructor(stream: NodeJS.WriteStream, interrupt: Interrupt) {
    this.#stream = stream;
    this.#interrupt = interrupt;
    stream.on('error', this.#onError);
  }

  /** Copies the bytes. */
  write(bytes: Uint8Array): void {
    this.#pending.push(bytes.slice());
  }

  /** Prints what is pending and waits until the reader has caught up. Rejects with FileError when the disk is full. */
  async flush(): Promise<void> {
    if (this.#pending.length > 0) {
      this.onPrint();
      this.#stream.write(Buffer.concat(this.#pending));
      this.#pending = [];
    }
    if (this.#stream.writableLength > MAX_WAITING) await this.#drained();
    this.throwIfFailed();
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  dispose(): void {
    this.#stream.off('error', this.#onError);
  }

  #drained(): Promise<void> {
    const { signal } = this.#interrupt;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#stream.off('drain', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#stream.on('drain', done);
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (error.code !== 'EPIPE')
      this.#failure = new FileError(`cannot print what the guest prints: ${error.message}`);
    this.#interrupt.abortByClosedPipe();
  }
}
