// Gives each plain `yield` of a file a number, so that exploration can say where a task stands (file, line and function),
// and lets it leave out the stops that cannot matter.
//
//   yield BLOCKED;                       ->  yield $at($sites + 2, BLOCKED);
//   if (points.on) yield at.pte(p);      ->  if (points.on && $stops($sites + 3, at.pte(p))) yield $announced();

import type MagicString from 'magic-string';
import { child, isFunction, isNode, type Node, runningChildren } from './syntax.ts';

export function numberYields(module: Node, file: string, out: MagicString): void {
  const sites: [number, string][] = [];
  /** Yields that numberPoint() has dealt with. */
  const points = new Set<Node>();

  function numberPoint(statement: Node, name: string): void {
    const test = child(statement, 'test');
    const yielding = child(child(statement, 'consequent'), 'expression');
    const point = child(yielding, 'argument');
    points.add(yielding);
    out.appendLeft(test.end, ` && $stops($sites + ${sites.length}, `);
    out.prependLeft(point.end, ')');
    out.move(point.start, point.end, test.end);
    out.appendLeft(yielding.start + 'yield'.length, ' $announced()');
    sites.push([yielding.loc.start.line, name]);
  }

  function numberYield(node: Node, name: string): void {
    const argument = child(node, 'argument');
    out.appendRight(argument.start, `$at($sites + ${sites.length}, `);
    out.prependLeft(argument.end, ')');
    sites.push([node.loc.start.line, name]);
  }

  function visit(node: Node, name: string): void {
    if (isPoint(node)) numberPoint(node, name);
    else if (isPlainYield(node) && !points.has(node)) numberYield(node, name);
    const inner = isFunction(node) ? nameOf(node, name) : name;
    for (const part of runningChildren(node)) visit(part, inner);
  }

  visit(module, '');
  if (sites.length === 0) return;
  out.prepend(
    `import { at as $at, stops as $stops, announced as $announced, addSites as $addSites } from 'umbra:journal';\n` +
      `const $sites = $addSites(${JSON.stringify(file)}, ${JSON.stringify(sites)});\n`,
  );
}

function nameOf(node: Node, outer: string): string {
  if (isNode(node.id)) return node.id.name as string;
  if (!isNode(node.key)) return outer;
  const key = node.key.type === 'PrivateName' ? child(node.key, 'id') : node.key;
  return typeof key.name === 'string' ? key.name : outer;
}

const isPlainYield = (node: Node): boolean =>
  node.type === 'YieldExpression' && node.delegate !== true && isNode(node.argument);

/** `if (points.on) yield at.x(...);` */
function isPoint(node: Node): boolean {
  if (node.type !== 'IfStatement' || isNode(node.alternate)) return false;
  const test = child(node, 'test');
  if (test.type !== 'MemberExpression' || child(test, 'object').name !== 'points') return false;
  const { expression } = child(node, 'consequent');
  return isNode(expression) && isPlainYield(expression);
}
