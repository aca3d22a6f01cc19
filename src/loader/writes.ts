// Makes every write of a file known to the undo log (journal/), by rewriting its text.
//
//   o.k = v          ->  $set_k(o, v)                 o.k += v     ->  $set_k(o, o.k + (v))
//   a[i] = v         ->  $element(a, i, v)            a[i]++       ->  $element(a, i, a[i] + 1)
//   list.push(x)     ->  $mutators.push(list, x)      x = v        ->  x = $variable(x, ($v) => { x = $v; }, v)
//
// The last only where x outlives the call: module variables, and those that inner functions share. #private names become
// public ones with the class's name, since an undo log is outside the class.
//
// Invariant: a write that this file cannot rewrite is an error at loading, never a write that the log misses; what a
// constructor stores in the object that it makes needs no log.

import type MagicString from 'magic-string';
import { mutators } from '../journal/index.ts';
import { type Context, nameOf, privateNames, renamed, simpleText, UnsupportedWrite } from './names.ts';
import type { Scopes } from './scopes.ts';
import { bare, child, children, isClass, isFunction, isNode, type Node, runningChildren } from './syntax.ts';

const MUTATORS = new Set(Object.keys(mutators));

const isLogical = (operator: string): boolean => operator === '??' || operator === '||' || operator === '&&';
const isMember = ({ type }: Node): boolean => type === 'MemberExpression';
const isChain = ({ type }: Node): boolean =>
  type === 'OptionalMemberExpression' || type === 'OptionalCallExpression';

/** Rewrites the writes of `module`, whose text is `text`, in `out`. Throws UnsupportedWrite. */
export function rewriteWrites(module: Node, text: string, out: MagicString, scopes: Scopes): void {
  new WriteRewriter(module, text, out, scopes).rewriteAll();
}

class WriteRewriter {
  readonly #module: Node;
  readonly #text: string;
  readonly #out: MagicString;
  readonly #scopes: Scopes;
  /** Properties that need a setter. */
  readonly #names = new Set<string>();
  /** Nodes whose text was replaced with what is around them. */
  readonly #done = new Set<Node>();
  #classes = 0;

  constructor(module: Node, text: string, out: MagicString, scopes: Scopes) {
    this.#module = module;
    this.#text = text;
    this.#out = out;
    this.#scopes = scopes;
  }

  rewriteAll(): void {
    this.#visit(this.#module, { classes: [], functions: [], constructing: false, asStatement: false });
    this.#out.prepend(header(this.#names));
  }

  #visit(node: Node, context: Context): void {
    if (this.#done.has(node)) return;
    this.#rewrite(node, context);
    if (this.#done.has(node)) return;
    const inner = this.#enter(node, context);
    for (const part of runningChildren(node)) {
      const asStatement =
        node.type === 'ExpressionStatement' || (node.type === 'ForStatement' && part === node.update);
      this.#visit(part, { ...inner, asStatement });
    }
  }

  #enter(node: Node, context: Context): Context {
    if (isClass(node)) {
      const name = isNode(node.id) ? (node.id.name as string) : `class${this.#classes++}`;
      return { ...context, classes: [...context.classes, { name, privates: privateNames(node) }] };
    }
    if (!isFunction(node)) return context;
    const constructing = node.type === 'ClassMethod' && node.kind === 'constructor';
    return { ...context, functions: [...context.functions, node], constructing };
  }

  #rewrite(node: Node, context: Context): void {
    switch (node.type) {
      case 'PrivateName':
        // A keyword may stand directly before it.
        this.#out.update(
          node.start,
          node.end,
          `${/\w/.test(this.#text[node.start - 1]!) ? ' ' : ''}${renamed(node, context)}`,
        );
        return;
      case 'BinaryExpression': {
        const left = child(node, 'left');
        if (left.type === 'PrivateName') this.#replace(left, `'${renamed(left, context)}'`);
        return;
      }
      case 'AssignmentExpression':
        this.#rewriteAssignment(node, context);
        return;
      case 'UpdateExpression':
        this.#rewriteUpdate(node, context);
        return;
      case 'UnaryExpression':
        if (node.operator === 'delete') this.#rewriteDelete(node, context);
        return;
      case 'CallExpression':
      case 'OptionalCallExpression':
        this.#rewriteCall(node);
        return;
      case 'ForOfStatement':
      case 'ForInStatement':
        if (child(node, 'left').type !== 'VariableDeclaration')
          throw new UnsupportedWrite(node, 'this loop variable');
        return;
      default:
    }
  }

  /** `this.x = ...` where the object is being made. */
  #isOfNewObject(target: Node, { constructing }: Context): boolean {
    return constructing && bare(child(target, 'object')).type === 'ThisExpression';
  }

  #rewriteAssignment(node: Node, context: Context): void {
    const target = bare(child(node, 'left'));
    const right = child(node, 'right');
    const operator = (node.operator as string).slice(0, -1);
    if (target.type === 'Identifier') {
      this.#rewriteVariable(node, target, right, operator, context);
      return;
    }
    if (!isMember(target)) {
      this.#checkPattern(target, context);
      return;
    }
    if (this.#isOfNewObject(target, context)) return;
    if (operator === '') {
      this.#call(node, target, right, '', '', context);
      return;
    }
    const old = simpleText(target, this.#text, context);
    if (old === null) {
      if (isLogical(operator)) throw new UnsupportedWrite(node, 'this assignment');
      this.#changeOnce(node, target, right, operator, context);
      return;
    }
    if (!isLogical(operator)) {
      this.#call(node, target, right, `${old} ${operator} (`, ')', context);
      return;
    }
    this.#out.appendRight(node.start, `(${old} ${operator} `);
    this.#call(node, target, right, '', '', context);
    this.#out.prependLeft(node.end, ')');
  }

  /** Turns `target OP right` into a call of the setter; `before` and `after` go around the value. */
  #call(node: Node, target: Node, right: Node, before: string, after: string, context: Context): void {
    const object = child(target, 'object');
    const property = child(target, 'property');
    this.#out.prependLeft(node.end, `${after})`);
    if (target.computed !== true) {
      this.#done.add(property);
      this.#out.appendRight(node.start, `${this.#setter(property, context)}(`);
      this.#out.update(object.end, right.start, `, ${before}`);
      return;
    }
    this.#out.appendRight(node.start, '$element(');
    this.#out.update(object.end, property.start, ', ');
    this.#out.update(property.end, right.start, `, ${before}`);
  }

  #changeOnce(node: Node, target: Node, right: Node, operator: string, context: Context): void {
    if (containsYield(right)) throw new UnsupportedWrite(node, 'this assignment');
    const object = child(target, 'object');
    const property = child(target, 'property');
    this.#out.appendRight(node.start, '$change(');
    this.#out.prependLeft(node.end, '))');
    const by = `, ($old) => $old ${operator} (`;
    if (target.computed === true) {
      this.#out.update(object.end, property.start, ', ');
      this.#out.update(property.end, right.start, by);
    } else {
      this.#done.add(property);
      this.#out.update(object.end, right.start, `, ${JSON.stringify(nameOf(property, context))}${by}`);
    }
  }

  #rewriteUpdate(node: Node, context: Context): void {
    const target = bare(child(node, 'argument'));
    const sign = node.operator === '++' ? '+' : '-';
    // The old value is what a postfix operator answers.
    const back = node.prefix === true || context.asStatement ? '' : ` ${sign === '+' ? '-' : '+'} 1`;
    if (target.type === 'Identifier') {
      if (!this.#isShared(target, context)) return;
      const { name } = target;
      this.#out.update(
        node.start,
        node.end,
        `((${name} = $variable(${name}, ($v) => { ${name} = $v; }, ${name} ${sign} 1))${back})`,
      );
      return;
    }
    if (this.#isOfNewObject(target, context)) return;
    const text = simpleText(target, this.#text, context);
    if (text === null) {
      this.#changeByOne(node, target, sign, back, context);
      return;
    }
    const object = simpleText(child(target, 'object'), this.#text, context)!;
    const property = child(target, 'property');
    const value = `${text} ${sign} 1`;
    const made =
      target.computed === true
        ? `$element(${object}, ${simpleText(property, this.#text, context)}, ${value})`
        : `${this.#setter(property, context)}(${object}, ${value})`;
    this.#replace(node, back === '' ? made : `(${made}${back})`);
  }

  /** Replaces a whole expression, of which nothing inside is rewritten on its own. */
  #replace(node: Node, made: string): void {
    this.#done.add(node);
    this.#out.update(node.start, node.end, made);
  }

  #changeByOne(node: Node, target: Node, sign: string, back: string, context: Context): void {
    if (node.prefix === true) throw new UnsupportedWrite(node, 'this update');
    const object = child(target, 'object');
    const property = child(target, 'property');
    this.#out.appendRight(node.start, '($change(');
    const by = `, ($old) => $old ${sign} 1)${back})`;
    if (target.computed === true) {
      this.#out.update(object.end, property.start, ', ');
      this.#out.update(property.end, node.end, by);
    } else {
      this.#done.add(property);
      this.#out.update(object.end, node.end, `, ${JSON.stringify(nameOf(property, context))}${by}`);
    }
  }

  #rewriteVariable(node: Node, target: Node, right: Node, operator: string, context: Context): void {
    if (!this.#isShared(target, context)) return;
    const { name } = target;
    const put = `$variable(${name}, ($v) => { ${name} = $v; }, `;
    if (isLogical(operator)) {
      this.#out.update(target.end, right.start, ` ${operator} (${name} = ${put}`);
      this.#out.appendRight(node.start, '(');
      this.#out.prependLeft(node.end, ')))');
      return;
    }
    this.#out.update(
      target.end,
      right.start,
      operator === '' ? ` = ${put}` : ` = ${put}${name} ${operator} (`,
    );
    this.#out.appendRight(node.start, '(');
    this.#out.prependLeft(node.end, operator === '' ? '))' : ')))');
  }

  /** Whether the variable outlives the call that assigns it here. */
  #isShared(target: Node, { functions }: Context): boolean {
    const variable = this.#scopes.variableOf.get(target);
    if (variable === undefined) throw new UnsupportedWrite(target, `the global ${target.name}`);
    const here = functions.at(-1);
    if (variable.owner === this.#module) return here !== undefined;
    return variable.uses.some(({ inside }) => inside !== variable.owner);
  }

  /** Destructuring: plain variables of this call are nothing to log, members become `$place(o, k).value`. */
  #checkPattern(pattern: Node, context: Context): void {
    if (pattern.type === 'Identifier') {
      if (this.#isShared(pattern, context)) throw new UnsupportedWrite(pattern, 'this destructuring');
    } else if (pattern.type === 'MemberExpression') {
      if (!this.#isOfNewObject(pattern, context)) this.#makePlace(pattern, context);
    } else if (pattern.type === 'ObjectProperty') this.#checkPattern(bare(child(pattern, 'value')), context);
    else if (pattern.type === 'AssignmentPattern') this.#checkPattern(bare(child(pattern, 'left')), context);
    else if (pattern.type === 'RestElement') this.#checkPattern(bare(child(pattern, 'argument')), context);
    else {
      for (const part of [...children(pattern, 'properties'), ...children(pattern, 'elements')]) {
        this.#checkPattern(bare(part), context);
      }
    }
  }

  #makePlace(target: Node, context: Context): void {
    const object = child(target, 'object');
    const property = child(target, 'property');
    this.#out.appendRight(target.start, '$place(');
    if (target.computed === true) {
      this.#out.update(object.end, property.start, ', ');
      this.#out.update(property.end, target.end, ').value');
    } else {
      this.#done.add(property);
      this.#out.update(object.end, target.end, `, ${JSON.stringify(nameOf(property, context))}).value`);
    }
  }

  #rewriteDelete(node: Node, context: Context): void {
    const target = bare(child(node, 'argument'));
    if (!isMember(target)) throw new UnsupportedWrite(node, 'this deletion');
    const object = child(target, 'object');
    const property = child(target, 'property');
    this.#out.update(node.start, object.start, '$remove(');
    if (target.computed === true) {
      this.#out.update(object.end, property.start, ', ');
      this.#out.update(property.end, node.end, ')');
    } else {
      this.#done.add(property);
      this.#out.update(object.end, node.end, `, ${JSON.stringify(nameOf(property, context))})`);
    }
  }

  #rewriteCall(node: Node): void {
    const callee = child(node, 'callee');
    if (!isMember(callee) && callee.type !== 'OptionalMemberExpression') return;
    const property = child(callee, 'property');
    if (callee.computed === true || property.type !== 'Identifier' || !MUTATORS.has(property.name as string))
      return;
    const object = child(callee, 'object');
    if (object.type === 'Super') return;
    const open = this.#text.indexOf('(', isNode(node.typeArguments) ? node.typeArguments.end : callee.end);
    if (isChain(object) || isChain(callee)) {
      this.#callOptionally(node, object, property.name as string, open);
      return;
    }
    this.#out.appendRight(node.start, `$mutators.${property.name}(`);
    this.#out.update(object.end, open + 1, children(node, 'arguments').length > 0 ? ', ' : '');
  }

  /** Somewhere in the receiver is a `?.`: where it stops, neither the arguments nor the call are evaluated. */
  #callOptionally(node: Node, object: Node, method: string, open: number): void {
    if (node.optional === true) throw new UnsupportedWrite(node, 'this optional call');
    const comma = children(node, 'arguments').length > 0 ? ', ' : '';
    this.#out.appendRight(node.start, '(($receiver = ');
    this.#out.update(object.end, open + 1, `) == null ? undefined : $mutators.${method}($receiver${comma}`);
    this.#out.prependLeft(node.end, ')');
  }

  /** The function that writes property `property`, made at the head of the file. */
  #setter(property: Node, context: Context): string {
    const name = nameOf(property, context);
    this.#names.add(name);
    return `$set_${name}`;
  }
}

function header(names: ReadonlySet<string>): string {
  const setters = [...names].map(
    (name) =>
      `const $kind_${name} = $property('${name}', (o, v) => { o.${name} = v; });\n` +
      `function $set_${name}(o, v) { if ($undo.on) { const old = o.${name}; ` +
      `if (old === undefined && !('${name}' in o)) $added(o, '${name}'); else $record(o, $kind_${name}, 0, old); } ` +
      `o.${name} = v; return v; }\n`,
  );
  return (
    `import { undo as $undo, record as $record, property as $property, setElement as $element, change as $change, ` +
    `setVariable as $variable, remove as $remove, recordAdded as $added, placeOf as $place, mutators as $mutators } from 'umbra:journal';\nlet $receiver;\n${setters.join('')}`
  );
}

function containsYield(node: Node): boolean {
  if (node.type === 'YieldExpression' || node.type === 'AwaitExpression') return true;
  if (isFunction(node)) return false;
  for (const part of runningChildren(node)) if (containsYield(part)) return true;
  return false;
}
