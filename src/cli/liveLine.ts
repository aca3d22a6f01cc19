// The live line: how a run is going, rewritten in place on a terminal, at most five times a second.
//
// The session calls `update` between slices. On anything but a terminal there is no line.

import type { Progress } from '../machine.ts';
import { bytesInWords, count } from './words.ts';

const INTERVAL_MS = 200;
const ERASE = '\r\x1b[K';

export class LiveLine {
  readonly #stream: NodeJS.WriteStream;
  #shownAt = performance.now();
  #instructions = 0;
  #isShown = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** `progress` is asked only when the line is due. */
  update(progress: () => Progress): void {
    if (this.#stream.isTTY !== true) return;
    const now = performance.now();
    if (now - this.#shownAt < INTERVAL_MS) return;
    const current = progress();
    const mips = (current.instructions - this.#instructions) / (now - this.#shownAt) / 1000;
    this.#shownAt = now;
    this.#instructions = current.instructions;
    this.#show(format(current, mips));
  }

  /** Takes the line away, before anything else is printed. */
  clear(): void {
    if (this.#isShown) this.#stream.write(ERASE);
    this.#isShown = false;
  }

  #show(text: string): void {
    const columns = this.#stream.columns > 0 ? this.#stream.columns : 80;
    this.#stream.write(`${ERASE}${text.slice(0, columns - 1)}`);
    this.#isShown = true;
  }
}

const format = (p: Progress, mips: number): string =>
  [
    `${mips.toFixed(1)} MIPS`,
    `resident ${bytesInWords(p.residentBytes)}`,
    `swapped ${bytesInWords(p.swappedBytes)}`,
    `faults ${count(p.faults)}`,
    `exits ${count(p.exits)}`,
  ].join('  ');
