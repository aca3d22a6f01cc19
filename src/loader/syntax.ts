// Syntax trees of source files, as plain data, and one way to walk them.
//
// @babel/parser does the parsing: it reads TypeScript as it stands, so positions in a tree are positions in the file
// that the author sees.

import { parse } from '@babel/parser';

/** A node: its type, its place in the text, and what else its type has. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly loc: { readonly start: { readonly line: number; readonly column: number } };
  readonly [field: string]: unknown;
}

/** Throws SyntaxError with the position. */
export function parseModule(text: string, isTypeScript: boolean): Node {
  const file = parse(text, {
    sourceType: 'module',
    plugins: isTypeScript ? ['typescript'] : [],
    createParenthesizedExpressions: true,
  });
  return file.program as unknown as Node;
}

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

/** The child that the type of `node` has there. */
export const child = (node: Node, field: string): Node => node[field] as Node;
/** The children of a list; holes are left out. */
export const children = (node: Node, field: string): readonly Node[] =>
  ((node[field] as readonly (Node | null)[] | null | undefined) ?? []).filter(isNode);

/** Types are erased before anything runs. */
const TYPE_FIELDS = new Set([
  'typeAnnotation',
  'returnType',
  'typeParameters',
  'typeArguments',
  'superTypeParameters',
]);
const NO_NODES = new Set(['loc', 'extra', 'leadingComments', 'trailingComments', 'innerComments']);

/** The nodes that run, directly below `node`, in the order of the text. */
export function* runningChildren(node: Node): Generator<Node> {
  for (const [field, value] of Object.entries(node)) {
    if (NO_NODES.has(field) || TYPE_FIELDS.has(field)) continue;
    for (const item of Array.isArray(value) ? value : [value]) {
      if (isNode(item) && runs(item)) yield item;
    }
  }
}

const RUNNING_TS = new Set(['TSNonNullExpression', 'TSAsExpression', 'TSSatisfiesExpression']);

const runs = ({ type, ...rest }: Node): boolean =>
  (!type.startsWith('TS') || RUNNING_TS.has(type)) && rest.declare !== true && rest.importKind !== 'type';

/** `node` without what only the type checker or the eye sees. */
export function bare(node: Node): Node {
  let inner = node;
  while (inner.type === 'ParenthesizedExpression' || RUNNING_TS.has(inner.type))
    inner = child(inner, 'expression');
  return inner;
}

const FUNCTIONS = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ObjectMethod',
  'ClassMethod',
  'ClassPrivateMethod',
]);

export const isFunction = (node: Node): boolean => FUNCTIONS.has(node.type);
export const isClass = ({ type }: Node): boolean => type === 'ClassDeclaration' || type === 'ClassExpression';
