// One line on a terminal that says how far something is, rewritten in place at most five times a second.

const INTERVAL_MS = 200;
const ERASE = '\r\x1b[K';

export class StatusLine {
  readonly #stream: NodeJS.WriteStream;
  #shownAt = 0;
  #isShown = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** `text` is asked only when the line is due; on anything but a terminal never. */
  update(text: () => string): void {
    if (this.#stream.isTTY !== true) return;
    const now = performance.now();
    if (now - this.#shownAt < INTERVAL_MS) return;
    this.#shownAt = now;
    const columns = this.#stream.columns > 0 ? this.#stream.columns : 80;
    this.#stream.write(`${ERASE}${text().slice(0, columns - 1)}`);
    this.#isShown = true;
  }

  /** Takes the line away, before anything else is printed. */
  clear(): void {
    if (this.#isShown) this.#stream.write(ERASE);
    this.#isShown = false;
  }
}
