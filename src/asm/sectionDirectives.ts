// Section directives: which section the following statements fill.
//
// Looked up by directives.ts. A section belongs to text, rodata, data or bss by its flags, or by its name where a known
// name has none; without the flag `a` it is not part of the program and what is in it is dropped.

import type { Assembly } from './assembly.ts';
import type { Cursor } from './cursor.ts';
import { Fault } from './errors.ts';
import { MAX_NESTING } from './limits.ts';
import type { Section, SectionKind } from './sections.ts';

type Directive = (a: Assembly, c: Cursor) => void;

const KNOWN: readonly (readonly [prefix: string, kind: SectionKind])[] = [
  ['.text', 'text'],
  ['.init', 'text'],
  ['.fini', 'text'],
  ['.rodata', 'rodata'],
  ['.srodata', 'rodata'],
  ['.data', 'data'],
  ['.sdata', 'data'],
  ['.init_array', 'data'],
  ['.fini_array', 'data'],
  ['.preinit_array', 'data'],
  ['.tohost', 'data'],
  ['.bss', 'bss'],
  ['.sbss', 'bss'],
  ['.comment', 'dropped'],
  ['.note', 'dropped'],
  ['.debug', 'dropped'],
  ['.riscv', 'dropped'],
];

const kindByName = (name: string): SectionKind | undefined =>
  KNOWN.find(([prefix]) => name === prefix || name.startsWith(`${prefix}.`) || isDebug(name, prefix))?.[1];

/** .debug_info and its kin continue with an underscore. */
const isDebug = (name: string, prefix: string): boolean => prefix === '.debug' && name.startsWith('.debug_');

function kindByFlags(flags: string, type: string): SectionKind {
  if (!flags.includes('a')) return 'dropped';
  if (flags.includes('x')) return 'text';
  if (type === 'nobits') return 'bss';
  return flags.includes('w') ? 'data' : 'rodata';
}

const OPERANDS = /^\s*(?:"([^"]*)"|([^\s,"]+))\s*(?:,\s*"([^"]*)"\s*(?:,\s*[@%](\w+)\s*(?:,[\w\s.,]*)?)?)?$/;

/** name[, "flags"[, @type[, ...]]] */
function parseSection(a: Assembly, c: Cursor): Section {
  const match = OPERANDS.exec(c.raw);
  if (match === null) throw new Fault(c.operands, 'expected a section as in: .section .name,"aw",@progbits');
  const name = (match[1] ?? match[2])!;
  const [, , , flags, type] = match;
  if (flags?.includes('T')) throw new Fault(c.operands, 'thread-local sections are not supported');
  const existing = a.sections.get(name);
  const kind =
    flags === undefined ? (existing?.kind ?? kindByName(name)) : kindByFlags(flags, type ?? 'progbits');
  if (kind === undefined) throw new Fault(c.operands, `section '${name}' needs flags, such as "aw"`);
  if (existing !== undefined && existing.kind !== kind) {
    throw new Fault(c.operands, `section '${name}' was ${existing.kind} before and cannot become ${kind}`);
  }
  return a.section(name, kind, c.operands);
}

const fixed =
  (name: string, kind: SectionKind): Directive =>
  (a, c) => {
    c.end();
    a.switchTo(a.section(name, kind, c.start));
  };

function push(a: Assembly, c: Cursor): void {
  if (a.saved.length >= MAX_NESTING) c.fail(`sections are nested more than ${MAX_NESTING} deep`);
  const section = parseSection(a, c);
  a.saved.push(a.current);
  a.switchTo(section);
}

function pop(a: Assembly, c: Cursor): void {
  c.end();
  const section = a.saved.pop();
  if (section === undefined) throw new Fault(c.start, '.popsection without .pushsection');
  a.switchTo(section);
}

function previous(a: Assembly, c: Cursor): void {
  c.end();
  a.switchTo(a.previous);
}

export const SECTION_DIRECTIVES: ReadonlyMap<string, Directive> = new Map([
  ['.text', fixed('.text', 'text')],
  ['.rodata', fixed('.rodata', 'rodata')],
  ['.data', fixed('.data', 'data')],
  ['.bss', fixed('.bss', 'bss')],
  ['.section', (a, c) => a.switchTo(parseSection(a, c))],
  ['.pushsection', push],
  ['.popsection', pop],
  ['.previous', previous],
]);
