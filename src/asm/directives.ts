// Directives: finds who handles a directive.
//
// Called by statements.ts. Data, sections and symbols have a file each; here are those that only stop the author.

import type { Assembly } from './assembly.ts';
import type { Cursor } from './cursor.ts';
import { DATA_DIRECTIVES } from './dataDirectives.ts';
import { Fault } from './errors.ts';
import { SECTION_DIRECTIVES } from './sectionDirectives.ts';
import { SYMBOL_DIRECTIVES } from './symbolDirectives.ts';

/** Compilers write these; they say nothing about a static program without debug information, relaxation or compression. */
const IGNORED: ReadonlySet<string> = new Set([
  ...['.file', '.loc', '.ident', '.attribute', '.option', '.addrsig', '.addrsig_sym'],
  ...[
    '.hidden',
    '.internal',
    '.protected',
    '.list',
    '.nolist',
    '.title',
    '.sbttl',
    '.eject',
    '.psize',
    '.print',
  ],
]);

/** Runs a directive; false if there is none of that name. Throws Fault. */
export function runDirective(a: Assembly, word: string, c: Cursor): boolean {
  if (IGNORED.has(word) || word.startsWith('.cfi_')) return true;
  const handler = SECTION_DIRECTIVES.get(word) ?? SYMBOL_DIRECTIVES.get(word) ?? STOPPING.get(word);
  if (handler !== undefined) {
    handler(a, c);
    return true;
  }
  const data = DATA_DIRECTIVES.get(word);
  if (data === undefined) return false;
  if (a.current.kind !== 'dropped') data(a, c);
  return true;
}

const STOPPING: ReadonlyMap<string, (a: Assembly, c: Cursor) => void> = new Map([
  ['.err', (_, c) => fail(c, '.err is reached')],
  ['.error', (_, c) => fail(c, new TextDecoder().decode(c.string()))],
  ['.include', (_, c) => fail(c, 'a source cannot include other files')],
  ['.incbin', (_, c) => fail(c, 'a source cannot include other files')],
]);

function fail(c: Cursor, text: string): never {
  throw new Fault(c.start, text);
}
