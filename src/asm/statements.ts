// Statements: what one statement is, and who assembles it: label, assignment, conditional, macro, directive, instruction.
//
// The loop of a pass. Faults become diagnostics here, and the next statement follows.

import type { Assembly } from './assembly.ts';
import { Conditionals } from './conditionals.ts';
import { Cursor } from './cursor.ts';
import { runDirective } from './directives.ts';
import { type Diagnostics, FatalFault, Fault } from './errors.ts';
import { Input } from './input.ts';
import { assembleInstruction } from './instructions.ts';
import { Macros } from './macros.ts';
import type { Statement } from './source.ts';
import { assign } from './symbolDirectives.ts';

const LABEL = /[ \t]*(?:([A-Za-z_.$][\w.$]*)|(\d{1,9}))[ \t]*:/y;
const WORD = /[ \t]*([A-Za-z_.$][\w.$]*)/y;
const EQUALS = /[ \t]*==?(?!=)/y;

/** Assembles all statements into `a`; what is wrong goes to `diagnostics`. */
export function assembleStatements(
  a: Assembly,
  source: readonly Statement[],
  diagnostics: Diagnostics,
): void {
  const pass = new Pass(a, new Input(source));
  while (!diagnostics.full) {
    try {
      if (!pass.step()) break;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      diagnostics.add(a.place(error.index), error.message);
      if (error instanceof FatalFault) break;
    }
  }
  const { open } = pass.conditionals;
  if (open !== undefined && !diagnostics.full) diagnostics.add(open, 'no .endif for this');
}

class Pass {
  readonly conditionals = new Conditionals();
  private readonly macros = new Macros();
  private readonly a: Assembly;
  private readonly input: Input;

  constructor(a: Assembly, input: Input) {
    this.a = a;
    this.input = input;
  }

  /** Assembles the next statement; false if there is none. Throws Fault. */
  step(): boolean {
    const statement = this.input.next();
    if (statement === undefined) return false;
    this.a.statement = statement;
    const { text } = statement;
    const at = this.labels(text, 0);
    if (/\S/.test(text.slice(at))) this.body(statement, at);
    return true;
  }

  /** Defines the labels at `from`; returns where they end. Throws Fault. */
  private labels(text: string, from: number): number {
    let at = from;
    for (;;) {
      LABEL.lastIndex = at;
      const match = LABEL.exec(text);
      if (match === null) return at;
      const place = this.a.place(text.slice(at).search(/\S/) + at);
      at = LABEL.lastIndex;
      if (this.conditionals.skipping) continue;
      const [, name, number] = match;
      if (name === undefined) this.a.table.defineNumeric(Number(number), this.a.here(), place);
      else this.a.table.define(name, this.a.here(), false, place);
    }
  }

  private body(statement: Statement, at: number): void {
    const { text } = statement;
    WORD.lastIndex = at;
    const word = WORD.exec(text)?.[1];
    const start = at + text.slice(at).search(/\S/);
    if (word === undefined) {
      if (this.conditionals.skipping) return;
      throw new Fault(start, 'expected a label, an instruction or a directive');
    }
    const operands = start + word.length;
    const cursor = new Cursor(text, start, operands, this.a);
    if (this.conditionals.handle(word, this.a, cursor) || this.conditionals.skipping) return;
    EQUALS.lastIndex = operands;
    const equals = EQUALS.exec(text);
    if (equals !== null) {
      assign(this.a, word, new Cursor(text, start, EQUALS.lastIndex, this.a));
      return;
    }
    this.dispatch(word, cursor, statement);
  }

  private dispatch(word: string, c: Cursor, statement: Statement): void {
    const { conditionals, input } = this;
    if (word === '.exitm') conditionals.unwind(input.exitMacro(c.start));
    else if (word === '.end') input.stop();
    else if (this.macros.handle(word, c, { input, conditions: conditionals.depth, statement })) return;
    else if (runDirective(this.a, word, c)) return;
    else if (this.a.current.kind === 'dropped') return;
    else if (word.startsWith('.')) throw new Fault(c.start, `unknown directive '${word}'`);
    else if (!assembleInstruction(this.a, word, c)) throw new Fault(c.start, `unknown instruction '${word}'`);
  }
}
