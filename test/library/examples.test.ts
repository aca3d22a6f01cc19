// The examples of the documentation are tests: every block of TypeScript in the docstrings of the public API and in the
// README's section on it runs, with the API's exports, the matchers and FILL_AND_VERIFY in scope.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as umbra from '../../src/index.ts';
import { FILL_AND_VERIFY } from '../support/fillAndVerify.ts';
import '../../src/matchers.ts';

const ROOT = join(import.meta.dirname, '../..');
const SCOPE = { ...umbra, expect, FILL_AND_VERIFY };

const tsxRequire = createRequire(createRequire(import.meta.url).resolve('tsx/package.json'));
const { transformSync } = tsxRequire('esbuild') as {
  transformSync(text: string, options: { loader: 'ts'; target: string }): { code: string };
};

interface Example {
  readonly name: string;
  readonly code: string;
}

const BLOCK = /```ts\n(.*?)```/gs;

/** Each named after the declaration that its docstring stands before. */
function docstringExamples(file: string): Example[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const docstrings = /\/\*\*((?:(?!\*\/).)*?```ts.*?)\*\/\n\s*(?:export |async |function |class )*(\w+)/gs;
  return [...text.matchAll(docstrings)].flatMap(([, doc, name]) =>
    [...doc!.replace(/^ *\* ?/gm, '').matchAll(BLOCK)].map(([, code]) => ({ name: name!, code: code! })),
  );
}

function readmeExamples(): Example[] {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const code = [...text.matchAll(BLOCK)].map(([, block]) => block!.replace(/^import .*;\n/gm, ''));
  return code.map((each, i) => ({ name: `README ${i + 1}`, code: each }));
}

const runExample = async (code: string): Promise<void> => {
  const { code: body } = transformSync(`async () => {${code}}`, { loader: 'ts', target: 'es2022' });
  await new Function(...Object.keys(SCOPE), `return (${body.trim().replace(/;$/, '')})()`)(
    ...Object.values(SCOPE),
  );
};

const FILES = ['src/lab.ts', 'src/exploration.ts', 'src/matchers.ts'];

describe('the documentation', () => {
  const examples = [...FILES.flatMap(docstringExamples), ...readmeExamples()];

  it('has an example for every method of a lab, every matcher and explore()', () => {
    const names = examples.map(({ name }) => name);
    const methods = Object.getOwnPropertyNames(umbra.Lab.prototype).filter(
      (name) => !['stop', 'hva', 'print'].includes(name),
    );
    const matchers = readFileSync(join(ROOT, 'src/matchers.ts'), 'utf8').matchAll(/^ {2}(to\w+)\(.*\{$/gm);
    const documented = [...methods, ...[...matchers].map(([, name]) => name!), 'explore'];
    expect(documented.length).toBeGreaterThan(15);
    expect(documented.filter((name) => !names.includes(name))).toEqual([]);
  });

  it.each(examples)('$name: its example runs', async ({ code }) => {
    await runExample(code);
  });
});

describe('an example that is wrong', () => {
  it('fails', async () => {
    await expect(runExample('expect(1).toBe(2);')).rejects.toThrow('expected 1 to be 2');
  });
});
