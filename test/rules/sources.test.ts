// House rules that a reader cannot see at a glance: headers, and no uncontrolled nondeterminism.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const SRC = join(ROOT, 'src');

function sourceFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sourceFiles(path);
    return name.endsWith('.ts') ? [path] : [];
  });
}

const files = sourceFiles(SRC).map((path) => ({
  name: relative(SRC, path),
  text: readFileSync(path, 'utf8'),
}));
const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
/** A word that a user may write is no code. */
const withoutWords = (text: string): string => text.replace(/'\w+'/g, "''");

describe('every source file', () => {
  it('opens with a header that says what it is', () => {
    expect(files.filter(({ text }) => !/^\/\/ \S.{20,}/.test(text)).map(({ name }) => name)).toEqual([]);
  });

  it('keeps clocks, promises and random numbers out of everything but cli, platform, loader and exploration', () => {
    const forbidden =
      /\bMath\.random\b|\bDate\b|\bperformance\.|\bPromise\b|\basync\b|\bawait\b|\bset(Timeout|Interval|Immediate)\b|(?<!\/)\bprocess\./;
    const offenders = files
      .filter(({ name }) => !/^(cli\/|platform\/|loader\/|exploration\.ts)/.test(name))
      .filter(({ text }) => forbidden.test(withoutWords(withoutComments(text))));
    expect(offenders.map(({ name }) => name)).toEqual([]);
  });

  it('of mm/ lies in a folder that the face of mm/ tells of', () => {
    const told = [...readFileSync(join(SRC, 'mm/index.ts'), 'utf8').matchAll(/^\/\/ {5}(\w+)\/ /gm)].map(
      (m) => m[1],
    );
    const folders = files.flatMap(({ name }) => /^mm\/(\w+)\//.exec(name)?.[1] ?? []);
    expect([...new Set(folders)].sort()).toEqual(told.sort());
  });

  it('of what the kernel does makes no generator function in a function: V8 makes it a prototype and a map each time', () => {
    const offenders = files
      .filter(({ name }) => /^(sched|notifier|mm|kvm|drivers)\//.test(name))
      .filter(({ text }) => /\bfunction\* ?\(/.test(withoutComments(text)));
    expect(offenders.map(({ name }) => name)).toEqual([]);
  });

  it('has no default export', () => {
    const offenders = files.filter(({ text }) => /^export default/m.test(text));
    expect(offenders.map(({ name }) => name)).toEqual([]);
  });
});
