// Tables on a terminal: columns of fixed width, a blank line before the first.

export const num = (value: number, digits = 2): string => value.toFixed(digits);

export class Table {
  readonly #say: (text: string) => void;
  /** Negative: to the right. */
  readonly #widths: readonly number[];

  constructor(say: (text: string) => void, widths: readonly number[]) {
    this.#say = say;
    this.#widths = widths;
    say('');
  }

  row(...cells: readonly string[]): void {
    const padded = cells.map((cell, i) => {
      const width = this.#widths[i] ?? 0;
      return width < 0 ? cell.padStart(-width) : cell.padEnd(width);
    });
    this.#say(padded.join(' ').trimEnd());
  }
}
