// Expression parser: tokens to an expression tree.
//
// Called by cursor.ts wherever an operand is an expression. Precedence as in GNU as, which is not C's: `* / % << >>`
// bind tightest, then `| & ^`, then `+ -`, then comparisons, `&&`, `||`. Numbers, names, `.`, numeric labels and
// parentheses are the primaries.

import { Fault } from './errors.ts';
import {
  type BinaryOperator,
  binary,
  constant,
  type Expression,
  mention,
  type Sym,
  type UnaryOperator,
  unary,
} from './expression.ts';
import { MAX_EXPRESSION_DEPTH } from './limits.ts';
import type { Token } from './tokens.ts';

/** What names mean at the statement being assembled. */
export interface Scope {
  /** Throws Fault. */
  lookup(name: string, index: number): Sym;
  numericReference(text: string, index: number): Sym;
  /** `.`: where the next byte goes. */
  here(): Expression;
}

/** A list of tokens with a position; the last one is of kind `end`. */
export interface TokenReader {
  peek(): Token;
  next(): Token;
}

const LEVELS: Readonly<Record<string, number>> = {
  '*': 6,
  '/': 6,
  '%': 6,
  '<<': 6,
  '>>': 6,
  '|': 5,
  '&': 5,
  '^': 5,
  '+': 4,
  '-': 4,
  '==': 3,
  '!=': 3,
  '<>': 3,
  '<': 3,
  '>': 3,
  '<=': 3,
  '>=': 3,
  '&&': 2,
  '||': 1,
};

/** Reads the longest expression. Throws Fault. */
export function parseExpression(reader: TokenReader, scope: Scope): Expression {
  return parseLevel(reader, scope, 1, 0);
}

function parseLevel(reader: TokenReader, scope: Scope, minimum: number, depth: number): Expression {
  let left = parsePrimary(reader, scope, depth);
  for (;;) {
    const token = reader.peek();
    const level = token.kind === 'punctuation' ? (LEVELS[token.text] ?? 0) : 0;
    if (level < minimum) return left;
    reader.next();
    const right = parseLevel(reader, scope, level + 1, depth + 1);
    const operator = (token.text === '<>' ? '!=' : token.text) as BinaryOperator;
    left = binary(operator, left, right, token.index);
  }
}

function parsePrimary(reader: TokenReader, scope: Scope, depth: number): Expression {
  const token = reader.next();
  if (depth > MAX_EXPRESSION_DEPTH) throw new Fault(token.index, 'the expression is nested too deeply');
  switch (token.kind) {
    case 'number':
      return constant(token.value);
    case 'local':
      return mention(scope.numericReference(token.text, token.index), token.index);
    case 'name':
      return token.text === '.' ? scope.here() : mention(scope.lookup(token.text, token.index), token.index);
    default:
      return parsePunctuation(token, reader, scope, depth);
  }
}

function parsePunctuation(token: Token, reader: TokenReader, scope: Scope, depth: number): Expression {
  if (token.kind === 'punctuation') {
    switch (token.text) {
      case '(': {
        const inside = parseLevel(reader, scope, 1, depth + 1);
        const close = reader.next();
        if (close.text !== ')') throw new Fault(close.index, `expected ')', found ${describe(close)}`);
        return inside;
      }
      case '+':
        return parsePrimary(reader, scope, depth + 1);
      case '-':
      case '~':
      case '!':
        return unary(token.text as UnaryOperator, parsePrimary(reader, scope, depth + 1));
    }
  }
  throw new Fault(token.index, `expected an expression, found ${describe(token)}`);
}

/** A token as an error names it. */
export const describe = (token: Token): string =>
  token.kind === 'end' ? token.text : token.kind === 'string' ? 'a string' : `'${token.text.slice(0, 60)}'`;
