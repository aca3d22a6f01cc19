// Macros: .macro, .rept, .irp and .irpc: text that is assembled with parts replaced, or several times.
//
// Called by statements.ts. Bodies are kept as the statements that source.ts cut; a call replaces `\name`, `\()` and
// `\@` in their text and pushes the result on the input.

import type { Cursor } from './cursor.ts';
import { Fault } from './errors.ts';
import type { Input } from './input.ts';
import { MAX_ARGUMENTS, MAX_STATEMENTS } from './limits.ts';
import { bindArguments, type Parameter, parseParameters, splitArguments, unquote } from './macroArguments.ts';
import type { Statement } from './source.ts';

interface Macro {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly body: readonly Statement[];
}

/** What is being defined or expanded while a statement is handled. */
export interface MacroContext {
  readonly input: Input;
  /** Open .if, for .exitm. */
  readonly conditions: number;
  readonly statement: Statement;
}

export class Macros {
  private readonly macros = new Map<string, Macro>();
  private calls = 0;

  /** Handles the statement if it defines, repeats or calls; false if not. Throws Fault. */
  handle(word: string, c: Cursor, context: MacroContext): boolean {
    const macro = this.macros.get(word);
    if (macro !== undefined) this.expand(macro, c, context);
    else if (word === '.macro') this.define(c, context);
    else if (word === '.purgem') this.purge(c);
    else if (word === '.rept') repeat(c, context);
    else if (word === '.irp' || word === '.irpc') iterate(word, c, context);
    else if (word === '.endm' || word === '.endr') throw new Fault(c.start, `${word} without its beginning`);
    else return false;
    return true;
  }

  private define(c: Cursor, context: MacroContext): void {
    const body = collect(context.input, '.endm', c);
    const header = /^\s*([A-Za-z_.$][\w.$]*)\s*,?/.exec(c.raw);
    if (header === null) throw new Fault(c.operands, 'expected a name for the macro');
    const name = header[1]!;
    if (this.macros.has(name)) throw new Fault(c.operands, `macro '${name}' is already defined`);
    const parameters = parseParameters(c.raw.slice(header[0].length), c);
    this.macros.set(name, { name, parameters, body });
  }

  private purge(c: Cursor): void {
    const name = c.raw.trim();
    if (!this.macros.delete(name)) throw new Fault(c.operands, `there is no macro '${name}'`);
  }

  private expand(macro: Macro, c: Cursor, context: MacroContext): void {
    const values = bindArguments(macro.name, macro.parameters, c);
    values.set('@', String(this.calls++));
    const statements = substitute(macro.body, values, macro.name, context, c.start);
    context.input.push(statements, 1, true, context.conditions, c.start);
  }
}

const REFERENCE = /\\(\(\)|@|[A-Za-z_$][\w$]*)/g;

/** What a statement costs besides its text, in characters. */
const STATEMENT_CHARGE = 16;

/** The statements with their references replaced; what is no parameter stays as it is. */
function substitute(
  body: readonly Statement[],
  values: ReadonlyMap<string, string>,
  name: string,
  { input, statement }: MacroContext,
  index: number,
): Statement[] {
  const expansion = { name, call: statement };
  return body.map(({ text, line, column }) => {
    const produced = text.replace(REFERENCE, (whole, key: string) =>
      key === '()' ? '' : (values.get(key) ?? whole),
    );
    input.charge(produced.length + STATEMENT_CHARGE, index);
    return { text: produced, line, column, expansion };
  });
}

const OPENS: Readonly<Record<string, readonly string[]>> = {
  '.endm': ['.macro'],
  '.endr': ['.rept', '.irp', '.irpc'],
};

/** The statements up to the matching `end`, which is consumed. Throws Fault. */
function collect(input: Input, end: '.endm' | '.endr', c: Cursor): Statement[] {
  const body: Statement[] = [];
  let depth = 1;
  for (;;) {
    const statement = input.nextInFrame();
    if (statement === undefined) throw new Fault(c.start, `no ${end} for this`);
    const word = /^\s*(\.\w+)/.exec(statement.text)?.[1];
    if (word !== undefined && OPENS[end]!.includes(word)) depth++;
    if (word === end && --depth === 0) return body;
    body.push(statement);
  }
}

function repeat(c: Cursor, context: MacroContext): void {
  const body = collect(context.input, '.endr', c);
  const rounds = c.knownNumber('the count', 0, MAX_STATEMENTS);
  c.end();
  context.input.push(body, rounds, false, context.conditions, c.start);
}

function letters(text: string, c: Cursor): string[] {
  const inside = unquote(text);
  if (inside.length > MAX_ARGUMENTS) throw new Fault(c.operands, `more than ${MAX_ARGUMENTS} characters`);
  return [...inside];
}

/** .irp name, values... and .irpc name, characters: the body once for each. */
function iterate(word: '.irp' | '.irpc', c: Cursor, context: MacroContext): void {
  const body = collect(context.input, '.endr', c);
  const header = /^\s*([A-Za-z_$][\w$]*)\s*,?\s*/.exec(c.raw);
  if (header === null) throw new Fault(c.operands, 'expected a name');
  const rest = c.raw.slice(header[0].length).trim();
  const values =
    word === '.irp' ? splitArguments(rest, c.operands).map(({ text }) => unquote(text)) : letters(rest, c);
  const statements = (values.length === 0 ? [''] : values).flatMap((value) =>
    substitute(body, new Map([[header[1]!, value]]), word.slice(1), context, c.start),
  );
  context.input.push(statements, 1, false, context.conditions, c.start);
}
