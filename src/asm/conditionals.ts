// Conditionals: .if and its relatives, .elseif, .else, .endif.
//
// Asked by statements.ts before anything else: while a branch is not taken, only these directives are read, and only to
// find the branch's end.

import type { Assembly } from './assembly.ts';
import type { Cursor } from './cursor.ts';
import { Fault } from './errors.ts';
import { evaluateConstant } from './expression.ts';
import { MAX_NESTING } from './limits.ts';
import type { Place } from './source.ts';

interface Condition {
  /** Where it opened. */
  readonly place: Place;
  /** Whether what surrounds it is being assembled. */
  readonly outer: boolean;
  /** Whether the present branch is. */
  active: boolean;
  /** Whether a branch has been taken already. */
  taken: boolean;
  elseSeen: boolean;
}

type Test = (a: Assembly, c: Cursor) => boolean;

const compareWithZero =
  (holds: (value: bigint) => boolean): Test =>
  (_, c) => {
    const index = c.index;
    const value = evaluateConstant(c.expression());
    if (value === undefined) throw new Fault(index, 'the condition must be a constant that is known here');
    c.end();
    return holds(value);
  };

const ifDefined =
  (defined: boolean): Test =>
  (a, c) => {
    const name = c.name('a symbol');
    c.end();
    return a.table.isDefined(name) === defined;
  };

const ifBlank =
  (blank: boolean): Test =>
  (_, c) =>
    (c.raw.trim() === '') === blank;

const ifSame =
  (same: boolean): Test =>
  (_, c) => {
    const comma = c.raw.indexOf(',');
    if (comma === -1) throw new Fault(c.operands, 'expected two strings separated by a comma');
    return (unquote(c.raw.slice(0, comma)) === unquote(c.raw.slice(comma + 1))) === same;
  };

const unquote = (text: string): string => text.trim().replace(/^(["'])(.*)\1$/, '$2');

const TESTS: ReadonlyMap<string, Test> = new Map([
  ['.if', compareWithZero((value) => value !== 0n)],
  ['.ifne', compareWithZero((value) => value !== 0n)],
  ['.ifeq', compareWithZero((value) => value === 0n)],
  ['.iflt', compareWithZero((value) => value < 0n)],
  ['.ifle', compareWithZero((value) => value <= 0n)],
  ['.ifgt', compareWithZero((value) => value > 0n)],
  ['.ifge', compareWithZero((value) => value >= 0n)],
  ['.ifdef', ifDefined(true)],
  ['.ifndef', ifDefined(false)],
  ['.ifnotdef', ifDefined(false)],
  ['.ifb', ifBlank(true)],
  ['.ifnb', ifBlank(false)],
  ['.ifc', ifSame(true)],
  ['.ifnc', ifSame(false)],
]);

export class Conditionals {
  private readonly stack: Condition[] = [];

  get depth(): number {
    return this.stack.length;
  }

  /** True while statements are to be passed over. */
  get skipping(): boolean {
    return this.stack.at(-1)?.active === false;
  }

  /** The innermost condition that is open, or undefined. */
  get open(): Place | undefined {
    return this.stack.at(-1)?.place;
  }

  /** Closes what was opened beyond `depth`. */
  unwind(depth: number): void {
    this.stack.length = Math.min(this.stack.length, depth);
  }

  /** Handles the directive if it is a conditional one; false if not. Throws Fault. */
  handle(word: string, a: Assembly, c: Cursor): boolean {
    const test = TESTS.get(word);
    if (test !== undefined) this.openWith(test, a, c);
    else if (word === '.elseif') this.elseIf(a, c);
    else if (word === '.else') this.otherwise(c);
    else if (word === '.endif') this.close(c);
    else return false;
    return true;
  }

  private openWith(test: Test, a: Assembly, c: Cursor): void {
    if (this.stack.length >= MAX_NESTING) c.fail(`conditionals are nested more than ${MAX_NESTING} deep`);
    const outer = !this.skipping;
    const condition = { place: a.place(c.start), outer, active: false, taken: false, elseSeen: false };
    this.stack.push(condition);
    if (!outer) return;
    condition.taken = true;
    condition.active = test(a, c);
    condition.taken = condition.active;
  }

  private elseIf(a: Assembly, c: Cursor): void {
    const condition = this.innermost(c, '.elseif');
    if (condition.elseSeen) throw new Fault(c.start, '.elseif after .else');
    condition.active = false;
    if (!condition.outer || condition.taken) return;
    condition.active = compareWithZero((value) => value !== 0n)(a, c);
    condition.taken = condition.active;
  }

  private otherwise(c: Cursor): void {
    const condition = this.innermost(c, '.else');
    if (condition.elseSeen) throw new Fault(c.start, 'a second .else');
    condition.elseSeen = true;
    condition.active = condition.outer && !condition.taken;
    condition.taken = true;
  }

  private close(c: Cursor): void {
    this.innermost(c, '.endif');
    this.stack.pop();
  }

  private innermost(c: Cursor, word: string): Condition {
    const condition = this.stack.at(-1);
    if (condition === undefined) throw new Fault(c.start, `${word} without .if`);
    return condition;
  }
}
