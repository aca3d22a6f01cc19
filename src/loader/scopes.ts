// Which declaration a name means, for the variables of one file.
//
// writes.ts asks which variables outlive the function call that assigns them (module variables, and those that an inner
// function shares), sites.ts which are alive at a yield.
//
// Invariant: names are resolved as ECMAScript scopes them, with `var` and functions hoisted; imports are module
// variables.

import { child, children, isFunction, isNode, type Node, runningChildren } from './syntax.ts';

export interface Variable {
  readonly name: string;
  /** The function (or module) that declares it. */
  readonly owner: Node;
  /** Where it is certainly initialised from: the end of its declaration; parameters and hoisted functions: the start. */
  readonly from: number;
  /** The block (or function) in which the name means it. */
  readonly scope: Node;
  readonly isConstant: boolean;
  readonly uses: Use[];
}

export interface Use {
  readonly node: Node;
  /** The function (or module) in which it stands. */
  readonly inside: Node;
}

interface Scope {
  readonly node: Node;
  readonly parent: Scope | null;
  /** The function (or module) whose code it is. */
  readonly owner: Node;
  readonly names: Map<string, Variable>;
}

export interface Scopes {
  /** What an identifier in an expression means; undefined: a global. */
  readonly variableOf: ReadonlyMap<Node, Variable>;
  readonly variables: readonly Variable[];
}

const BLOCKS = new Set([
  'BlockStatement',
  'ForStatement',
  'ForOfStatement',
  'ForInStatement',
  'CatchClause',
  'SwitchStatement',
  'ClassBody',
  'StaticBlock',
]);

export function resolveScopes(module: Node): Scopes {
  const variableOf = new Map<Node, Variable>();
  const variables: Variable[] = [];

  const open = (node: Node, parent: Scope | null, owner: Node): Scope => ({
    node,
    parent,
    owner,
    names: new Map(),
  });

  function declare(scope: Scope, name: string, from: number, isConstant: boolean): void {
    if (scope.names.has(name)) return;
    const variable: Variable = { name, owner: scope.owner, from, scope: scope.node, isConstant, uses: [] };
    scope.names.set(name, variable);
    variables.push(variable);
  }

  function declarePattern(scope: Scope, pattern: Node, from: number, isConstant: boolean): void {
    for (const name of patternNames(pattern)) declare(scope, name, from, isConstant);
  }

  /** Block-scoped declarations among `statements`. */
  function declareStatements(scope: Scope, statements: readonly Node[]): void {
    for (const statement of statements) {
      const node = isNode(statement.declaration) ? statement.declaration : statement;
      if (node.type === 'VariableDeclaration' && node.kind !== 'var') declareVariables(scope, node);
      else if (node.type === 'FunctionDeclaration' && isNode(node.id)) {
        declare(scope, node.id.name as string, scope.node.start, true);
      } else if (node.type === 'ClassDeclaration' && isNode(node.id))
        declare(scope, node.id.name as string, node.end, true);
      else if (node.type === 'ImportDeclaration') {
        for (const specifier of children(node, 'specifiers')) {
          declare(scope, child(specifier, 'local').name as string, scope.node.start, true);
        }
      }
    }
  }

  function declareVariables(scope: Scope, declaration: Node): void {
    for (const declarator of children(declaration, 'declarations')) {
      declarePattern(scope, child(declarator, 'id'), declarator.end, declaration.kind === 'const');
    }
  }

  /** `var` below `node`, down to inner functions. */
  function hoist(scope: Scope, node: Node): void {
    for (const inner of runningChildren(node)) {
      if (inner.type === 'VariableDeclaration' && inner.kind === 'var') declareVariables(scope, inner);
      if (!isFunction(inner)) hoist(scope, inner);
    }
  }

  function enter(node: Node, scope: Scope): Scope {
    if (isFunction(node)) {
      const inner = open(node, scope, node);
      if (node.type === 'FunctionExpression' && isNode(node.id))
        declare(inner, node.id.name as string, node.start, true);
      for (const parameter of children(node, 'params')) declarePattern(inner, parameter, node.start, false);
      hoist(inner, node);
      return inner;
    }
    if (!BLOCKS.has(node.type)) return scope;
    const inner = open(node, scope, scope.owner);
    if (node.type === 'BlockStatement' || node.type === 'StaticBlock')
      declareStatements(inner, children(node, 'body'));
    if (node.type === 'SwitchStatement') {
      for (const test of children(node, 'cases')) declareStatements(inner, children(test, 'consequent'));
    }
    if (node.type === 'ForStatement' && isNode(node.init)) declareStatements(inner, [node.init]);
    if (node.type.startsWith('For') && isNode(node.left) && node.left.type === 'VariableDeclaration') {
      declareLoopVariables(inner, node.left);
    }
    if (node.type === 'CatchClause' && isNode(node.param))
      declarePattern(inner, node.param, node.start, false);
    return inner;
  }

  function declareLoopVariables(scope: Scope, declaration: Node): void {
    for (const declarator of children(declaration, 'declarations')) {
      declarePattern(
        scope,
        child(declarator, 'id'),
        child(scope.node, 'right').end,
        declaration.kind === 'const',
      );
    }
  }

  function use(node: Node, scope: Scope): void {
    for (let outer: Scope | null = scope; outer !== null; outer = outer.parent) {
      const variable = outer.names.get(node.name as string);
      if (variable === undefined) continue;
      variableOf.set(node, variable);
      variable.uses.push({ node, inside: scope.owner });
      return;
    }
  }

  function visit(node: Node, scope: Scope): void {
    const inner = enter(node, scope);
    for (const part of runningChildren(node)) {
      if (part.type === 'Identifier') {
        if (isReference(node, part)) use(part, inner);
      } else visit(part, inner);
    }
  }

  const scope = open(module, null, module);
  declareStatements(scope, children(module, 'body'));
  hoist(scope, module);
  visit(module, scope);
  return { variableOf, variables };
}

/** Whether the identifier `part` of `node` is an expression or an assignment target, not a mere name. */
function isReference(node: Node, part: Node): boolean {
  switch (node.type) {
    case 'MemberExpression':
    case 'OptionalMemberExpression':
      return node.object === part || node.computed === true;
    case 'ObjectProperty':
      return node.value === part || node.computed === true;
    case 'ClassProperty':
    case 'ClassAccessorProperty':
    case 'ObjectMethod':
    case 'ClassMethod':
      return node.key !== part || node.computed === true;
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
    case 'ImportSpecifier':
    case 'ImportDefaultSpecifier':
    case 'ImportNamespaceSpecifier':
    case 'ExportSpecifier':
    case 'MetaProperty':
      return false;
    default:
      return true;
  }
}

/** The names that a pattern binds. */
export function* patternNames(pattern: Node): Generator<string> {
  switch (pattern.type) {
    case 'Identifier':
      yield pattern.name as string;
      return;
    case 'ObjectPattern':
      for (const property of children(pattern, 'properties')) {
        yield* patternNames(
          property.type === 'RestElement' ? child(property, 'argument') : child(property, 'value'),
        );
      }
      return;
    case 'ArrayPattern':
      for (const element of children(pattern, 'elements')) yield* patternNames(element);
      return;
    case 'AssignmentPattern':
      yield* patternNames(child(pattern, 'left'));
      return;
    case 'RestElement':
      yield* patternNames(child(pattern, 'argument'));
      return;
    default:
  }
}
