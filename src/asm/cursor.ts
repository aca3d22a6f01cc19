// Cursor: reads the operands of one statement: registers, expressions, strings, commas.
//
// Given by assembly.ts to the handler of an instruction or a directive. Each method consumes what it names or throws a
// Fault at the token that does not fit.

import { registerNumber } from '../hw/isa/index.ts';
import { Fault } from './errors.ts';
import { type Expression, evaluateConstant } from './expression.ts';
import { describe, parseExpression, type Scope } from './expressionParser.ts';
import { nextToken, stringBytes, type Token } from './tokens.ts';

export class Cursor {
  /** Where the mnemonic or directive itself stands in the statement. */
  readonly start: number;
  /** Where its operands begin. */
  readonly operands: number;
  private readonly text: string;
  private readonly scope: Scope;
  /** Tokens that have been looked at; the text goes on at `at`. */
  private readonly seen: Token[] = [];
  private at: number;

  constructor(text: string, start: number, operands: number, scope: Scope) {
    this.text = text;
    this.start = start;
    this.operands = operands;
    this.at = operands;
    this.scope = scope;
  }

  /** The operands as written, for what is not made of tokens: section names, macro arguments. */
  get raw(): string {
    return this.text.slice(this.operands);
  }

  peek(ahead = 0): Token {
    while (this.seen.length <= ahead) {
      const token = nextToken(this.text, this.at);
      this.seen.push(token);
      this.at = token.end;
    }
    return this.seen[ahead]!;
  }

  next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.seen.shift();
    return token;
  }

  /** Offset of the next token in the statement. */
  get index(): number {
    return this.peek().index;
  }

  get atEnd(): boolean {
    return this.peek().kind === 'end';
  }

  fail(text: string): never {
    throw new Fault(this.index, text);
  }

  expected(what: string): never {
    return this.fail(`expected ${what}, found ${describe(this.peek())}`);
  }

  /** Consumes `text` if it is next. */
  accept(text: string): boolean {
    const token = this.peek();
    if (token.kind !== 'punctuation' || token.text !== text) return false;
    this.next();
    return true;
  }

  expect(text: string): void {
    if (!this.accept(text)) this.expected(`'${text}'`);
  }

  comma(): void {
    this.expect(',');
  }

  end(): void {
    if (!this.atEnd) this.fail(`unexpected ${describe(this.peek())} after the operands`);
  }

  name(what: string): string {
    if (this.peek().kind !== 'name') this.expected(what);
    return this.next().text;
  }

  /** The register that token `ahead` names, or undefined. */
  registerAhead(ahead = 0): number | undefined {
    const token = this.peek(ahead);
    return token.kind === 'name' ? registerNumber(token.text) : undefined;
  }

  register(): number {
    const register = this.registerAhead() ?? this.expected('a register');
    this.next();
    return register;
  }

  /** `(reg)`, or undefined with nothing consumed. */
  acceptBase(): number | undefined {
    if (this.peek().text !== '(' || this.peek(2).text !== ')') return undefined;
    const register = this.registerAhead(1);
    if (register !== undefined) this.seen.splice(0, 3);
    return register;
  }

  /** `(reg)`. */
  base(): number {
    return this.acceptBase() ?? this.expected('a register in parentheses');
  }

  expression(): Expression {
    return parseExpression(this, this.scope);
  }

  /** An expression whose value is known here and lies in [minimum, maximum]. */
  known(what: string, minimum: bigint, maximum: bigint): bigint {
    const index = this.index;
    const value = evaluateConstant(this.expression());
    if (value === undefined) throw new Fault(index, `${what} must be a constant that is known here`);
    if (value < minimum || value > maximum) {
      throw new Fault(index, `${what} ${value} is not in ${minimum}..${maximum}`);
    }
    return value;
  }

  /** As known(), for values that are small enough for a number. */
  knownNumber(what: string, minimum: number, maximum: number): number {
    return Number(this.known(what, BigInt(minimum), BigInt(maximum)));
  }

  /** The bytes of a string. */
  string(): Uint8Array {
    const token = this.peek();
    if (token.kind !== 'string') this.expected('a string');
    this.next();
    return stringBytes(token.text, token.index + 1);
  }
}
