// Macro arguments: the parameters that a macro declares and the arguments that a call gives them.
//
// Called by macros.ts, on the text behind the macro's name: arguments are text, not tokens.

import type { Cursor } from './cursor.ts';
import { Fault } from './errors.ts';
import { MAX_ARGUMENTS } from './limits.ts';
import { afterString } from './source.ts';

export interface Parameter {
  readonly name: string;
  readonly fallback: string;
  readonly required: boolean;
  /** Takes all that is left of the arguments. */
  readonly rest: boolean;
}

const PARAMETER = /^([A-Za-z_$][\w$]*)(?::(req|vararg))?(?:\s*=\s*(.*))?$/s;

/** `name`, `name=fallback`, `name:req` or `name:vararg`, separated as arguments are. Throws Fault. */
export function parseParameters(list: string, c: Cursor): Parameter[] {
  const parameters = splitArguments(list, c.operands).map(({ text }) => parseParameter(text, c));
  if (parameters.slice(0, -1).some((parameter) => parameter.rest)) {
    throw new Fault(c.operands, 'only the last parameter can be a vararg');
  }
  return parameters;
}

function parseParameter(text: string, c: Cursor): Parameter {
  const match = PARAMETER.exec(text);
  if (match === null) throw new Fault(c.operands, `bad macro parameter '${text.slice(0, 60)}'`);
  const [, name, qualifier, fallback] = match;
  return {
    name: name!,
    fallback: unquote(fallback ?? ''),
    required: qualifier === 'req',
    rest: qualifier === 'vararg',
  };
}

/** The values of the parameters of macro `name` in the call at the cursor. Throws Fault. */
export function bindArguments(
  name: string,
  parameters: readonly Parameter[],
  c: Cursor,
): Map<string, string> {
  const values = givenArguments(name, parameters, c);
  for (const parameter of parameters) {
    if ((values.get(parameter.name) ?? '') !== '') continue;
    if (parameter.required)
      throw new Fault(c.start, `macro '${name}' needs an argument for '${parameter.name}'`);
    values.set(parameter.name, parameter.fallback);
  }
  return values;
}

const KEYWORD = /^([A-Za-z_$][\w$]*)\s*=(?!=)\s*(.*)$/s;

function givenArguments(name: string, parameters: readonly Parameter[], c: Cursor): Map<string, string> {
  const values = new Map<string, string>();
  let position = 0;
  for (const { text, at } of splitArguments(c.raw, c.operands)) {
    const [, key, value] = KEYWORD.exec(text) ?? [];
    if (parameters.some((parameter) => parameter.name === key)) {
      values.set(key!, unquote(value!));
      continue;
    }
    const parameter = parameters[position++];
    if (parameter === undefined) throw new Fault(c.operands + at, `too many arguments for macro '${name}'`);
    if (parameter.rest) {
      values.set(parameter.name, c.raw.slice(at).trim());
      break;
    }
    values.set(parameter.name, unquote(text));
  }
  return values;
}

export interface Argument {
  readonly text: string;
  /** Where it begins in the list. */
  readonly at: number;
}

/** What a blank, or the end of an argument, can meet. */
const STOP = /["(),\s]/g;
const OPERATOR = /[-+*/%&|^~!<>=(,]/;

/** Cuts a list at commas, and at blanks that no operator adjoins; not in parentheses or strings. Throws Fault. */
export function splitArguments(list: string, index: number): Argument[] {
  const out: Argument[] = [];
  let start = 0;
  let depth = 0;
  let at = nextStop(list, 0);
  while (at < list.length) {
    const stop = list[at]!;
    let next = at + 1;
    if (stop === '"') next = afterString(list, at);
    else if (stop === '(') depth++;
    else if (stop === ')') depth = Math.max(0, depth - 1);
    else if (depth === 0) {
      if (stop !== ',') next = afterBlanks(list, at);
      if (stop === ',' || separates(list, start, at, next)) {
        if (out.length >= MAX_ARGUMENTS) throw new Fault(index, `more than ${MAX_ARGUMENTS} arguments`);
        out.push(argument(list, start, at));
        start = next;
      }
    }
    at = nextStop(list, next);
  }
  if (out.length > 0 || /\S/.test(list)) out.push(argument(list, start, list.length));
  return out;
}

function nextStop(list: string, from: number): number {
  STOP.lastIndex = from;
  return STOP.exec(list)?.index ?? list.length;
}

function afterBlanks(list: string, at: number): number {
  let next = at;
  while (next < list.length && /\s/.test(list[next]!)) next++;
  return next;
}

/** True if the blanks in [at, next) stand between two arguments, the first of which began at `start`. */
function separates(list: string, start: number, at: number, next: number): boolean {
  return start < at && next < list.length && !OPERATOR.test(list[at - 1]!) && !OPERATOR.test(list[next]!);
}

function argument(list: string, start: number, end: number): Argument {
  const text = list.slice(start, end);
  return { text: text.trim(), at: start + text.search(/\S|$/) };
}

/** `"text"` without its quotes. */
export function unquote(text: string): string {
  const isString = text.length >= 2 && text.startsWith('"') && afterString(text, 0) === text.length;
  return isString && text.endsWith('"') ? text.slice(1, -1) : text;
}
