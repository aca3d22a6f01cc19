// What properties are called in rewritten text, and which expressions may stand there twice.
//
// #private names become public ones with the class's name, since an undo log is outside the class. writes.ts asks, on its
// way through a file.

import { bare, child, children, isNode, type Node } from './syntax.ts';

/** A construct that cannot be rewritten, with its place. */
export class UnsupportedWrite extends Error {
  constructor(node: Node, what: string) {
    super(
      `${node.loc.start.line}:${node.loc.start.column + 1}: ${what} cannot be made known to the undo log`,
    );
  }
}

/** Where in a file a node stands. */
export interface Context {
  /** Enclosing classes, innermost last: the name of each, and the private names that it declares. */
  readonly classes: readonly { readonly name: string; readonly privates: ReadonlySet<string> }[];
  readonly functions: readonly Node[];
  /** Directly in a constructor: `this` is new. */
  readonly constructing: boolean;
  /** The value of the node is not used. */
  readonly asStatement: boolean;
}

/** The private names that a class declares. */
export function privateNames(node: Node): Set<string> {
  const names = new Set<string>();
  for (const member of children(child(node, 'body'), 'body')) {
    const { key } = member;
    if (isNode(key) && key.type === 'PrivateName') names.add(child(key, 'id').name as string);
  }
  return names;
}

/** The name that a property has in the rewritten text. */
export function nameOf(property: Node, context: Context): string {
  return property.type === 'PrivateName' ? renamed(property, context) : (property.name as string);
}

/** What a #private name is called outside its class. */
export function renamed(node: Node, { classes: around }: Context): string {
  const name = child(node, 'id').name as string;
  const owner = around.findLast(({ privates }) => privates.has(name));
  if (owner === undefined) throw new UnsupportedWrite(node, `#${name}`);
  return `$${owner.name}_${name}`;
}

/** The text of an expression that may be evaluated twice; null: it may not. */
export function simpleText(node: Node, text: string, context: Context): string | null {
  const inner = bare(node);
  switch (inner.type) {
    case 'Identifier':
      return inner.name as string;
    case 'ThisExpression':
      return 'this';
    case 'NumericLiteral':
    case 'StringLiteral':
      return text.slice(inner.start, inner.end);
    case 'UnaryExpression': {
      const argument = simpleText(child(inner, 'argument'), text, context);
      return argument === null || inner.operator === 'delete' ? null : `(${inner.operator} ${argument})`;
    }
    case 'BinaryExpression': {
      const left = simpleText(child(inner, 'left'), text, context);
      const right = simpleText(child(inner, 'right'), text, context);
      return left === null || right === null ? null : `(${left} ${inner.operator} ${right})`;
    }
    case 'MemberExpression': {
      const object = simpleText(child(inner, 'object'), text, context);
      if (object === null) return null;
      const property = child(inner, 'property');
      if (inner.computed !== true) return `${object}.${nameOf(property, context)}`;
      const index = simpleText(property, text, context);
      return index === null ? null : `${object}[${index}]`;
    }
    default:
      return null;
  }
}
