// The words of a script's line, and taking them one by one with a clear complaint about the first that is wrong.
//
// parser.ts is the user. Lines and columns count from 1; a column is that of the word's first character.

/** A mistake in a script, as `file:line:col: message`. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
}

interface Word {
  readonly text: string;
  readonly column: number;
}

export class Line {
  readonly words: readonly Word[];
  readonly #file: string;
  readonly #number: number;
  readonly #length: number;

  constructor(file: string, number: number, text: string) {
    this.#file = file;
    this.#number = number;
    const code = text.replace(/#.*$/s, '').trimEnd();
    this.#length = code.length;
    this.words = [...code.matchAll(/\S+/g)].map((match) => ({ text: match[0], column: match.index + 1 }));
  }

  cursor(): Cursor {
    return new Cursor(this);
  }

  /** `at` counts words; past the last one it is the end of the line. */
  fail(at: number, message: string): never {
    const column = this.words[at]?.column ?? this.#length + 1;
    throw new ScriptError(`${this.#file}:${this.#number}:${column}: ${message}`);
  }
}

export class Cursor {
  readonly #line: Line;
  /** Words taken. */
  position = 0;

  constructor(line: Line) {
    this.#line = line;
  }

  get atEnd(): boolean {
    return this.position >= this.#line.words.length;
  }

  /** The next word, not taken; '' at the end. */
  peek(): string {
    return this.#line.words[this.position]?.text ?? '';
  }

  /** Complains about the word that was taken last. */
  fail(message: string): never {
    return this.#line.fail(Math.max(0, this.position - 1), message);
  }

  /** A decimal number in [least, most]. */
  whole(what: string, least: number, most: number): number {
    const text = this.#take(what);
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < least || number > most)
      this.fail(`${what}: '${shown(text)}' is no whole number from ${least} to ${most}`);
    return number;
  }

  oneOf<T extends string>(what: string, allowed: readonly T[]): T {
    const text = this.#take(what);
    const found = allowed.find((word) => word === text);
    return found ?? this.fail(`${what}: '${shown(text)}' is none of ${allowed.join(', ')}`);
  }

  matching(what: string, pattern: RegExp): string {
    const text = this.#take(what);
    return pattern.test(text) ? text : this.fail(`'${shown(text)}' is no ${what}`);
  }

  /** Takes the next word if it is `word`. */
  optional(word: string): boolean {
    if (this.peek() !== word) return false;
    this.position++;
    return true;
  }

  end(): void {
    if (this.atEnd) return;
    this.position++;
    this.fail(`'${shown(this.#line.words[this.position - 1]!.text)}' is too much`);
  }

  #take(what: string): string {
    if (this.atEnd) this.#line.fail(this.position, `${what} is missing`);
    return this.#line.words[this.position++]!.text;
  }
}

const LONGEST = 40;
/** A word as a message quotes it: not too long, nothing that a terminal obeys. */
const shown = (text: string): string => {
  const plain = text.replace(/[^\x20-\x7e]/g, '?');
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST)}...` : plain;
};
