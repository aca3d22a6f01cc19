// Macros: .macro, .rept, .irp and .irpc: text that is assembled with parts replaced, or several times.
//
// Called by statements.ts. Bodies are kept as the statements that source.ts cut; a call replaces `\name`, `\()` and `\@` in
// their text and pushes the result on the input.

import type { Cursor } from './cursor.ts';
import { Fault } from './errors.ts';
import type { Input } from './input.ts';
import { MAX_ARGUMENTS, MAX_STATEMENTS } from './limits.ts';
import { afterString, type Statement } from './source.ts';

interface Parameter {
  readonly name: string;
  readonly fallback: string;
  readonly required: boolean;
  /** Takes all that is left of the arguments. */
  readonly rest: boolean;
}

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
    const parameters = splitArguments(c.raw.slice(header[0].length), c.operands).map(({ text }) =>
      parseParameter(text, c),
    );
    if (parameters.slice(0, -1).some((p) => p.rest)) {
      throw new Fault(c.operands, 'only the last parameter can be a vararg');
    }
    this.macros.set(name, { name, parameters, body });
  }

  private purge(c: Cursor): void {
    const name = c.raw.trim();
    if (!this.macros.delete(name)) throw new Fault(c.operands, `there is no macro '${name}'`);
  }

  private expand(macro: Macro, c: Cursor, context: MacroContext): void {
    const values = bind(macro, c);
    values.set('@', String(this.calls++));
    const statements = substitute(macro.body, values, macro.name, context, c.start);
    context.input.push(statements, 1, true, context.conditions, c.start);
  }
}

function parseParameter(text: string, c: Cursor): Parameter {
  const match = /^([A-Za-z_$][\w$]*)(?::(req|vararg))?(?:\s*=\s*(.*))?$/s.exec(text);
  if (match === null) throw new Fault(c.operands, `bad macro parameter '${text.slice(0, 60)}'`);
  const [, name, qualifier, fallback] = match;
  return {
    name: name!,
    fallback: unquote(fallback ?? ''),
    required: qualifier === 'req',
    rest: qualifier === 'vararg',
  };
}

interface Argument {
  readonly text: string;
  /** Where it begins in the list. */
  readonly at: number;
}

const OPERATOR = /[-+*/%&|^~!<>=(]/;

/** Cuts arguments at commas, and at blanks that no operator adjoins; not in parentheses or strings. */
function splitArguments(list: string, index: number): Argument[] {
  const out: Argument[] = [];
  let start = 0;
  let depth = 0;
  let at = 0;
  const cut = (end: number, next: number): void => {
    if (out.length >= MAX_ARGUMENTS) throw new Fault(index, `more than ${MAX_ARGUMENTS} arguments`);
    out.push({ text: list.slice(start, end).trim(), at: start });
    start = at = next;
  };
  while (at < list.length) {
    const c = list[at]!;
    if (c === '"') at = afterString(list, at);
    else if (c === ',' && depth <= 0) cut(at, at + 1);
    else if (/\s/.test(c) && depth <= 0) at = blank(list, at, start, cut);
    else {
      if (c === '(') depth++;
      if (c === ')') depth--;
      at++;
    }
  }
  if (out.length > 0 || list.trim() !== '') cut(list.length, list.length);
  return out;
}

/** Passes over blanks, cutting if they separate two arguments. */
function blank(list: string, at: number, start: number, cut: (end: number, next: number) => void): number {
  let next = at;
  while (next < list.length && /\s/.test(list[next]!)) next++;
  const before = list.slice(start, at).trim().at(-1);
  const after = list[next];
  const separates =
    before !== undefined &&
    after !== undefined &&
    after !== ',' &&
    !OPERATOR.test(before) &&
    !OPERATOR.test(after);
  if (separates) cut(at, next);
  return next;
}

/** `"text"` without its quotes. */
function unquote(text: string): string {
  return text.length >= 2 &&
    text.startsWith('"') &&
    afterString(text, 0) === text.length &&
    text.endsWith('"')
    ? text.slice(1, -1)
    : text;
}

/** The values of a call's parameters, by name. */
function bind(macro: Macro, c: Cursor): Map<string, string> {
  const values = new Map<string, string>();
  const args = splitArguments(c.raw, c.operands);
  let position = 0;
  for (const [i, { text, at }] of args.entries()) {
    const keyword = /^([A-Za-z_$][\w$]*)\s*=(?!=)\s*(.*)$/s.exec(text);
    if (keyword !== null && macro.parameters.some((p) => p.name === keyword[1])) {
      values.set(keyword[1]!, unquote(keyword[2]!));
      continue;
    }
    const parameter = macro.parameters[position++];
    if (parameter === undefined)
      throw new Fault(c.operands + at, `too many arguments for macro '${macro.name}'`);
    if (parameter.rest) {
      values.set(parameter.name, c.raw.slice(at).trim());
      break;
    }
    if (text !== '' || i < args.length - 1) values.set(parameter.name, unquote(text));
  }
  for (const { name, fallback, required } of macro.parameters) {
    const value = values.get(name) ?? '';
    if (value === '' && required)
      throw new Fault(c.start, `macro '${macro.name}' needs an argument for '${name}'`);
    if (value === '') values.set(name, fallback);
  }
  return values;
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
