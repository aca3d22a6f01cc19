// Filters of events: FIELD OP VALUE with &&, ||, ! and parentheses, as ftrace and trace-cmd have them.
//
//     seq >= 7 && notify == MMU_NOTIFY_CLEAR || gfn == 0x80001         comm ~ "vcpu*"         !(level == 1) & ...
//
// A value is a number (decimal or 0x), a word, or a string in quotes. A number is compared with the field's number, a
// word with what the field prints as; ~ matches a glob; & tests bits. An event without the field does not match.
// COMM, common_pid and CPU are there for every event.

import { globMatcher } from './glob.ts';
import type { Printable } from './printf.ts';
import { nearest } from './select.ts';
import { TraceError } from './traceError.ts';

/** The fields of an event: number and words; undefined: it has none of that name. */
export interface FilterInput {
  number(field: string): number | undefined;
  words(field: string): Printable | boolean | undefined;
}

export type Filter = (input: FilterInput) => boolean;

const TOKEN = /\s*(&&|\|\||==|!=|<=|>=|[<>&~!()]|"[^"]*"|'[^']*'|[\w.:+*?/-]+)/y;

/** Fields that every event has beside its own. */
const COMMON = ['COMM', 'common_pid', 'CPU'];

/** Of events that have no fields but `fields`, in any of them. Throws TraceError. */
export function parseFilter(text: string, fields: Iterable<string>): Filter {
  const parser = new Parser(text, tokensOf(text), new Set([...COMMON, ...fields]));
  const filter = parser.disjunction();
  parser.expectEnd();
  return filter;
}

/** So that neither reading a filter nor asking it goes too deep. */
const MAX_TOKENS = 1000;

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new TraceError(`filter '${text}': what is '${text.slice(at).trim()}'?`);
    tokens.push(match[1]!);
    if (tokens.length > MAX_TOKENS) throw new TraceError(`a filter of more than ${MAX_TOKENS} words`);
  }
  return tokens;
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly string[];
  readonly #fields: ReadonlySet<string>;
  #next = 0;

  constructor(text: string, tokens: readonly string[], fields: ReadonlySet<string>) {
    this.#text = text;
    this.#tokens = tokens;
    this.#fields = fields;
  }

  disjunction(): Filter {
    let left = this.#conjunction();
    while (this.#take('||')) {
      const [a, b] = [left, this.#conjunction()];
      left = (input) => a(input) || b(input);
    }
    return left;
  }

  expectEnd(): void {
    const token = this.#tokens[this.#next];
    if (token !== undefined) this.#fail(`expected && or || before '${token}'`);
  }

  #conjunction(): Filter {
    let left = this.#unary();
    while (this.#take('&&')) {
      const [a, b] = [left, this.#unary()];
      left = (input) => a(input) && b(input);
    }
    return left;
  }

  #unary(): Filter {
    if (this.#take('!')) {
      const inner = this.#unary();
      return (input) => !inner(input);
    }
    if (!this.#take('(')) return this.#comparison();
    const inner = this.disjunction();
    if (!this.#take(')')) this.#fail('a parenthesis is not closed');
    return inner;
  }

  #comparison(): Filter {
    const field = this.#tokens[this.#next++];
    if (field === undefined || !/^\w+$/.test(field)) return this.#fail('expected FIELD OP VALUE');
    if (!this.#fields.has(field)) this.#failField(field);
    const operator = this.#tokens[this.#next++];
    const value = this.#tokens[this.#next++];
    if (operator === undefined || value === undefined || /^[&|=!<>~()]+$/.test(value))
      return this.#fail(`expected an operator and a value after '${field}'`);
    const isQuoted = /^["']/.test(value);
    const plain = isQuoted ? value.slice(1, -1) : value;
    const number = isQuoted || !/^-?(0x[0-9a-f]+|\d+)$/i.test(plain) ? null : toNumber(plain);
    return number === null || operator === '~'
      ? this.#compareWords(field, operator, plain)
      : this.#compareNumbers(field, operator, number);
  }

  #compareNumbers(field: string, operator: string, value: number): Filter {
    const compare = NUMBER_OPERATORS[operator] ?? this.#fail(`there is no operator '${operator}'`);
    return (input) => {
      const actual = input.number(field);
      return actual !== undefined && compare(actual, value);
    };
  }

  #compareWords(field: string, operator: string, value: string): Filter {
    const matches = globMatcher(value);
    const wants = { '==': true, '!=': false, '~': true }[operator];
    if (wants === undefined) return this.#fail(`'${operator}' compares numbers, and '${value}' is none`);
    return (input) => {
      const actual = input.words(field);
      if (actual === undefined) return false;
      return (operator === '~' ? matches(`${actual}`) : `${actual}` === value) === wants;
    };
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#next] !== token) return false;
    this.#next++;
    return true;
  }

  #failField(field: string): never {
    const [near] = nearest(field, [...this.#fields]);
    return this.#fail(`no event here has a field ${field}${near === undefined ? '' : `; is it ${near}?`}`);
  }

  #fail(what: string): never {
    throw new TraceError(`filter '${this.#text}': ${what}`);
  }
}

/** 64-bit words above 2^63 are negative here, as records have them. */
function toNumber(text: string): number {
  const value = text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
  return Number(value >= 2n ** 63n ? BigInt.asIntN(64, value) : value);
}

const NUMBER_OPERATORS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '&': (a, b) => (BigInt(a) & BigInt(b)) !== 0n,
};
