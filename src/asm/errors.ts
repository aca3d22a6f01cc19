// Errors: what the author of a source is told.
//
// Parts of the assembler throw a Fault at a place in the current statement; the driver turns each into a Diagnostic and
// goes on with the next statement; at the end all of them leave as one AssemblerError, the only error that assemble()
// throws for a source.

import { MAX_ERRORS } from './limits.ts';
import type { Place, Statement } from './source.ts';

/** One error at its place. Lines and columns count from 1. */
export interface Diagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  /** The line as the author wrote it. */
  readonly sourceLine: string;
  /** For text that a macro produced: which macro, its line, the produced text. */
  readonly note: string | null;
}

/** All errors of a source, at most MAX_ERRORS; the message holds each as `file:line:col: error: text` with its line. */
export class AssemblerError extends Error {
  override readonly name = 'AssemblerError';
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(format).join('\n'));
    this.diagnostics = diagnostics;
  }
}

/** Something wrong at text[index] of the statement being assembled; caught by the driver. */
export class Fault extends Error {
  readonly index: number;
  constructor(index: number, text: string) {
    super(text);
    this.index = index;
  }
}

/** A Fault after which going on makes no sense: a limit is exhausted. */
export class FatalFault extends Fault {}

/** Collects the errors of one source. */
export class Diagnostics {
  readonly list: Diagnostic[] = [];
  private readonly file: string;
  private readonly lines: readonly string[];

  constructor(file: string, lines: readonly string[]) {
    this.file = file;
    this.lines = lines;
  }

  get full(): boolean {
    return this.list.length >= MAX_ERRORS;
  }

  add({ statement, index }: Place, text: string): void {
    if (this.full) return;
    const origin = outermost(statement);
    const inside = origin === statement ? index : origin.text.search(/\S|$/);
    this.list.push({
      file: this.file,
      line: origin.line,
      column: origin.column + inside + 1,
      text: text.slice(0, MAX_TEXT),
      sourceLine: this.lines[origin.line - 1] ?? '',
      note:
        statement.expansion === null
          ? null
          : `in macro '${statement.expansion.name}', line ${statement.line}: ${cut(statement.text.trim(), 0).text}`,
    });
  }

  /** Unless the list is full, runs `action`; a Fault in it becomes a diagnostic in that statement. */
  attempt(statement: Statement, action: () => void): void {
    if (this.full) return;
    try {
      action();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.add({ statement, index: error.index }, error.message);
    }
  }

  /** Throws AssemblerError if there is a diagnostic. */
  throwIfAny(): void {
    if (this.list.length > 0) throw new AssemblerError(this.list);
  }
}

function outermost(statement: Statement): Statement {
  let at = statement;
  while (at.expansion !== null) at = at.expansion.call;
  return at;
}

/** Characters of an error, which may name what the source names, and of a source line that is shown. */
const MAX_TEXT = 200;
const WIDTH = 160;

/** At most WIDTH characters of a line around a column, without control characters. */
function cut(line: string, column: number): { text: string; start: number } {
  const start = column < WIDTH ? 0 : column - WIDTH / 2;
  const text = line
    .slice(start, start + WIDTH)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
  return { text, start };
}

function format(d: Diagnostic): string {
  const { text, start } = cut(d.sourceLine, d.column - 1);
  const margin = text.slice(0, d.column - 1 - start).replace(/[^\t]/g, ' ');
  const head = `${d.file}:${d.line}:${d.column}: error: ${d.text}`;
  const note = d.note === null ? '' : `\n  ${d.note}`;
  return `${head}\n${text}\n${margin}^${note}`;
}
