// Source: cuts assembly text into statements.
//
// First station of the assembler. Ends statements at line ends and `;`, blanks out `#`, `//` and `/* */` comments, and
// leaves strings and character constants alone. Columns survive: text[i] of a statement stands at column + i of its line.

import { MAX_STATEMENTS } from './limits.ts';

export interface Statement {
  readonly text: string;
  /** The line that the text was written on, from 1. */
  readonly line: number;
  /** Column of text[0], from 0. */
  readonly column: number;
  /** The macro call that produced the text, or null if it stands so in the source. */
  readonly expansion: Expansion | null;
}

export interface Expansion {
  readonly name: string;
  readonly call: Statement;
}

/** A place to blame, also once the statement is long gone. */
export interface Place {
  readonly statement: Statement;
  /** Offset in its text. */
  readonly index: number;
}

export interface SplitSource {
  readonly statements: readonly Statement[];
  readonly lines: readonly string[];
  /** Where a comment opens that never closes, or null. */
  readonly openComment: Place | null;
}

/** What ends a statement, or hides such a thing: comments, `;` and quotes. */
const SPECIAL = /["';#]|\/[/*]/g;
const ANY_SPECIAL = new RegExp(SPECIAL.source);

/** The statements of a source; blank ones are left out, and those far beyond what input.ts lets through. */
export function splitSource(source: string): SplitSource {
  const lines = source.split(/\r\n|\n|\r/);
  const statements: Statement[] = [];
  let comment: Place | null = null;
  for (const [i, line] of lines.entries()) {
    if (statements.length > MAX_STATEMENTS) break;
    if (comment !== null || ANY_SPECIAL.test(line)) comment = splitLine(line, i + 1, comment, statements);
    else if (/\S/.test(line)) statements.push({ text: line, line: i + 1, column: 0, expansion: null });
  }
  return { statements, lines, openComment: comment };
}

/** Cuts one line; `comment` is the block comment that it starts in. Returns the one that it ends in. */
function splitLine(line: string, number: number, comment: Place | null, out: Statement[]): Place | null {
  let open = comment;
  let at = 0;
  let start = 0;
  let kept = 0;
  let text = '';
  const blankTo = (end: number): void => {
    text += line.slice(kept, at) + ' '.repeat(end - at);
    kept = at = end;
  };
  const finish = (): void => {
    text += line.slice(kept, at);
    if (/\S/.test(text)) out.push({ text, line: number, column: start, expansion: null });
    text = '';
  };
  while (at < line.length && out.length <= MAX_STATEMENTS) {
    if (open !== null) {
      const close = line.indexOf('*/', at);
      blankTo(close === -1 ? line.length : close + 2);
      if (close !== -1) open = null;
      continue;
    }
    SPECIAL.lastIndex = at;
    const hit = SPECIAL.exec(line);
    at = hit?.index ?? line.length;
    if (hit === null || hit[0] === '#' || hit[0] === '//') break;
    if (hit[0] === '"') at = afterString(line, at);
    else if (hit[0] === "'") at = afterCharacter(line, at);
    else if (hit[0] === ';') {
      finish();
      start = kept = at = at + 1;
    } else {
      open = { statement: { text: line, line: number, column: 0, expansion: null }, index: at };
      blankTo(at + 2);
    }
  }
  finish();
  return open;
}

/** Index behind the string that opens at `at`, or the end of the text if it never closes. */
export function afterString(text: string, at: number): number {
  let i = at + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return Math.min(i + 1, text.length);
}

/** Index behind the character constant that opens at `at`: 'c' or, as GNU as allows, 'c without the second quote. */
export function afterCharacter(text: string, at: number): number {
  let i = at + (text[at + 1] === '\\' ? 3 : 2);
  if (text[i] === "'") i++;
  return Math.min(i, text.length);
}
