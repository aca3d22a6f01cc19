// What functions touch, as points would name it. A plain function cannot stop, so what it touches is for its callers to
// announce; the duty passes from one to the next until it reaches a function that the scheduler runs (pointWalk.ts).

import {
  type BindingElement,
  type CallExpression,
  isBindingElement,
  isCallExpression,
  isConstructorDeclaration,
  isElementAccessExpression,
  isGetAccessorDeclaration,
  isIdentifier,
  isPropertyAccessExpression,
  isStringLiteral,
  isVariableDeclaration,
  type Node,
} from 'typescript/unstable/ast';
import { calledName, type Fn, type Sources, seenFrom } from './sourceModel.ts';

/** Kind and object of a point. The object '*' stands for any. */
export interface Point {
  readonly kind: string;
  readonly object: string;
}

/** Something that is touched, with the way to it. */
export interface Access extends Point {
  readonly what: string;
}

/** In the objects $r is the receiver, $i the index in brackets behind it, and $0, $1 ... are the arguments. */
export interface PointTables {
  /** Fields (`Class.field`), and functions and methods that cannot assert anything themselves. */
  readonly shared: Readonly<Record<string, Point>>;
  /** Who calls the function literals that are given to a function: at which point, or null: none is needed. */
  readonly callbacks: Readonly<Record<string, Point | null>>;
  /** Functions that need no point, and why. */
  readonly exempt: Readonly<Record<string, string>>;
  /** Makes texts equal that name the same object by different ways. */
  readonly normal: (object: string) => string;
}

const PRECEDED = /[Pp]receded by\s(?:\s*\*\s)?at\.(\w+)\(([\w.]+)\)/;

export class PointDuties {
  /** The functions that call points.check() themselves, and for which kind. */
  readonly asserting = new Map<string, string>();
  /** The entries of the tables that something was found for. */
  readonly met = new Set<string>();
  readonly sources: Sources;
  readonly #tables: PointTables;
  readonly #duties = new Map<Fn, readonly Access[]>();
  #members: Set<string> | null = null;

  constructor(sources: Sources, tables: PointTables) {
    this.sources = sources;
    this.#tables = tables;
  }

  isExempt(fn: Fn): boolean {
    // Nobody else has what is being made.
    if (isConstructorDeclaration(fn.node)) return true;
    if (Object.hasOwn(this.#tables.exempt, fn.name)) this.met.add(fn.name);
    if (Object.hasOwn(this.#tables.exempt, fn.name)) return true;
    return fn.outer !== null && this.isExempt(fn.outer);
  }

  /** What a plain function touches, in terms of its parameters. */
  dutiesOf(fn: Fn): readonly Access[] {
    const known = this.#duties.get(fn);
    if (known !== undefined) return known;
    this.#duties.set(fn, []);
    if (fn.isSteps || this.isExempt(fn)) return [];
    const found = new Map<string, Access>();
    this.#collect(fn.body, fn, found);
    const exactKinds = new Set(
      [...found.values()].filter(({ object }) => object !== '*').map(({ kind }) => kind),
    );
    const duties = [...found.values()].filter(({ kind, object }) => object !== '*' || !exactKinds.has(kind));
    this.#duties.set(fn, duties);
    return duties;
  }

  #collect(node: Node, fn: Fn, found: Map<string, Access>): void {
    const literal = this.sources.fnOf(node);
    if (literal !== undefined && !this.#isCalledAtOnce(literal, fn)) return;
    node.forEachChild((child) => this.#collect(child, fn, found));
    for (const access of this.accessesAt(node, fn)) found.set(`${access.kind} ${access.object}`, access);
  }

  /** A function literal that is given to somebody who calls it then and there, as filter() does. */
  #isCalledAtOnce(literal: Fn, fn: Fn): boolean {
    if (literal.isSteps || literal.argumentOf === null) return false;
    return this.callbackPoint(literal.argumentOf, fn) === undefined;
  }

  /** The point at which the function literals among the arguments are called; undefined: at once. */
  callbackPoint(call: CallExpression, fn: Fn): Point | null | undefined {
    const name = calledName(call.expression);
    const key = name === undefined ? undefined : this.sources.keyOf(name);
    const point = key === undefined ? undefined : this.#tables.callbacks[key];
    return point === undefined || point === null ? point : this.#instantiate(point, call, fn);
  }

  /** What `node` itself touches, without its parts. */
  accessesAt(node: Node, fn: Fn): readonly Access[] {
    if (isCallExpression(node)) return this.#accessesOfCall(node, fn);
    if (isBindingElement(node)) return this.#accessesOfBinding(node, fn);
    if (isElementAccessExpression(node) && isPropertyAccessExpression(node.expression))
      return this.#accessOf(this.sources.keyOf(node.expression.name), node, fn);
    if (!isPropertyAccessExpression(node)) return [];
    const { parent } = node;
    const isPartOfMore =
      (isCallExpression(parent) || isElementAccessExpression(parent)) && parent.expression === node;
    if (isPartOfMore) return [];
    const getter = this.sources.fnNamed(node.name);
    if (getter !== undefined && isGetAccessorDeclaration(getter.node))
      return this.#passedOn(getter, node, fn);
    return this.#accessOf(this.sources.keyOf(node.name), node, fn);
  }

  /** `const { member } = object` looks at the member. */
  #accessesOfBinding(binding: BindingElement, fn: Fn): readonly Access[] {
    const of = initializerOf(binding);
    const member = (binding.propertyName ?? binding.name)?.getText() ?? '';
    if (of === undefined || !this.#isMember(member)) return [];
    const key = `${this.sources.typeOf(of)}.${member}`;
    const getter = this.#getters().find(({ name }) => name === key);
    return getter === undefined ? this.#accessOf(key, binding, fn) : this.#passedOn(getter, binding, fn);
  }

  /** Whether some shared state has that name: asking for types takes its time. */
  #isMember(member: string): boolean {
    this.#members ??= new Set(
      [...Object.keys(this.#tables.shared), ...this.#getters().map(({ name }) => name)].map(bareName),
    );
    return this.#members.has(member);
  }

  #getters(): readonly Fn[] {
    return this.sources.functions.filter(({ node }) => isGetAccessorDeclaration(node));
  }

  #accessesOfCall(call: CallExpression, fn: Fn): readonly Access[] {
    const name = calledName(call.expression);
    if (name === undefined) return [];
    if (call.expression.getText() === 'points.check') return this.#assertion(call, fn);
    const called = this.#tables.callbacks[fn.name];
    if (called !== undefined && called !== null && this.sources.isParameter(name, fn))
      return [{ ...called, what: `${fn.name} > ${name.getText()}` }];
    const callee = this.sources.fnNamed(name);
    if (callee !== undefined) return callee.isSteps ? [] : this.#passedOn(callee, call, fn);
    return this.#accessOf(this.sources.keyOf(name), call, fn);
  }

  #assertion({ arguments: [kind, object] }: CallExpression, fn: Fn): readonly Access[] {
    if (kind === undefined || object === undefined || !isStringLiteral(kind)) return [];
    this.asserting.set(fn.name, kind.text);
    return [{ kind: kind.text, object: this.canonical(object, fn), what: fn.name }];
  }

  #accessOf(key: string | undefined, use: Node, fn: Fn): readonly Access[] {
    if (key === undefined || !Object.hasOwn(this.#tables.shared, key)) return [];
    this.met.add(key);
    return [{ ...this.#instantiate(this.#tables.shared[key]!, use, fn), what: key }];
  }

  /** The duties of `callee`, in terms of `fn`, which uses it at `use`. */
  #passedOn(callee: Fn, use: Node, fn: Fn): readonly Access[] {
    return this.dutiesOf(callee).map(({ kind, object, what }) => ({
      kind,
      object: this.inTermsOf(fn, object, use),
      what: what === callee.name ? what : `${callee.name} > ${what}`,
    }));
  }

  /** `object`, canonical in a function that `fn` uses at `use`, as `fn` names it. */
  inTermsOf(fn: Fn, object: string, use: Node): string {
    const ours = seenFrom(object, fn);
    return ours === object ? this.#fill(object, use, fn, /\$(this|\d+)(?!\d|of)/g) : ours;
  }

  #instantiate({ kind, object }: Point, use: Node, fn: Fn): Point {
    return { kind, object: this.#fill(object, use, fn, /\$(r|i|\d+)/g) };
  }

  #fill(template: string, use: Node, fn: Fn, holes: RegExp): string {
    const filled = template.replace(holes, (_, hole: string) => {
      const part = partOf(use, hole);
      return part === undefined ? '?' : this.sources.canonical(part, fn);
    });
    return this.#tables.normal(filled);
  }

  canonical(node: Node, fn: Fn): string {
    return this.#tables.normal(this.sources.canonical(node, fn));
  }

  /** The point that the comment of a function asks its callers for. */
  precededBy(fn: Fn): Point | null {
    const [, kind, object] = PRECEDED.exec(fn.comment) ?? [];
    if (kind === undefined || object === undefined) return null;
    const parameters = fn.node.parameters.map(({ name }) => name);
    const text = object.replace(/^\w+/, (first) => {
      const index = parameters.findIndex((name) => isIdentifier(name) && name.text === first);
      return first === 'this' ? '$this' : index < 0 ? first : `$${index}`;
    });
    return { kind, object: text };
  }
}

const bareName = (key: string): string => key.replace(/^.*\./, '');

function partOf(use: Node, hole: string): Node | undefined {
  if (/\d/.test(hole)) return isCallExpression(use) ? use.arguments[Number(hole)] : undefined;
  if (hole === 'i') return isElementAccessExpression(use) ? use.argumentExpression : undefined;
  if (isBindingElement(use)) return initializerOf(use);
  const named = isCallExpression(use) || isElementAccessExpression(use) ? use.expression : use;
  return isPropertyAccessExpression(named) ? named.expression : undefined;
}

/** Of what the constant is that is destructured here. */
function initializerOf({ parent }: BindingElement): Node | undefined {
  return isVariableDeclaration(parent.parent) ? parent.parent.initializer : undefined;
}
