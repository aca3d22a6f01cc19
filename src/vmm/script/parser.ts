// The script language of `umbra mm`, from text to operations.
//
// cli/mm.ts reads the file; runner.ts gets the steps. One operation a line, words separated by blanks, `#` to the end of
// the line is a comment. What a line may say is in the table OPERATIONS, word by word.
//
// Invariant: every step that comes out can be carried out; the first mistake ends the parsing with its line and column.

import { type Cursor, Line } from './line.ts';
import {
  ADVICE,
  FILE_PAGES,
  type FileIndex,
  type MappedObject,
  type MmapModes,
  type Operation,
  type Step,
  SYNC_MODES,
  WINDOW_PAGES,
} from './operation.ts';

/** The most pages that an operation may name: enough for every mistake, too few to fill a host. */
const MAX_PAGES = 1024;
const MAX_FILE_PAGES = 1 << 20;
const LAST_BYTE = 4095;

const OBJECTS: Readonly<Record<string, MappedObject>> = {
  anon: { file: null, shared: false },
  shanon: { file: null, shared: true },
  pf0: { file: 0, shared: false },
  pf1: { file: 1, shared: false },
  sf0: { file: 0, shared: true },
  sf1: { file: 1, shared: true },
};
const MODES = ['populate', 'norsv', 'locked', 'noreplace'] as const;
const PROT_LETTERS = 'rwx';

const page = (c: Cursor): number => c.whole('page', 0, WINDOW_PAGES - 1);
const pages = (c: Cursor): number => c.whole('number of pages', 0, MAX_PAGES);
const range = (c: Cursor) => ({ page: page(c), pages: pages(c) });
const at = (c: Cursor): number => c.whole('offset in the page', 0, LAST_BYTE);
const value = (c: Cursor): number => c.whole('byte', 0, 255);
const file = (c: Cursor) => c.whole('file', 0, 1) as FileIndex;
const filePage = (c: Cursor): number => c.whole('page of the file', 0, MAX_FILE_PAGES);
const child = (c: Cursor): string => c.matching('name of a child', /^[A-Za-z]\w*$/);

/** "rwx" or "r-x": each letter in its place, or a dash. */
function prot(c: Cursor): number {
  const text = c.matching('protection like rw-', /^[r-][w-][x-]$/);
  return [...text].reduce((bits, letter, i) => bits | (letter === PROT_LETTERS[i] ? 1 << i : 0), 0);
}

function modes(c: Cursor): MmapModes {
  const found = { populate: false, norsv: false, locked: false, noreplace: false };
  while (!c.atEnd) {
    const mode = c.oneOf('mode', MODES);
    if (found[mode]) c.fail(`'${mode}' is there already`);
    found[mode] = true;
  }
  return found;
}

type Parser = (c: Cursor) => Operation;

const OPERATIONS: Readonly<Record<Operation['kind'], Parser>> = {
  mmap: (c) => ({
    kind: 'mmap',
    ...range(c),
    prot: prot(c),
    object: OBJECTS[c.oneOf('object', Object.keys(OBJECTS))]!,
    offset: filePage(c),
    modes: modes(c),
  }),
  munmap: (c) => ({ kind: 'munmap', ...range(c) }),
  mprotect: (c) => ({ kind: 'mprotect', ...range(c), prot: prot(c) }),
  mremap: (c) => ({
    kind: 'mremap',
    page: page(c),
    oldPages: pages(c),
    newPages: pages(c),
    to: c.optional('to') ? page(c) : null,
    dontunmap: c.optional('dontunmap'),
  }),
  madvise: (c) => ({ kind: 'madvise', ...range(c), advice: c.oneOf('advice', ADVICE) }),
  mlock: (c) => ({ kind: 'mlock', ...range(c) }),
  mlock2: (c) => ({ kind: 'mlock2', ...range(c) }),
  munlock: (c) => ({ kind: 'munlock', ...range(c) }),
  msync: (c) => ({ kind: 'msync', ...range(c), mode: c.oneOf('mode', SYNC_MODES) }),
  mincore: (c) => ({ kind: 'mincore', ...range(c) }),
  r: (c) => ({ kind: 'r', page: page(c), at: at(c) }),
  w: (c) => ({ kind: 'w', page: page(c), at: at(c), value: value(c) }),
  fill: (c) => ({ kind: 'fill', ...range(c), value: value(c) }),
  ur: (c) => ({ kind: 'ur', page: page(c), at: at(c) }),
  uw: (c) => ({ kind: 'uw', page: page(c), at: at(c), value: value(c) }),
  fw: (c) => ({ kind: 'fw', file: file(c), page: filePage(c), at: at(c), value: value(c) }),
  fr: (c) => ({ kind: 'fr', file: file(c), page: filePage(c), at: at(c) }),
  ftrunc: (c) => ({
    kind: 'ftrunc',
    file: file(c),
    halfPages: c.whole('number of half pages', 0, 16 * FILE_PAGES),
  }),
  fpunch: (c) => ({ kind: 'fpunch', file: file(c), page: filePage(c), pages: pages(c) }),
  fork: (c) => ({ kind: 'fork', child: child(c) }),
  exit: (c) => ({ kind: 'exit', child: child(c) }),
  dump: () => ({ kind: 'dump' }),
  state: () => ({ kind: 'state' }),
};
const NAMES = Object.keys(OPERATIONS) as Operation['kind'][];

/** The steps of a script. Throws ScriptError, which names `file`. */
export function parseScript(text: string, file: string): Step[] {
  const children = new Set<string>();
  const steps: Step[] = [];
  text.split('\n').forEach((content, index) => {
    const line = new Line(file, index + 1, content);
    if (line.words.length > 0) steps.push(parseLine(line, children));
  });
  return steps;
}

function parseLine(line: Line, children: Set<string>): Step {
  const c = line.cursor();
  const name = c.peek().startsWith('@') ? c.matching('process', /^@[A-Za-z]\w*$/).slice(1) : null;
  if (name !== null && !children.has(name)) c.fail(`there is no child '${name}' now`);
  const first = c.position;
  const operation = OPERATIONS[c.oneOf('operation', NAMES)](c);
  if (operation.kind === 'fork' || operation.kind === 'exit') account(operation, name, children, c);
  c.end();
  return {
    proc: name ?? '0',
    operation,
    text: line.words
      .slice(first)
      .map((w) => w.text)
      .join(' '),
  };
}

/** Which children there are: known without running anything. */
function account(
  { kind, child: name }: { readonly kind: 'fork' | 'exit'; readonly child: string },
  by: string | null,
  children: Set<string>,
  c: Cursor,
): void {
  if (kind === 'fork') {
    if (children.has(name)) c.fail(`there is a child '${name}' already`);
    children.add(name);
    return;
  }
  if (by !== null) c.fail('children are ended by process 0');
  if (!children.delete(name)) c.fail(`there is no child '${name}' now`);
}
