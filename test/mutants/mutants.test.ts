// Every mutant fits the code that it is a mutant of; `npm run mutants` says which of them the scenarios kill.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { applyEdits, SOURCES } from '../../src/loader/index.ts';
import { parseModule } from '../../src/loader/syntax.ts';
import { MUTANTS } from './mutants.ts';

it.each(MUTANTS.map(({ name, edits }) => [name, edits] as const))('%s', (_name, edits) => {
  for (const edit of edits) {
    const text = readFileSync(join(SOURCES, edit.file), 'utf8');
    const edited = applyEdits(edit.file, text, [edit]);
    expect(edited).not.toBe(text);
    expect(() => parseModule(edited, true)).not.toThrow();
  }
});
