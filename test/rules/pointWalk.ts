// Follows the last point through a function that the scheduler runs: is what it touches announced?
//
// A point is `if (points.on) yield at.kind(object);`. It counts until the next stop, or until what it names is changed;
// where two ways meet, only if it was the last one on both. Loops are gone through until nothing changes any more.

import {
  type CallExpression,
  isBinaryExpression,
  isBreakStatement,
  isCallExpression,
  isConditionalExpression,
  isContinueStatement,
  isDoStatement,
  isExpressionStatement,
  isForOfStatement,
  isForStatement,
  isIfStatement,
  isPostfixUnaryExpression,
  isPrefixUnaryExpression,
  isReturnStatement,
  isSwitchStatement,
  isThrowStatement,
  isTryStatement,
  isVariableDeclaration,
  isWhileStatement,
  isYieldExpression,
  type Node,
  SyntaxKind,
} from 'typescript/unstable/ast';
import type { Access, Point, PointDuties } from './pointDuties.ts';
import { calledName, type Fn } from './sourceModel.ts';

export interface Violation {
  /** File and line. */
  readonly where: string;
  readonly text: string;
}

/** The last point; null: none, or a stop since. */
type State = Point | null | 'unreachable';

function join(a: State, b: State): State {
  if (a === 'unreachable') return b;
  if (b === 'unreachable') return a;
  return a !== null && b !== null && a.kind === b.kind && a.object === b.object ? a : null;
}

/** What a loop or switch was left with by break and continue. */
interface Exits {
  breaks: State;
  continues: State;
  readonly isLoop: boolean;
}

interface Loop {
  readonly node: Node;
  /** Evaluated before each round. */
  readonly test: Node | null;
  readonly body: Node;
  /** Evaluated after each round. */
  readonly step: Node | null;
  /** A loop without a test: whether it ends by itself. */
  readonly ends: boolean;
}

const LOGICAL = ['&&', '||', '??', '&&=', '||=', '??='];
const ASSIGNMENT = /^(?:[-+*/%&|^]|<<|>>>?|\*\*)?=$/;

export class PointWalk {
  readonly violations: Violation[] = [];
  readonly #duties: PointDuties;
  readonly #fn: Fn;
  readonly #exits: Exits[] = [];
  #silent = 0;

  constructor(duties: PointDuties, fn: Fn) {
    this.#duties = duties;
    this.#fn = fn;
  }

  run(): readonly Violation[] {
    this.#visit(this.#fn.body, this.#duties.precededBy(this.#fn));
    return this.violations;
  }

  #visit(node: Node, state: State): State {
    if (isIfStatement(node)) return this.#visitIf(node, state);
    if (isForStatement(node) || isWhileStatement(node) || isForOfStatement(node))
      return this.#visitLoop(node, state);
    if (isSwitchStatement(node)) return this.#visitSwitch(node, state);
    if (isDoStatement(node) || isTryStatement(node)) return this.#visitAndForget(node, null, null);
    if (isReturnStatement(node) || isThrowStatement(node))
      return this.#visitAndForget(node, state, 'unreachable');
    if (isBreakStatement(node) || isContinueStatement(node)) return this.#jump(node, state);
    if (isConditionalExpression(node)) {
      const tested = this.#visit(node.condition, state);
      return join(this.#visit(node.whenTrue, tested), this.#visit(node.whenFalse, tested));
    }
    if (isBinaryExpression(node)) return this.#visitBinary(node, state);
    if (isVariableDeclaration(node) && node.initializer !== undefined)
      return this.#visit(node.name, this.#visit(node.initializer, state));
    if (isYieldExpression(node)) return this.#visitYield(node, state);
    return this.#visitOther(node, state);
  }

  #visitOther(node: Node, state: State): State {
    const literal = this.#duties.sources.fnOf(node);
    if (literal !== undefined) return this.#visitLiteral(literal, state);
    const after = this.#visitParts(node, state);
    for (const access of this.#duties.accessesAt(node, this.#fn)) this.#demand(node, access, after);
    const counts =
      (isPrefixUnaryExpression(node) || isPostfixUnaryExpression(node)) &&
      (node.operator === SyntaxKind.PlusPlusToken || node.operator === SyntaxKind.MinusMinusToken);
    return counts ? this.#afterChangeOf(node.operand, after) : after;
  }

  #visitParts(node: Node, state: State): State {
    let after = state;
    node.forEachChild((child) => {
      after = this.#visit(child, after);
    });
    return after;
  }

  #visitAndForget(node: Node, before: State, after: State): State {
    this.#visitParts(node, before);
    return after;
  }

  #visitIf(
    node: Node & { expression: Node; thenStatement: Node; elseStatement?: Node },
    state: State,
  ): State {
    const point = this.#pointOf(node);
    if (point !== null) return state === 'unreachable' ? state : point;
    const tested = this.#visit(node.expression, state);
    const yes = this.#visit(node.thenStatement, tested);
    return join(yes, node.elseStatement === undefined ? tested : this.#visit(node.elseStatement, tested));
  }

  #pointOf({ expression, thenStatement }: { expression: Node; thenStatement: Node }): Point | null {
    if (expression.getText() !== 'points.on' || !isExpressionStatement(thenStatement)) return null;
    const stop = thenStatement.expression;
    if (!isYieldExpression(stop) || stop.expression === undefined || !isCallExpression(stop.expression))
      return null;
    const [, kind] = /^at\.(\w+)\(/.exec(stop.expression.getText()) ?? [];
    const [object] = stop.expression.arguments;
    if (kind === undefined || object === undefined) return null;
    return { kind, object: this.#duties.canonical(object, this.#fn) };
  }

  #visitLoop(node: Node, state: State): State {
    if (isForOfStatement(node)) {
      const listed = this.#visit(node.expression, state);
      return this.#loop({ node, test: null, body: node.statement, step: null, ends: true }, listed);
    }
    if (isWhileStatement(node))
      return this.#loop(
        { node, test: node.expression, body: node.statement, step: null, ends: false },
        state,
      );
    if (!isForStatement(node)) return null;
    const { initializer, condition = null, statement: body, incrementor = null } = node;
    const start = initializer === undefined ? state : this.#visit(initializer, state);
    return this.#loop({ node, test: condition, body, step: incrementor, ends: false }, start);
  }

  #loop(loop: Loop, start: State): State {
    let head = start;
    this.#silent++;
    for (let next = head; ; head = next) {
      next = join(head, newRound(loop, this.#round(loop, head).end));
      if (next === head) break;
    }
    this.#silent--;
    const { tested, exits } = this.#round(loop, head);
    if (loop.test !== null) return join(exits.breaks, tested);
    return loop.ends ? join(exits.breaks, head) : exits.breaks;
  }

  #round({ test, body, step }: Loop, head: State): { tested: State; exits: Exits; end: State } {
    const tested = test === null ? head : this.#visit(test, head);
    const exits: Exits = { breaks: 'unreachable', continues: 'unreachable', isLoop: true };
    this.#exits.push(exits);
    const done = join(this.#visit(body, tested), exits.continues);
    this.#exits.pop();
    return { tested, exits, end: step === null ? done : this.#visit(step, done) };
  }

  #visitSwitch(
    node: Node & { expression: Node; caseBlock: { clauses: readonly Node[] } },
    state: State,
  ): State {
    const chosen = this.#visit(node.expression, state);
    const exits: Exits = { breaks: 'unreachable', continues: 'unreachable', isLoop: false };
    this.#exits.push(exits);
    let through: State = 'unreachable';
    for (const clause of node.caseBlock.clauses) through = this.#visitParts(clause, join(chosen, through));
    this.#exits.pop();
    return join(join(through, exits.breaks), chosen);
  }

  #jump(node: Node, state: State): State {
    const target = isBreakStatement(node) ? this.#exits.at(-1) : this.#exits.findLast(({ isLoop }) => isLoop);
    if (target !== undefined && isBreakStatement(node)) target.breaks = join(target.breaks, state);
    else if (target !== undefined) target.continues = join(target.continues, state);
    return 'unreachable';
  }

  #visitBinary(node: Node & { left: Node; right: Node; operatorToken: Node }, state: State): State {
    const operator = node.operatorToken.getText();
    const left = this.#visit(node.left, state);
    const right = this.#visit(node.right, left);
    if (LOGICAL.includes(operator)) return join(left, right);
    return ASSIGNMENT.test(operator) ? this.#afterChangeOf(node.left, right) : right;
  }

  #afterChangeOf(target: Node, state: State): State {
    if (state === null || state === 'unreachable') return state;
    const changed = this.#duties.canonical(target, this.#fn);
    return state.object === changed || state.object.startsWith(`${changed}.`) ? null : state;
  }

  #visitYield(node: Node & { expression?: Node }, state: State): State {
    const { expression } = node;
    if (expression === undefined) return null;
    if (/^at\./.test(expression.getText())) this.#report(node, 'a point without `if (points.on)` before it');
    const before = this.#visitParts(expression, state);
    if (isCallExpression(expression)) this.#demandForCallee(expression, before);
    return null;
  }

  /** A callee that goes on in the step in which it is called, as its comment says. */
  #demandForCallee(call: CallExpression, state: State): void {
    const name = calledName(call.expression);
    const callee = name === undefined ? undefined : this.#duties.sources.fnNamed(name);
    const point = callee?.isSteps ? this.#duties.precededBy(callee) : null;
    if (callee === undefined || point === null) return;
    const object = this.#duties.inTermsOf(this.#fn, point.object, call);
    this.#demand(call, { kind: point.kind, object, what: callee.name }, state);
  }

  #visitLiteral(literal: Fn, state: State): State {
    if (literal.isSteps || literal.argumentOf === null) return state;
    const point = this.#duties.callbackPoint(literal.argumentOf, this.#fn);
    if (point !== null) this.#visitParts(literal.body, point ?? state);
    return state;
  }

  #demand(node: Node, { kind, object, what }: Access, state: State): void {
    if (state === 'unreachable') return;
    if (state?.kind === kind && (object === '*' || state.object === object)) return;
    const last = state === null ? 'none' : `at.${state.kind}(${state.object})`;
    this.#report(node, `${what} needs at.${kind}(${object}), the last point is ${last}`);
  }

  #report(node: Node, text: string): void {
    if (this.#silent === 0) this.violations.push({ where: this.#duties.sources.where(node), text });
  }
}

/** A variable of the loop is another one in the next round. */
function newRound({ node }: Loop, state: State): State {
  if (state === null || state === 'unreachable') return state;
  const positions = [...state.object.matchAll(/@(\d+)/g)].map(([, position]) => Number(position));
  return positions.some((position) => position >= node.pos && position < node.end) ? null : state;
}
