// Gives each plain `yield` of a file a number, so that exploration can say where a task stands: file, line and function.
//
//   yield at.pte(p)  ->  yield $at($sites + 3, at.pte(p))

import type MagicString from 'magic-string';
import { child, isFunction, isNode, type Node, runningChildren } from './syntax.ts';

export function numberYields(module: Node, file: string, out: MagicString): void {
  const sites: [number, string][] = [];

  function visit(node: Node, name: string): void {
    if (node.type === 'YieldExpression' && node.delegate !== true && isNode(node.argument)) {
      out.appendRight(node.argument.start, `$at($sites + ${sites.length}, `);
      out.prependLeft(node.argument.end, ')');
      sites.push([node.loc.start.line, name]);
    }
    const inner = isFunction(node) ? nameOf(node, name) : name;
    for (const part of runningChildren(node)) visit(part, inner);
  }

  visit(module, '');
  if (sites.length === 0) return;
  out.prepend(
    `import { at as $at, addSites as $addSites } from 'umbra:journal';\n` +
      `const $sites = $addSites(${JSON.stringify(file)}, ${JSON.stringify(sites)});\n`,
  );
}

function nameOf(node: Node, outer: string): string {
  if (isNode(node.id)) return node.id.name as string;
  if (!isNode(node.key)) return outer;
  const key = node.key.type === 'PrivateName' ? child(node.key, 'id') : node.key;
  return typeof key.name === 'string' ? key.name : outer;
}
