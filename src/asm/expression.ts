// Expression: integer expressions over symbols: their tree and its value.
//
// Built by expressionParser.ts, evaluated as soon as a value is needed or, through fixups.ts, when every section has its
// address. Before that, a label is its section plus an offset, and only what does not depend on addresses is known.
//
// Values are 64-bit two's complement, as in GNU as: `/` and `%` signed, `>>` logical, comparisons -1 or 0, `&&`, `||` and
// `!` 1 or 0. Constants are folded while parsing. Depth is bounded (limits.ts), so evaluation cannot exhaust the stack.

import { Fault } from './errors.ts';
import { MAX_EXPRESSION_DEPTH } from './limits.ts';
import type { Section } from './sections.ts';
import type { Place } from './source.ts';

export type UnaryOperator = '-' | '~' | '!';
export type BinaryOperator =
  | '*'
  | '/'
  | '%'
  | '<<'
  | '>>'
  | '|'
  | '&'
  | '^'
  | '+'
  | '-'
  | '=='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>='
  | '&&'
  | '||';

export type Expression =
  | { readonly kind: 'constant'; readonly value: bigint; readonly depth: number }
  | { readonly kind: 'place'; readonly section: Section; readonly offset: bigint; readonly depth: number }
  | { readonly kind: 'symbol'; readonly symbol: Sym; readonly index: number; readonly depth: number }
  | {
      readonly kind: 'unary';
      readonly operator: UnaryOperator;
      readonly operand: Expression;
      readonly depth: number;
    }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly index: number;
      readonly depth: number;
    };

/** A value, relative to the start of a section that has no address yet, or absolute (section null). */
export interface Value {
  readonly section: Section | null;
  readonly value: bigint;
}

/** A name: what it stands for, once that is said. */
export class Sym {
  readonly name: string;
  /** null while the name is only mentioned. */
  definition: Expression | null = null;
  definedAt: Place | null = null;
  /** True if .set may define it again. */
  redefinable = false;
  /** Being evaluated: meeting it again is a loop. */
  busy = false;
  /** Its value, once it is known; a place in a section keeps its meaning when the section gets its address. */
  known: Value | undefined = undefined;

  constructor(name: string) {
    this.name = name;
  }
}

/** How to print the name of a symbol: numeric labels lose their counter. */
export const displayName = (name: string): string => name.replace(/#.*/, '');

export const constant = (value: bigint): Expression => ({ kind: 'constant', value: wrap(value), depth: 1 });

/** A mention of a symbol at an offset of the statement. */
export const mention = (symbol: Sym, index: number): Expression => ({
  kind: 'symbol',
  symbol,
  index,
  depth: 1,
});

/** A place in a section: what `.` and a label stand for. */
export const placeIn = (section: Section, offset: number): Expression => ({
  kind: 'place',
  section,
  offset: BigInt(offset),
  depth: 1,
});

/** The expression of a value that is already known. */
export const known = ({ section, value }: Value): Expression =>
  section === null ? constant(value) : { kind: 'place', section, offset: value, depth: 1 };

/** To signed 64 bits. */
export const wrap = (value: bigint): bigint => BigInt.asIntN(64, value);

const unsigned = (value: bigint): bigint => BigInt.asUintN(64, value);

const absolute = (value: bigint): Value => ({ section: null, value: wrap(value) });

/**
 * The value as far as it is known now; undefined if it depends on an undefined symbol or on addresses not yet laid out.
 * Throws Fault for a division by zero and for definitions in a loop.
 */
export const evaluate = (e: Expression): Value | undefined => valueAt(e, EARLY, 0);

/** The value if it is known now and does not depend on addresses, else undefined. Throws as evaluate() does. */
export function evaluateConstant(e: Expression): bigint | undefined {
  const value = evaluate(e);
  return value?.section === null ? value.value : undefined;
}

/**
 * The value after the layout, for the operand at `index`. Throws Fault also for undefined symbols and for places that the
 * program leaves out.
 */
export function evaluateFinal(e: Expression, index: number): bigint {
  const value = valueAt(e, FINAL, 0);
  if (value?.section !== null)
    throw new Fault(index, 'the value is in a section that is not part of the program');
  return value.value;
}

interface Evaluation {
  readonly final: boolean;
  /** Inside the definition of a symbol: where that symbol is mentioned, which is to blame for all that is wrong. */
  readonly index: number | null;
}

const EARLY: Evaluation = { final: false, index: null };
const FINAL: Evaluation = { final: true, index: null };

function valueAt(e: Expression, how: Evaluation, depth: number): Value | undefined {
  switch (e.kind) {
    case 'constant':
      return { section: null, value: e.value };
    case 'place':
      return placed(e.section, e.offset);
    case 'symbol':
      return symbolValue(e.symbol, how.index === null ? { ...how, index: e.index } : how, depth);
    case 'unary': {
      const operand = valueAt(e.operand, how, depth + 1);
      return operand?.section === null ? absolute(applyUnary(e.operator, operand.value)) : undefined;
    }
    case 'binary': {
      const left = valueAt(e.left, how, depth + 1);
      if (left === undefined) return undefined;
      const right = valueAt(e.right, how, depth + 1);
      return right === undefined ? undefined : combine(e.operator, left, right, how.index ?? e.index);
    }
  }
}

function placed(section: Section, offset: bigint): Value {
  return section.address === undefined
    ? { section, value: offset }
    : { section: null, value: BigInt(section.address) + offset };
}

function symbolValue(symbol: Sym, how: Evaluation, depth: number): Value | undefined {
  const { definition, known } = symbol;
  if (definition === null) {
    if (how.final) throw new Fault(how.index!, `undefined symbol '${displayName(symbol.name)}'`);
    return undefined;
  }
  if (known !== undefined) return known.section === null ? known : placed(known.section, known.value);
  if (symbol.busy) throw new Fault(how.index!, `the definition of '${displayName(symbol.name)}' is a loop`);
  if (depth > MAX_EXPRESSION_DEPTH) throw new Fault(how.index!, 'symbol definitions are nested too deeply');
  symbol.busy = true;
  try {
    symbol.known = valueAt(definition, how, depth + 1);
    return symbol.known;
  } finally {
    symbol.busy = false;
  }
}

function applyUnary(operator: UnaryOperator, value: bigint): bigint {
  if (operator === '-') return -value;
  return operator === '~' ? ~value : BigInt(value === 0n);
}

function combine(operator: BinaryOperator, left: Value, right: Value, index: number): Value | undefined {
  if (left.section === null && right.section === null) {
    return absolute(applyBinary(operator, left.value, right.value, index));
  }
  if (left.section === right.section) {
    return operator === '-' || isComparison(operator)
      ? absolute(applyBinary(operator, left.value, right.value, index))
      : undefined;
  }
  if (operator === '+' && (left.section === null || right.section === null)) {
    return { section: left.section ?? right.section, value: left.value + right.value };
  }
  if (operator === '-' && right.section === null) {
    return { section: left.section, value: left.value - right.value };
  }
  return undefined;
}

const isComparison = (operator: BinaryOperator): boolean => /^([=!]=|[<>]=?)$/.test(operator);

/** The operator on signed 64-bit values, not yet wrapped. Throws Fault. */
export function applyBinary(operator: BinaryOperator, a: bigint, b: bigint, index: number): bigint {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
    case '%':
      if (b === 0n) throw new Fault(index, 'division by zero');
      return operator === '/' ? a / b : a % b;
    case '<<':
      return unsigned(b) > 63n ? 0n : a << b;
    case '>>':
      return unsigned(b) > 63n ? 0n : unsigned(a) >> b;
    case '&':
      return a & b;
    case '|':
      return a | b;
    case '^':
      return a ^ b;
    case '&&':
      return BigInt(a !== 0n && b !== 0n);
    case '||':
      return BigInt(a !== 0n || b !== 0n);
    default:
      return compare(operator, a, b) ? -1n : 0n;
  }
}

function compare(operator: BinaryOperator, a: bigint, b: bigint): boolean {
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '>':
      return a > b;
    case '<=':
      return a <= b;
    default:
      return a >= b;
  }
}

export function unary(operator: UnaryOperator, operand: Expression): Expression {
  if (operand.kind === 'constant') return constant(applyUnary(operator, operand.value));
  return { kind: 'unary', operator, operand, depth: operand.depth + 1 };
}

export function binary(
  operator: BinaryOperator,
  left: Expression,
  right: Expression,
  index: number,
): Expression {
  if (left.kind === 'constant' && right.kind === 'constant') {
    return constant(applyBinary(operator, left.value, right.value, index));
  }
  const depth = Math.max(left.depth, right.depth) + 1;
  if (depth > MAX_EXPRESSION_DEPTH) throw new Fault(index, 'the expression is nested too deeply');
  return { kind: 'binary', operator, left, right, index, depth };
}
