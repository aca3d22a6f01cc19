// Everything that can be reached from an object, as lines of text: to see whether two moments differ, and where.
//
// Objects are numbered in the order in which they are met; typed arrays are a checksum. Variables of closures and the
// insides of generators cannot be seen.

import { createHash } from 'node:crypto';

const checksum = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex').slice(0, 16);

/** A line for each property, element and entry that can be reached, in an order that depends on nothing else. */
export function graphLines(root: object): string[] {
  const lines: string[] = [];
  const numbers = new Map<object, number>([[root, 0]]);
  const queue: [object, string][] = [[root, 'root']];

  const name = (value: unknown, path: string): string => {
    if (typeof value === 'function') return `function ${value.name}`;
    if (typeof value !== 'object' || value === null)
      return typeof value === 'bigint' ? `${value}n` : String(value);
    let number = numbers.get(value);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(value, number);
      queue.push([value, path]);
    }
    return `#${number}`;
  };

  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [object, path] = next;
    const add = (key: string, value: unknown): void => {
      lines.push(`${path}${key} = ${name(value, `${path}${key}`)}`);
    };
    if (ArrayBuffer.isView(object)) {
      lines.push(
        `${path} = ${checksum(new Uint8Array(object.buffer, object.byteOffset, object.byteLength))}`,
      );
      continue;
    }
    if (object instanceof Map) {
      let at = 0;
      for (const [key, value] of object) {
        add(`<key ${at}>`, key);
        add(`<value ${at++}>`, value);
      }
    } else if (object instanceof Set) {
      let at = 0;
      for (const value of object) add(`<${at++}>`, value);
    }
    for (const key of Object.keys(object)) add(`.${key}`, (object as Record<string, unknown>)[key]);
  }
  return lines;
}

/** The first line that differs, as "before | after"; null: none does. */
export function firstDifference(before: readonly string[], after: readonly string[]): string | null {
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    if (before[i] !== after[i]) return `${before[i]} | ${after[i]}`;
  }
  return null;
}
